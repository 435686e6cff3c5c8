"""Pairs of images that show the same picture, searched among tens of thousands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cygnet.imaging.fingerprint import MAX_BITS, MIN_CORRELATION, Fingerprint, best_correlation

#: Cosine of two embeddings from which a pair is named: of the lesion model's, see docs/audit.md for what it finds, and of any other network's, of which
#: nothing is known.
LESION_COSINE: Final = 0.85
MIN_COSINE: Final = 0.98
#: Correlation from which a near pair counts as the same photograph without more evidence; dark round lesions of different
#: people reach 0.97.
SURE_CORRELATION: Final = 0.98
#: Rows compared at a time, so that a block of comparisons stays in the processor's cache.
_ROWS: Final = 64
_COLUMNS: Final = 4096


@dataclass(frozen=True, slots=True)
class Pair:
    """Images ``i`` < ``j`` by position. ``bits`` 0 to 63 apart, ``correlation`` and ``cosine`` -1 to 1; NaN: not looked at."""

    i: int
    j: int
    identical: bool = False
    bits: float = float("nan")
    correlation: float = float("nan")
    cosine: float = float("nan")


def identical_pairs(prints: list[Fingerprint | None]) -> Iterator[tuple[int, int]]:
    """Positions of images with the same decoded pixels: each with the first that has them."""
    first: dict[str, int] = {}
    for j, mark in enumerate(prints):
        if mark is not None and (i := first.setdefault(mark.pixels, j)) != j:
            yield i, j


def near_pairs(
    hashes: NDArray[np.uint64], max_bits: int = MAX_BITS, progress: Callable[[int], None] | None = None
) -> dict[tuple[int, int], int]:
    """All pairs of (n, 8) hashes at most ``max_bits`` apart in some orientation, with that distance.

    Either image of a pair may be the one that is turned, so that the answer does not depend on the order of the images.
    Blockwise XOR and population count: n^2 / 2 comparisons for each orientation, a few seconds for 10,000 images.
    """
    n = len(hashes)
    columns = [np.ascontiguousarray(hashes[:, k]) for k in range(hashes.shape[1])]
    best: dict[tuple[int, int], int] = {}
    for top in range(0, n, _ROWS):
        rows = slice(top, min(top + _ROWS, n))
        for left in range(top, n, _COLUMNS):
            across = slice(left, min(left + _COLUMNS, n))
            for k, turned in enumerate(columns):
                _note(best, columns[0][rows], turned[across], top, left, max_bits)
                if k:
                    _note(best, turned[rows], columns[0][across], top, left, max_bits)
        if progress:
            progress(rows.stop)
    return best


def _note(
    best: dict[tuple[int, int], int],
    a: NDArray[np.uint64],
    b: NDArray[np.uint64],
    top: int,
    left: int,
    max_bits: int,
) -> None:
    bits = np.bitwise_count(a[:, None] ^ b[None, :])
    for r, c in np.argwhere(bits <= max_bits):
        i, j = int(r) + top, int(c) + left
        if i < j:
            best[i, j] = min(best.get((i, j), 64), int(bits[r, c]))


def cosine_pairs(embeddings: NDArray[np.floating], min_cosine: float = MIN_COSINE) -> dict[tuple[int, int], float]:
    """All pairs of rows of (n, d) whose cosine is ``min_cosine`` or more; rows with NaN or of length 0 pair with none."""
    unit = np.array(embeddings, np.float32)
    unit[~np.isfinite(unit).all(axis=1)] = 0
    norm = np.linalg.norm(unit, axis=1, keepdims=True)
    unit = np.divide(unit, norm, out=np.zeros_like(unit), where=norm > 0)
    found: dict[tuple[int, int], float] = {}
    for top in range(0, len(unit), 512):
        cosine = unit[top : top + 512] @ unit[top:].T
        for r, c in np.argwhere(cosine >= min_cosine):
            if r < c:
                found[int(r) + top, int(c) + top] = float(cosine[r, c])
    return found


def duplicates(
    prints: list[Fingerprint | None],
    embeddings: NDArray[np.floating] | None = None,
    *,
    max_bits: int = MAX_BITS,
    min_correlation: float = MIN_CORRELATION,
    min_cosine: float = MIN_COSINE,
    progress: Callable[[int], None] | None = None,
) -> list[Pair]:
    """Pairs that repeat each other by pixels, by hash and thumbnail, or by embedding; None stands for an unread image.

    A pair whose hashes agree counts if its thumbnails correlate at ``min_correlation`` or more, or its embeddings reach
    ``min_cosine`` at a correlation that is at least 0.9.
    """
    known = [i for i, p in enumerate(prints) if p is not None]
    same = set(identical_pairs(prints))
    cosines = cosine_pairs(embeddings, min_cosine) if embeddings is not None else {}
    stack = np.stack([p.hashes for p in prints if p is not None]) if known else np.zeros((0, 8), np.uint64)
    pairs = {}
    for (a, b), bits in near_pairs(stack, max_bits, progress).items():
        i, j = known[a], known[b]
        one, other = prints[i], prints[j]
        assert one is not None
        assert other is not None
        agree = best_correlation(one.thumbnail, other.thumbnail)
        if agree >= min_correlation or ((i, j) in cosines and agree >= 0.9) or (i, j) in same:
            pairs[i, j] = Pair(i, j, (i, j) in same, bits, agree, cosines.get((i, j), float("nan")))
    for i, j in same - set(pairs):
        pairs[i, j] = Pair(i, j, identical=True, bits=0, correlation=1.0, cosine=cosines.get((i, j), float("nan")))
    for (i, j), cosine in cosines.items():
        pairs.setdefault((i, j), Pair(i, j, cosine=cosine))
    return [pairs[key] for key in sorted(pairs)]


def looks_alike(pair: Pair) -> bool:
    """Whether the pixels themselves resemble each other, rather than the embeddings only."""
    return pair.identical or not np.isnan(pair.bits)


def is_duplicate(pair: Pair) -> bool:
    """Whether it is the same photograph: pixels that are identical, nearly so, or alike and confirmed by the embedding."""
    sure = pair.correlation >= SURE_CORRELATION or not np.isnan(pair.cosine)
    return pair.identical or (looks_alike(pair) and sure)
