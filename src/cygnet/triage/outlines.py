"""The lesions' outlines in a ranking: drawn on the network's grid, kept in a few hundred bytes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cygnet.imaging import Finding, Reason
from cygnet.imaging.contour import contour
from cygnet.imaging.masks import Cleaned, clean
from cygnet.models import SegmentModel


@dataclass(frozen=True, slots=True)
class Outline:
    """One lesion's outline on a grid over the whole image.

    ``bits`` is the packed mask of ``grid`` x ``grid`` places, row by row. ``confidence`` in [0, 1]: the Jaccard index that
    the network expects between its outline and an expert's.
    """

    grid: int
    bits: bytes
    confidence: float

    @classmethod
    def of(cls, mask: NDArray[np.bool_], confidence: float) -> Outline:
        """From a mask (g, g)."""
        return cls(len(mask), np.packbits(mask).tobytes(), round(float(confidence), 4))

    def mask(self) -> NDArray[np.bool_]:
        """(grid, grid) bool, true in the lesion."""
        bits = np.unpackbits(np.frombuffer(self.bits, np.uint8), count=self.grid**2)
        return bits.reshape(self.grid, self.grid).astype(np.bool_)

    @property
    def share(self) -> float:
        """The lesion's share of the image, in [0, 1]."""
        return float(self.mask().mean())

    def points(self) -> list[tuple[float, float]]:
        """A closed line around the lesion: x and y in shares of the image's width and height."""
        return [(round(x, 4), round(y, 4)) for x, y in contour(self.mask()).tolist()]


def at_side(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Images (n, s, s, 3) uint8 as (n, side, side, 3)."""
    if pixels.shape[1] == side:
        return pixels
    return np.stack([np.asarray(Image.fromarray(p).resize((side, side), Image.Resampling.BILINEAR)) for p in pixels])


def draw(pixels: NDArray[np.uint8], segmenter: SegmentModel) -> Cleaned:
    """The lesions in images (n, s, s, 3) uint8 of any side, squashed to squares."""
    return clean(segmenter.predict(at_side(pixels, segmenter.size)), segmenter.threshold)


def doubts(drawn: Cleaned, i: int) -> tuple[Finding, ...]:
    """What is to be said of the outline of image ``i``."""
    if drawn.none_found[i]:
        return (Finding(Reason.NO_LESION, "no lesion was found in the image; nothing could be measured", False),)
    if drawn.several[i]:
        return (Finding(Reason.SEVERAL, "several lesions in the image; the central one is measured", False),)
    return ()


@lru_cache(maxsize=1)
def default_segmenter() -> SegmentModel:
    """The outline model that comes with the package."""
    return SegmentModel()
