"""Photographs that are in the archive already, found by perceptual hash in 8 orientations and confirmed by their thumbnails.

All hashes are compared, by XOR and population count in blocks: 8 bytes an image in memory, a few milliseconds for a batch against ten
thousand images, about a second against a million.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sqlalchemy import Connection, select

from cygnet.archive.blobs import Blobs
from cygnet.archive.tables import image
from cygnet.errors import OutputError
from cygnet.imaging.fingerprint import MAX_BITS, SIDE, best_correlation

#: Thumbnails that correlate at least this well show the same photograph; dark round lesions of different people reach 0.97
#: (docs/audit.md).
SURE: Final = 0.98
_BLOCK: Final = 8192
_ROWS: Final = 50_000


@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """What a new image is looked for by: ``hashes`` (8,) uint64, ``small`` (32, 32, 3) uint8."""

    hashes: NDArray[np.uint64]
    small: NDArray[np.uint8]


class NearIndex:
    """The hashes of the whole archive, brought up to date before each batch."""

    def __init__(self, blobs: Blobs | None) -> None:
        self._blobs = blobs
        self._ids: NDArray[np.int64] = np.zeros(0, np.int64)
        self._hashes: NDArray[np.uint64] = np.zeros(0, np.uint64)

    def refresh(self, connection: Connection) -> None:
        """Take in what was added since; ids only grow."""
        while True:
            last = int(self._ids[-1]) if len(self._ids) else 0
            statement = select(image.c.id, image.c.phash).where(image.c.id > last).order_by(image.c.id).limit(_ROWS)
            rows = connection.execute(statement).all()
            if rows:
                self._ids = np.concatenate([self._ids, np.array([r[0] for r in rows], np.int64)])
                self._hashes = np.concatenate([self._hashes, np.array([r[1] for r in rows], np.int64).view(np.uint64)])
            if len(rows) < _ROWS:
                return

    def close(self, hashes: Sequence[NDArray[np.uint64]]) -> list[list[int]]:
        """For each mark's hashes the ids of the images that may show the same photograph."""
        found: list[list[int]] = [[] for _ in hashes]
        for i, j in close_pairs(hashes, self._hashes):
            found[i].append(int(self._ids[j]))
        return found

    def find(self, connection: Connection, marks: Sequence[Mark]) -> list[int | None]:
        """For each mark the id of the image in the archive that shows the same photograph best, or None."""
        candidates = close_pairs([m.hashes for m in marks], self._hashes)
        wanted = {int(self._ids[j]) for _, j in candidates}
        pictures = self._pictures(connection, wanted)
        best: list[tuple[float, int] | None] = [None] * len(marks)
        for i, j in candidates:
            other = pictures.get(int(self._ids[j]))
            agree = 0.0 if other is None else best_correlation(marks[i].small, other)
            known = best[i]
            if agree >= SURE and (known is None or agree > known[0]):
                best[i] = (agree, int(self._ids[j]))
        return [None if b is None else b[1] for b in best]

    def _pictures(self, connection: Connection, ids: set[int]) -> dict[int, NDArray[np.uint8]]:
        if not ids or self._blobs is None:
            return {}
        rows = connection.execute(
            select(image.c.id, image.c.thumbnail_sha256).where(image.c.id.in_(sorted(ids)[:5000]))
        )
        found = {}
        for id_, sha256 in rows:
            try:
                found[id_] = small_picture(self._blobs.get(sha256))
            except (OutputError, OSError):  # verify reports a lost thumbnail; it must not stop an ingest
                continue
        return found


def close_pairs(
    marks: Sequence[NDArray[np.uint64]], hashes: NDArray[np.uint64], max_bits: int = MAX_BITS
) -> list[tuple[int, int]]:
    """Positions (mark, hash) at most ``max_bits`` apart in some orientation of the mark."""
    found: set[tuple[int, int]] = set()
    for i, mark in enumerate(marks):
        for start in range(0, len(hashes), _BLOCK):
            bits = np.bitwise_count(mark[:, None] ^ hashes[None, start : start + _BLOCK]).min(axis=0)
            found.update((i, start + int(j)) for j in np.flatnonzero(bits <= max_bits))
    return sorted(found)


def small_picture(thumbnail: bytes) -> NDArray[np.uint8]:
    """A thumbnail's JPEG as (32, 32, 3) pixels."""
    with Image.open(io.BytesIO(thumbnail)) as picture:
        return np.asarray(picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX))
