"""Discrimination and calibration of probabilities. Undefined values are NaN, never a free 1.0."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cygnet.evaluation.bootstrap import interval
from cygnet.evaluation.delong import midranks

__all__ = [
    "auc",
    "balanced_accuracy",
    "bootstrap_weights",
    "brier",
    "expected_calibration_error",
    "interval",
    "reliability",
    "weighted_auc",
]

Floats = NDArray[np.floating]


def auc(scores: Floats, labels: NDArray[np.bool_]) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counting half.

    ``scores`` (n,) float, higher is more suspicious; ``labels`` (n,) bool. Range [0, 1], 0.5 is chance; NaN with one
    class only. Computed from midranks (Mann & Whitney 1947; Hanley & McNeil 1982).
    """
    positive = np.asarray(labels, bool)
    n_pos, n_neg = int(positive.sum()), int((~positive).sum())
    if not n_pos or not n_neg:
        return float("nan")
    ranks = midranks(np.asarray(scores))
    return float((ranks[positive].sum() - n_pos * (n_pos + 1) / 2) / (n_pos * n_neg))


def weighted_auc(scores: Floats, labels: NDArray[np.bool_], weights: Floats) -> Floats:
    """AUC for each row of non-negative ``weights`` (r, n): (r,); NaN where one class has no weight. Ties count half."""
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(np.asarray(scores)[order]) != 0])
    w, y = np.asarray(weights, np.float64)[:, order], np.asarray(labels, bool)[order]
    positive = np.add.reduceat(np.where(y, w, 0), starts, axis=1)
    negative = np.add.reduceat(np.where(y, 0, w), starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative / 2
    total = positive.sum(axis=1) * negative.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((positive * below).sum(axis=1) / total)


def bootstrap_weights(groups: NDArray[np.str_], replicates: int = 2000, seed: int = 1) -> Floats:
    """How often each row is drawn when whole groups (patients or lesions) are resampled: (replicates, n)."""
    _, member = np.unique(groups, return_inverse=True)
    n = int(member.max()) + 1
    draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=replicates)
    return draws[:, member].astype(np.float64)


def balanced_accuracy(truth: NDArray[np.integer], guess: NDArray[np.integer], weights: Floats | None = None) -> float:
    """Mean over the classes present of the share recognised, in [0, 1], higher is better; ``weights`` (n,) optional."""
    w = np.ones(len(truth)) if weights is None else weights
    shares = [float(w[(truth == c) & (guess == c)].sum() / w[truth == c].sum()) for c in np.unique(truth[w > 0])]
    return float(np.mean(shares)) if shares else float("nan")


def brier(probability: Floats, labels: NDArray[np.bool_], weights: Floats | None = None) -> float:
    """Mean squared error of probabilities (Brier 1950), in [0, 1], lower is better."""
    return float(np.average((probability - np.asarray(labels, float)) ** 2, weights=weights))


def reliability(
    probability: Floats, labels: NDArray[np.bool_], weights: Floats | None = None, bins: int = 10
) -> list[dict[str, float]]:
    """The reliability curve in bins of equal weight: mean probability, observed share and weight of each bin."""
    w = np.ones(len(probability)) if weights is None else np.asarray(weights, np.float64)
    order = np.argsort(probability, kind="stable")
    place = np.minimum((np.cumsum(w[order]) - w[order] / 2) / w.sum() * bins, bins - 1e-9).astype(int)
    y = np.asarray(labels, float)
    return [
        {
            "mean_probability": float(np.average(probability[mine], weights=w[mine])),
            "observed": float(np.average(y[mine], weights=w[mine])),
            "weight": float(w[mine].sum() / w.sum()),
            "n": len(mine),
        }
        for b in range(bins)
        if len(mine := order[place == b])
    ]


def expected_calibration_error(
    probability: Floats, labels: NDArray[np.bool_], weights: Floats | None = None, bins: int = 10
) -> float:
    """Mean distance of the reliability curve from the diagonal (Naeini et al. 2015), in [0, 1], lower is better."""
    return float(
        sum(
            b["weight"] * abs(b["mean_probability"] - b["observed"])
            for b in reliability(probability, labels, weights, bins)
        )
    )
