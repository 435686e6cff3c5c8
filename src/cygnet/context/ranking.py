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
#: Siblings up to which the bootstrap interval of a rank is exact.
_EXACT: Final = 200


@dataclass(frozen=True, slots=True)
class Ranking:
    """``score`` (n,) in [0, 1]; ``guarded`` (n,) bool; ``rank`` (n,) from 1; ``low`` and ``high`` (n,) its interval."""

    score: Floats
    guarded: NDArray[np.bool_]
    rank: Ints
    low: Ints
    high: Ints


def fuse(
    probability: Floats, oddness: Floats, guard: float, lesions: Ints | None = None
) -> tuple[Floats, NDArray[np.bool_]]:
    """Score (n,) in [0, 1] and whether the guard held (n,).

    log odds(score) = log odds(probability) + 1.5 (oddness - 0.15); where probability >= ``guard`` the change is never
    negative. Fewer than 8 lesions, or no oddness: the score is the probability. ``lesions`` (n,) is how many the lesion is
    one of; all n without it.
    """
    p = np.clip(np.asarray(probability, np.float64), 1e-9, 1 - 1e-9)
    moved, guarded = change(p, oddness, guard, np.full(len(p), len(p)) if lesions is None else lesions)
    logit = np.log(p) - np.log1p(-p) + moved
    return np.where(moved == 0, p, 1 / (1 + np.exp(-logit))), guarded


def change(
    probability: Floats, oddness: Floats, guard: float, lesions: Ints, weight: float = WEIGHT
) -> tuple[Floats, NDArray[np.bool_]]:
    """What context adds to the log odds (n,), and where the guard kept it from lowering them (n,)."""
    wanted = np.nan_to_num(weight * (np.asarray(oddness, np.float64) - NEUTRAL))
    wanted = np.where(lesions < MIN_LESIONS, 0.0, wanted)
    guarded = (probability >= guard) & (wanted < 0)
    return np.where(guarded, 0.0, wanted), guarded


def moved_by(probability: Floats, change: Floats) -> Floats:
    """Probabilities (n,) in [0, 1] whose log odds are moved by ``change``; exactly the same where that is 0."""
    odds = np.exp(change)
    return np.where(change == 0, probability, probability * odds / (1 - probability + probability * odds))


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


def interval_over_siblings(above: Ints, siblings: Ints, level: float = 0.8) -> tuple[Ints, Ints]:
    """Ends of a rank's interval, had the patient shown another sample of siblings: two of (n,), from 1.

    The bootstrap over siblings in closed form: of ``siblings`` drawn with replacement, a binomial number stands above a
    lesion that ``above`` of them outrank now. The share is taken as (above + 1/2) / (siblings + 1), so that the first of few
    is not certain to be first. Quantiles of the binomial for up to 200 siblings, its normal approximation beyond.
    """
    low, high = np.ones(len(above), np.int64), np.ones(len(above), np.int64)
    tails = ((1 - level) / 2, (1 + level) / 2)
    for n in np.unique(siblings[siblings > 0]):
        mine = np.flatnonzero(siblings == n)
        share = (above[mine] + 0.5) / (n + 1)
        if n > _EXACT:
            half = _Z80 * np.sqrt(n * share * (1 - share))
            ends = [np.rint(n * share - half), np.rint(n * share + half)]
        else:
            kinds, code = np.unique(share, return_inverse=True)
            ends = [quantile[code] for quantile in _binomial_quantiles(int(n), kinds, tails)]
        low[mine] = np.minimum(np.clip(ends[0], 0, n), above[mine]) + 1
        high[mine] = np.maximum(np.clip(ends[1], 0, n), above[mine]) + 1
    return low, high


def _binomial_quantiles(n: int, share: Floats, tails: tuple[float, float]) -> list[Ints]:
    """For each share (s,) the smallest counts whose distribution function reaches each tail."""
    k = np.arange(n + 1)
    choose = np.concatenate([[0.0], np.cumsum(np.log((n - k[:-1]) / (k[:-1] + 1)))])
    logs = choose + k * np.log(share)[:, None] + (n - k) * np.log1p(-share)[:, None]
    reached = np.cumsum(np.exp(logs), axis=1)
    return [np.asarray((reached < tail - 1e-12).sum(axis=1), np.int64) for tail in tails]
