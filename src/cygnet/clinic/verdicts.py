"""Verdicts and outcomes: every version kept, nothing overwritten unseen, nothing revealed before it is stored.

A verdict belongs to a lesion at a visit. Its versions form one chain, whoever gives them: a reader who had not seen the newest version is
told both. Storing a reader's verdict and allowing that reader to see what Cygnet says happen in one transaction, in this order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.engine import RowMapping

from cygnet.archive import log
from cygnet.clinic.errors import ConflictError, UnknownError
from cygnet.clinic.reading import newest_assessment, unassessable
from cygnet.clinic.settings import read_settings
from cygnet.clinic.store import Clinic
from cygnet.clinic.tables import CHOICES, image, lesion, opened, outcome, patient, reveal, verdict
from cygnet.errors import InputError

#: Longest note, in characters.
MOST_NOTE = 2000
METHODS = ("histopathology", "follow-up", "consensus", "other")


@dataclass(frozen=True, slots=True)
class Given:
    """A verdict to store: the ``choice``, None to take one back; the ``version`` that the reader had seen, 0 for none; ``key``, one for
    each click, so that sending it again counts once."""

    choice: str | None
    version: int
    key: str
    note: str = ""


def opens(clinic: Clinic, who: str, lesion_id: int, visit_id: int) -> None:
    """Note that a reader was shown a lesion: its verdict's time runs from here."""
    with clinic.write() as connection:
        values = {"lesion_id": lesion_id, "visit_id": visit_id, "reader": who}
        connection.execute(opened.insert().values(**values, at=log.now()))
        if read_settings(connection).reveal == "open":
            _reveal(connection, who, [lesion_id], visit_id)


def give(clinic: Clinic, who: str, lesion_id: int, visit_id: int, given: Given) -> dict[str, Any]:
    """Store a verdict, then reveal what the settings allow; returns the stored row.

    Raises
    ------
    ConflictError
        If a newer version is stored than ``given.version``; nothing is changed.
    UnknownError
        If the lesion was not seen at that visit.
    InputError
        For an unknown choice, or a note that is too long.
    """
    _check(given)
    with clinic.write() as connection:
        _require(connection, lesion_id, visit_id)
        row = _store(connection, who, lesion_id, visit_id, given, together=False)
        _allow(connection, who, [lesion_id], visit_id)
    return row


def give_rest(
    clinic: Clinic, who: str, visit_id: int, assessable: Sequence[int], choice: str, key: str
) -> list[dict[str, Any]]:
    """One verdict for every lesion of ``assessable`` that this reader has none on; marked as given together.

    Raises
    ------
    InputError
        For an unknown choice.
    """
    _check(Given(choice, 0, key))
    with clinic.write() as connection:
        done = _committed(connection, who, visit_id)
        rest = [i for i in assessable if i not in done]
        rows = []
        for lesion_id in rest:
            last = latest(connection, lesion_id, visit_id)
            given = Given(choice, last["version"] if last else 0, key)
            rows.append(_store(connection, who, lesion_id, visit_id, given, together=True))
        _allow(connection, who, rest, visit_id)
    return rows


def undo(clinic: Clinic, who: str, lesion_id: int, visit_id: int, version: int, key: str) -> dict[str, Any]:
    """Go back to what this reader had said before, as a new version: what was revealed stays revealed.

    Raises
    ------
    ConflictError
        If the newest version is not ``version``, or is another reader's.
    InputError
        If there is nothing to undo.
    """
    with clinic.write() as connection:
        mine = [r for r in history(connection, lesion_id, visit_id) if r["reader"] == who]
        repeated = next((r for r in mine if r["key"] == key), None)
        if repeated:
            return dict(repeated)
        last = latest(connection, lesion_id, visit_id)
        if last is None or not mine or mine[-1]["choice"] is None:
            raise InputError("there is no verdict of yours to take back")
        if last["reader"] != who:
            raise ConflictError("another reader's verdict is newer", dict(last), {"choice": None, "version": version})
        before = mine[-2] if len(mine) > 1 else None
        given = Given(before["choice"] if before else None, version, key, before["note"] if before else "")
        return _store(connection, who, lesion_id, visit_id, given, together=False, action="undo")


def history(connection: Connection, lesion_id: int, visit_id: int) -> Sequence[RowMapping]:
    """Every version of the verdict on a lesion at a visit, oldest first."""
    statement = select(verdict).filter_by(lesion_id=lesion_id, visit_id=visit_id).order_by(verdict.c.version)
    return connection.execute(statement).mappings().all()


def latest(connection: Connection, lesion_id: int, visit_id: int) -> RowMapping | None:
    """The newest version; None where there is none."""
    statement = select(verdict).filter_by(lesion_id=lesion_id, visit_id=visit_id).order_by(verdict.c.version.desc())
    return connection.execute(statement.limit(1)).mappings().first()


def record_outcome(
    clinic: Clinic,
    who: str,
    lesion_id: int,
    *,
    malignant: bool,
    method: str,
    version: int,
    key: str,
    diagnosis: str = "",
    day: str = "",
) -> dict[str, Any]:
    """Store what a lesion turned out to be, as a new version.

    Raises
    ------
    ConflictError
        If a newer version is stored than ``version``.
    InputError
        For an unknown method or a diagnosis that is too long.
    """
    if method not in METHODS:
        raise InputError(f"method {method!r} is not one of {', '.join(METHODS)}")
    if len(diagnosis) > MOST_NOTE:
        raise InputError(f"the diagnosis has {len(diagnosis)} characters; {MOST_NOTE} are possible")
    values = {"malignant": malignant, "method": method, "diagnosis": diagnosis, "day": day}
    with clinic.write() as connection:
        repeated = connection.execute(select(outcome).filter_by(reader=who, key=key)).mappings().first()
        if repeated:
            return dict(repeated)
        rows = outcomes(connection, lesion_id)
        newest = rows[-1] if rows else None
        if (newest["version"] if newest else 0) != version:
            raise ConflictError("a newer outcome is stored", dict(newest) if newest else None, values)
        row = {"lesion_id": lesion_id, "version": version + 1, "reader": who, "at": log.now(), "key": key, **values}
        connection.execute(outcome.insert().values(**row))
        about = {"lesion": _about(connection, lesion_id), "version": version + 1, "malignant": malignant}
        log.append(connection, who, "outcome", about | {"method": method})
    return row


def outcomes(connection: Connection, lesion_id: int) -> Sequence[RowMapping]:
    """Every version of a lesion's outcome, oldest first."""
    statement = select(outcome).filter_by(lesion_id=lesion_id).order_by(outcome.c.version)
    return connection.execute(statement).mappings().all()


def _check(given: Given) -> None:
    if given.choice is not None and given.choice not in CHOICES:
        raise InputError(f"verdict {given.choice!r} is not one of {', '.join(CHOICES)}")
    if len(given.note) > MOST_NOTE:
        raise InputError(f"the note has {len(given.note)} characters; {MOST_NOTE} are possible")
    if not given.key or len(given.key) > 100:
        raise InputError("the request has no key of its own; reload the page and try again")


def _require(connection: Connection, lesion_id: int, visit_id: int) -> None:
    if not connection.execute(select(image.c.id).filter_by(lesion_id=lesion_id, visit_id=visit_id)).first():
        raise UnknownError(f"lesion {lesion_id} was not photographed at visit {visit_id}")


def _store(
    connection: Connection,
    who: str,
    lesion_id: int,
    visit_id: int,
    given: Given,
    *,
    together: bool,
    action: str = "verdict",
) -> dict[str, Any]:
    same = select(verdict).filter_by(reader=who, key=given.key, lesion_id=lesion_id)
    if repeated := connection.execute(same).mappings().first():
        return dict(repeated)
    last = latest(connection, lesion_id, visit_id)
    if (last["version"] if last else 0) != given.version:
        stated = {"choice": given.choice, "note": given.note, "version": given.version}
        raise ConflictError("a newer verdict is stored", dict(last) if last else None, stated)
    at = log.now()
    seen = connection.execute(select(reveal.c.id).filter_by(lesion_id=lesion_id, visit_id=visit_id, reader=who)).first()
    row = {
        "lesion_id": lesion_id,
        "visit_id": visit_id,
        "version": given.version + 1,
        "reader": who,
        "choice": given.choice,
        "note": given.note,
        "at": at,
        "seconds": None if together else _seconds(connection, who, lesion_id, visit_id, at),
        "after_reveal": seen is not None,
        "together": together,
        "key": given.key,
    }
    connection.execute(verdict.insert().values(**row))
    about = {"lesion": _about(connection, lesion_id), "visit": visit_id, "version": row["version"]}
    log.append(connection, who, action, about | {"choice": given.choice, "after_reveal": row["after_reveal"]})
    return row


def _seconds(connection: Connection, who: str, lesion_id: int, visit_id: int, at: str) -> float | None:
    """Since the lesion was first shown after this reader's last verdict on it."""
    mine = {"lesion_id": lesion_id, "visit_id": visit_id, "reader": who}
    last = connection.execute(select(func.max(verdict.c.at)).filter_by(**mine)).scalar() or ""
    first = connection.execute(select(func.min(opened.c.at)).filter_by(**mine).where(opened.c.at > last)).scalar()
    if first is None:
        return None
    return round((datetime.fromisoformat(at) - datetime.fromisoformat(first)).total_seconds(), 1)


def _allow(connection: Connection, who: str, lesions: Iterable[int], visit_id: int) -> None:
    """Reveal what the settings allow now that the verdicts are stored."""
    policy = read_settings(connection).reveal
    if policy != "patient":
        _reveal(connection, who, lesions, visit_id)
        return
    every = set(connection.execute(select(image.c.lesion_id).filter_by(visit_id=visit_id)).scalars())
    wanted = every - _not_assessable(connection, visit_id)
    if wanted and wanted <= _committed(connection, who, visit_id):
        _reveal(connection, who, sorted(wanted), visit_id)


def _not_assessable(connection: Connection, visit_id: int) -> set[int]:
    found = newest_assessment(connection, visit_id)
    return unassessable(connection, visit_id, found) if found else set()


def _committed(connection: Connection, who: str, visit_id: int) -> set[int]:
    """Lesions on which this reader has given a verdict at the visit, also those taken back since."""
    statement = select(verdict.c.lesion_id).filter_by(visit_id=visit_id, reader=who).distinct()
    return set(connection.execute(statement).scalars())


def _reveal(connection: Connection, who: str, lesions: Iterable[int], visit_id: int) -> None:
    known = set(connection.execute(select(reveal.c.lesion_id).filter_by(visit_id=visit_id, reader=who)).scalars())
    fresh = [i for i in lesions if i not in known]
    if not fresh:
        return
    at = log.now()
    for lesion_id in fresh:
        connection.execute(reveal.insert().values(lesion_id=lesion_id, visit_id=visit_id, reader=who, at=at))
    log.append(connection, who, "reveal", {"lesions": [_about(connection, i) for i in fresh], "visit": visit_id})


def _about(connection: Connection, lesion_id: int) -> str:
    """A lesion as the log names it: the patient's key and the lesion's number."""
    statement = (
        select(patient.c.key, lesion.c.number)
        .join(lesion, lesion.c.patient_id == patient.c.id)
        .where(lesion.c.id == lesion_id)
    )
    row = connection.execute(statement).first()
    if row is None:
        raise UnknownError(f"there is no lesion {lesion_id}")
    return f"{row.key}/{row.number}"
