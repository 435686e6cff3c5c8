"""What comes into the clinic: folders, tables, DICOM files and the archive, as one kind of item."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cygnet.archive.ingest.examine import picture_of
from cygnet.clinic.scale import stated_scale
from cygnet.errors import DecodeError, InputError
from cygnet.schema import ImageRecord, is_missing
from cygnet.schema.columns import plain
from cygnet.schema.sites import find_site, general_site, read_laterality
from cygnet.triage import collect

if TYPE_CHECKING:
    from cygnet.archive import Archive

_TABLES: Final = (".csv", ".tsv", ".parquet")
MANIFESTS: Final = ("manifest.csv", "metadata.csv", "manifest.parquet")
#: Whom a row of a table belongs to that names no patient.
NOBODY: Final = "patient"
#: Columns of a table that only the clinic reads.
_OWN: Final = {
    "visit": ("visit", "visit_date", "date"),
    "laterality": ("laterality",),
    "skin_type": ("skin_type",),
    "scale": ("mm_per_pixel", "mm_per_px"),
}


@dataclass(frozen=True, slots=True)
class Incoming:
    """One image on its way in. ``load`` gives the file's bytes; ``day`` is the visit's, ISO 8601 or "day N"; ``path`` a node of
    ISIC's sites where more than the general ``site`` is known; ``mm_per_pixel`` the scale where a table states it."""

    patient: str
    name: str
    load: Callable[[], bytes]
    day: str
    lesion: str | None = None
    age: float | None = None
    sex: str | None = None
    skin_type: str | None = None
    site: str | None = None
    path: str | None = None
    laterality: str | None = None
    mm_per_pixel: float | None = None


def from_paths(
    paths: Sequence[str | os.PathLike[str]], *, patient: str | None = None, day: str | None = None
) -> list[Incoming]:
    """Items of folders, image files, DICOM files and tables, found as ``cygnet rank`` finds them.

    ``patient`` names the patient of everything that does not name its own; ``day`` is the visit of what has no day, by default
    today. A table may also have the columns ``visit`` (ISO date), ``laterality``, ``skin_type`` and ``mm_per_pixel``.

    Raises
    ------
    InputError
        Naming the path, row or column and the fix.
    """
    today = day or date.today().isoformat()
    _check_day(today)
    details = {name: rows for path in paths for name, rows in _details(Path(path))}
    made = [(_from_record(r, details, today), r.origin in details and r.patient_id != NOBODY) for r in collect(paths)]
    return [_with_header(replace(m, patient=patient) if patient and not named else m) for m, named in made]


def _check_day(day: str) -> None:
    try:
        date.fromisoformat(day)
    except ValueError as error:
        raise InputError(f"the day of the visit {day!r} is no date; write it as 2026-11-20") from error


def _details(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Values that only the clinic reads, by the origin that ``collect`` gives a row."""
    from cygnet.schema.tables import read_frame

    if path.is_dir():
        path = next((path / name for name in MANIFESTS if (path / name).is_file()), path)
    if path.suffix.lower() not in _TABLES:
        return
    frame = read_frame(path)
    named = {plain(c): c for c in reversed(frame.columns)}
    columns = {k: named[n] for k, names in _OWN.items() for n in reversed(names) if n in named}
    place = next((named[n] for n in ("site", "anatom_site", "localization") if n in named), None)
    columns |= {"place": place} if place else {}
    for number, row in enumerate(frame.iter_rows(named=True), start=2):
        values = {k: str(row[c]).strip() for k, c in columns.items() if not is_missing(row[c])}
        yield f"{path.name} row {number}", values


def _from_record(record: ImageRecord, details: dict[str, dict[str, Any]], today: str) -> Incoming:
    own = details.get(record.origin, {})
    day = own.get("visit") or (today if record.acquisition_day is None else f"day {record.acquisition_day:05d}")
    if "visit" in own:
        _check_day(day)
    place = find_site(own["place"]) if "place" in own else None
    side = own.get("laterality") or (place.laterality if place else None)
    return Incoming(
        patient=record.patient_id,
        name=record.image,
        load=partial(bytes_of, record.path),
        day=day,
        lesion=record.lesion_id,
        age=record.age,
        sex=record.sex,
        skin_type=own.get("skin_type"),
        site=record.site,
        path=place.path if place else None,
        laterality=read_laterality(side) if side else None,
        mm_per_pixel=stated_scale(own["scale"]) if "scale" in own else None,
    )


def bytes_of(path: Path) -> bytes:
    """A file's bytes; none where it cannot be read, which then is said of the picture."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _with_header(item: Incoming) -> Incoming:
    """What a DICOM file's header says, where nothing else says it."""
    data = item.load()
    if data[128:132] != b"DICM":
        return item
    try:
        said = picture_of(data).record
    except DecodeError:
        return item
    return replace(
        item,
        patient=str(said.get("patient_id") or item.patient),
        lesion=item.lesion or said.get("lesion_id"),
        age=item.age if item.age is not None else said.get("age"),
        sex=item.sex or said.get("sex"),
    )


def from_archive(archive: Archive, query: str, *, day: str | None = None) -> list[Incoming]:
    """The images of an archive that ``query`` finds, with the patients and lesions it knows them by.

    Raises
    ------
    InputError
        If the query finds nothing.
    """
    today = day or date.today().isoformat()
    items: list[Incoming] = []
    cursor = None
    while True:
        page = archive.search(query, cursor=cursor)
        items.extend(_from_result(archive, result, today) for result in page.results)
        cursor = page.next
        if cursor is None:
            break
    if not items:
        raise InputError(f"{query!r} finds no image in the archive; try: cygnet archive search DIR QUERY")
    return items


def _from_result(archive: Archive, result: dict[str, Any], today: str) -> Incoming:
    clinical = result.get("metadata", {}).get("clinical", {})
    acquired = result.get("metadata", {}).get("acquisition", {})
    path = ":".join(level for k in range(1, 6) if (level := clinical.get(f"anatom_site_{k}")))
    number = acquired.get("acquisition_day")
    age = clinical.get("age_approx")
    return Incoming(
        patient=str(clinical.get("patient_id") or result["isic_id"]),
        name=result["isic_id"],
        load=partial(archive.picture, result["isic_id"]),
        day=today if number is None else f"day {number:05d}",
        lesion=clinical.get("lesion_id"),
        age=None if age is None else float(age),
        sex=clinical.get("sex"),
        site=clinical.get("anatom_site_general") or general_site(path or None, clinical.get("anatom_site_special")),
        path=path or None,
    )
