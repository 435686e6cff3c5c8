"""A patient goes, for good: rows, pictures, unfinished runs and the archive's copies, with proof; and who is due by the retention that is set.

The audit log stays whole, since it knows patients by their random key only. SQLite's own files are rewritten afterwards, so that deleted
rows do not linger in free pages or in the write-ahead log. Backups made before still hold the patient: the proof says so.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, or_, select

from cygnet.archive import Archive, log, traces
from cygnet.clinic.elsewhere import Elsewhere, in_archive
from cygnet.clinic.reading import patient_row
from cygnet.clinic.settings import read_settings
from cygnet.clinic.store import NOTICES, Clinic
from cygnet.clinic.tables import (
    assessment,
    erasing,
    image,
    lesion,
    metadata,
    opened,
    outcome,
    patient,
    reveal,
    verdict,
    visit,
)
from cygnet.errors import OutputError


def due(connection: Connection, today: date | None = None) -> list[int]:
    """Patients whose last visit is longer ago than the retention; none where it is 0. Visits without a date count from admission."""
    days = read_settings(connection).retention_days
    if not days:
        return []
    limit = ((today or date.today()) - timedelta(days=days)).isoformat()
    statement = (
        select(patient.c.id, patient.c.created, func.max(visit.c.day).label("day"))
        .join(visit, visit.c.patient_id == patient.c.id)
        .group_by(patient.c.id)
    )
    rows = connection.execute(statement).all()
    return [r.id for r in rows if (r.created[:10] if r.day.startswith("day ") else r.day) < limit]


def erase(
    clinic: Clinic, who: str, patient_id: int, why: str, archive: Archive | None = None, *, copies: bool = True
) -> dict[str, Any]:
    """Erase a patient; returns the proof: what was removed, what was looked for afterwards and not found.

    With an ``archive``, what it has of the patient (:func:`cygnet.clinic.elsewhere.in_archive`) goes first, unless ``copies`` is
    False; its own proof is in "archive", what is left there for a person to judge in "archive_left".

    Raises
    ------
    UnknownError
        If there is no such patient.
    OutputError
        If something is still there afterwards; the message names it.
    """
    there = in_archive(clinic, archive, patient_id) if archive is not None else Elsewhere()
    gone = archive.erase(there.images, who, why) if archive is not None and copies and there.images else None
    with clinic.write() as connection:
        person = dict(patient_row(connection, patient_id))
        wanted, runs = _belongings(connection, patient_id)
        connection.execute(erasing.insert().values(patient_id=patient_id))
        rows = _delete_rows(connection, patient_id)
        connection.execute(erasing.delete())
        shared = _used(connection, wanted)
        about = {"patient": person["key"], "why": why, "rows": rows, "pictures": len(wanted - shared)}
        about |= {"archive": {"images": len(gone["images"]), "entry": gone["log_entry"]}} if gone else {}
        sealed = log.append(connection, who, "erase", about)
    removed = sorted(name for name in wanted - shared if clinic.pictures.delete(name))
    for number in runs:
        shutil.rmtree(clinic.runs / str(number), ignore_errors=True)
    marks = traces.marks((str(person["label"]), *removed))
    titled = f'"title": {json.dumps(person["label"], ensure_ascii=False)}'
    notices = traces.forget_files(clinic.folder / NOTICES, "*.json", [*marks, titled.encode()])
    clinic.database.rewrite()
    left = _left(clinic, removed, marks)
    if left:
        raise OutputError(f"patient {person['key']} is erased, but is still found in {', '.join(left)}; erase again")
    return {
        "schema": "cygnet-erasure-1",
        "patient": person["key"],
        "at": log.now(),
        "by": who,
        "why": why,
        "rows": rows,
        "pictures": removed,
        "shared_pictures_kept": len(shared),
        "run_notices": notices,
        "searched": [
            *(t.name for t in metadata.sorted_tables),
            "pictures",
            "runs",
            "the database's files, byte by byte",
            *("the archive" for _ in [archive] if archive is not None),
        ],
        "found": [],
        "log_entry": sealed,
        "archive": gone,
        "archive_left": _judged(there, gone),
        "note": "Backups and exports made before still hold the patient; delete them, or let them expire.",
    }


def _judged(there: Elsewhere, gone: dict[str, Any] | None) -> dict[str, list[str]]:
    """What the archive still has that may be this patient's."""
    kept = {"same": () if gone else there.images, "alike": there.alike, "namesakes": there.namesakes}
    return {name: list(ids) for name, ids in kept.items() if ids}


def _belongings(connection: Connection, patient_id: int) -> tuple[set[str], list[int]]:
    """Hashes of the patient's pictures, and numbers of the assessments."""
    of = select(visit.c.id).filter_by(patient_id=patient_id)
    rows = connection.execute(select(image.c.sha256, image.c.thumbnail).where(image.c.visit_id.in_(of))).all()
    runs = connection.execute(select(assessment.c.id).where(assessment.c.visit_id.in_(of))).scalars()
    return {name for row in rows for name in row if name}, list(runs)


def _delete_rows(connection: Connection, patient_id: int) -> dict[str, int]:
    lesions = select(lesion.c.id).filter_by(patient_id=patient_id)
    visits = select(visit.c.id).filter_by(patient_id=patient_id)
    counts = {}
    for table in (opened, reveal, verdict, outcome):
        counts[table.name] = connection.execute(delete(table).where(table.c.lesion_id.in_(lesions))).rowcount
    for table in (assessment, image):
        counts[table.name] = connection.execute(delete(table).where(table.c.visit_id.in_(visits))).rowcount
    for table in (lesion, visit):
        counts[table.name] = connection.execute(delete(table).filter_by(patient_id=patient_id)).rowcount
    counts[patient.name] = connection.execute(delete(patient).filter_by(id=patient_id)).rowcount
    return counts


def _used(connection: Connection, names: Iterable[str]) -> set[str]:
    """Those of the pictures that another patient has, too."""
    return {
        name
        for name in names
        if connection.execute(select(image.c.id).where(or_(image.c.sha256 == name, image.c.thumbnail == name))).first()
    }


def _left(clinic: Clinic, removed: list[str], marks: list[bytes]) -> list[str]:
    """Where something of the patient can still be found."""
    places = [f"picture {name[:12]}" for name in removed if clinic.pictures.has(name)]
    files = clinic.database.files()
    return places + [f"{file.name} ({mark[:12]})" for file in files for mark in traces.found_in(file, marks)]
