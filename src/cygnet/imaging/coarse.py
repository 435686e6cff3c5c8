"""A coarse lesion outline and simple measurements, in a tenth of a millisecond an image.

They tell a patient's lesions apart; they are not a segmentation. Everything is computed on a 40 x 40 reduction of the
squashed image, in CIELAB (D65), with the image's aspect put back where a shape is measured. Images come in stacks: on
grids this small, the calls cost more than the arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]
Number = TypeVar("Number", bound=np.generic)

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
#: From the three cube roots to L*, a*, b*.
_TO_LAB: Final = np.array([[0, 500, 0], [116, -500, 200], [0, 0, -200]], np.float32)
_OFFSET: Final = np.array([16, 0, 0], np.float32)
#: Lightness L* beyond which a tone that reaches the rim is the surround of a round field, not skin.
_BLACK: Final = 12.0
_WHITE: Final = 98.0
#: Row and column positions of the grid, 0 in the middle, in shares of the side.
_AXIS: Final = ((np.arange(GRID) + 0.5) / GRID - 0.5).astype(np.float32)
_CENTRAL: Final = np.exp(-(_AXIS[:, None] ** 2 + _AXIS[None, :] ** 2) / (2 * 0.30**2)).astype(np.float32)
#: Twice the variance, in sides squared, of the weight that ends a lesion far from its centre.
_REACH: Final = np.float32(2 * 0.33**2)
_RIM: Final = 2
#: Exponent from which on a membership is nothing, so that none overflows.
_FAR: Final = np.float32(60)
#: Steps of darkness in the histogram that Otsu's threshold is found in, and how many there are.
_STEP: Final = 1.5
_BINS: Final = 98


@dataclass(frozen=True, slots=True)
class Coarse:
    """n coarse lesions.

    ``lab`` (n, 40, 40, 3) float32 CIELAB; ``mask`` (n, 40, 40) float32 membership of the lesion in [0, 1], fading away
    from its centre; ``field`` (n, 40, 40) bool where there is picture and not the black or white surround of a round field.
    """

    lab: Floats
    mask: Floats
    field: NDArray[np.bool_]


def to_lab(pixels: NDArray[np.uint8]) -> Floats:
    """(..., 3) uint8 sRGB to CIELAB under D65 (CIE 15:2004): L* in [0, 100]."""
    xyz = np.maximum(_LINEAR.take(pixels).reshape(-1, 3) @ _TO_XYZ, 0)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.asarray(f @ _TO_LAB - _OFFSET).reshape(pixels.shape)


def outline(pixels: NDArray[np.uint8]) -> Coarse:
    """The coarse lesions of images (n, size, size, 3) uint8 whose size is a multiple of 40.

    Skin is the lighter class of Otsu's threshold (1979) on darkness, weighted towards the image's centre.
    """
    step = pixels.shape[1] // GRID
    lab = to_lab(np.stack([np.asarray(Image.fromarray(image).reduce(step)) for image in pixels]))
    light = lab[..., 0]
    black, white = np.split(_surround(np.concatenate([light < _BLACK, light > _WHITE])), 2)
    field = ~(black | white)
    dark: Floats = np.asarray(100 - light + 0.35 * np.maximum(lab[..., 1], 0), np.float32)
    seen = np.maximum(field.sum((1, 2)), 1).astype(np.float32)
    offset = (dark - _over((dark * field).sum((1, 2)) / seen)) * field
    spread = np.sqrt((offset**2).sum((1, 2)) / seen)
    lighter = (_over(_otsu(dark, field)) - dark) * _over(4 / np.maximum(spread, 1))
    mask = field / (1 + np.exp(np.minimum(lighter, _FAR)))
    row, column, _ = _centre(mask * _CENTRAL)
    near = (
        np.exp(-((_AXIS - row[:, None]) ** 2) / _REACH)[:, :, None]
        * np.exp(-((_AXIS - column[:, None]) ** 2) / _REACH)[:, None, :]
    )
    return Coarse(lab, mask * np.minimum(near * np.float32(1.6), 1), field)


def _over(values: NDArray[Number]) -> NDArray[Number]:
    """(n,) as (n, 1, 1)."""
    return values[:, None, None]


def _centre(weight: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean row and column in shares of the side from the middle, and the sum, of weights (n, 40, 40): each (n,)."""
    total = np.maximum(weight.sum((1, 2)), np.float32(1e-3))
    return weight.sum(2) @ _AXIS / total, weight.sum(1) @ _AXIS / total, total


def _surround(extreme: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where an extreme tone reaches the image's edge along its row or its column."""
    if not extreme.any():
        return extreme
    reach = np.minimum.accumulate
    rows = reach(extreme, axis=2) | reach(extreme[:, :, ::-1], axis=2)[:, :, ::-1]
    columns = reach(extreme, axis=1) | reach(extreme[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(rows | columns)


def _otsu(values: Floats, seen: NDArray[np.bool_]) -> Floats:
    """Otsu's threshold of the seen darkness values in [0, 145) of each image, in steps of 1.5: (n,) from (n, 40, 40)."""
    n = len(values)
    bins = np.where(seen, values * np.float32(1 / _STEP), _BINS).astype(np.int64)
    bins += _over(np.arange(n) * (_BINS + 1))
    counts = np.bincount(bins.ravel(), minlength=n * (_BINS + 1)).reshape(n, _BINS + 1)[:, :_BINS].astype(np.float64)
    middle = (np.arange(_BINS) + 0.5) * _STEP
    below, mass = counts.cumsum(1), (counts * middle).cumsum(1)
    above = below[:, -1:] - below
    gap = mass / np.maximum(below, 1) - (mass[:, -1:] - mass) / np.maximum(above, 1)
    between = below * above * gap**2
    # A clean gap gives a flat maximum, and its middle is wanted.
    best = between >= between.max(1, keepdims=True) * (1 - 1e-9)
    return np.asarray(best @ middle / best.sum(1) + _STEP / 2, np.float32)


def measure(coarse: Coarse, aspect: NDArray[np.floating]) -> Floats:
    """Measurements of coarse lesions in the order of ``MEASUREMENTS``: (n, 7) float32.

    ``aspect`` (n,) is width / height of the file. size: square root of the lesion's share of the image; darkness,
    redness, blueness: CIELAB difference between the lesion and the skin around it (skin L* - lesion L*, lesion a* - skin
    a*, skin b* - lesion b*); colour_variety: SD of CIELAB within the lesion; asymmetry: share of the outline that does
    not fall on itself when turned by 180 degrees, in [0, 1]; elongation: logarithm of the ratio of the principal axes.
    """
    mask, lab = coarse.mask, coarse.lab
    n = len(mask)
    row, column, total = _centre(mask)
    skin = coarse.field * (1 - mask)
    flat = lab.reshape(n, -1, 3)
    inside = mask.reshape(n, 1, -1) @ flat / _over(total)
    outside = skin.reshape(n, 1, -1) @ flat / _over(np.maximum(skin.sum((1, 2)), np.float32(1e-3)))
    apart = flat - inside
    variety = np.sqrt(np.einsum("np,npc,npc->n", mask.reshape(n, -1), apart, apart) / total)
    contrast = (inside - outside)[:, 0]
    return np.stack(
        [
            np.sqrt(total / np.maximum(coarse.field.sum((1, 2)), 1)),
            -contrast[:, 0],
            contrast[:, 1],
            -contrast[:, 2],
            variety,
            _asymmetry(mask, row, column, total),
            _elongation(mask, row, column, total, np.asarray(aspect, np.float64)),
        ],
        axis=1,
    ).astype(np.float32)


def _elongation(
    mask: Floats, row: Floats, column: Floats, total: Floats, aspect: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Logarithm of the ratio of the principal axes of masks (n, 40, 40): (n,)."""
    rows, columns = mask.sum(2), mask.sum(1)
    yy = rows @ _AXIS**2 / total - row**2
    xx = (columns @ _AXIS**2 / total - column**2) * aspect**2
    xy = (mask @ _AXIS @ _AXIS / total - row * column) * aspect
    root = np.sqrt(((yy - xx) / 2) ** 2 + xy**2)
    middle = (yy + xx) / 2
    return np.asarray(0.5 * np.log((middle + root + 1e-4) / (np.maximum(middle - root, 0) + 1e-4)))


def _asymmetry(mask: Floats, row: Floats, column: Floats, total: Floats) -> Floats:
    """Half the share of each mask that changes when it is turned by 180 degrees about its centre: (n,)."""
    down, across = (
        (np.arange(GRID - 1, -1, -1) + np.rint(2 * centre * GRID).astype(np.int64)[:, None]) % GRID
        for centre in (row, column)
    )
    cells = _over(np.arange(len(mask)) * GRID * GRID) + down[:, :, None] * GRID + across[:, None, :]
    return np.asarray(np.abs(mask - mask.take(cells)).sum((1, 2)) / (2 * total))


def border_share(coarse: Coarse) -> Floats:
    """How much of the middle of one edge of the image is lesion, at the edge where that is most, in [0, 1]: (n,).

    Corners are left out: a dermatoscope's shading is dark there.
    """
    mask = coarse.mask
    middle = slice(GRID // 5, GRID - GRID // 5)
    edges = (mask[:, :_RIM, middle], mask[:, -_RIM:, middle], mask[:, middle, :_RIM], mask[:, middle, -_RIM:])
    return np.asarray(np.stack([edge.mean((1, 2)) for edge in edges]).max(0))
