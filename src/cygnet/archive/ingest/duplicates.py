"""Is it here already? By the file's bytes, by decoded pixels, and as the same photograph in another size, quality or turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from cygnet.archive.blobs import Blobs
from cygnet.archive.findings import Finding, found
from cygnet.archive.ingest.items import Examined, original_of
from cygnet.archive.near import SURE, Mark, NearIndex
from cygnet.archive.tables import image, lesion
from cygnet.archive.text import storable
from cygnet.imaging.fingerprint import best_correlation
from cygnet.imaging.hash_search import HashSearch

#: Cohort and private id of a lesion.
LesionKey = tuple[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """An image that is in the archive, or will be once this batch is."""

    label: str
    original: str
    pixels_sha256: str
    lesion: LesionKey | None


@dataclass(frozen=True, slots=True, eq=False)
class Met(Kept):
    """One of this run, whose thumbnail (32, 32, 3) is at hand."""

    small: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Verdict:
    """``isic_id`` of the very same file from the same place, "" where it is new; ``findings`` on what it repeats."""

    isic_id: str = ""
    findings: tuple[Finding, ...] = ()


class _Run:
    """Those that were met and are not in the catalogue yet."""

    def __init__(self) -> None:
        self.by_original: dict[str, Met] = {}
        self.by_pixels: dict[str, Met] = {}
        self._kept: list[Met] = []
        self._search = HashSearch()

    def take(self, met: Met, mark: Mark) -> None:
        """Remember one more; of several with the same bytes or pixels the first."""
        self.by_original.setdefault(met.original, met)
        self.by_pixels.setdefault(met.pixels_sha256, met)
        self._kept.append(met)
        self._search.add(mark.hashes[:1])

    def near(self, mark: Mark) -> Met | None:
        """The first that shows the same photograph."""
        close = (self._kept[j] for j in self._search.near(mark.hashes))
        return next((met for met in close if best_correlation(mark.small, met.small) >= SURE), None)


class Duplicates:
    """Looks for each image in the catalogue and among those met in this batch; a dry run remembers all it has met."""

    def __init__(self, blobs: Blobs | None, *, dry: bool = False) -> None:
        self._near, self._dry = NearIndex(blobs, keep=not dry), dry
        self._run = _Run()

    def judge(self, connection: Connection, batch: Sequence[Examined], cohort: str) -> list[Verdict]:
        """One verdict for each item, none of which is refused so far."""
        if not self._dry:
            self._run = _Run()
        self._near.refresh(connection)
        near = self._near.find(connection, [_mark(e) for e in batch])
        stored = _stored(connection, batch, [id_ for id_ in near if id_ is not None])
        by_original = {kept.original: kept for kept in stored.values()}
        by_pixels = {kept.pixels_sha256: kept for kept in stored.values()}
        return [
            self._one(e, cohort, by_original.get(e.original), by_pixels.get(e.pixels_sha256), stored.get(id_ or 0))
            for e, id_ in zip(batch, near, strict=True)
        ]

    def _one(self, e: Examined, cohort: str, same: Kept | None, pixels: Kept | None, near: Kept | None) -> Verdict:
        if same is not None and same.label.partition("\t")[2] == storable(e.item.name):
            return Verdict(_shown(same))
        same = same or self._run.by_original.get(e.original)
        if same is not None:
            return Verdict(
                "", (found("refuse", "exact-duplicate", f"the same bytes are in the archive as {_shown(same)}"),)
            )
        mine = (cohort, e.record["lesion_id"]) if e.record.get("lesion_id") else None
        pixels = pixels or self._run.by_pixels.get(e.pixels_sha256)
        mark = _mark(e)
        near = near or self._run.near(mark)
        self._run.take(Met(storable(e.item.name), e.original, e.pixels_sha256, mine, mark.small), mark)
        if pixels is not None:
            return Verdict(
                "", (found("hold", "pixel-duplicate", f"the same pixels are in the archive as {_shown(pixels)}"),)
            )
        if near is not None:
            expected = mine is not None and mine == near.lesion
            words = f"shows the same photograph as {_shown(near)}"
            return Verdict("", (found("note" if expected else "hold", "near-duplicate", words),))
        return Verdict()


def _shown(kept: Kept) -> str:
    return kept.label.partition("\t")[0]


def _mark(e: Examined) -> Mark:
    assert e.hashes is not None
    assert e.small is not None
    return Mark(e.hashes, e.small)


def _stored(connection: Connection, batch: Sequence[Examined], near: Sequence[int]) -> dict[int, Kept]:
    """Images of the archive that share bytes or pixels with one of the batch, or were found near; label: id, tab, name."""
    statement = (
        select(
            image.c.id,
            image.c.isic_id,
            image.c.name,
            image.c.original_sha256,
            image.c.frame,
            image.c.pixels_sha256,
            lesion.c.cohort,
            lesion.c.private_id,
        )
        .join_from(image, lesion, image.c.lesion_ref == lesion.c.id, isouter=True)
        .where(
            image.c.original_sha256.in_([e.sha256 for e in batch])
            | image.c.pixels_sha256.in_([e.pixels_sha256 for e in batch])
            | image.c.id.in_(near)
        )
        .order_by(image.c.id.desc())
    )
    return {
        id_: Kept(
            f"{isic_id}\t{name}", original_of(sha256, frame), pixels, None if private is None else (cohort, private)
        )
        for id_, isic_id, name, sha256, frame, pixels, cohort, private in connection.execute(statement)
    }
