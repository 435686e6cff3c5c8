"""The convex hull of a mask: solidity and the largest diameter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


def hull(mask: NDArray[np.bool_]) -> Points:
    """Corners (k, 2) as x, y of the convex hull of a mask's pixels, in pixels, counter-clockwise; (0, 2) if empty.

    A pixel counts from the middle of one side to the middle of the other, as in scikit-image.
    """
    points = sorted({*_ends(mask), *((x, y) for y, x in _ends(mask.T))})
    if len(points) < 3:
        return np.array(points, np.float64).reshape(-1, 2)
    return np.array([*_chain(points)[:-1], *_chain(points[::-1])[:-1]])


def _ends(mask: NDArray[np.bool_]) -> list[tuple[float, float]]:
    """Where each row's lesion begins and ends, as x, y."""
    rows = np.flatnonzero(mask.any(axis=1))
    left = mask[rows].argmax(axis=1)
    right = mask.shape[1] - 1 - mask[rows, ::-1].argmax(axis=1)
    pairs = zip(rows.tolist(), left.tolist(), right.tolist(), strict=True)
    return [point for y, low, high in pairs for point in ((low - 0.5, float(y)), (high + 0.5, float(y)))]


def _chain(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The lower hull of sorted points (Andrew 1979)."""
    kept: list[tuple[float, float]] = []
    for x, y in points:
        while len(kept) > 1:
            (x1, y1), (x0, y0) = kept[-1], kept[-2]
            if (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) > 0:
                break
            kept.pop()
        kept.append((x, y))
    return kept


def hull_area(corners: Points) -> float:
    """Area inside the corners (the shoelace formula)."""
    x, y = corners.T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def largest_diameter(corners: Points) -> float:
    """The largest distance between two corners: Feret's maximum diameter; NaN without corners."""
    if not len(corners):
        return float("nan")
    return float(np.sqrt(((corners[:, None] - corners[None]) ** 2).sum(-1).max()))
