"""Near duplicates between splits, found from the pixels.

Public sets share photographs under other names. A training image that shows a test image again, turned or re-encoded,
would leak it; such training images are left out.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from PIL import Image

from cygnet.training.sources import Sample

_MAX_BITS = 6
_MIN_CORRELATION = 0.96


def without_leaks(samples: list[Sample]) -> tuple[list[Sample], list[tuple[str, str]]]:
    """Samples less those that repeat an image of a split kept for judging, and the pairs (left out, kept) by image id.

    Test images stay as they are; calibration images that repeat a test image and training images that repeat either
    are left out. A pair counts as a repeat when the 63-bit DCT hashes (Zauner 2010) differ in at most 6 bits in one of
    8 orientations and the colour thumbnails correlate at 0.96 or more.
    """
    rank = {"test": 0, "calibration": 1, "train": 2}
    hashes = np.stack([_hashes(_thumbnail(s)) for s in samples])
    order = np.array([rank[s.split] for s in samples])
    dropped: dict[int, int] = {}
    for kept in np.flatnonzero(order < 2):
        bits = np.bitwise_count(hashes[kept, 0] ^ hashes)
        for other in np.flatnonzero((bits.min(axis=1) <= _MAX_BITS) & (order > order[kept])):
            turn = int(bits[other].argmin())
            if _correlation(_thumbnail(samples[kept]), _orient(_thumbnail(samples[other]), turn)) >= _MIN_CORRELATION:
                dropped.setdefault(int(other), int(kept))
    pairs = [(samples[i].image_id, samples[j].image_id) for i, j in sorted(dropped.items())]
    return [s for i, s in enumerate(samples) if i not in dropped], pairs


def _thumbnail(sample: Sample) -> NDArray[np.float64]:
    with Image.open(sample.path) as image:
        image.draft("RGB", (64, 64))
        return np.asarray(image.convert("RGB").resize((32, 32), Image.Resampling.BOX), np.float64)


def _orient(pixels: NDArray[np.float64], turn: int) -> NDArray[np.float64]:
    """One of the 8 orientations: quarter turns, then the same mirrored."""
    turned = np.rot90(pixels, turn % 4)
    return turned[:, ::-1] if turn > 3 else turned


def _hashes(pixels: NDArray[np.float64]) -> NDArray[np.uint64]:
    grey = pixels.mean(axis=2)
    low = np.stack([scipy.fft.dctn(_orient(grey, k))[:8, :8].ravel()[1:] for k in range(8)])
    return np.packbits(low > np.median(low, axis=1, keepdims=True), axis=1).view(np.uint64)[:, 0]


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    a, b = one - one.mean(axis=(0, 1)), other - other.mean(axis=(0, 1))
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum() / norm) if norm else 0.0
