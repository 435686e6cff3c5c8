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
#: Small numbers that keep logarithms finite, about what rounding and compression leave: in L*, a*, b* units, and in 8-bit steps.
_LEAST: Final = 0.1
_STEP: Final = 0.5


def look(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The look of images (n, s, s, 3) uint8, s a multiple of 40: (n, 41) float32, unitless or in CIELAB units.

    Colours: median, logarithm of the spread, correlations, tails and hue. Detail: logarithm of the mean gradient at four scales, how
    much of it is in few places, how much along one axis, and the finest detail. Layout: middle against rim, halves against each other.
    """
    step = pixels.shape[1] // _GRID
    lab = to_lab(np.stack([np.asarray(Image.fromarray(image).reduce(step)) for image in pixels])).astype(np.float64)
    parts = [*_colours(lab), *_detail(lab[..., 0]), *_finest(pixels[..., 1].astype(np.int16)), *_layout(lab)]
    return np.concatenate([part.reshape(len(pixels), -1) for part in parts], axis=1).astype(np.float32)


def _colours(lab: Floats) -> list[Floats]:
    flat = lab.reshape(len(lab), -1, 3)
    low, middle, high = np.quantile(flat, [0.05, 0.5, 0.95], axis=1)
    off = flat - flat.mean(axis=1, keepdims=True)
    covariance = np.einsum("nki,nkj->nij", off, off) / flat.shape[1]
    spread = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2) + _STEP**2)
    together = [covariance[:, i, j] / (spread[:, i] * spread[:, j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    chroma = np.hypot(flat[..., 1], flat[..., 2])
    hue = flat[..., 1:] / (chroma[..., None] + 2)
    return [
        middle,
        np.log(spread),
        *together,
        low - middle,
        high - middle,
        hue.mean(axis=1),
        np.log1p(chroma.mean(axis=1)),
    ]


def _detail(light: Floats) -> list[Floats]:
    n, found = len(light), []
    for k in _SCALES:
        side = _GRID // k
        coarse = light.reshape(n, side, k, side, k).mean((2, 4))
        across, down = np.diff(coarse, axis=2)[:, :-1], np.diff(coarse, axis=1)[:, :, :-1]
        slope = np.hypot(across, down)
        mean = slope.mean((1, 2))
        found.append(np.log(mean + _LEAST))
        if k < 4:
            found.append(np.log(((slope**4).mean((1, 2)) ** 0.25 + 0.01) / (mean + _LEAST)))
        if k == 1:
            found.append(np.log((np.abs(across).mean((1, 2)) + _LEAST) / (np.abs(down).mean((1, 2)) + _LEAST)))
            found.append(np.abs(across * down).mean((1, 2)) / ((slope**2).mean((1, 2)) + _LEAST))
    return found


def _finest(green: NDArray[np.int16]) -> list[Floats]:
    """Whole numbers throughout, which is quicker and exact."""
    around = green[:, :-2, 1:-1] + green[:, 2:, 1:-1] + green[:, 1:-1, :-2] + green[:, 1:-1, 2:]
    fine = np.abs(4 * green[:, 1:-1, 1:-1] - around)
    mean = fine.mean((1, 2))
    squared = np.square(fine, dtype=np.int32).mean((1, 2))
    even = (green[:, :, 1:] == green[:, :, :-1]).mean((1, 2))
    return [np.log(mean + _STEP), np.log(np.sqrt(squared) / (mean + _STEP) + _LEAST), even]


def _layout(lab: Floats) -> list[Floats]:
    rim = np.ones((_GRID, _GRID), bool)
    rim[6:-6, 6:-6] = False
    border, centre = lab[:, rim], lab[:, 12:-12, 12:-12].mean((1, 2))
    half = _GRID // 2
    upper, left = lab[:, :half].mean((1, 2)), lab[:, :, :half].mean((1, 2))
    lower, right = lab[:, half:].mean((1, 2)), lab[:, :, half:].mean((1, 2))
    return [
        centre - border.mean(axis=1),
        np.log(border.std(axis=1) + _STEP),
        np.abs(upper - lower),
        np.abs(left - right),
    ]
