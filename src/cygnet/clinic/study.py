"""A clinic measures itself: what readers said before and after they saw Cygnet, against what the lesions turned out to be.

Sensitivity is the share of malignant lesions that a reader would biopsy, specificity the share of benign ones left alone. Each reader's
verdict on a lesion counts; intervals come from resampling whole patients (:mod:`cygnet.evaluation.bootstrap`), since one patient's
lesions, and all readers' verdicts on them, belong together. Lesions without an outcome count among the biopsies only.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from cygnet.archive import log
from cygnet.clinic.store import Clinic, pseudonym
from cygnet.clinic.tables import lesion, outcome, patient, reveal, verdict
from cygnet.evaluation import Resamples, interval

Floats = NDArray[np.float64]

POSITIVE: Final = "biopsy"
#: Fewest patients that an interval is stated for.
FEWEST: Final = 5
_SIZE: Final = 256


@dataclass(frozen=True, slots=True)
class Reading:
    """One reader's verdicts on one lesion at one visit. ``before`` is the last one before the reveal, ``after`` the newest, each None
    where there is none; ``seconds`` that the first took; ``malignant`` None without an outcome."""

    reader: str
    patient: str
    lesion: int
    visit: int
    before: str | None
    seconds: float | None
    together: bool
    after: str | None
    changed: bool
    malignant: bool | None
    method: str


@dataclass(frozen=True, slots=True)
class Change:
    """A share before and after, and the difference with its 95 % interval; NaN where undefined or of too few patients."""

    name: str
    n: int
    before: float
    after: float
    difference: float
    low: float
    high: float


def readings(connection: Connection) -> list[Reading]:
    """Every reading of which something was stored, by reader, patient and lesion; readers and patients under pseudonyms.

    Needs a writing connection, since pseudonyms are made when first needed.
    """
    statement = (
        select(verdict, patient.c.key.label("person"), lesion.c.number)
        .join(lesion, verdict.c.lesion_id == lesion.c.id)
        .join(patient, lesion.c.patient_id == patient.c.id)
        .order_by(verdict.c.reader, patient.c.key, lesion.c.number, verdict.c.visit_id, verdict.c.version)
    )
    groups: dict[tuple[str, int, int], list[Any]] = {}
    for row in connection.execute(statement):
        groups.setdefault((row.reader, row.lesion_id, row.visit_id), []).append(row)
    known = {r.lesion_id: r for r in connection.execute(select(outcome).order_by(outcome.c.version))}
    return [_reading(connection, rows, known.get(key[1])) for key, rows in groups.items()]


def _reading(connection: Connection, rows: Sequence[Any], known: Any) -> Reading:
    blind = [r for r in rows if not r.after_reveal]
    last = rows[-1]
    before = blind[-1].choice if blind else None
    return Reading(
        reader=pseudonym(connection, last.reader),
        patient=f"P-{last.person[:8]}",
        lesion=last.number,
        visit=last.visit_id,
        before=before,
        seconds=blind[0].seconds if blind else None,
        together=bool(blind and blind[-1].together),
        after=last.choice,
        changed=bool(blind) and last.choice != before,
        malignant=None if known is None else bool(known.malignant),
        method="" if known is None else known.method,
    )


def changes(found: Sequence[Reading], resamples: int = 2000) -> list[Change]:
    """Sensitivity, specificity and share of biopsies, before and after the reveal, over readings that have both."""
    both = [r for r in found if r.before is not None and r.after is not None]
    units = {name: k for k, name in enumerate(sorted({r.patient for r in both}))}
    rows = {
        "sensitivity": [(r, r.malignant is True, True) for r in both],
        "specificity": [(r, r.malignant is False, False) for r in both],
        "biopsies": [(r, True, True) for r in both],
    }
    return [
        _change(name, [(r, want) for r, takes, want in part if takes], units, resamples) for name, part in rows.items()
    ]


def _change(name: str, part: list[tuple[Reading, bool]], units: dict[str, int], resamples: int) -> Change:
    """Sums by patient: readings, and those that were as wanted before and after."""
    sums = np.zeros((len(units), 3))
    for r, want in part:
        right = [(said == POSITIVE) == want for said in (r.before, r.after)]
        sums[units[r.patient]] += (1, *right)
    n, before, after = sums.sum(axis=0)
    if not n:
        nan = float("nan")
        return Change(name, 0, nan, nan, nan, nan, nan)
    low = high = float("nan")
    if len({r.patient for r, _ in part}) >= FEWEST:
        low, high = interval(_replicates(sums, resamples))
    return Change(name, int(n), float(before / n), float(after / n), float((after - before) / n), low, high)


def _replicates(sums: Floats, resamples: int) -> Floats:
    drawn = [counts.astype(np.float64) @ sums for counts in Resamples(len(sums), resamples).blocks(_SIZE)]
    n, before, after = np.concatenate(drawn).T
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((after - before) / n)


def study(clinic: Clinic, who: str) -> dict[str, Any]:
    """The study: readings, changes (None where undefined), counts, as JSON takes them. In the audit log as an export."""
    with clinic.write() as connection:
        found = readings(connection)
        revealed = len(connection.execute(select(reveal.c.id)).all())
        log.append(connection, who, "export", {"what": "study", "readings": len(found)})
    return {
        "schema": "cygnet-study-1",
        "readers": len({r.reader for r in found}),
        "patients": len({r.patient for r in found}),
        "reveals": revealed,
        "with_outcome": sum(r.malignant is not None for r in found),
        "positive": POSITIVE,
        "changes": [{k: None if v != v else v for k, v in asdict(c).items()} for c in changes(found)],
        "readings": [asdict(r) for r in found],
    }


def readings_csv(found: Sequence[dict[str, Any]]) -> str:
    """The readings of :func:`study` as CSV."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, [*Reading.__slots__], lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    return buffer.getvalue()
