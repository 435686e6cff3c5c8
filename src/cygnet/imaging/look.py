"""What kind of picture an image is: some forty plain numbers on its colours, detail and layout.

A network that was trained on dermoscopy sees lesions everywhere; these numbers know nothing of lesions, and photographs, drawings and
screenshots are unlike dermoscopy in them. ``cygnet.models.lesion`` says how unlike.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cygnet.imaging.colour import to_lab

Floats = NDArray[np.float64]

#: Cells of the coarse grid on a side, and how many of them are averaged for each scale of detail.
_GRID: Final = 40
_SCALES: Final = (1, 2, 4, 8)
#: Quantiles of the colours: low, middle, high.
_QUANTILES: Final = (0.05, 0.5, 0.95)
#: Small numbers that keep logarithms finite, about what rounding and compression leave: in L*, a*, b* units, and in 8-bit steps.
_LEAST: Final = 0.1
_STEP: Final = 0.5


def look(pixels: NDArray[np.uint8], lab: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """The look of images (n, s, s, 3) uint8, s a multiple of 40: (n, 41) float32, unitless or in CIELAB units.

    Colours: median, logarithm of the spread, correlations, tails and hue. Detail: logarithm of the mean gradient at four scales, how
    much of it is in few places, how much along one axis, and the finest detail. Layout: middle against rim, halves against each other.
    ``lab`` (n, 40, 40, 3), the images' colours on the coarse grid, saves working them out again (``cygnet.imaging.Scene.lab``).
    """
    n = len(pixels)
    if lab is None:
        step = pixels.shape[1] // _GRID
        lab = to_lab(np.stack([np.asarray(Image.fromarray(image).reduce(step)) for image in pixels]))
    # Contiguous, which is what makes all that follows quick.
    planes = np.ascontiguousarray(lab.reshape(n, -1, 3).transpose(0, 2, 1))
    wide = planes.astype(np.float64)
    light = wide[:, 0].reshape(n, _GRID, _GRID)
    parts = [*_colours(planes, wide), *_detail(light), *_finest(pixels[..., 1].astype(np.int16)), *_layout(wide)]
    return np.concatenate([part.reshape(n, -1) for part in parts], axis=1).astype(np.float32)


def _colours(planes: NDArray[np.float32], wide: Floats) -> list[Floats]:
    """Of L*, a*, b* (n, 3, p), as they are and widened."""
    low, middle, high = _quantiles(planes)
    off = wide - wide.mean(axis=2, keepdims=True)
    covariance = off @ off.transpose(0, 2, 1) / wide.shape[2]
    spread = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2) + _STEP**2)
    together = [covariance[:, i, j] / (spread[:, i] * spread[:, j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    colour = wide[:, 1:]
    chroma = np.sqrt(np.square(colour).sum(axis=1))
    hue = colour / (chroma + 2)[:, None]
    return [
        middle,
        np.log(spread),
        *together,
        low - middle,
        high - middle,
        hue.mean(axis=2),
        np.log1p(chroma.mean(axis=1)),
    ]


def _quantiles(planes: NDArray[np.float32]) -> list[Floats]:
    """``_QUANTILES`` along the last axis, between two values in proportion; sorted as float32, which is many times as quick."""
    ordered = np.sort(planes, axis=-1)
    found = []
    for share in _QUANTILES:
        place = share * (planes.shape[-1] - 1)
        below = int(place)
        low, high = (ordered[..., k].astype(np.float64) for k in (below, below + 1))
        found.append(high - (high - low) * (1 - (place - below)))
    return found


def _detail(light: Floats) -> list[Floats]:
    n, found = len(light), []
    for k in _SCALES:
        side = _GRID // k
        coarse = light if k == 1 else light.reshape(n, side, k, side, k).sum(4).sum(2) / k**2
        across, down = np.diff(coarse, axis=2)[:, :-1], np.diff(coarse, axis=1)[:, :, :-1]
        squared = across * across + down * down
        mean = _mean(np.sqrt(squared))
        found.append(np.log(mean + _LEAST))
        if k < 4:
            found.append(np.log((_mean(squared * squared) ** 0.25 + 0.01) / (mean + _LEAST)))
        if k == 1:
            found.append(np.log((_mean(np.abs(across)) + _LEAST) / (_mean(np.abs(down)) + _LEAST)))
            found.append(_mean(np.abs(across * down)) / (_mean(squared) + _LEAST))
    return found


def _mean(values: Floats) -> Floats:
    """Of each of n images: (n,) from (n, h, w)."""
    return np.asarray(values.reshape(len(values), -1).mean(axis=1))


def _finest(green: NDArray[np.int16]) -> list[Floats]:
    sums = np.array([_sums(image) for image in green])
    mean, squared = (sums[:, k] / (green.shape[1] - 2) ** 2 for k in (0, 1))
    even = sums[:, 2] / (green.shape[1] * (green.shape[1] - 1))
    return [np.log(mean + _STEP), np.log(np.sqrt(squared) / (mean + _STEP) + _LEAST), even]


def _sums(green: NDArray[np.int16]) -> tuple[float, float, int]:
    """Of one image, which fits the cache: sum of its finest detail, sum of squares, and how many pixels are as the next.

    Whole numbers throughout, which is quicker and exact.
    """
    fine = 4 * green[1:-1, 1:-1]
    for around in (green[:-2, 1:-1], green[2:, 1:-1], green[1:-1, :-2], green[1:-1, 2:]):
        fine -= around
    flat = np.abs(fine, out=fine).ravel().astype(np.float64)
    return float(flat.sum()), float(flat @ flat), int(np.count_nonzero(green[:, 1:] == green[:, :-1]))


def _regions() -> Floats:
    """Weights that take the mean of the centre, the rim, and the upper, lower, left and right half: (1600, 6)."""
    row, column = np.indices((_GRID, _GRID))
    from_edge = np.minimum(np.minimum(row, column), _GRID - 1 - np.maximum(row, column))
    half = _GRID // 2
    parts = [from_edge >= 12, from_edge < 6, row < half, row >= half, column < half, column >= half]
    return np.stack([part.ravel() / np.count_nonzero(part) for part in parts], axis=1)


_REGIONS: Final = _regions()


def _layout(wide: Floats) -> list[Floats]:
    centre, rim, upper, lower, left, right = np.moveaxis(wide @ _REGIONS, 2, 0)
    spread = np.sqrt(np.square(wide - rim[:, :, None]) @ _REGIONS[:, 1])
    return [centre - rim, np.log(spread + _STEP), np.abs(upper - lower), np.abs(left - right)]
