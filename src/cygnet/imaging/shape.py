"""Shape of lesions from their masks: moments, axes, perimeter, asymmetry, border.

All functions take stacks (n, h, w) and the size of a pixel, ``dy`` and ``dx`` (n,), in whatever unit lengths are wanted in;
images squashed to a square have pixels that are not square. Masks hold the share of each pixel that is lesion, in [0, 1].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

#: Directions, as (rows, columns), along which borders are counted.
_WAYS: Final = ((0, 1), (1, 2), (1, 1), (2, 1), (1, 0), (2, -1), (1, -1), (1, -2))
#: How far from the centre a fold looks, in standard deviations of the mask: an ellipse ends at 2.
_REACH: Final = 3.5
_TINY: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Moments:
    """Second moments of n masks.

    ``area`` (n,), 0 for an empty mask; ``y`` and ``x`` (n,) the centre, from the middle of the image; ``major`` and
    ``minor`` (n,) full lengths of the axes of the ellipse with the same second moments (4 sqrt(eigenvalue), as in
    scikit-image), at least a pixel's; ``angle`` (n,) of the major axis, in radians from the x axis towards y.
    """

    area: Doubles
    y: Doubles
    x: Doubles
    major: Doubles
    minor: Doubles
    angle: Doubles


def moments(masks: Floats, dy: Doubles, dx: Doubles) -> Moments:
    """Moments of masks (n, h, w)."""
    _, h, w = masks.shape
    down, across = _middle(h), _middle(w)
    rows, columns = masks.sum(2, dtype=np.float32).astype(np.float64), masks.sum(1, dtype=np.float32)
    total = rows.sum(1)
    safe = np.maximum(total, _TINY)
    y, x = rows @ down / safe, columns.astype(np.float64) @ across / safe
    yy = (rows @ down**2 / safe - y**2) * dy**2
    xx = (columns.astype(np.float64) @ across**2 / safe - x**2) * dx**2
    mixed = (masks @ across.astype(np.float32)).astype(np.float64) @ down
    xy = (mixed / safe - y * x) * dy * dx
    root = np.sqrt(((xx - yy) / 2) ** 2 + xy**2)
    middle = (xx + yy) / 2
    least = dy * dx / 16  # of a single pixel, so that no axis is 0
    return Moments(
        area=total * dy * dx,
        y=y * dy,
        x=x * dx,
        major=4 * np.sqrt(np.maximum(middle + root, least)),
        minor=4 * np.sqrt(np.maximum(middle - root, least)),
        angle=0.5 * np.arctan2(2 * xy, xx - yy),
    )


def _middle(n: int) -> Doubles:
    """Positions of n pixel centres, 0 in the middle."""
    return np.asarray(np.arange(n) - (n - 1) / 2, np.float64)


def ellipse_radius(found: Moments, dy: Doubles, dx: Doubles, shape: tuple[int, int]) -> Floats:
    """Distance of each pixel from the lesion's centre in radii of its ellipse, 1 on the ellipse: (n, h, w)."""
    down = (_middle(shape[0])[None] * dy[:, None] - found.y[:, None]).astype(np.float32)[:, :, None]
    across = (_middle(shape[1])[None] * dx[:, None] - found.x[:, None]).astype(np.float32)[:, None, :]
    cos, sin = np.cos(found.angle).astype(np.float32), np.sin(found.angle).astype(np.float32)
    long, short = (2 / found.major).astype(np.float32), (2 / found.minor).astype(np.float32)
    along = across * (cos * long)[:, None, None] + down * (sin * long)[:, None, None]
    aside = down * (cos * short)[:, None, None] - across * (sin * short)[:, None, None]
    along *= along
    aside *= aside
    along += aside
    return np.asarray(np.sqrt(along, out=along))


def perimeter(masks: NDArray[np.bool_], dy: Doubles, dx: Doubles) -> Doubles:
    """Length of the border of masks (n, h, w) by the Cauchy-Crofton formula in eight directions: (n,).

    The image's edge counts as border where the lesion lies on it. Within 2.5 % of the true length for smooth shapes of some
    twenty pixels across and more (Crofton 1868; in four directions it is scikit-image's ``perimeter_crofton``).
    """
    n, h, w = masks.shape
    room = np.zeros((n, h + 4, w + 4), bool)
    room[:, 2:-2, 2:-2] = masks
    length = np.zeros(n)
    for (down, across), arc in zip(_WAYS, _arcs(dy, dx), strict=True):
        one = room[:, : h + 4 - down, max(0, -across) : w + 4 - max(0, across)]
        other = room[:, down:, max(0, across) : w + 4 + min(0, across)]
        crossed = np.array([np.count_nonzero(image) for image in one ^ other])
        length += 0.5 * arc * crossed * dy * dx / np.hypot(down * dy, across * dx)
    return length


def _arcs(dy: Doubles, dx: Doubles) -> Doubles:
    """The part of the half circle that each of ``_WAYS`` stands for: (8, n) radians, together pi."""
    angle = np.array([np.arctan2(down * dy, across * dx) for down, across in _WAYS])
    gap = np.diff(np.concatenate([angle, angle[:1] + math.pi]), axis=0)
    return np.asarray((gap + np.roll(gap, 1, axis=0)) / 2)


def folded(masks: Floats, found: Moments, dy: Doubles, dx: Doubles, side: int = 64) -> Doubles:
    """Asymmetry about the two principal axes: (n, 2) in [0, 1].

    The share of the lesion that does not fall on lesion when it is folded along its major axis, and along its minor one, both
    through its centroid (ABCD rule: Nachbar et al. 1994; as areas: Stoecker et al. 1992). Read from side x side samples
    laid along the axes.
    """
    n, h, w = masks.shape
    grid = ((np.arange(side) + 0.5) / side * 2 - 1).astype(np.float32) * np.float32(_REACH / 4)
    cos, sin = np.cos(found.angle), np.sin(found.angle)

    def places(centre: Doubles, on_major: Doubles, on_minor: Doubles, step: Doubles, length: int) -> NDArray[np.int32]:
        start = (centre / step + (length - 1) / 2 + 0.5 + 1).astype(np.float32)
        along = (on_major * found.major / step).astype(np.float32)[:, None] * grid + start[:, None]
        aside = (on_minor * found.minor / step).astype(np.float32)[:, None] * grid
        at = along[:, None, :] + aside[:, :, None]
        return np.asarray(np.clip(at, 0, length + 1, out=at).astype(np.int32))

    down, across = places(found.y, sin, cos, dy, h), places(found.x, cos, -sin, dx, w)
    room = np.zeros((n, h + 2, w + 2), masks.dtype)  # a rim of no lesion, where places outside the image end up
    room[:, 1:-1, 1:-1] = masks
    down *= w + 2
    down += across
    down += (np.arange(n, dtype=np.int32) * ((h + 2) * (w + 2)))[:, None, None]
    seen = room.take(down)
    total = 2 * np.maximum(seen.sum((1, 2)), _TINY)
    along_major = np.abs(seen - seen[:, ::-1]).sum((1, 2)) / total
    along_minor = np.abs(seen - seen[:, :, ::-1]).sum((1, 2)) / total
    return np.stack([along_major, along_minor], 1).astype(np.float64)


def ellipse_perimeter(major: Doubles, minor: Doubles) -> Doubles:
    """Perimeter of ellipses with these full axes (Ramanujan 1914, first formula)."""
    a, b = major / 2, minor / 2
    return np.asarray(math.pi * (3 * (a + b) - np.sqrt((3 * a + b) * (a + 3 * b))))


def border_irregularity(length: Doubles, found: Moments) -> Doubles:
    """How much longer the border is than that of a smooth ellipse with the same area and elongation: (n,).

    0 for an ellipse of any elongation, 0.2 for a border a fifth longer; noise of the pixels can make it slightly
    negative. Compactness (perimeter^2 / (4 pi area)) would call an elongated smooth nevus irregular.
    """
    scale = np.sqrt(np.maximum(found.area, _TINY) * 4 / math.pi / (found.major * found.minor))
    smooth = ellipse_perimeter(found.major * scale, found.minor * scale)
    return np.asarray(np.where(found.area > 0, length / np.maximum(smooth, _TINY) - 1, 0))
