"""Leave-self-out medians and spreads: each lesion is judged by its siblings alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: MAD of a normal distribution times this is its standard deviation.
MAD_TO_SD = 1.4826
#: How many siblings' worth of trust the population's spread gets. With n siblings their own spread counts n / (n + 4).
PRIOR_SIBLINGS = 4.0


def medians_without_self(values: Floats) -> Floats:
    """For each of (n,) values the median of the other n - 1; NaN for n = 1. Exact, O(n log n)."""
    n = len(values)
    if n < 2:
        return np.full(n, np.nan)
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    place = np.empty(n, np.int64)
    place[order] = np.arange(n)
    half = (n - 1) // 2
    upper = ordered[half + (half >= place)]
    if (n - 1) % 2:
        return np.asarray(upper)
    lower = ordered[half - 1 + (half - 1 >= place)]
    return np.asarray((lower + upper) / 2)


def spreads_without_self(values: Floats, centres: Floats) -> Floats:
    """For each value the robust SD (1.4826 MAD) of the others about ``centres``, their median; NaN for n = 1."""
    spread = np.full(len(values), np.nan)
    for centre in np.unique(centres[~np.isnan(centres)]):  # at most three values: leaving one out moves a median little
        mine = centres == centre
        spread[mine] = MAD_TO_SD * medians_without_self(np.abs(values - centre))[mine]
    return spread


def shrunk(spread: Floats, siblings: float, prior: float) -> Floats:
    """The siblings' spread pulled towards the population's: the square root of the weighted mean of squares.

    Few siblings say little about spread, and identical ones would make any difference infinite. The uncertainty of their
    median is added as the factor 1 + 1/n of a predictive variance.
    """
    own = np.nan_to_num(spread) ** 2
    mixed = (siblings * own + PRIOR_SIBLINGS * prior**2) / (siblings + PRIOR_SIBLINGS)
    return np.asarray(np.sqrt(mixed * (1 + 1 / max(siblings, 1.0))))


def z_without_self(values: Floats, prior: float) -> Floats:
    """Robust z of each of (n,) values among the other n - 1, signed; NaN for n = 1. ``prior`` is a typical SD."""
    centres = medians_without_self(values)
    spread = spreads_without_self(values, centres)
    return np.asarray((values - centres) / shrunk(spread, len(values) - 1.0, prior))
