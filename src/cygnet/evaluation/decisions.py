"""Is acting on the score worth it? Decision curves (Vickers & Elkin 2006)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def net_benefit(true: Floats, false: Floats, n: Floats | float, thresholds: Floats) -> Floats:
    """True positives less false ones at the odds of the threshold, per lesion: at most the prevalence, higher is better.

    ``true`` and ``false`` (..., t) are counts, ``n`` the number of lesions, ``thresholds`` (t,) in (0, 1).
    """
    return np.asarray((true - false * thresholds / (1 - thresholds)) / n)


def avoided(benefit: Floats, benefit_of_all: Floats, thresholds: Floats) -> Floats:
    """Biopsies avoided per 100 lesions, at no loss of melanomas, against taking out every lesion: (..., t)."""
    return np.asarray(100 * (benefit - benefit_of_all) * (1 - thresholds) / thresholds)
