"""Fuse absolute probability and oddness into the score that orders a patient's lesions.

The promise: with the same lesion, benign siblings raise its score and similar atypical siblings lower it; the
sensitivity guard keeps context from lowering a lesion whose own probability is above a stated risk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Lesions under which context is shown but does not move the score.
MIN_LESIONS: Final = 8
#: Change of the log odds per unit of oddness. Stated, not fitted: no data here could fit it honestly.
WEIGHT: Final = 1.5
#: Oddness that changes nothing: about that of an ordinary lesion among its siblings.
NEUTRAL: Final = 0.15
_Z80: Final = 1.2816
_BLOCK: Final = 512


@dataclass(frozen=True, slots=True)
class Ranking:
    """``score`` (n,) in [0, 1]; ``guarded`` (n,) bool; ``rank`` (n,) from 1; ``low`` and ``high`` (n,) its interval."""

    score: Floats
    guarded: NDArray[np.bool_]
    rank: Ints
    low: Ints
    high: Ints


def fuse(probability: Floats, oddness: Floats, guard: float) -> tuple[Floats, NDArray[np.bool_]]:
    """Score (n,) in [0, 1] and whether the guard held (n,).

    log odds(score) = log odds(probability) + 1.5 (oddness - 0.15); where probability >= ``guard`` the change is never
    negative. Fewer than 8 lesions, or no oddness: the score is the probability.
    """
    p = np.clip(np.asarray(probability, np.float64), 1e-9, 1 - 1e-9)
    if len(p) < MIN_LESIONS:
        return p, np.zeros(len(p), bool)
    change = np.nan_to_num(WEIGHT * (np.asarray(oddness, np.float64) - NEUTRAL))
    guarded = (p >= guard) & (change < 0)
    logit = np.log(p) - np.log1p(-p) + np.where(guarded, 0.0, change)
    return np.where(guarded, p, 1 / (1 + np.exp(-logit))), guarded


def rank(probability: Floats, oddness: Floats, guard: float, noise: float) -> Ranking:
    """Order n lesions, with an 80 % interval for each rank.

    ``noise`` is the SD of the log odds between photographs of the same lesion. The interval's ends are the ranks that
    the lesion would have if its own photograph had come out 1.28 SD higher or lower, the others being uncertain by the
    same SD; computed, not sampled, so that order and names do not matter.
    """
    score, guarded = fuse(probability, oddness, guard)
    clipped = np.clip(score, 1e-9, 1 - 1e-9)
    logit = np.log(clipped) - np.log1p(-clipped)
    order = np.lexsort((-np.asarray(probability), -score))
    place = np.empty(len(score), np.int64)
    place[order] = np.arange(1, len(score) + 1)
    low = np.minimum(_expected_rank(logit, logit + _Z80 * noise, noise), place)
    high = np.maximum(_expected_rank(logit, logit - _Z80 * noise, noise), place)
    return Ranking(score, guarded, place, low, high)


def _expected_rank(logit: Floats, moved: Floats, noise: float) -> Ints:
    """Rank of each moved value among the other lesions, each uncertain by ``noise`` (logistic approximation of Phi)."""
    ranks = np.empty(len(logit))
    slope = 1.702 / max(noise, 1e-6)
    for start in range(0, len(logit), _BLOCK):
        here = slice(start, start + _BLOCK)
        gap = np.clip((logit[None, :] - moved[here, None]) * slope, -50, 50)
        above = 1 / (1 + np.exp(-gap))
        own = np.clip((logit[here] - moved[here]) * slope, -50, 50)
        ranks[here] = 1 + above.sum(axis=1) - 1 / (1 + np.exp(-own))
    return np.clip(np.rint(ranks), 1, len(logit)).astype(np.int64)
