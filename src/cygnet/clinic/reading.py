"""What is read from the clinic's tables: the worklist, a patient's visits and lesions, the newest assessment of a visit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, and_, func, select
from sqlalchemy.engine import RowMapping

from cygnet.clinic.assess import lesion_name
from cygnet.clinic.errors import UnknownError
from cygnet.clinic.frozen import from_json
from cygnet.clinic.tables import assessment, image, lesion, patient, verdict, visit
from cygnet.triage import Assessment


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the worklist: a patient at the newest visit. ``committed`` counts lesions that this reader has judged;
    ``state`` is the newest assessment's, "" without one, with ``done`` of ``images`` while it runs."""

    patient_id: int
    label: str
    age: float | None
    sex: str | None
    skin_type: str | None
    simulated: bool
    day: str
    visits: int
    lesions: int
    assessable: int | None
    committed: int
    state: str
    done: int
    images: int
    assessment_id: int | None


def worklist(connection: Connection, who: str, text: str = "", limit: int = 200, after: int = 0) -> list[Entry]:
    """Patients, newest first, whose label holds ``text``; at most ``limit`` after leaving out ``after``."""
    last = (
        select(visit.c.patient_id, func.max(visit.c.day).label("day"), func.count().label("visits"))
        .group_by(visit.c.patient_id)
        .subquery()
    )
    newest = (
        select(assessment.c.visit_id, func.max(assessment.c.id).label("id")).group_by(assessment.c.visit_id).subquery()
    )
    now = assessment.alias()
    chosen = (
        select(patient, last.c.day, last.c.visits, visit.c.id.label("visit_id"), now.c.id.label("assessment_id"))
        .add_columns(now.c.state, now.c.done, now.c.images, now.c.assessable)
        .join(last, last.c.patient_id == patient.c.id)
        .join(visit, and_(visit.c.patient_id == patient.c.id, visit.c.day == last.c.day))
        .join(newest, newest.c.visit_id == visit.c.id, isouter=True)
        .join(now, now.c.id == newest.c.id, isouter=True)
        .where(patient.c.label.contains(text, autoescape=True))
        .order_by(patient.c.id.desc())
        .limit(limit)
        .offset(after)
    )
    rows = connection.execute(chosen).mappings().all()
    visits = [row["visit_id"] for row in rows]
    seen = _counts(
        connection, select(image.c.visit_id, func.count(image.c.lesion_id.distinct())), image.c.visit_id, visits
    )
    mine = select(verdict.c.visit_id, func.count(verdict.c.lesion_id.distinct())).where(verdict.c.reader == who)
    judged = _counts(connection, mine, verdict.c.visit_id, visits)
    return [_entry(row, seen.get(row["visit_id"], 0), judged.get(row["visit_id"], 0)) for row in rows]


def count_patients(connection: Connection, text: str = "") -> int:
    """How many patients the worklist has."""
    statement = select(func.count()).select_from(patient).where(patient.c.label.contains(text, autoescape=True))
    return int(connection.execute(statement).scalar_one())


def _counts(connection: Connection, statement: Any, column: Any, visits: list[int]) -> dict[int, int]:
    rows = connection.execute(statement.where(column.in_(visits)).group_by(column))
    return {row[0]: row[1] for row in rows}


def _entry(row: RowMapping, lesions: int, committed: int) -> Entry:
    return Entry(
        patient_id=row["id"],
        **{name: row[name] for name in ("label", "age", "sex", "skin_type", "simulated", "day", "visits")},
        lesions=lesions,
        assessable=row["assessable"],
        committed=committed,
        state=row["state"] or "",
        done=row["done"] or 0,
        images=row["images"] or 0,
        assessment_id=row["assessment_id"],
    )


def patient_row(connection: Connection, patient_id: int) -> RowMapping:
    """A patient's row; UnknownError if there is none."""
    row = connection.execute(select(patient).filter_by(id=patient_id)).mappings().first()
    if row is None:
        raise UnknownError(f"there is no patient {patient_id}; go back to the worklist")
    return row


def lesion_row(connection: Connection, lesion_id: int) -> RowMapping:
    """A lesion's row; UnknownError if there is none."""
    row = connection.execute(select(lesion).filter_by(id=lesion_id)).mappings().first()
    if row is None:
        raise UnknownError(f"there is no lesion {lesion_id}; go back to the worklist")
    return row


def visits_of(connection: Connection, patient_id: int) -> Sequence[RowMapping]:
    """A patient's visits, newest first."""
    statement = select(visit).filter_by(patient_id=patient_id).order_by(visit.c.day.desc(), visit.c.id.desc())
    return connection.execute(statement).mappings().all()


def images_of(connection: Connection, visit_id: int) -> dict[int, list[RowMapping]]:
    """The images of a visit by lesion."""
    found: dict[int, list[RowMapping]] = {}
    statement = select(image).filter_by(visit_id=visit_id).order_by(image.c.id)
    for row in connection.execute(statement).mappings():
        found.setdefault(row["lesion_id"], []).append(row)
    return found


def newest_assessment(connection: Connection, visit_id: int, *, done: bool = True) -> RowMapping | None:
    """The newest assessment of a visit, by default of those that are done."""
    statement = select(assessment).filter_by(visit_id=visit_id).order_by(assessment.c.id.desc()).limit(1)
    if done:
        statement = statement.where(assessment.c.state == "done")
    return connection.execute(statement).mappings().first()


@lru_cache(maxsize=64)
def thawed(content: str) -> Assessment:
    """A stored assessment. Its text is kept beside it, so that pages of one patient read it once."""
    return from_json(content)


def unassessable(connection: Connection, visit_id: int, row: RowMapping) -> set[int]:
    """Lesions of a visit that its assessment could not judge."""
    names = {x.lesion_id for x in thawed(row["content"]).lesions if not x.assessable}
    statement = select(lesion.c.id, lesion.c.number).join(image, image.c.lesion_id == lesion.c.id)
    rows = connection.execute(statement.where(image.c.visit_id == visit_id).distinct())
    return {r.id for r in rows if lesion_name(r.number) in names}


def is_picture(connection: Connection, sha256: str) -> bool:
    """Whether some patient has a picture or thumbnail of that hash that can be shown."""
    shown = image.c.thumbnail.is_not(None) & ((image.c.sha256 == sha256) | (image.c.thumbnail == sha256))
    return connection.execute(select(image.c.id).where(shown).limit(1)).first() is not None
