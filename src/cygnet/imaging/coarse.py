"""A coarse lesion outline and simple measurements, in well under a millisecond.

They tell a patient's lesions apart; they are not a segmentation. Everything is computed on a 40 x 40 reduction of the
squashed image, in CIELAB (D65), with the image's aspect put back where a shape is measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]

GRID: Final = 40
#: Name, word for a higher value, word for a lower one: the order of every measurement vector.
MEASUREMENTS: Final[tuple[tuple[str, str, str], ...]] = (
    ("size", "larger", "smaller"),
    ("darkness", "darker", "lighter"),
    ("redness", "redder", "less red"),
    ("blueness", "bluer", "less blue"),
    ("colour_variety", "more varied in colour", "more uniform in colour"),
    ("asymmetry", "more asymmetric", "more symmetric"),
    ("elongation", "more elongated", "rounder"),
)

_LINEAR: Final = np.where(
    np.arange(256) <= 10, np.arange(256) / 255 / 12.92, ((np.arange(256) / 255 + 0.055) / 1.055) ** 2.4
).astype(np.float32)
_TO_XYZ: Final = (
    np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]], np.float32)
    / np.array([[0.95047], [1.0], [1.08883]], np.float32)
).T
#: Lightness L* beyond which a tone that reaches the rim is the surround of a round field, not skin.
_BLACK: Final = 12.0
_WHITE: Final = 98.0
_AXIS: Final = ((np.arange(GRID) + 0.5) / GRID - 0.5).astype(np.float32)
_CENTRAL: Final = np.exp(-(_AXIS[:, None] ** 2 + _AXIS[None, :] ** 2) / (2 * 0.30**2)).astype(np.float32)
_RIM: Final = 2


@dataclass(frozen=True, slots=True)
class Coarse:
    """``lab`` (40, 40, 3) float32 CIELAB; ``mask`` (40, 40) float32 membership of the lesion in [0, 1], fading away from
    its centre; ``field`` (40, 40) bool where there is picture and not the black or white surround of a round field."""

    lab: Floats
    mask: Floats
    field: NDArray[np.bool_]


def to_lab(pixels: NDArray[np.uint8]) -> Floats:
    """(..., 3) uint8 sRGB to CIELAB under D65 (CIE 15:2004): L* in [0, 100]."""
    xyz = np.maximum(_LINEAR[pixels] @ _TO_XYZ, 0)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def outline(pixels: NDArray[np.uint8]) -> Coarse:
    """The coarse lesion of a (size, size, 3) uint8 image whose size is a multiple of 40.

    Skin is the lighter class of Otsu's threshold (1979) on darkness, weighted towards the image's centre.
    """
    lab = to_lab(np.asarray(Image.fromarray(pixels).reduce(pixels.shape[0] // GRID)))
    light = lab[..., 0]
    field = ~(_surround(light < _BLACK) | _surround(light > _WHITE))
    if not field.any():
        return Coarse(lab, np.zeros((GRID, GRID), np.float32), field)
    dark = np.asarray(100 - light + 0.35 * np.maximum(lab[..., 1], 0), np.float32)
    seen = dark[field]
    steepness = 4.0 / max(float(seen.std()), 1.0)
    mask = np.float32(1) / (1 + np.exp((_otsu(seen) - dark) * np.float32(steepness)))
    mask = np.asarray(mask * field, np.float32)
    weight = mask * _CENTRAL
    total = float(weight.sum())
    if total < 1e-3:
        return Coarse(lab, mask, field)
    row, column = float((weight.sum(1) @ _AXIS) / total), float((weight.sum(0) @ _AXIS) / total)
    near = np.exp(-((_AXIS[:, None] - row) ** 2 + (_AXIS[None, :] - column) ** 2) / (2 * 0.33**2))
    return Coarse(lab, (mask * np.minimum(near * 1.6, 1)).astype(np.float32), field)


def _surround(extreme: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where an extreme tone reaches the image's edge along its row or its column."""
    if not extreme.any():
        return extreme
    reach = np.minimum.accumulate
    rows = reach(extreme, axis=1) | reach(extreme[:, ::-1], axis=1)[:, ::-1]
    columns = reach(extreme, axis=0) | reach(extreme[::-1], axis=0)[::-1]
    return np.asarray(rows | columns)


def _otsu(values: Floats) -> float:
    """Otsu's threshold of darkness values in [0, 145), in steps of 1.5."""
    counts = np.bincount((values * np.float32(1 / 1.5)).astype(np.int64), minlength=2).astype(np.float64)
    middle = (np.arange(len(counts)) + 0.5) * 1.5
    below, mass = np.cumsum(counts), np.cumsum(counts * middle)
    above = below[-1] - below
    gap = mass / np.maximum(below, 1) - (mass[-1] - mass) / np.maximum(above, 1)
    between = below * above * gap**2
    best = np.flatnonzero(between >= between.max() * (1 - 1e-9))  # a clean gap gives a flat maximum: take its middle
    return float(middle[best].mean() + 0.75)


def measure(coarse: Coarse, aspect: float) -> Floats:
    """Measurements of a coarse lesion in the order of ``MEASUREMENTS``: (7,) float32.

    ``aspect`` is width / height of the file. size: square root of the lesion's share of the image; darkness, redness,
    blueness: CIELAB difference between the lesion and the skin around it (skin L* - lesion L*, lesion a* - skin a*,
    skin b* - lesion b*); colour_variety: SD of CIELAB within the lesion; asymmetry: share of the outline that does not
    fall on itself when turned by 180 degrees, in [0, 1]; elongation: logarithm of the ratio of the principal axes.
    """
    mask, lab = coarse.mask, coarse.lab
    total = max(float(mask.sum()), 1e-3)
    skin = np.where(coarse.field, 1 - mask, 0)
    inside = np.tensordot(mask, lab, 2) / total
    outside = np.tensordot(skin, lab, 2) / max(float(skin.sum()), 1e-3)
    variety = np.sqrt(np.tensordot(mask, ((lab - inside) ** 2).sum(axis=-1), 2) / total)
    row, column = float(mask.sum(1) @ _AXIS) / total, float(mask.sum(0) @ _AXIS) / total
    y, x = _AXIS - row, (_AXIS - column) * aspect
    yy, xx = float(mask.sum(1) @ y**2) / total, float(mask.sum(0) @ x**2) / total
    xy = float(y @ mask @ x) / total
    root = np.sqrt(((yy - xx) / 2) ** 2 + xy**2)
    middle = (yy + xx) / 2
    elongation = 0.5 * np.log((middle + root + 1e-4) / (max(middle - root, 0) + 1e-4))
    size = np.sqrt(total / max(float(coarse.field.sum()), 1))
    return np.array(
        [
            size,
            outside[0] - inside[0],
            inside[1] - outside[1],
            outside[2] - inside[2],
            variety,
            _asymmetry(mask, row, column),
            elongation,
        ],
        np.float32,
    )


def _asymmetry(mask: Floats, row: float, column: float) -> float:
    """Half the share of the mask that changes when it is turned by 180 degrees about its centre."""
    shift_r, shift_c = round(2 * row * GRID), round(2 * column * GRID)
    turned = np.roll(mask[::-1, ::-1], (shift_r, shift_c), axis=(0, 1))
    return float(np.abs(mask - turned).sum() / max(2 * float(mask.sum()), 1e-3))


def border_share(coarse: Coarse) -> float:
    """How much of the middle of one edge of the image is lesion, at the edge where that is most, in [0, 1].

    Corners are left out: a dermatoscope's shading is dark there.
    """
    mask = coarse.mask
    middle = slice(GRID // 5, GRID - GRID // 5)
    edges = (mask[:_RIM, middle], mask[-_RIM:, middle], mask[middle, :_RIM], mask[middle, -_RIM:])
    return max(float(edge.mean()) for edge in edges)
