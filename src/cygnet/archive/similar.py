"""Similar images: cosine distance between embeddings of the lesion model.

Up to a million vectors all are compared (numpy, in blocks, 256 bytes a vector in memory); beyond, an index of faiss finds candidates. Vectors
that came since are taken in before each search.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from cygnet.archive import log
from cygnet.archive.extras import needs
from cygnet.archive.tables import embedding, image, profile
from cygnet.archive.tables import log as log_table
from cygnet.errors import InputError

if TYPE_CHECKING:
    Floats = NDArray[np.float32]

MOST: Final = 50
#: What the log says when images that were there already have been embedded (``cygnet.archive.embed``).
EMBEDDED: Final = "embedded"
#: Vectors from which on an index is used.
EXACT_UP_TO: Final = 1_000_000
_ROWS: Final = 2000
_BLOCK: Final = 16_384


class Vectors:
    """All embeddings of one model, in memory. Safe to use from several threads."""

    def __init__(self, model: str, exact_up_to: int = EXACT_UP_TO) -> None:
        self.model, self._exact_up_to = model, exact_up_to
        self._ids: list[NDArray[np.int64]] = []
        self._blocks: list[NDArray[np.float16]] = []
        self._last = 0
        self._logged = 0
        self._index: Any = None
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return sum(map(len, self._ids))

    def refresh(self, connection: Connection) -> None:
        """Take in what was added since; ids only grow, but where images that were there already were embedded, all are read anew."""
        with self._lock:
            if self._embedded_since(connection):
                self._ids, self._blocks, self._last, self._index = [], [], 0, None
            while True:
                statement = (
                    select(embedding.c.image_id, embedding.c.vector)
                    .where(embedding.c.image_id > self._last, embedding.c.model == self.model)
                    .order_by(embedding.c.image_id)
                    .limit(_ROWS)
                )
                rows = connection.execute(statement).all()
                if rows:
                    self._take([r[0] for r in rows], np.stack([np.frombuffer(r[1], "<f2") for r in rows]))
                if len(rows) < _ROWS:
                    return

    def _embedded_since(self, connection: Connection) -> bool:
        """Whether the log has an entry of ``embed`` that was not there before."""
        before, self._logged = self._logged, log.size(connection)
        if not self._blocks or self._logged == before:
            return False
        after = (log_table.c.id > before) & (log_table.c.action == EMBEDDED)
        return connection.execute(select(log_table.c.id).where(after).limit(1)).scalar() is not None

    def _take(self, ids: list[int], vectors: NDArray[np.float16]) -> None:
        """Add rows; blocks are filled up, so that there are few."""
        self._last = ids[-1]
        if self._blocks and len(self._blocks[-1]) + len(ids) <= _BLOCK:
            self._ids[-1] = np.concatenate([self._ids[-1], np.array(ids)])
            self._blocks[-1] = np.concatenate([self._blocks[-1], vectors])
        else:
            self._ids.append(np.array(ids, np.int64))
            self._blocks.append(vectors)
        self._index = None

    def nearest(self, vector: Floats, number: int) -> list[tuple[int, float]]:
        """Image ids and cosine distances, 0 (same) to 2, of the ``number`` nearest, nearest first."""
        unit = np.asarray(vector, np.float32)
        unit = unit / max(float(np.linalg.norm(unit)), 1e-12)
        with self._lock:
            if not self._blocks:
                return []
            if len(self) > self._exact_up_to:
                return self._by_index(unit, number)
            cosine = np.concatenate([block.astype(np.float32) @ unit for block in self._blocks])
            ids = np.concatenate(self._ids)
        best = np.argpartition(-cosine, min(number, len(cosine)) - 1)[:number]
        # Ties in the order of ids, so that the answer does not depend on the partition.
        order = best[np.lexsort((ids[best], -cosine[best]))]
        return [(int(ids[k]), float(max(0.0, 1 - cosine[k]))) for k in order]

    def _by_index(self, unit: Floats, number: int) -> list[tuple[int, float]]:
        if self._index is None:
            self._index = _built(self._blocks, self._ids)
        similarity, ids = self._index.search(unit[None], number)
        pairs = zip(ids[0].tolist(), similarity[0].tolist(), strict=True)
        return [(id_, max(0.0, 1 - cosine)) for id_, cosine in pairs if id_ >= 0]


def _built(blocks: list[NDArray[np.float16]], ids: list[NDArray[np.int64]]) -> Any:
    """An inverted file of half-precision vectors; a search looks into 64 of its lists."""
    with needs("faiss", extra="faiss"):
        import faiss
    n, width = sum(map(len, blocks)), blocks[0].shape[1]
    lists = int(np.clip(4 * np.sqrt(n), 1, 65_536))
    half, product = faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    index = faiss.IndexIVFScalarQuantizer(faiss.IndexFlatIP(width), width, lists, half, product)
    step = max(1, n // (64 * lists))
    index.train(np.concatenate([block[::step] for block in blocks]).astype(np.float32))
    for block, some in zip(blocks, ids, strict=True):
        index.add_with_ids(block.astype(np.float32), some)
    index.nprobe = min(64, lists)
    return index


def similar(
    connection: Connection,
    vectors: Vectors,
    vector: Floats,
    limit: int,
    *,
    public_only: bool = False,
    but: int | None = None,
) -> list[tuple[int, float]]:
    """The nearest images that may be seen, without ``but``: id and distance."""
    vectors.refresh(connection)
    wanted = limit + 1
    while True:
        near = vectors.nearest(vector, wanted)
        seen = _visible(connection, [id_ for id_, _ in near]) if public_only else {id_ for id_, _ in near}
        kept = [(id_, distance) for id_, distance in near if id_ in seen and id_ != but]
        if len(kept) >= limit or len(near) < wanted:
            return kept[:limit]
        wanted *= 4


def vector_of(connection: Connection, image_id: int, model: str) -> Floats:
    """An image's embedding.

    Raises
    ------
    InputError
        If it was taken in without one, or with another model.
    """
    chosen = (embedding.c.image_id == image_id) & (embedding.c.model == model)
    data = connection.execute(select(embedding.c.vector).where(chosen)).scalar()
    if data is None:
        raise InputError(
            "this image has no embedding of the current model; make those that lack it: cygnet archive embed DIR"
        )
    return np.frombuffer(data, "<f2").astype(np.float32)


def _visible(connection: Connection, ids: list[int]) -> set[int]:
    statement = select(image.c.id).join_from(image, profile)
    statement = statement.where(image.c.id.in_(ids), profile.c.state == "published")
    return set(connection.execute(statement).scalars())


__all__ = ["EXACT_UP_TO", "MOST", "Vectors", "similar", "vector_of"]
