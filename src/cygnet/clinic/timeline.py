"""One lesion through its visits: pictures, measurements, and what changed beyond the patient's other lesions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from cygnet.clinic.reading import lesion_row, newest_assessment, thawed, visits_of
from cygnet.clinic.view import LesionView, patient_view
from cygnet.context.reasons import NOTABLE
from cygnet.context.visits import GROWTH, changes, photographs
from cygnet.imaging import MEASUREMENTS

NAMES: Final = tuple(name for name, _, _ in MEASUREMENTS)
#: Of the measurements, those whose change is a share of what was there before.
RELATIVE: Final = np.array([name == "size" for name in NAMES])


@dataclass(frozen=True, slots=True)
class Moved:
    """One measurement's change since the visit before: ``value`` a share for sizes, else in the measurement's unit; ``others`` the
    median change of the patient's other lesions; ``notable`` where the difference is more than the photograph's own."""

    name: str
    value: float
    others: float
    relative: bool
    notable: bool


@dataclass(frozen=True, slots=True)
class Moment:
    """A lesion at one visit. ``measurements`` are empty while withheld or not measured; ``days`` since the moment before."""

    visit_id: int
    day: str
    lesion: LesionView
    measurements: Mapping[str, float]
    days: int | None
    moved: tuple[Moved, ...]


def timeline(
    connection: Connection, who: str, lesion_id: int, spread: Mapping[str, float]
) -> tuple[int, tuple[Moment, ...]]:
    """The patient's number and the lesion's moments, newest first. ``spread`` is a population SD of each measurement, from the model card.

    Measurements are shown for visits at which this reader may see what Cygnet says.
    """
    row = lesion_row(connection, lesion_id)
    visits = visits_of(connection, row["patient_id"])
    views = [patient_view(connection, who, row["patient_id"], v["id"]) for v in visits]
    here = [(v, next((x for x in v.lesions if x.id == lesion_id), None)) for v in views]
    found = {v.visit_id: x for v, x in here if x is not None}
    moved = _moves(connection, row["patient_id"], row["number"], spread)
    moments = []
    for v in visits:
        view = found.get(v["id"])
        if view is not None:
            measured = dict(view.told.measurements) if view.told else {}
            days, parts = moved.get(v["id"], (None, ())) if view.told else (None, ())
            moments.append(Moment(v["id"], v["day"], view, measured, days, parts))
    return int(row["patient_id"]), tuple(moments)


def day_number(day: str) -> float:
    """A visit's day as a number, NaN for what is none."""
    if day.startswith("day "):
        return float(day[4:])
    try:
        return float(date.fromisoformat(day).toordinal())
    except ValueError:
        return float("nan")


def _moves(
    connection: Connection, patient_id: int, number: int, spread: Mapping[str, float]
) -> dict[int, tuple[int | None, tuple[Moved, ...]]]:
    """By visit, how the lesion changed since the one before, beside the patient's other lesions."""
    rows = []
    for v in visits_of(connection, patient_id):
        done = newest_assessment(connection, v["id"])
        for x in thawed(done["content"]).lesions if done else ():
            if x.assessable and x.cover.measurements:
                values = [x.cover.measurements[name] for name in NAMES]
                rows.append((v["id"], int(x.lesion_id.removeprefix("L-")), day_number(v["day"]), values))
    if len(rows) < 2:
        return {}
    numbers = np.array([r[1] for r in rows], np.int64)
    shown = photographs(np.zeros(len(rows), np.int64), numbers, np.array([r[2] for r in rows]))
    order = np.array([np.flatnonzero(shown.of == k)[0] for k in range(len(shown.lesion))])
    measured = np.array([rows[k][3] for k in order], np.float64)
    found = changes(shown, measured, RELATIVE)
    limit = np.where(RELATIVE, GROWTH, NOTABLE * np.array([spread[name] for name in NAMES]))
    made: dict[int, tuple[int | None, tuple[Moved, ...]]] = {}
    for k in np.flatnonzero(shown.lesion == number):
        if not np.isnan(found.days[k]):
            parts = _parts(found.moved[k], found.beyond[k], limit)
            made[rows[order[k]][0]] = (int(found.days[k]), parts)
    return made


def _parts(moved: NDArray[Any], beyond: np.ndarray, limit: np.ndarray) -> tuple[Moved, ...]:
    return tuple(
        Moved(name, float(moved[i]), float(moved[i] - beyond[i]), bool(RELATIVE[i]), bool(abs(beyond[i]) >= limit[i]))
        for i, name in enumerate(NAMES)
        if not np.isnan(moved[i])
    )
