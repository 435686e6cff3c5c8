"""A patient goes, for good: rows, pictures and unfinished runs, with proof; and who is due by the retention that is set.

The audit log stays whole, since it knows patients by their random key only. SQLite's own files are rewritten afterwards, so that deleted
rows do not linger in free pages or in the write-ahead log. Backups made before still hold the patient: the proof says so.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import suppress
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, or_, select

from cygnet.archive import log
from cygnet.clinic.reading import patient_row
from cygnet.clinic.settings import read_settings
from cygnet.clinic.store import Clinic
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


def erase(clinic: Clinic, who: str, patient_id: int, why: str) -> dict[str, Any]:
    """Erase a patient; returns the proof: what was removed, what was looked for afterwards and not found.

    Raises
    ------
    UnknownError
        If there is no such patient.
    OutputError
        If something is still there afterwards; the message names it.
    """
    with clinic.write() as connection:
        person = dict(patient_row(connection, patient_id))
        wanted, runs = _belongings(connection, patient_id)
        connection.execute(erasing.insert().values(patient_id=patient_id))
        rows = _delete_rows(connection, patient_id)
        connection.execute(erasing.delete())
        shared = _used(connection, wanted)
        about = {"patient": person["key"], "why": why, "rows": rows, "pictures": len(wanted - shared)}
        sealed = log.append(connection, who, "erase", about)
    removed = sorted(name for name in wanted - shared if clinic.pictures.delete(name))
    for number in runs:
        shutil.rmtree(clinic.runs / str(number), ignore_errors=True)
    _rewrite(clinic)
    left = _left(clinic, person, removed)
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
        "searched": [
            *(t.name for t in metadata.sorted_tables),
            "pictures",
            "runs",
            "the database's files, byte by byte",
        ],
        "found": [],
        "log_entry": sealed,
        "note": "Backups and exports made before still hold the patient; delete them, or let them expire.",
    }


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


def _rewrite(clinic: Clinic) -> None:
    """Rewrite the database's files without their free pages."""
    clinic.database.close()
    with clinic.database.engine.connect() as connection:
        for statement in ("PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
            connection.connection.execute(statement)


def _left(clinic: Clinic, person: dict[str, Any], removed: list[str]) -> list[str]:
    """Where something of the patient can still be found."""
    places = [f"picture {name[:12]}" for name in removed if clinic.pictures.has(name)]
    label = str(person["label"]).encode()
    for name in ("", "-wal"):
        file = clinic.path.with_name(clinic.path.name + name)
        with suppress(FileNotFoundError):
            data = file.read_bytes()
            places += [
                f"{file.name} ({mark[:12].decode(errors='replace')})" for mark in _marks(label, removed) if mark in data
            ]
    return places


def _marks(label: bytes, removed: list[str]) -> list[bytes]:
    """What is searched for in the files: hashes of pictures, and the label where it is long enough to be told from chance."""
    return [*([label] if len(label) >= 6 else []), *(name.encode() for name in removed)]
