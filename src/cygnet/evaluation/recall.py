"""The share of each class that is recognised, on all rows and on every resample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cygnet.evaluation.bootstrap import Resamples

Floats = NDArray[np.float64]
_WIDE = 64


def recalls(
    truth: NDArray[np.int64],
    right: NDArray[np.bool_],
    classes: int,
    member: NDArray[np.int64],
    weights: Floats | None,
    resamples: Resamples,
) -> tuple[Floats, Floats]:
    """Recall of each class: (classes,) on all rows and (r, classes) on the resamples, NaN where a class has no weight.

    ``truth`` (n,) class numbers, ``right`` (n,) whether the answer was that class, ``member`` (n,) resampling units.
    """
    w = np.ones(len(truth)) if weights is None else weights
    cells = np.zeros((resamples.units, 2 * classes))
    np.add.at(cells, (member, truth), w)
    np.add.at(cells, (member[right], classes + truth[right]), w[right])
    drawn = np.concatenate(
        [c.astype(np.float64) @ cells for c in resamples.blocks(_WIDE)] or [np.zeros((0, 2 * classes))]
    )
    whole = cells.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return whole[classes:] / whole[:classes], drawn[:, classes:] / drawn[:, :classes]


def nanmean(values: Floats) -> Floats:
    """Row means over what is defined; a resample may miss a rare class."""
    defined = ~np.isnan(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.nan_to_num(values).sum(axis=1) / defined.sum(axis=1))
