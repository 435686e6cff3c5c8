"""Every metric of a threshold curve, for many resamples at once.

The thresholds that matter are the positives' distinct scores: between two of them no positive is won, so that the ROC and
precision-recall curves of any reweighting are exact from the weights of positives at, and of negatives above and at, each
of them. A ``Ladder`` finds those places once; ``climb`` fills them in for a block of bootstrap counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Weights are sums of counts; this much relative rounding is forgiven when they are compared with a stated share.
_SLACK = 1e-9


@dataclass(frozen=True, slots=True)
class Climb:
    """A block of b resamples over the k distinct scores of positives, highest first.

    ``positive`` (b, k): weight of positives at each score; ``above`` and ``through`` (b, k): weight of negatives with a
    higher score, and with a higher or equal one; ``positives`` and ``negatives`` (b, 1): totals. Undefined (NaN) values
    follow where a total is 0.
    """

    positive: Floats
    above: Floats
    through: Floats
    positives: Floats
    negatives: Floats

    @classmethod
    def whole(cls, scores: NDArray[np.floating], labels: NDArray[np.bool_]) -> Climb:
        """All rows once, unweighted: what ``Ladder`` gives for counts of 1, without an order of the rows."""
        rising, counted = np.unique(np.asarray(scores, np.float64)[labels], return_counts=True)
        passed = np.sort(np.asarray(scores, np.float64)[~labels])
        steps, positive = rising[::-1], np.asarray(counted[::-1], np.float64)
        above = len(passed) - np.searchsorted(passed, steps, "right").astype(np.float64)
        through = len(passed) - np.searchsorted(passed, steps, "left").astype(np.float64)
        sides = np.array([[positive.sum()]]), np.array([[float(len(passed))]])
        return cls(positive[None], above[None], through[None], *sides)

    @property
    def won(self) -> Floats:
        """(b, k): weight of positives with this score or a higher one."""
        return np.asarray(np.cumsum(self.positive, axis=1))


@dataclass(frozen=True, slots=True)
class Ladder:
    """Where the rows of one set of scores fall; see ``build``."""

    scores: Floats
    positive_unit: Ints
    positive_weight: Floats | None
    positive_starts: Ints
    negative_unit: Ints
    negative_weight: Floats | None
    negative_starts: Ints
    above: Ints
    through: Ints

    @classmethod
    def build(
        cls,
        scores: NDArray[np.floating],
        labels: NDArray[np.bool_],
        unit: NDArray[np.integer],
        weights: NDArray[np.floating] | None = None,
    ) -> Ladder:
        """For ``scores`` (n,), higher is more suspicious, ``labels`` (n,) bool, ``unit`` (n,) number of each row's
        resampling unit, and ``weights`` (n,) non-negative, all 1 by default."""
        score, is_positive = np.asarray(scores, np.float64), np.asarray(labels, bool)
        units = np.asarray(unit, np.int64)
        up, down = np.flatnonzero(is_positive), np.flatnonzero(~is_positive)
        up, down = up[np.argsort(-score[up], kind="stable")], down[np.argsort(-score[down], kind="stable")]
        steps = score[up]
        starts = np.flatnonzero(np.r_[True, steps[1:] != steps[:-1]]) if len(steps) else np.empty(0, np.int64)
        distinct, negative = steps[starts], -score[down]
        above = np.searchsorted(negative, -distinct, "left")
        through = np.searchsorted(negative, -distinct, "right")
        edges = np.unique(np.r_[0, above, through])
        edges = edges[edges < len(down)]
        place = np.searchsorted(edges, np.stack([above, through]))
        w = None if weights is None else np.asarray(weights, np.float64)
        return cls(
            distinct,
            units[up],
            None if w is None else w[up],
            starts,
            units[down],
            None if w is None else w[down],
            edges,
            place[0],
            place[1],
        )

    def climb(self, counts: NDArray[np.floating]) -> Climb:
        """Fill in for ``counts`` (b, units), how often each unit was drawn."""
        positive = _sums(counts, self.positive_unit, self.positive_weight, self.positive_starts)
        passed = np.zeros((len(counts), len(self.negative_starts) + 1))
        np.cumsum(
            _sums(counts, self.negative_unit, self.negative_weight, self.negative_starts), axis=1, out=passed[:, 1:]
        )
        return Climb(
            positive,
            passed[:, self.above],
            passed[:, self.through],
            positive.sum(axis=1, keepdims=True),
            passed[:, -1:],
        )

    @property
    def block(self) -> int:
        """How many resamples at a time keep the work within a processor's cache, or at least within 100 MB."""
        widest = max(len(self.positive_unit), len(self.negative_unit), 1)
        return max(1, min(64, 400_000 // widest))


def _sums(counts: NDArray[np.floating], unit: Ints, weight: Floats | None, starts: Ints) -> Floats:
    """(b, len(starts)): the weights of the rows between one start and the next."""
    if not len(starts):
        return np.zeros((len(counts), 0))
    drawn = counts.take(unit, axis=1)
    if weight is not None:
        drawn = drawn * weight
    return np.add.reduceat(drawn, starts, axis=1).astype(np.float64)


def auc(c: Climb) -> Floats:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counting half: (b,)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        below = c.negatives - (c.above + c.through) / 2
        return np.asarray((c.positive * below).sum(axis=1) / (c.positives * c.negatives)[:, 0])


def pauc(c: Climb, min_tpr: float = 0.8) -> Floats:
    """Area between the ROC curve and the line at a true-positive rate of ``min_tpr``: (b,) in [0, 1 - min_tpr].

    The metric of ISIC 2024: only thresholds that find at least 80 % of melanomas count.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        top = c.won / c.positives
        step = c.positive / c.positives
        bottom = top - step
        start = np.clip(bottom, min_tpr, None)
        wide = np.maximum(top - start, 0)
        slope = np.where(step > 0, (c.through - c.above) / np.where(step > 0, step, 1), 0) / c.negatives
        middle = c.above / c.negatives + slope * (start + wide / 2 - bottom)
        return np.asarray((wide * (1 - middle)).sum(axis=1))


def auc_above(c: Climb, sensitivity: float = 0.8) -> Floats:
    """Area under the part of the ROC curve with a sensitivity of at least ``sensitivity``: (b,) in [0, 1], not normalised.

    The ``auc_sens_80`` of the ISIC challenges since 2018; it counts the whole height below the curve, :func:`pauc` only
    what lies above the line.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        won = c.won / c.positives
    if not won.shape[1]:
        return np.full(len(won), np.nan)
    place = np.minimum((won < sensitivity).sum(axis=1), won.shape[1] - 1)
    rows = np.arange(len(won))
    with np.errstate(invalid="ignore", divide="ignore"):
        step = c.positive[rows, place] / c.positives[:, 0]
        share = (sensitivity - (won[rows, place] - step)) / step
        reached = c.above[rows, place] + share * (c.through - c.above)[rows, place]
        start = reached / c.negatives[:, 0]
    return np.asarray(pauc(c, sensitivity) + sensitivity * (1 - start))


def average_precision(c: Climb) -> Floats:
    """Mean over the positives of the precision at their score: (b,) in (0, 1], chance is the prevalence."""
    won = c.won
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(won > 0, won / (won + c.through), 0)
        return np.asarray((c.positive * precision).sum(axis=1) / c.positives[:, 0])


def sensitivity_at(c: Climb, specificity: float | Floats) -> Floats:
    """The highest sensitivity of a threshold whose specificity is at least ``specificity``, one for all or (b,) of them:
    (b,). Not interpolated."""
    allowed = (1 - np.broadcast_to(specificity, len(c.positive)))[:, None]
    reached = (c.through <= allowed * c.negatives * (1 + _SLACK) + _SLACK).sum(axis=1)
    won = np.concatenate([np.zeros((len(c.positive), 1)), c.won], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = won[np.arange(len(won)), reached] / c.positives[:, 0]
    return np.where(c.negatives[:, 0] > 0, share, np.nan)


def _first(c: Climb, sensitivity: float) -> tuple[Floats, Floats]:
    """Weight of positives and negatives at or above the highest threshold that reaches ``sensitivity``: (b,) each."""
    won = c.won
    if not won.shape[1]:
        return np.full(len(won), np.nan), np.full(len(won), np.nan)
    place = np.minimum((won < sensitivity * c.positives * (1 - _SLACK)).sum(axis=1), won.shape[1] - 1)
    rows = np.arange(len(won))
    return won[rows, place], c.through[rows, place]


def specificity_at(c: Climb, sensitivity: float) -> Floats:
    """The specificity of the highest threshold whose sensitivity is at least ``sensitivity``: (b,). Not interpolated."""
    _, false = _first(c, sensitivity)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = 1 - false / c.negatives[:, 0]
    return np.where(c.positives[:, 0] > 0, value, np.nan)


def review_at(c: Climb, sensitivity: float) -> Floats:
    """Lesions to review per melanoma found, at the highest threshold with ``sensitivity``: (b,), 1 is the best."""
    true, false = _first(c, sensitivity)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(true > 0, (true + false) / true, np.nan)


def roc_on(c: Climb, grid: Floats) -> Floats:
    """Sensitivity attained at false-positive rates ``grid`` (g,): (b, g)."""
    with np.errstate(invalid="ignore"):
        won = np.concatenate([np.zeros((len(c.positive), 1)), c.won], axis=1) / c.positives
    won[c.negatives[:, 0] == 0] = np.nan
    limits = grid[None, :] * c.negatives * (1 + _SLACK) + _SLACK
    return np.stack([w[np.searchsorted(t, limit, "right")] for w, t, limit in zip(won, c.through, limits, strict=True)])


def precision_on(c: Climb, grid: Floats) -> Floats:
    """Precision at the highest threshold that reaches the recalls ``grid`` (g,) > 0: (b, g)."""
    won = c.won
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(c.positives > 0, won / (won + c.through), np.nan)
    limits = grid[None, :] * c.positives * (1 - _SLACK)
    last = won.shape[1] - 1
    return np.stack(
        [
            p[np.minimum(np.searchsorted(w, limit, "left"), last)]
            for p, w, limit in zip(precision, won, limits, strict=True)
        ]
    )
