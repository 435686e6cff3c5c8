"""Thin dark lines by grey-scale morphology: what hairs, ticks and letters have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Bools = NDArray[np.bool_]

#: Directions of the line segments, as (rows, columns) per step; eight of them, about 22 degrees apart.
WAYS: Final = ((0, 1), (1, 2), (1, 1), (2, 1), (1, 0), (2, -1), (1, -1), (1, -2))


def _steps(way: tuple[int, int], length: float) -> int:
    """How many pixels of a segment in that direction are ``length`` long together; at least 2."""
    return max(2, round(length / float(np.hypot(*way))))


def _running(values: Bytes, way: tuple[int, int], count: int, extreme: Callable[..., Any]) -> Bytes:
    """Extreme of the ``count`` values from each place on; only places where all of them are inside are returned."""
    down, across = way
    width, result = 1, values
    while width < count:
        more = min(width, count - width)
        height, side = result.shape[0] - more * down, result.shape[1] - more * across
        result = extreme(result[:height, :side], result[more * down :, more * across :])
        width += more
    return result


def _filtered(values: Bytes, way: tuple[int, int], length: float, first: Any, then: Any) -> Bytes:
    if way[1] < 0:
        return _filtered(values[:, ::-1], (way[0], -way[1]), length, first, then)[:, ::-1]
    count = _steps(way, length)
    rows, columns = (count - 1) * way[0], (count - 1) * way[1]
    room = np.pad(values, ((rows, rows), (columns, columns)), mode="reflect")
    return _running(_running(room, way, count, first), way, count, then)


def closed(grey: Bytes, way: tuple[int, int], length: float) -> Bytes:
    """Grey-scale closing by a line segment: dark gaps shorter than ``length`` pixels in that direction are filled."""
    return _filtered(grey, way, length, np.maximum, np.minimum)


def opened(grey: Bytes, way: tuple[int, int], length: float) -> Bytes:
    """Grey-scale opening by a line segment: bright runs shorter than ``length`` pixels in that direction vanish."""
    return _filtered(grey, way, length, np.minimum, np.maximum)


def thin_dark(grey: Bytes, width: float) -> Bytes:
    """How much darker than its surroundings what is thinner than ``width`` pixels is: (h, w) uint8.

    The largest of the closings in eight directions less the image, as DullRazor finds hair (Lee et al. 1997).
    """
    filled = grey
    for way in WAYS:
        filled = np.maximum(filled, closed(grey, way, width))
    return np.asarray(filled - grey)


def long_runs(mask: Bools, length: float) -> Bools:
    """The part of a mask that consists of straight runs of at least ``length`` pixels in one of eight directions."""
    values = mask.view(np.uint8)
    kept = np.zeros_like(values)
    for way in WAYS:
        kept |= opened(values, way, length)
    return kept.view(np.bool_)


def blobs(mask: Bools, side: int) -> Bools:
    """The part of a mask that squares of ``side`` pixels fit into."""
    values = np.pad(mask.view(np.uint8), side - 1, mode="reflect")
    for extreme in (np.minimum, np.maximum):
        values = _running(_running(values, (0, 1), side, extreme), (1, 0), side, extreme)
    return values.view(np.bool_)


def darkened(grey: Bytes) -> Bytes:
    """The least of the 3 x 3 around each pixel: dark lines two pixels wider."""
    room = np.pad(grey, 1, mode="edge")
    return _running(_running(room, (0, 1), 3, np.minimum), (1, 0), 3, np.minimum)


def grown(mask: Bools, reach: int = 1) -> Bools:
    """The mask and all within ``reach`` pixels of it, diagonals included."""
    wide = mask
    for _ in range(reach):
        room = np.pad(wide, 1)
        tall = room[:-2] | room[1:-1] | room[2:]
        wide = tall[:, :-2] | tall[:, 1:-1] | tall[:, 2:]
    return wide
