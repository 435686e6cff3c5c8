"""Images into the clinic: patients, visits and lesions are found or made, pictures kept without what else their files carried."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from PIL import Image
from sqlalchemy import Connection, Table, func, select

from cygnet.archive import log
from cygnet.archive.ingest.examine import THUMBNAIL, picture_of
from cygnet.archive.views import bare_view
from cygnet.clinic.incoming import Incoming
from cygnet.clinic.scale import ruler_scale
from cygnet.clinic.settings import read_settings
from cygnet.clinic.store import Clinic, random_key
from cygnet.clinic.tables import assessment, image, lesion, patient, visit
from cygnet.errors import DecodeError, InputError
from cygnet.imaging import decode
from cygnet.imaging.decode import FORMATS

_SIDE = 64


@dataclass(frozen=True, slots=True)
class Kept:
    """A picture in the store: its hash, that of its thumbnail (None where it cannot be decoded), pixels of the picture, and its scale by
    the file's header or a ruler, None where neither tells."""

    sha256: str
    thumbnail: str | None
    width: int
    height: int
    mm_per_pixel: float | None = None


@dataclass(frozen=True, slots=True)
class Admitted:
    """What came of it: numbers of the ``patients``, of the ``assessments`` that are now waiting; images ``added`` and those that
    were ``known`` already."""

    patients: tuple[int, ...]
    assessments: tuple[int, ...]
    added: int
    known: int


def admit(
    clinic: Clinic,
    who: str,
    items: Iterable[Incoming],
    source: str,
    *,
    simulated: bool = False,
    on_image: Callable[[int], None] = lambda _: None,
) -> Admitted:
    """Take images in and queue an assessment for each visit that has new ones; all of them or, on any error, none.

    Raises
    ------
    InputError
        If there is no image, or a lesion turns up on another patient.
    """
    pictures = []
    for n, item in enumerate(items, start=1):
        pictures.append((item, _keep(clinic, item.load())))
        on_image(n)
    if not pictures:
        raise InputError("no images came in; choose a folder of JPEG, PNG, TIFF or DICOM files")
    with clinic.write() as connection:
        return _record(connection, who, pictures, source, simulated)


def _keep(clinic: Clinic, data: bytes) -> Kept:
    try:
        picture = picture_of(data)
        found = picture.data
        decoded = decode(found, _SIDE, thumbnail=THUMBNAIL)
        with Image.open(io.BytesIO(found), formats=FORMATS) as opened:
            view = bare_view(found, opened)
    except DecodeError:
        return Kept(clinic.pictures.put(data), None, 0, 0)
    thumbnail = clinic.pictures.put(decoded.thumbnail or b"")
    scale = picture.mm_per_pixel or ruler_scale(found)
    return Kept(clinic.pictures.put(view), thumbnail, decoded.width, decoded.height, scale)


def _record(
    connection: Connection, who: str, pictures: list[tuple[Incoming, Kept]], source: str, simulated: bool
) -> Admitted:
    patients: dict[int, None] = {}
    fresh: dict[int, int] = {}
    known = 0
    for item, kept in pictures:
        person = _patient(connection, item, source, simulated)
        patients[person] = None
        occasion = _find_or_add(connection, visit, patient_id=person, day=item.day)
        if connection.execute(select(image.c.id).filter_by(visit_id=occasion, sha256=kept.sha256)).scalar():
            known += 1
            continue
        spot = _lesion(connection, person, item)
        connection.execute(
            image.insert().values(
                visit_id=occasion,
                lesion_id=spot,
                name=_free_name(connection, occasion, item.name),
                sha256=kept.sha256,
                thumbnail=kept.thumbnail,
                width=kept.width,
                height=kept.height,
                mm_per_pixel=item.mm_per_pixel or kept.mm_per_pixel,
            )
        )
        fresh[occasion] = fresh.get(occasion, 0) + 1
    queued = tuple(queue(connection, occasion) for occasion in fresh)
    keys = connection.execute(select(patient.c.key).where(patient.c.id.in_(patients)).order_by(patient.c.id)).scalars()
    added = sum(fresh.values())
    log.append(connection, who, "admit", {"patients": list(keys), "images": added, "known": known})
    return Admitted(tuple(patients), queued, added, known)


def queue(connection: Connection, visit_id: int) -> int:
    """A waiting assessment of all images of a visit; returns its number."""
    settings = read_settings(connection)
    connection.execute(assessment.delete().filter_by(visit_id=visit_id, state="waiting"))
    n = connection.execute(select(func.count()).select_from(image).filter_by(visit_id=visit_id)).scalar_one()
    made = connection.execute(
        assessment.insert().values(
            visit_id=visit_id,
            created=log.now(),
            state="waiting",
            images=n,
            prevalence=settings.prevalence,
            guard=settings.guard,
        )
    )
    return _number(made)


def _patient(connection: Connection, item: Incoming, source: str, simulated: bool) -> int:
    facts = {"age": item.age, "sex": item.sex, "skin_type": item.skin_type}
    row = connection.execute(select(patient).filter_by(label=item.patient)).mappings().first()
    if row is None:
        values = {"key": random_key(), "label": item.patient, "simulated": simulated, "source": source, **facts}
        return _number(connection.execute(patient.insert().values(**values, created=log.now())))
    news = {name: value for name, value in facts.items() if value is not None and row[name] is None}
    if news:
        connection.execute(patient.update().where(patient.c.id == row["id"]).values(**news))
    return int(row["id"])


def _lesion(connection: Connection, person: int, item: Incoming) -> int:
    name = item.lesion or item.name
    row = connection.execute(select(lesion).filter_by(patient_id=person, name=name)).mappings().first()
    place = {"site": item.site, "path": item.path, "laterality": item.laterality}
    if row is None:
        highest = connection.execute(select(func.max(lesion.c.number)).filter_by(patient_id=person)).scalar() or 0
        values = {"patient_id": person, "number": highest + 1, "name": name, **place}
        return _number(connection.execute(lesion.insert().values(**values)))
    news = {k: v for k, v in place.items() if v is not None and row[k] is None}
    if news:
        connection.execute(lesion.update().where(lesion.c.id == row["id"]).values(**news))
    return int(row["id"])


def _find_or_add(connection: Connection, table: Table, **values: Any) -> int:
    found = connection.execute(select(table.c.id).filter_by(**values)).scalar()
    return int(found) if found is not None else _number(connection.execute(table.insert().values(**values)))


def _free_name(connection: Connection, visit_id: int, name: str) -> str:
    """The name, numbered where the visit has another picture of that name."""
    taken = set(connection.execute(select(image.c.name).filter_by(visit_id=visit_id)).scalars())
    numbered = (f"{name} ({n})" for n in range(2, len(taken) + 3))
    return name if name not in taken else next(n for n in numbered if n not in taken)


def _number(result: Any) -> int:
    return int(result.inserted_primary_key[0])
