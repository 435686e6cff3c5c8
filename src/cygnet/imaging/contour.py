"""The outline of a region as a smooth closed line, for drawing."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

#: Right, down, left, up: the steps along pixel edges with the region on the right hand.
_STEPS: Final = ((1, 0), (0, 1), (-1, 0), (0, -1))
#: Neighbouring edges that are averaged, so that the stairs of the grid do not show.
_SMOOTH: Final = np.array([1, 2, 3, 2, 1]) / 9


def contour(mask: NDArray[np.bool_], points: int = 64) -> NDArray[np.float64]:
    """The outline of the one region of ``mask`` (h, w): (points, 2) of x and y in [0, 1], shares of width and height.

    Points are evenly spaced along the line, clockwise from the region's first pixel. (0, 2) for an empty mask. Of several
    regions the first is followed; holes are not.
    """
    if not mask.any():
        return np.zeros((0, 2))
    middles = _walk(mask)
    reach = len(_SMOOTH) // 2
    wrapped = np.concatenate([middles[-reach:], middles, middles[:reach]])
    smooth = np.stack([np.convolve(wrapped[:, axis], _SMOOTH, "valid") for axis in (0, 1)], axis=1)
    closed = np.concatenate([smooth, smooth[:1]])
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    wanted = np.linspace(0, along[-1], points, endpoint=False)
    line = np.stack([np.interp(wanted, along, closed[:, axis]) for axis in (0, 1)], axis=1)
    return np.asarray(line / mask.shape[::-1])


def _walk(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Middles of the pixel edges around the first region, in order: (m, 2) of x and y in pixels."""
    wide = np.pad(mask, 1)
    inside = wide[1:-1, 1:-1]
    outer = (wide[:-2, 1:-1], wide[1:-1, 2:], wide[2:, 1:-1], wide[1:-1, :-2])  # above, right, below, left
    corner = ((0, 0), (1, 0), (1, 1), (0, 1))  # where an edge of each direction starts, from its pixel's top left
    edges: set[tuple[int, int, int]] = set()
    for direction, (beyond, (dx, dy)) in enumerate(zip(outer, corner, strict=True)):
        rows, columns = np.nonzero(inside & ~beyond)
        edges.update(zip((columns + dx).tolist(), (rows + dy).tolist(), [direction] * len(rows), strict=True))
    x, y, direction = min((e for e in edges if e[2] == 0), key=lambda e: (e[1], e[0]))
    start, middles = (x, y, direction), []
    while True:
        dx, dy = _STEPS[direction]
        middles.append((x + dx / 2, y + dy / 2))
        x, y = x + dx, y + dy
        # Left first: where two pixels touch at a corner, both belong to the region.
        direction = next(d for d in ((direction + turn) % 4 for turn in (-1, 0, 1)) if (x, y, d) in edges)
        if (x, y, direction) == start:
            return np.array(middles)
