"""Where a network looked, against where the lesion is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def coverage(mask: NDArray[np.bool_], grid: int) -> NDArray[np.float64]:
    """The share of each of ``grid`` x ``grid`` equal cells of an image that lies in ``mask`` (h, w): (grid, grid) in [0, 1]."""
    down, across = (_overlaps(grid, side) for side in mask.shape)
    return down @ mask.astype(np.float64) @ across.T


def _overlaps(cells: int, pixels: int) -> NDArray[np.float64]:
    """How much of each of ``cells`` equal cells each of ``pixels`` pixels on the same length takes up: (cells, pixels)."""
    cell = (np.arange(cells) * pixels / cells)[:, None]
    pixel = np.arange(pixels)
    shared = np.minimum(cell + pixels / cells, pixel + 1) - np.maximum(cell, pixel)
    return np.asarray(np.maximum(shared, 0) * cells / pixels)


def share_inside(attention: NDArray[np.floating], mask: NDArray[np.bool_]) -> float:
    """The share of an activation map (g, g), over the whole image, that lies in ``mask`` (h, w) of any size: in [0, 1].

    Only what is above 0 counts, where the image speaks for the diagnosis; NaN where nothing does. A map that is even over
    the image has the mask's share of its area.
    """
    speaks = np.maximum(np.asarray(attention, np.float64), 0)
    total = float(speaks.sum())
    return float((speaks * coverage(mask, len(speaks))).sum()) / total if total > 0 else float("nan")
