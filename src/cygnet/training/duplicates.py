"""Near duplicates between splits, found from the pixels.

Public sets share photographs under other names. A training image that shows a test image again, turned or re-encoded,
would leak it; such training images are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygnet.errors import DecodeError, TableError
from cygnet.imaging.fingerprint import (
    MAX_BITS,
    MIN_CORRELATION,
    correlation,
    orient,
    perceptual_hashes,
    quick_thumbnail,
)
from cygnet.training.sources import Sample


def without_leaks(
    samples: list[Sample], advance: Callable[[int], None] | None = None
) -> tuple[list[Sample], list[tuple[str, str]]]:
    """Samples less those that repeat an image of a split kept for judging, and the pairs (left out, kept) by image id.

    Test images stay as they are; calibration images that repeat a test image and training images that repeat either
    are left out. A pair counts as a repeat when the 63-bit DCT hashes (Zauner 2010) differ in at most 6 bits in one of
    8 orientations and the colour thumbnails correlate at 0.96 or more. ``advance(done)`` is told how many were looked at.

    Raises
    ------
    TableError
        If images cannot be read; it names all of them.
    """
    rank = {"test": 0, "calibration": 1, "train": 2}
    hashes = np.stack(list(_hashes(samples, advance)))
    order = np.array([rank[s.split] for s in samples])
    dropped: dict[int, int] = {}
    for kept in np.flatnonzero(order < 2):
        bits = np.bitwise_count(hashes[kept, 0] ^ hashes)
        for other in np.flatnonzero((bits.min(axis=1) <= MAX_BITS) & (order > order[kept])):
            turned = orient(quick_thumbnail(samples[other].path), int(bits[other].argmin()))
            if correlation(quick_thumbnail(samples[kept].path), turned) >= MIN_CORRELATION:
                dropped.setdefault(int(other), int(kept))
    pairs = [(samples[i].image_id, samples[j].image_id) for i, j in sorted(dropped.items())]
    return [s for i, s in enumerate(samples) if i not in dropped], pairs


def _hashes(samples: Sequence[Sample], advance: Callable[[int], None] | None) -> Iterator[NDArray[Any]]:
    unread: list[str] = []
    for done, sample in enumerate(samples, 1):
        try:
            yield perceptual_hashes(quick_thumbnail(sample.path))
        except (OSError, DecodeError) as error:
            unread.append(f"{sample.path}: cannot be read ({error}); restore the file or remove its row")
        if advance:
            advance(done)
    if unread:
        raise TableError(unread)
