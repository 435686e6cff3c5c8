"""From a network's grid of probabilities to the mask of one lesion at the picture's own size.

Two steps, so that a stack of images costs little: ``clean`` decides on the grid which region is the lesion, and ``enlarge``
draws its outline at full size from the probabilities around it, so that the edge is as smooth as they are and lies between
grid points, not on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cygnet.imaging.components import Regions, regions

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

#: Smaller regions are no lesion: shares of the picture.
_LEAST: Final = 0.0015
#: Another region of at least this share of the main one's area is a second lesion.
_SECOND: Final = 0.25
#: Standard deviation, in sides, of the weight that prefers the middle of the picture.
_MIDDLE: Final = 0.25
#: Rows that are enlarged at once, so that a large picture needs little memory beside its mask.
_BAND: Final = 256
_SURE: Final = 6.0


class MaskFlag(StrEnum):
    """What is special about an outline."""

    NONE_FOUND = "none_found"
    TOUCHES_BORDER = "touches_border"
    SEVERAL = "several"


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Outlines of n images on the grid.

    ``masks`` (n, g, g) bool, one region without holes each, or empty. ``none_found``, ``touches_border`` and ``several``
    are (n,) bool. ``confidence`` (n,) float32 in [0, 1] is the Jaccard index that the probabilities themselves expect of
    the mask: their sum within it over the sum of its area and what lies outside; for an empty mask, 1 less the highest
    probability.
    """

    masks: Mask
    none_found: Mask
    touches_border: Mask
    several: Mask
    confidence: Floats

    def flags(self, i: int) -> tuple[MaskFlag, ...]:
        """The flags of image ``i``."""
        stated = (
            (MaskFlag.NONE_FOUND, self.none_found),
            (MaskFlag.TOUCHES_BORDER, self.touches_border),
            (MaskFlag.SEVERAL, self.several),
        )
        return tuple(flag for flag, values in stated if values[i])


def clean(probability: Floats, threshold: float = 0.5) -> Cleaned:
    """The lesion of each image from probabilities (n, g, g) in [0, 1].

    Of several regions at or above ``threshold`` the one with the most weight is kept, each pixel weighing less the
    farther it is from the middle. Holes are filled.
    """
    n = len(probability)
    found = regions(probability >= threshold)
    main, second = _choose(found, n)
    kept = np.zeros(len(found.home), np.bool_)
    kept[main[main >= 0]] = True
    masks = found.draw(kept)
    rim = np.zeros(n, np.bool_)
    rim[found.home[kept]] = found.on_rim()[kept]
    hollow = found.home[kept & (found.holes > 0)]
    if len(hollow):
        masks[hollow] = _filled(masks[hollow])
    return Cleaned(masks, main < 0, rim, second, _confidence(probability, masks))


def enlarge(probability: Floats, mask: Mask, width: int, height: int, threshold: float = 0.5) -> Mask:
    """The outline of one image at full size: (height, width) bool from ``probability`` and cleaned ``mask``, both (g, g).

    Log odds are interpolated by quadratic B-splines, which never overshoot and have no corners, and cut at the threshold.
    Other regions and holes are evened out before, so that the outline is that of ``mask``: one region without holes.
    """
    full = np.zeros((height, width), np.bool_)
    if not mask.any():
        return full
    odds = _alone(probability, mask, threshold)
    top, left, bottom, right = _frame(mask, height, width)
    down, across = _spline(len(odds), height, top, bottom), _spline(len(odds), width, left, right)
    columns = odds @ across.T
    part = full[top:bottom, left:right]
    for start in range(0, len(part), _BAND):
        np.greater_equal(down[start : start + _BAND] @ columns, 0, out=part[start : start + _BAND])
    part[:] = _one_region(part)
    return full


def _one_region(mask: Mask) -> Mask:
    """The largest region of a mask (h, w), its holes filled: thin bridges may have broken when it was enlarged."""
    found = regions(mask[None])
    if len(found.home) > 1:
        mask = found.draw(np.arange(len(found.home)) == found.area.argmax())[0]
    if found.holes.any():
        mask = _filled(np.pad(mask, 1)[None])[0, 1:-1, 1:-1]
    return mask


def _spline(g: int, side: int, start: int, stop: int) -> Floats:
    """Weights of g grid points in the full-size pixels ``start`` to ``stop`` of ``side``: (stop - start, g), rows sum to 1.

    Pixels and grid points are areas, so that their centres lie half a step in. The rim goes on beyond itself.
    """
    place = (np.arange(start, stop) + 0.5) * (g / side) - 0.5
    near = np.floor(place + 0.5).astype(np.int64)
    offset = place - near
    weights = np.stack([(0.5 - offset) ** 2 / 2, 0.75 - offset**2, (0.5 + offset) ** 2 / 2])
    matrix = np.zeros((stop - start, g), np.float32)
    for step, weight in zip((-1, 0, 1), weights, strict=True):
        np.add.at(matrix, (np.arange(stop - start), np.clip(near + step, 0, g - 1)), weight)
    return matrix


def _choose(found: Regions, n: int) -> tuple[NDArray[np.int64], Mask]:
    """For each of n images the index of its main region (-1: none), and whether there is a second."""
    _, h, w = found.shape
    across, down = _weights(w), _weights(h)
    upto = np.concatenate([[0.0], np.cumsum(across)])
    mass = down[found.row] * (upto[found.stop] - upto[found.start])
    weight = np.bincount(found.region, weights=mass, minlength=len(found.home))
    large = found.area >= _LEAST * h * w
    order = np.lexsort((weight, large, found.home))
    last = np.flatnonzero(np.diff(found.home[order], append=n))
    main = np.full(n, -1)
    main[found.home[order[last]]] = np.where(large[order[last]], order[last], -1)
    size = np.where(main >= 0, found.area[np.maximum(main, 0)] if len(found.area) else 0, 0)
    rival = large & (found.area >= _SECOND * size[found.home])
    return main, np.bincount(found.home[rival], minlength=n) > 1


def _weights(side: int) -> NDArray[np.float64]:
    place = (np.arange(side) + 0.5) / side - 0.5
    return np.asarray(np.exp(-(place**2) / (2 * _MIDDLE**2)))


def _filled(masks: Mask) -> Mask:
    """Masks with their holes set: what is not connected to the rim."""
    outside = regions(~masks, diagonal=False)
    return ~outside.draw(outside.on_rim())


def _confidence(probability: Floats, masks: Mask) -> Floats:
    inside = np.where(masks, probability, 0).sum((1, 2))
    area = masks.sum((1, 2))
    outside = probability.sum((1, 2)) - inside
    expected = inside / np.maximum(area + outside, 1)
    return np.asarray(np.where(area > 0, expected, 1 - probability.max((1, 2))), np.float32)


def _alone(probability: Floats, mask: Mask, threshold: float) -> Floats:
    """Log odds relative to the threshold, with nothing but the region of ``mask`` above 0."""
    edge = 1 / (1 + np.exp(_SURE))
    p = np.clip(probability, edge, 1 - edge)
    odds = np.log(p / (1 - p)) - np.log(threshold / (1 - threshold))
    least = 0.25
    # Pixels of other regions and filled holes are put just beyond the threshold.
    odds = np.where(mask, np.maximum(odds, np.where(probability < threshold, least, -_SURE)), odds)
    return np.asarray(np.where(~mask & (probability >= threshold), -least, odds), np.float32)


def _frame(mask: Mask, height: int, width: int) -> tuple[int, int, int, int]:
    """Top, left, bottom, right in full-size pixels of the part that the outline can reach."""
    g, k = mask.shape
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, bottom = max(int(rows[0]) - 2, 0), min(int(rows[-1]) + 3, g)
    left, right = max(int(columns[0]) - 2, 0), min(int(columns[-1]) + 3, k)
    return top * height // g, left * width // k, -(-bottom * height // g), -(-right * width // k)
