"""The context layer for any classifier: lesions of any number of patients in, oddness and context-adjusted scores out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cygnet.context.cohort import Arranged, Cohort, arrange
from cygnet.context.compare import Comparison, Reference, in_given_order, reference_of
from cygnet.context.method import Method, View
from cygnet.context.ranking import WEIGHT, change, interval_over_siblings, moved_by

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_FARTHEST: Final = 30.0


@dataclass(frozen=True, slots=True)
class Options:
    """``guard``: probability from which on context never lowers a lesion, in [0, 1]. ``weight``: change of the log odds
    per unit of oddness."""

    guard: float = 0.05
    weight: float = WEIGHT


@dataclass(frozen=True, slots=True)
class Context:
    """What context says of n lesions, in the order they were given.

    ``oddness`` (n,) in [0, 1], higher is more unlike the siblings, NaN without. ``change`` (n,) of the log odds;
    ``adjusted`` (n,) probability in [0, 1], higher is more suspicious; ``guarded`` (n,): the guard kept it from falling.
    ``rank`` (n,) among the patient's lesions, 1 is the most suspicious, equal scores share one; ``rank_low`` and
    ``rank_high`` its 80 % interval over samples of siblings. ``compared``: z of look, score and measurements, nearest
    sibling, family and number of siblings. ``apart`` (n,): the patient's other lesions that are not comparable, being of
    another image type or device.
    """

    oddness: Floats
    change: Floats
    adjusted: Floats
    guarded: NDArray[np.bool_]
    rank: Ints
    rank_low: Ints
    rank_high: Ints
    compared: Comparison
    apart: Ints


def log_odds(probability: NDArray[np.floating]) -> Floats:
    """Log odds of probabilities in [0, 1], held within 30."""
    p = np.asarray(probability, np.float64)
    with np.errstate(divide="ignore"):
        return np.asarray(np.clip(np.log(p) - np.log1p(-p), -_FARTHEST, _FARTHEST))


def learn(cohort: Cohort, method: Method) -> tuple[Method, Reference]:
    """What is usual among these lesions, labels aside: the method ready for use, and the reference."""
    arranged = arrange(cohort, merge=cohort.telling)
    reference = reference_of(arranged)
    return method.fit(View(arranged, reference)), reference


def in_context(
    cohort: Cohort,
    method: Method,
    reference: Reference,
    options: Options | None = None,
    *,
    probability: Floats | None = None,
) -> Context:
    """Judge every lesion among its siblings by a method that is ready for use (see ``learn``).

    ``probability`` (n,) is what ``cohort.score`` are the log odds of; it comes back bit for bit where context changes
    nothing. Copies of a lesion count once and get the same answer.
    """
    options = options or Options()
    arranged = arrange(cohort, merge=cohort.telling)
    view = View(arranged, reference)
    oddness = method.oddness(view)
    lesions = view.comparison.siblings + 1
    given = np.asarray(1 / (1 + np.exp(-cohort.score)) if probability is None else probability, np.float64)
    own = given[arranged.row]
    moved, guarded = change(own, oddness, options.guard, lesions, options.weight)
    adjusted = moved_by(own, moved)
    above, others, total = _standing(arranged, adjusted, own)
    low, high = interval_over_siblings(above, others)
    of = arranged.of
    return Context(
        oddness[of],
        moved[of],
        adjusted[of],
        guarded[of],
        above[of] + 1,
        low[of],
        high[of],
        in_given_order(view.comparison, arranged),
        (others + 1 - total)[of],
    )


def _standing(arranged: Arranged, score: Floats, then: Floats) -> tuple[Ints, Ints, Ints]:
    """Of each lesion: how many of the patient's outrank it, how many others there are, and how many share its kind.

    Equal scores are told apart by ``then``, and share their place where that is equal too.
    """
    patient = arranged.cohort.patient
    order = np.lexsort((-then, -score, patient))
    who, value, second = patient[order], score[order], then[order]
    new_patient = np.r_[True, who[1:] != who[:-1]] if len(order) else np.zeros(0, bool)
    new = (
        new_patient | np.r_[True, (value[1:] != value[:-1]) | (second[1:] != second[:-1])]
        if len(order)
        else new_patient
    )
    position = np.arange(len(order))
    start = np.maximum.accumulate(np.where(new_patient, position, 0))
    first = np.maximum.accumulate(np.where(new, position, 0))
    above = np.empty(len(order), np.int64)
    above[order] = first - start
    _, code, count = np.unique(patient, return_inverse=True, return_counts=True)
    return above, count[code] - 1, np.bincount(arranged.company)[arranged.company]
