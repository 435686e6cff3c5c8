"""Photographs that are in the archive already, found by perceptual hash in 8 orientations and confirmed by their thumbnails.

Three steps of rising cost and falling number. Hashes are in memory, 32 bytes an image, and searched by their parts: less than a millisecond
a mark among a million. Of what is near, sketches are read from the catalogue, which show of nearly all that their thumbnails
cannot agree. Only the thumbnails of the few that are left are read.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sqlalchemy import Connection, delete, func, select

from cygnet.archive.blobs import Blobs
from cygnet.archive.chunks import chunks
from cygnet.archive.database import insert_into
from cygnet.archive.tables import hash_block, image, sketch
from cygnet.errors import OutputError
from cygnet.imaging.fingerprint import SIDE, best_correlation
from cygnet.imaging.hash_search import HashSearch
from cygnet.imaging.sketch import correlation_bounds, sketch_of

#: Thumbnails that correlate at least this well show the same photograph; dark round lesions of different people reach 0.97
#: (docs/audit.md).
SURE: Final = 0.98
#: Images in one row of ``hash_block``: a million are read in a moment.
_BLOCK: Final = 4096
_PAIR: Final = np.dtype([("id", "<i8"), ("hash", "<u8")])
_ROWS: Final = 50_000
_AT_ONCE: Final = 2000

Small = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """What a new image is looked for by: ``hashes`` (8,) uint64, ``small`` (32, 32, 3) uint8."""

    hashes: NDArray[np.uint64]
    small: Small


class NearIndex:
    """The hashes of the whole archive, brought up to date before each batch.

    With ``keep`` it may write to the catalogue what makes the next search quicker: full blocks of hashes, and sketches of images
    that came before there were any.
    """

    def __init__(self, blobs: Blobs | None, *, keep: bool = True) -> None:
        self._blobs, self._keep = blobs, keep
        self._ids: NDArray[np.int64] = np.zeros(0, np.int64)
        self._search = HashSearch()

    def refresh(self, connection: Connection) -> None:
        """Take in what was added since; ids only grow, and hashes never change."""
        blocks = select(hash_block.c.pairs).where(hash_block.c.last_id > self._last).order_by(hash_block.c.last_id)
        for data in connection.execute(blocks).scalars().all():
            kept = np.frombuffer(data, _PAIR)
            self._take(kept[kept["id"] > self._last])
        while len(pairs := _pairs_after(connection, self._last, _ROWS)):
            self._take(pairs)
        if self._keep:
            self._keep_blocks(connection)

    @property
    def _last(self) -> int:
        return int(self._ids[-1]) if len(self._ids) else 0

    def _take(self, pairs: NDArray[np.void]) -> None:
        if len(pairs):
            self._ids = np.concatenate([self._ids, pairs["id"]])
            self._search.add(pairs["hash"])

    def _keep_blocks(self, connection: Connection) -> None:
        """Write the hashes that are in no block yet, as soon as they fill one; as the catalogue has them, since images that are still
        known here may have been erased."""
        kept = connection.execute(select(func.max(hash_block.c.last_id))).scalar() or 0
        while np.count_nonzero(self._ids > kept) >= _BLOCK:
            pairs = _pairs_after(connection, kept, _BLOCK)
            if len(pairs) < _BLOCK:
                return
            kept = int(pairs["id"][-1])
            connection.execute(hash_block.insert().values(last_id=kept, pairs=pairs.tobytes()))

    def close(self, hashes: Sequence[NDArray[np.uint64]]) -> list[list[int]]:
        """For each mark's hashes the ids of the images that may show the same photograph."""
        return [self._ids[self._search.near(one)].tolist() for one in hashes]

    def find(self, connection: Connection, marks: Sequence[Mark]) -> list[int | None]:
        """For each mark the id of the image in the archive that shows the same photograph best, or None."""
        near = self.close([mark.hashes for mark in marks])
        looked = _Looked(connection, self._blobs, {id_ for ids in near for id_ in ids})
        found = [looked.best(mark, ids) for mark, ids in zip(marks, near, strict=True)]
        if self._keep:
            looked.keep_sketches()
        return found


def forget(connection: Connection, ids: Collection[int]) -> None:
    """Take images out of the hashes that are kept: the first block that has one and all that follow, which the next ingest writes anew."""
    connection.execute(delete(hash_block).where(hash_block.c.last_id >= min(ids)))


def _pairs_after(connection: Connection, last: int, most: int) -> NDArray[np.void]:
    """Ids and hashes of the images that come next."""
    chosen = select(image.c.id, image.c.phash).where(image.c.id > last).order_by(image.c.id).limit(most)
    rows = connection.execute(chosen).all()
    pairs = np.zeros(len(rows), _PAIR)
    pairs["id"] = [row[0] for row in rows]
    pairs["hash"] = np.array([row[1] for row in rows], np.int64).view(np.uint64)
    return pairs


def misplaced_hashes(connection: Connection) -> Iterator[str]:
    """Blocks of hashes that do not hold what the images say, in words."""
    last = 0
    for id_, data in connection.execute(select(hash_block).order_by(hash_block.c.last_id)).all():
        if _pairs_after(connection, last, len(data) // _PAIR.itemsize).tobytes() != data:
            yield f"catalogue: the hashes kept for images {last + 1} to {id_} are not theirs; near duplicates would be missed"
        last = id_


class _Looked:
    """The images near a batch, with as much of them as had to be read."""

    def __init__(self, connection: Connection, blobs: Blobs | None, ids: set[int]) -> None:
        self._connection, self._blobs = connection, blobs
        self._sketches = _sketches(connection, ids)
        self._pictures: dict[int, Small | None] = {}

    def best(self, mark: Mark, ids: Sequence[int]) -> int | None:
        """The one whose thumbnail agrees best and well enough, the earliest of equals; most promising first, until none can be better."""
        best: tuple[float, int] | None = None
        for bound, id_ in self._promising(mark, ids):
            if best is not None and bound < best[0]:
                break
            other = self._picture(id_)
            agree = 0.0 if other is None else best_correlation(mark.small, other)
            if agree >= SURE and (best is None or (agree, -id_) > (best[0], -best[1])):
                best = (agree, id_)
        return None if best is None else best[1]

    def _promising(self, mark: Mark, ids: Sequence[int]) -> list[tuple[float, int]]:
        """How well each can agree at most, and its id, best first; without a sketch, anything is possible."""
        known = [id_ for id_ in ids if id_ in self._sketches]
        bounds = [(2.0, id_) for id_ in ids if id_ not in self._sketches]
        if known:
            stack = np.stack([self._sketches[id_] for id_ in known])
            bounds += zip(correlation_bounds(sketch_of(mark.small), stack).tolist(), known, strict=True)
        return sorted((pair for pair in bounds if pair[0] >= SURE), key=lambda pair: -pair[0])

    def _picture(self, id_: int) -> Small | None:
        """An image's thumbnail, small; None if it is lost."""
        if id_ not in self._pictures:
            chosen = select(image.c.thumbnail_sha256).where(image.c.id == id_)
            thumbnail = self._connection.execute(chosen).scalar()  # none of an image erased since the hashes were read
            self._pictures[id_] = _read(self._blobs, thumbnail) if thumbnail else None
        return self._pictures[id_]

    def keep_sketches(self) -> None:
        """Write the sketches of pictures that had none."""
        rows = [
            {"image_id": id_, "vector": pack_sketch(picture)}
            for id_, picture in self._pictures.items()
            if picture is not None and id_ not in self._sketches
        ]
        if rows:
            self._connection.execute(insert_into(self._connection, sketch).on_conflict_do_nothing(), rows)


def _sketches(connection: Connection, ids: set[int]) -> dict[int, NDArray[np.float16]]:
    found: dict[int, NDArray[np.float16]] = {}
    for some in chunks(sorted(ids), _AT_ONCE):
        rows = connection.execute(select(sketch.c.image_id, sketch.c.vector).where(sketch.c.image_id.in_(some)))
        found.update((id_, np.frombuffer(vector, "<f2")) for id_, vector in rows)
    return found


def _read(blobs: Blobs | None, sha256: str) -> Small | None:
    if blobs is None:
        return None
    try:
        return small_picture(blobs.get(sha256))
    except (OutputError, OSError):  # verify reports a lost thumbnail; it must not stop an ingest
        return None


def small_picture(thumbnail: bytes) -> Small:
    """A thumbnail's JPEG as (32, 32, 3) pixels."""
    with Image.open(io.BytesIO(thumbnail)) as picture:
        return np.asarray(picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX))


def pack_sketch(small: Small) -> bytes:
    """The sketch of a (32, 32, 3) thumbnail as the catalogue holds it."""
    return sketch_of(small).astype("<f2").tobytes()
