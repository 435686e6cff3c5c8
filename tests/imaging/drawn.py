"""Shapes of known size on plain skin."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

SIDE = 160
SKIN, LESION = (220, 180, 160), (110, 70, 50)
Pixels = NDArray[np.uint8]
Bools = NDArray[np.bool_]
AXIS = (np.arange(SIDE) + 0.5) / SIDE - 0.5
Y, X = AXIS[:, None], AXIS[None, :]


def painted(inside: Bools, lesion: tuple[int, int, int] = LESION, skin: tuple[int, int, int] = SKIN) -> Pixels:
    """An image of ``skin`` with one lesion."""
    image = np.empty((*inside.shape, 3), np.uint8)
    image[:] = skin
    image[inside] = lesion
    return image


def ellipse(a: float, b: float, angle: float = 0.0, x: float = 0.0, y: float = 0.0) -> Bools:
    """On a square of 160 pixels; half axes and centre in sides, from the middle."""
    u = (X - x) * math.cos(angle) + (Y - y) * math.sin(angle)
    v = -(X - x) * math.sin(angle) + (Y - y) * math.cos(angle)
    return np.asarray((u / a) ** 2 + (v / b) ** 2 <= 1)


def large_ellipse(height: int, width: int, a: float, b: float, angle: float) -> Bools:
    """In the middle of an image of any size; half axes in pixels."""
    y, x = np.arange(height)[:, None] - height / 2 + 0.37, np.arange(width)[None, :] - width / 2 + 0.21
    u, v = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    return np.asarray((u / a) ** 2 + (v / b) ** 2 <= 1)
