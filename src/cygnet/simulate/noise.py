"""Random fields that textures are made of: smooth noise, ridges and jittered cells.

A ``shape`` is (height, width) in pixels. Fields are float32 arrays of that shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

Field = npt.NDArray[np.float32]
Shape = tuple[int, int]


def resize(values: Field, shape: Shape) -> Field:
    """``values`` (h0, w0) stretched to ``shape``, bicubic."""
    if values.shape == shape:
        return values
    grown = Image.fromarray(values).resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
    return np.asarray(grown, dtype=np.float32)


def smooth(rng: np.random.Generator, shape: Shape, cell: float) -> Field:
    """Smooth noise with mean 0 and standard deviation 1 whose features are about ``cell`` pixels wide."""
    rows, columns = (max(3, math.ceil(side / max(cell, 1.0)) + 1) for side in shape)
    field = resize(rng.standard_normal((rows, columns), dtype=np.float32), shape)
    field = field - field.mean()
    return np.asarray(field / max(float(field.std()), 1e-6), dtype=np.float32)


def fractal(rng: np.random.Generator, shape: Shape, cell: float, octaves: int = 3, gain: float = 0.6) -> Field:
    """Sum of ``octaves`` smooth fields, each half as wide and ``gain`` times as strong as the last; sd about 1."""
    total = np.zeros(shape, np.float32)
    power = 0.0
    for octave in range(octaves):
        weight = gain**octave
        total += np.float32(weight) * smooth(rng, shape, cell / 2**octave)
        power += weight**2
    return np.asarray(total / np.float32(math.sqrt(power)), dtype=np.float32)


def ridges(rng: np.random.Generator, shape: Shape, cell: float, width: float) -> Field:
    """Winding thin lines in [0, 1]: 1 where a smooth field passes zero, fading within ``width`` of its sd."""
    half = (max(1, math.ceil(shape[0] / 2)), max(1, math.ceil(shape[1] / 2)))
    field = fractal(rng, half, cell / 2, octaves=2, gain=0.35)
    return np.clip(resize(np.exp(-np.square(field / np.float32(width))), shape), 0, 1)


def logistic(values: Field) -> Field:
    """``1 / (1 + exp(-values))``, in (0, 1)."""
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * values), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Cells:
    """A jittered honeycomb: for each pixel, in units of the spacing, its cell and how near the wall is.

    centre : distance to the nearest cell centre. wall : how much farther the second nearest is, 0 on the wall.
    tone : the cell's own number in [0, 1].
    """

    centre: Field
    wall: Field
    tone: Field


def cells(rng: np.random.Generator, shape: Shape, spacing: float, jitter: float = 0.7, warp: float = 0.25) -> Cells:
    """A honeycomb with cells ``spacing`` pixels apart.

    jitter : how far centres stray, in [0, 1]. warp : how far the lattice is bent, in spacings. Distances are worked
    out on a grid that is coarser than the pixels where the cells are large enough to allow it.
    """
    step = max(1.0, min(spacing / 5.0, 4.0))
    coarse = (max(2, round(shape[0] / step)), max(2, round(shape[1] / step)))
    y = np.linspace(0, shape[0] / spacing, coarse[0], dtype=np.float32)[:, None]
    x = np.linspace(0, shape[1] / spacing, coarse[1], dtype=np.float32)[None, :]
    bend = 4 * spacing / step
    y = y + np.float32(warp) * smooth(rng, coarse, bend) + 2
    x = x + np.float32(warp) * smooth(rng, coarse, bend) + 2
    rows, columns = int(y.max()) + 4, int(x.max()) + 4
    stray = np.float32(jitter) * (rng.random((2, rows, columns), dtype=np.float32) - np.float32(0.5))
    stray[1, ::2] += np.float32(0.5)
    tones = rng.random((rows, columns), dtype=np.float32)
    first, second, tone = _nearest(np.maximum(y, 1), np.maximum(x, 1), stray, tones)
    return Cells(resize(first, shape), resize(second - first, shape), resize(tone, shape))


def _nearest(y: Field, x: Field, stray: Field, tones: Field) -> tuple[Field, Field, Field]:
    """Distances to the nearest and second nearest centre, and the tone of the nearest, for points in lattice units."""
    top, left = y.astype(np.int32), x.astype(np.int32)
    in_y, in_x = y - top - np.float32(0.5), x - left - np.float32(0.5)
    columns = tones.shape[1]
    base = top * columns + left
    stray_y, stray_x, flat = stray[0].ravel(), stray[1].ravel(), tones.ravel()
    first = np.full(y.shape, 9.0, np.float32)
    second = first.copy()
    tone = np.zeros(y.shape, np.float32)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            at = base + (down * columns + right)
            distance = np.square(stray_y[at] + (down - in_y)) + np.square(stray_x[at] + (right - in_x))
            nearer = distance < first
            second = np.minimum(second, np.where(nearer, first, distance))
            tone = np.where(nearer, flat[at], tone)
            first = np.minimum(first, distance)
    return np.sqrt(first), np.sqrt(second), tone
