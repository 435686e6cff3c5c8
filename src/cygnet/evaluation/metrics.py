"""Discrimination and calibration of probabilities. Undefined values are NaN, never a free 1.0."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

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
    ranks = rankdata(scores)
    return float((ranks[positive].sum() - n_pos * (n_pos + 1) / 2) / (n_pos * n_neg))
