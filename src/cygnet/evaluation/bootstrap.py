"""Resampling whole patients: intervals and paired differences that respect who the rows belong to.

Rows of one patient are not independent, so patients (or lesions, or images, where nothing larger is known) are drawn
with replacement and bring all their rows (Field & Welsh 2007). Each replicate is a vector of counts, how often each unit
was drawn; every metric takes such counts as weights, so that no row is ever copied.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Resamples:
    """``replicates`` draws of ``units`` units from as many, the same for every model that is judged with them."""

    units: int
    replicates: int = 2000
    seed: int = 1

    def blocks(self, size: int) -> Iterator[Counts]:
        """Counts (b, units), at most ``size`` replicates at a time; float32 holds them exactly.

        The draws do not depend on ``size``.
        """
        rng = np.random.default_rng(self.seed)
        for start in range(0, self.replicates, size):
            block = min(size, self.replicates - start)
            made = np.empty((block, self.units), np.float32)
            for row in made:
                row[:] = np.bincount(rng.integers(0, self.units, self.units), minlength=self.units)
            yield made


def interval(values: Floats, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of bootstrap values, undefined replicates left out; NaN when none is defined."""
    defined = np.asarray(values)[~np.isnan(values)]
    if not len(defined):
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def p_value(differences: Floats) -> float:
    """Two-sided bootstrap p of "no difference": twice the smaller share of replicates on one side of zero.

    In (0, 1]; one is added to both counts (Davison & Hinkley 1997, 4.2), so that it is never 0. NaN if none is defined.
    """
    defined = differences[~np.isnan(differences)]
    if not len(defined):
        return float("nan")
    tail = min(int((defined <= 0).sum()), int((defined >= 0).sum()))
    return min(1.0, 2 * (tail + 1) / (len(defined) + 1))


def holm(p: Sequence[float]) -> list[float]:
    """p values adjusted for their number by Holm's step-down method (1979); NaN stays NaN and is not counted."""
    order = sorted((value, i) for i, value in enumerate(p) if value == value)
    adjusted, highest = [float("nan")] * len(p), 0.0
    for step, (value, i) in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - step) * value))
        adjusted[i] = highest
    return adjusted
