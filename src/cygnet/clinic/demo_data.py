"""Real pictures for a demonstration: a few patients out of what may be whole data sets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import Final

from cygnet.clinic.incoming import MANIFESTS, NOBODY, Incoming, bytes_of, from_paths
from cygnet.errors import InputError
from cygnet.schema import ImageRecord
from cygnet.triage import collect

#: Patients and pictures of each that a demonstration shows at most, so that it is there in a few minutes.
PATIENTS: Final = 6
PICTURES: Final = 40
#: What the pictures of different people, put together, are called.
MADE_UP: Final = "MADE-UP"
_LESIONS: Final = 24


def some_patients(place: Path) -> list[Incoming]:
    """The patients of a folder, file or table with the most pictures; of a folder of data sets, some of each.

    A data set that names no patients gives one made-up patient of lesions from all over it, called so, without age and sex.

    Raises
    ------
    InputError
        If there is nothing to show, naming the path and the fix.
    """
    sets = data_sets(place)
    if not sets:
        return _most(from_paths([place]))
    found = [item for one in sets for item in _of_set(one)]
    if not found:
        raise InputError(f"{place}: its tables name no pictures that are there; name one folder of pictures")
    real = [item for item in found if not item.patient.startswith(MADE_UP)]
    return _most(real) + [item for item in found if item.patient.startswith(MADE_UP)]


def data_sets(place: Path) -> list[Path]:
    """The folder itself if it has a manifest, else those in it that have one."""
    if not place.is_dir():
        return []
    folders = [place, *sorted(p for p in place.iterdir() if p.is_dir())]
    having = [folder for folder in folders if any((folder / name).is_file() for name in MANIFESTS)]
    return [place] if place in having else having


def _of_set(folder: Path) -> list[Incoming]:
    records = collect([folder], facts=False)
    named = {record.patient_id for record in records} - {NOBODY}
    return [i for i in from_paths([folder]) if i.patient in named] if named else _made_up(folder.name, records)


def _made_up(name: str, records: Sequence[ImageRecord]) -> list[Incoming]:
    """Every so manyth lesion as if of one patient."""
    lesions = list({record.lesion_id or record.image: record for record in records}.values())
    chosen = lesions[:: max(1, len(lesions) // _LESIONS)][:_LESIONS]
    today = date.today().isoformat()
    return [Incoming(f"{MADE_UP}-{name}", r.image, partial(bytes_of, r.path), today) for r in chosen]


def _most(items: Iterable[Incoming]) -> list[Incoming]:
    """The patients with the most pictures, in the order of their names."""
    by_name: dict[str, list[Incoming]] = {}
    for item in items:
        by_name.setdefault(item.patient, []).append(item)
    kept = sorted(sorted(by_name, key=lambda name: (-len(by_name[name]), name))[:PATIENTS])
    return [item for name in kept for item in by_name[name][:PICTURES]]


__all__ = ["MADE_UP", "PATIENTS", "PICTURES", "data_sets", "some_patients"]
