"""The board: entries in order, with how sure the order is.

A rank comes with its interval over the resamples that all entries share, and each entry is tested against the one above;
where that test does not tell them apart they are shown as tied. What cannot be scored stands last, never first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cygnet.evaluation.bootstrap import holm, interval, p_value

#: Below this adjusted p two neighbours are told apart.
ALPHA: Final = 0.05
#: Resamples that rank intervals rest on; more would not change a whole number.
_FOR_RANKS: Final = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a board. ``value`` in [0, 1], higher is better, None where undefined; ``drawn`` (r,) its bootstrap values,
    of the same resamples for all entries; ``probes`` how many of its team's runs have been scored; ``shown`` what stands
    beside it."""

    value: float | None
    drawn: NDArray[np.float32]
    probes: int
    shown: dict[str, Any]


def rows(entries: Sequence[Entry], digits: int | None = None) -> list[dict[str, Any]]:
    """The lines of a board, best first; ``digits`` rounds what is shown.

    ``rank`` is shared by equal values; ``rank_low`` and ``rank_high`` bound it at 95 %; ``above`` is the difference to the
    entry above with interval, p and Holm-adjusted p, ``tied`` whether it is not told apart from it; ``probed_low`` and
    ``probed_high`` are the interval widened for the team's ``probes``.
    """
    order = sorted(entries, key=lambda e: (e.value is None, -(e.value or 0.0), str(e.shown.get("team", ""))))
    if not order:
        return []
    low, high = _rank_intervals([e.drawn for e in order])
    above = [None, *(_difference(b, a) for a, b in pairwise(order))]
    adjusted = holm([float("nan") if d is None else d["p"] for d in above])
    made: list[dict[str, Any]] = []
    for k, e in enumerate(order):
        same = k and e.value is not None and e.value == order[k - 1].value
        test = above[k]
        made.append(
            {
                **e.shown,
                "rank": made[-1]["rank"] if same else k + 1 if e.value is not None else None,
                "rank_low": low[k] if e.value is not None else None,
                "rank_high": high[k] if e.value is not None else None,
                **_intervals(e, digits),
                "probes": e.probes,
                "above": None if test is None else {**_rounded(test, digits), "p_adjusted": _finite(adjusted[k])},
                "tied": bool(test is not None and (same or not adjusted[k] < ALPHA)),
            }
        )
    return made


def _difference(e: Entry, above: Entry) -> dict[str, Any] | None:
    if e.value is None or above.value is None:
        return None
    drawn = e.drawn.astype(np.float64) - above.drawn
    low, high = interval(drawn)
    p = 1.0 if not drawn.any() else p_value(drawn)
    return {"difference": e.value - above.value, "low": _finite(low), "high": _finite(high), "p": p}


def _intervals(e: Entry, digits: int | None) -> dict[str, Any]:
    low, high = interval(e.drawn.astype(np.float64)) if e.value is not None else (float("nan"), float("nan"))
    factor = widening(e.probes)
    made = {"value": e.value, "low": _finite(low), "high": _finite(high)}
    if e.value is not None and low == low:
        made["probed_low"] = max(0.0, e.value - (e.value - low) * factor)
        made["probed_high"] = min(1.0, e.value + (high - e.value) * factor)
    else:
        made["probed_low"] = made["probed_high"] = None
    return _rounded(made, digits)


def widening(probes: int) -> float:
    """By how much an interval must widen so that it still holds for the best of ``probes`` looks at one test set.

    The ratio of normal quantiles at 0.05 / probes and 0.05 (Bonferroni); 1 for one look. Adaptive probing can do worse than
    that bound supposes (Blum & Hardt 2015, "The Ladder"), so that it is the least that honesty asks.
    """
    normal = NormalDist()
    return normal.inv_cdf(1 - 0.025 / max(1, probes)) / normal.inv_cdf(0.975)


def _rank_intervals(drawn: Sequence[NDArray[np.float32]]) -> tuple[list[int], list[int]]:
    """The 95 % interval of each entry's rank over the resamples; equal values share the better rank."""
    each = np.stack([d[:_FOR_RANKS] for d in drawn]).T
    each = -np.nan_to_num(each, nan=-np.inf, neginf=-np.inf)
    r, m = each.shape
    if not r:
        return [1] * m, [m] * m
    order = np.argsort(each, axis=1, kind="stable")
    ordered = np.take_along_axis(each, order, axis=1)
    fresh = np.ones((r, m), bool)
    fresh[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    places = np.maximum.accumulate(np.where(fresh, np.arange(1, m + 1), 0), axis=1)
    ranks = np.empty((r, m), np.int64)
    np.put_along_axis(ranks, order, places, axis=1)
    ranks.sort(axis=0)
    first, last = int(np.floor(0.025 * (r - 1))), int(np.ceil(0.975 * (r - 1)))
    return ranks[first].tolist(), ranks[last].tolist()


def _finite(value: float) -> float | None:
    return value if value == value else None


def _rounded(values: dict[str, Any], digits: int | None) -> dict[str, Any]:
    if digits is None:
        return values
    return {k: round(v, digits) if isinstance(v, float) and k != "p" else v for k, v in values.items()}
