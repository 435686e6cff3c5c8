"""Does the model serve everyone alike? A metric by age, sex, site, skin tone and institution."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cygnet.errors import InputError
from cygnet.evaluation.bootstrap import Resamples
from cygnet.evaluation.curve import Ladder
from cygnet.evaluation.evaluate import difference
from cygnet.evaluation.judge import CURVE, Estimate
from cygnet.evaluation.study import Study

Floats = NDArray[np.float64]

#: Melanomas, and other lesions, that a group needs before its metric is shown.
LEAST: Final = 20
_AGES: Final = ((0, 30, "under 30"), (30, 50, "30 to 49"), (50, 70, "50 to 69"), (70, 200, "70 and over"))
#: Individual typology angle in degrees, from light to dark (Del Bino & Bernerd 2013).
_TONES: Final = (
    (55.0, 181.0, "very light"),
    (41.0, 55.0, "light"),
    (28.0, 41.0, "intermediate"),
    (10.0, 28.0, "tan"),
    (-30.0, 10.0, "brown"),
    (-181.0, -30.0, "dark"),
)


def groups(study: Study) -> dict[str, NDArray[np.object_]]:
    """By variable the group of each row, "" where unknown: age bands, ITA classes, and the other attributes as they are."""
    made: dict[str, NDArray[np.object_]] = {}
    for name, values in study.attributes.items():
        if name == "age":
            made["age"] = _banded(values, _AGES)
        elif name == "ita":
            made["skin tone (ITA)"] = _banded(values, tuple((low, high, label) for low, high, label in _TONES))
        else:
            made[name.replace("_", " ")] = values
    return made


def _banded(values: NDArray[np.object_], bands: tuple[tuple[float, float, str], ...]) -> NDArray[np.object_]:
    made = np.full(len(values), "", dtype=object)
    for i, value in enumerate(values):
        try:
            number = float(value)
        except ValueError:
            continue
        made[i] = next((label for low, high, label in bands if low <= number < high), "")
    return made


def in_order(values: NDArray[np.object_]) -> list[str]:
    """The groups among ``values``, bands from low to high, others by name."""
    bands = [label for *_, label in (*_AGES, *_TONES)]
    return sorted({v for v in values if v}, key=lambda v: (bands.index(v) if v in bands else -1, v))


def by_group(
    study: Study,
    scores: Floats,
    resamples: Resamples,
    *,
    metric: str = "auc",
    least: int = LEAST,
    level: float = 0.95,
) -> list[dict[str, Any]]:
    """For each variable its groups with count, metric with interval, and gap to the best group with interval.

    Gaps are paired: one resample of patients serves all groups. The best group is the best on all rows, so that gaps lean
    a little away from zero. A group with fewer than ``least`` melanomas or other lesions is counted, not judged.

    Raises
    ------
    InputError
        If ``metric`` is none of the threshold curve's, or the study has no attribute to divide by.
    """
    if metric not in CURVE:
        raise InputError(f"no metric {metric!r} for subgroups; choose one of {', '.join(CURVE)}")
    divided = groups(study)
    if not divided:
        raise InputError("the truth has no column to divide by: age, sex, site, fitzpatrick, ita or institution")
    return [_variable(name, values, study, scores, resamples, metric, least, level) for name, values in divided.items()]


def _variable(
    name: str,
    values: NDArray[np.object_],
    study: Study,
    scores: Floats,
    resamples: Resamples,
    metric: str,
    least: int,
    level: float,
) -> dict[str, Any]:
    found: dict[str, Estimate | None] = {}
    for group in in_order(values):
        rows = values == group
        positive = int(study.labels[rows].sum())
        enough = min(positive, int(rows.sum()) - positive) >= least
        found[group] = _metric(study, scores, rows, resamples, metric) if enough else None
    judged = {group: e for group, e in found.items() if e is not None}
    lower = metric.startswith("review")
    best = (min if lower else max)(judged.values(), key=lambda e: e.value, default=None)
    return {
        "variable": name,
        "unknown": int((values == "").sum()),
        "groups": [
            {
                "group": group,
                "n": int((values == group).sum()),
                "positives": int(study.labels[values == group].sum()),
                "metric": metric,
                **(
                    _judged(e, best, level)
                    if e is not None and best is not None
                    else {"note": f"too few (under {least})"}
                ),
            }
            for group, e in found.items()
        ],
    }


def _judged(e: Estimate, best: Estimate, level: float) -> dict[str, Any]:
    stated = e.as_json(level)
    gap = difference(e, best, level)
    return {
        **{key: stated[key] for key in ("value", "low", "high")},
        "gap": gap["difference"],
        "gap_low": gap["low"],
        "gap_high": gap["high"],
    }


def _metric(study: Study, scores: Floats, rows: NDArray[np.bool_], resamples: Resamples, metric: str) -> Estimate:
    weights = None if study.weights is None else study.weights[rows]
    ladder = Ladder.build(scores[rows], study.labels[rows], study.member[rows], weights)
    whole = CURVE[metric](ladder.climb(np.ones((1, resamples.units), np.float32)))
    drawn = [CURVE[metric](ladder.climb(c)) for c in resamples.blocks(ladder.block)]
    return Estimate(float(whole[0]), np.concatenate(drawn), int(rows.sum()))
