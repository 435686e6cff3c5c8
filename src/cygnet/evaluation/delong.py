"""DeLong's analytic variance of AUCs, for independent rows: a cross-check of the bootstrap."""

from __future__ import annotations

from math import erfc, sqrt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def midranks(values: NDArray[np.floating]) -> Floats:
    """Ranks from 1 in ascending order, tied values sharing their mean: (n,)."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[place], np.float64)


def covariance(scores: NDArray[np.floating], labels: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """AUCs (m,) and their covariance (m, m) for ``scores`` (m, n) of the same rows, ``labels`` (n,) bool.

    DeLong, DeLong & Clarke-Pearson (1988), computed with the midranks of Sun & Xu (2014). NaN with fewer than two rows of
    either class.
    """
    y = np.asarray(labels, bool)
    n_pos, n_neg = int(y.sum()), int((~y).sum())
    m = len(scores)
    if n_pos < 2 or n_neg < 2:
        return np.full(m, np.nan), np.full((m, m), np.nan)
    everyone = np.stack([midranks(s) for s in scores])
    over = (everyone[:, y] - np.stack([midranks(s[y]) for s in scores])) / n_neg
    under = 1 - (everyone[:, ~y] - np.stack([midranks(s[~y]) for s in scores])) / n_pos
    spread = np.atleast_2d(np.cov(over)) / n_pos + np.atleast_2d(np.cov(under)) / n_neg
    return over.mean(axis=1), spread


def interval(scores: NDArray[np.floating], labels: NDArray[np.bool_]) -> tuple[float, float, float]:
    """AUC and its 95 % normal interval, kept within [0, 1]."""
    value, spread = covariance(np.asarray(scores)[None], labels)
    middle = float(value[0])
    if middle != middle:
        return middle, middle, middle
    half = 1.959963984540054 * sqrt(max(float(spread[0, 0]), 0.0))
    return middle, max(0.0, middle - half), min(1.0, middle + half)


def compare(one: NDArray[np.floating], other: NDArray[np.floating], labels: NDArray[np.bool_]) -> tuple[float, float]:
    """Difference of two AUCs on the same independent rows, and the two-sided p that it is none."""
    values, spread = covariance(np.stack([one, other]), labels)
    variance = float(spread[0, 0] + spread[1, 1] - 2 * spread[0, 1])
    difference = float(values[0] - values[1])
    if not variance > 0:
        return difference, float("nan") if difference != difference else float(difference == 0)
    return difference, erfc(abs(difference) / sqrt(2 * variance))
