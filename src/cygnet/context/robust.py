"""Leave-self-out medians and spreads: each lesion is judged by its siblings alone.

Every function works along the last axis, so that patients with equally many lesions are computed at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: MAD of a normal distribution times this is its standard deviation.
MAD_TO_SD = 1.4826
#: How many siblings' worth of trust the population's spread gets. With n siblings their own spread counts n / (n + 4).
PRIOR_SIBLINGS = 4.0


def medians_without_self(values: Floats) -> Floats:
    """For each of (..., n) values the median of the other n - 1 in its row; NaN for n = 1. Exact, O(n log n)."""
    n = values.shape[-1]
    if n < 2:
        return np.full(values.shape, np.nan)
    order = np.argsort(values, axis=-1, kind="stable")
    ordered = np.take_along_axis(values, order, -1)
    place = np.empty(values.shape, np.int64)
    np.put_along_axis(place, order, np.broadcast_to(np.arange(n), values.shape), -1)
    half = (n - 1) // 2
    upper = np.take_along_axis(ordered, half + (half >= place), -1)
    if (n - 1) % 2:
        return np.asarray(upper)
    lower = np.take_along_axis(ordered, half - 1 + (half - 1 >= place), -1)
    return np.asarray((lower + upper) / 2)


def spreads_without_self(values: Floats, centres: Floats) -> Floats:
    """For each of (..., n) values the robust SD (1.4826 MAD) of the others about ``centres``, their median; NaN for n = 1."""
    n = values.shape[-1]
    spread = np.full(values.shape, np.nan)
    if n < 2:
        return spread
    # At most three centres in a row: leaving out a low, the middle or a high value moves the median no further.
    order = np.argsort(values, axis=-1, kind="stable")
    for place in sorted({0, (n - 1) // 2, n - 1}):
        centre = np.take_along_axis(centres, order[..., place : place + 1], -1)
        around = medians_without_self(np.abs(values - centre))
        spread = np.where(centres == centre, MAD_TO_SD * around, spread)
    return spread


def shrunk(spread: Floats, siblings: float | Floats, prior: float | Floats) -> Floats:
    """The siblings' spread pulled towards the population's: the square root of the weighted mean of squares.

    Few siblings say little about spread, and identical ones would make any difference infinite. The uncertainty of their
    median is added as the factor 1 + 1/n of a predictive variance.
    """
    own = np.nan_to_num(spread) ** 2
    mixed = (siblings * own + PRIOR_SIBLINGS * np.square(prior)) / (siblings + PRIOR_SIBLINGS)
    return np.asarray(np.sqrt(mixed * (1 + 1 / np.maximum(siblings, 1.0))))


def z_without_self(values: Floats, prior: float | Floats) -> Floats:
    """Robust z of each of (..., n) values among the other n - 1 of its row, signed; NaN for n = 1.

    ``prior`` is a typical SD, one number or one for each row (..., 1).
    """
    centres = medians_without_self(values)
    spread = spreads_without_self(values, centres)
    return np.asarray((values - centres) / shrunk(spread, values.shape[-1] - 1.0, prior))


def z_beside_copies(values: Floats, prior: float | Floats) -> Floats:
    """As ``z_without_self`` of (b, n) values, ``prior`` one number or (b, 1), but the spread of a value's siblings leaves out those that equal it.

    A further lesion with the very same value then moves the median towards it and leaves the yardstick alone, so that it
    can only come out less odd. For numbers that are all that is known of a lesion, such as a table's rounded scores.
    """
    z = z_without_self(values, prior)
    usual = np.broadcast_to(prior, (len(values), 1))[:, 0]
    ordered = np.sort(values, axis=1)
    for row in np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1)):
        same, counts = np.unique(values[row], return_counts=True)
        centres = medians_without_self(values[row])
        for value in same[counts > 1]:
            mine = values[row] == value
            others = values[row][~mine]
            middle = np.median(others) if len(others) else value
            around = MAD_TO_SD * np.median(np.abs(others - middle)) if len(others) else 0.0
            z[row, mine] = (value - centres[mine]) / shrunk(np.asarray(around), float(len(others)), usual[row])
    return z
