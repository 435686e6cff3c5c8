"""A coarse lesion outline in a tenth of a millisecond an image: the stand-in where no segmenter has drawn a mask."""

from __future__ import annotations

from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Number = TypeVar("Number", bound=np.generic)

#: Width, in sides, of the weight that finds the lesion near the middle of the image.
_MIDDLE: Final = 2 * 0.30**2
#: Twice the variance, in sides squared, of the weight that ends a lesion far from its centre.
_REACH: Final = np.float32(2 * 0.33**2)
#: Exponent from which on a membership is nothing, so that none overflows.
_FAR: Final = np.float32(60)
#: Steps of darkness in the histogram that Otsu's threshold is found in, and how many there are.
_STEP: Final = 1.5
_BINS: Final = 98


def outline(lab: Floats, field: NDArray[np.bool_]) -> Floats:
    """Membership of the coarse lesions in [0, 1], (n, g, g) float32, fading away from their centres.

    ``lab`` (n, g, g, 3) CIELAB, ``field`` (n, g, g) where there is picture. Skin is the lighter class of Otsu's threshold
    (1979) on darkness, weighted towards the image's centre.
    """
    axis = ((np.arange(lab.shape[1]) + 0.5) / lab.shape[1] - 0.5).astype(np.float32)
    dark: Floats = np.asarray(100 - lab[..., 0] + 0.35 * np.maximum(lab[..., 1], 0), np.float32)
    seen = np.maximum(field.sum((1, 2)), 1).astype(np.float32)
    offset = (dark - _over((dark * field).sum((1, 2)) / seen)) * field
    spread = np.sqrt((offset**2).sum((1, 2)) / seen)
    lighter = (_over(_otsu(dark, field)) - dark) * _over(4 / np.maximum(spread, 1))
    mask = field / (1 + np.exp(np.minimum(lighter, _FAR)))
    central = np.exp(-(axis[:, None] ** 2 + axis[None, :] ** 2) / np.float32(_MIDDLE))
    row, column = _centre(mask * central, axis)
    near = (
        np.exp(-((axis - row[:, None]) ** 2) / _REACH)[:, :, None]
        * np.exp(-((axis - column[:, None]) ** 2) / _REACH)[:, None, :]
    )
    return np.asarray(mask * np.minimum(near * np.float32(1.6), 1), np.float32)


def _over(values: NDArray[Number]) -> NDArray[Number]:
    """(n,) as (n, 1, 1)."""
    return values[:, None, None]


def _centre(weight: Floats, axis: Floats) -> tuple[Floats, Floats]:
    """Mean row and column, on ``axis``, of weights (n, g, g): each (n,)."""
    total = np.maximum(weight.sum((1, 2)), np.float32(1e-3))
    return weight.sum(2) @ axis / total, weight.sum(1) @ axis / total


def _otsu(values: Floats, seen: NDArray[np.bool_]) -> Floats:
    """Otsu's threshold of the seen darkness values in [0, 145) of each image, in steps of 1.5: (n,) from (n, g, g)."""
    n = len(values)
    bins = np.where(seen, values * np.float32(1 / _STEP), _BINS).astype(np.int64)
    bins += _over(np.arange(n) * (_BINS + 1))
    counts = np.bincount(bins.ravel(), minlength=n * (_BINS + 1)).reshape(n, _BINS + 1)[:, :_BINS].astype(np.float64)
    middle = (np.arange(_BINS) + 0.5) * _STEP
    below, mass = counts.cumsum(1), (counts * middle).cumsum(1)
    above = below[:, -1:] - below
    gap = mass / np.maximum(below, 1) - (mass[:, -1:] - mass) / np.maximum(above, 1)
    between = below * above * gap**2
    # A clean gap gives a flat maximum, and its middle is wanted.
    best = between >= between.max(1, keepdims=True) * (1 - 1e-9)
    return np.asarray(best @ middle / best.sum(1) + _STEP / 2, np.float32)
