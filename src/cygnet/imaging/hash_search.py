"""All perceptual hashes near one, among millions, without comparing with each.

Two hashes at most 6 bits apart agree in one of their four 16-bit parts but for one bit at most. So it is enough to look, in each
part, at the 17 lists of hashes that have it, or have it with one bit turned (multi-index hashing; Norouzi, Punjani, Fleet 2012).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cygnet.imaging.fingerprint import MAX_BITS

_PARTS: Final = 4
_VALUES: Final = 1 << 16
#: A part as it is, and with each one of its bits turned.
_FLIPS: Final = np.array([0, *(1 << bit for bit in range(16))], np.int64)
#: Hashes added since the lists were made are compared one by one, up to this many and a sixteenth of all.
_UNLISTED: Final = 4096
_BLOCK: Final = 8192

assert MAX_BITS < 2 * _PARTS, "with more bits apart, no part need agree but for one"


class HashSearch:
    """Hashes by position, in the order in which they were added. 24 bytes a hash."""

    def __init__(self) -> None:
        self._hashes: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._lists: list[tuple[NDArray[np.int32], NDArray[np.int64]]] = []
        self._listed = 0

    def __len__(self) -> int:
        return len(self._hashes)

    def add(self, hashes: NDArray[np.uint64]) -> None:
        """Take in more."""
        self._hashes = np.concatenate([self._hashes, hashes])

    @property
    def hashes(self) -> NDArray[np.uint64]:
        """All hashes, (n,) uint64."""
        return self._hashes

    def near(self, turned: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Positions, rising, of the hashes at most 6 bits from one of ``turned``, the (8,) orientations of a picture."""
        if len(self._hashes) - self._listed > _UNLISTED + self._listed // 16:
            self._make_lists()
        spans = [self._spans(part, turned) for part in range(_PARTS if self._listed else 0)]
        if sum(int(lengths.sum()) for _, lengths in spans) > self._listed:
            return compare_all(turned, self._hashes)
        wanted = np.repeat(turned, len(_FLIPS))
        found = [compare_all(turned, self._hashes[self._listed :]) + self._listed]
        for part, (starts, lengths) in enumerate(spans):
            places = np.repeat(starts - (lengths.cumsum() - lengths), lengths) + np.arange(lengths.sum())
            positions = self._lists[part][0][places]
            bits = np.bitwise_count(self._hashes[positions] ^ np.repeat(wanted, lengths))
            found.append(positions[bits <= MAX_BITS].astype(np.int64))
        return np.unique(np.concatenate(found))

    def _make_lists(self) -> None:
        """For each part, positions sorted by its value, and where each value begins."""
        parts = _parts(self._hashes)
        self._lists = []
        for part in range(_PARTS):
            values = np.ascontiguousarray(parts[:, part])
            order = np.argsort(values, kind="stable").astype(np.int32)
            starts = np.concatenate([[0], np.bincount(values, minlength=_VALUES).cumsum()])
            self._lists.append((order, starts))
        self._listed = len(self._hashes)

    def _spans(self, part: int, turned: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Start and length of the lists to look at, orientation by orientation."""
        values = (_parts(turned)[:, part].astype(np.int64)[:, None] ^ _FLIPS).ravel()
        starts = self._lists[part][1]
        return starts[values], starts[values + 1] - starts[values]


def _parts(hashes: NDArray[np.uint64]) -> NDArray[np.uint16]:
    return np.ascontiguousarray(hashes).view(np.uint16).reshape(-1, _PARTS)


def compare_all(turned: NDArray[np.uint64], hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The same by comparing with every hash."""
    found = [np.zeros(0, np.int64)]
    for start in range(0, len(hashes), _BLOCK):
        bits = np.bitwise_count(turned[:, None] ^ hashes[None, start : start + _BLOCK]).min(axis=0)
        found.append(start + np.flatnonzero(bits <= MAX_BITS))
    return np.concatenate(found)
