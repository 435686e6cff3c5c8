"""The board: entries in order, with how sure the order is.

A rank comes with its interval over the resamples that all entries share, and each entry is tested against the one above;
where that test does not tell them apart they are shown as tied. What cannot be scored stands last, never first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
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


class Score:
    """What was drawn for a scored run. ``value`` in [0, 1], higher is better, None where undefined; ``drawn`` (r,) its bootstrap
    values, of the same resamples for all runs. What follows from them is worked out once, so that a new run costs a
    board little more than itself."""

    def __init__(self, value: float | None, drawn: NDArray[np.float32]) -> None:
        self.value, self.drawn = value, drawn
        self._above: tuple[Score, dict[str, Any] | None] | None = None

    @cached_property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval; NaN where undefined."""
        return interval(self.drawn.astype(np.float64)) if self.value is not None else (float("nan"), float("nan"))

    def against(self, above: Score) -> dict[str, Any] | None:
        """The paired difference to another score; that to the last one is remembered."""
        if self._above is None or self._above[0] is not above:
            self._above = (above, _difference(self, above))
        return self._above[1]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a board: a ``score``, ``probes``, how many of its team's runs have been scored, and ``shown``, what stands
    beside it."""

    score: Score
    probes: int
    shown: dict[str, Any]

    @property
    def value(self) -> float | None:
        """The headline metric, None where undefined."""
        return self.score.value


def rows(entries: Sequence[Entry], digits: int | None = None) -> list[dict[str, Any]]:
    """The lines of a board, best first; ``digits`` rounds what is shown.

    ``rank`` is shared by equal values; ``rank_low`` and ``rank_high`` bound it at 95 %; ``above`` is the difference to the
    entry above with interval, p and Holm-adjusted p, ``tied`` whether it is not told apart from it; ``probed_low`` and
    ``probed_high`` are the interval widened for the team's ``probes``.
    """
    order = sorted(entries, key=lambda e: (e.value is None, -(e.value or 0.0), str(e.shown.get("team", ""))))
    if not order:
        return []
    low, high = _rank_intervals([e.score.drawn for e in order])
    above = [None, *(b.score.against(a.score) for a, b in pairwise(order))]
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


def _difference(e: Score, above: Score) -> dict[str, Any] | None:
    if e.value is None or above.value is None:
        return None
    drawn = e.drawn.astype(np.float64) - above.drawn
    low, high = interval(drawn)
    p = 1.0 if not drawn.any() else p_value(drawn)
    return {"difference": e.value - above.value, "low": _finite(low), "high": _finite(high), "p": p}


def _intervals(e: Entry, digits: int | None) -> dict[str, Any]:
    low, high = e.score.interval
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
    each = np.stack([d[:_FOR_RANKS] for d in drawn], axis=1)
    r, m = each.shape
    if not r:
        return [1] * m, [m] * m
    ranks = _ranks(-np.nan_to_num(each, nan=-np.inf, neginf=-np.inf))
    ranks.sort(axis=1)
    first, last = int(np.floor(0.025 * (r - 1))), int(np.ceil(0.975 * (r - 1)))
    return ranks[:, first].tolist(), ranks[:, last].tolist()


def _ranks(each: NDArray[np.float32]) -> NDArray[np.int32]:
    """The rank (m, r) of each of m columns in each of r rows of ``each``, the lowest first, equal values at the better rank.

    Value and column are sorted as one whole number, which is three times faster than sorting the columns by the values.
    """
    r, m = each.shape
    bits = (each + np.float32(0)).view(np.int32)  # -0.0 is 0.0
    keys = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).astype(np.int64) << 32 | np.arange(m)
    keys.sort(axis=1)
    columns, values = keys & 0xFFFFFFFF, keys >> 32
    fresh = np.ones((r, m), bool)
    fresh[:, 1:] = values[:, 1:] != values[:, :-1]
    places = np.maximum.accumulate(np.where(fresh, np.arange(1, m + 1, dtype=np.int32), np.int32(0)), axis=1)
    ranks = np.empty((m, r), np.int32)
    ranks[columns, np.arange(r)[:, None]] = places
    return ranks


def _finite(value: float) -> float | None:
    return value if value == value else None


def _rounded(values: dict[str, Any], digits: int | None) -> dict[str, Any]:
    if digits is None:
        return values
    return {k: round(v, digits) if isinstance(v, float) and k != "p" else v for k, v in values.items()}
