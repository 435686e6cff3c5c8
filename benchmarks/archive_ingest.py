"""How fast images come in: into an empty archive, and into one that holds many already. Part of archive.py.

What an archive holds is made up, but looks real: each image mixes two photographs of HAM10000 in orientations drawn at random, two parts of
one to one of the other. So hashes crowd as those of photographs do.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from peak import peak_mb

from cygnet.archive import Archive
from cygnet.archive.blobs import Blobs
from cygnet.archive.ingest.items import Item
from cygnet.archive.ingest.rows import pair, read_rows
from cygnet.archive.ingest.run import Options
from cygnet.archive.ingest.sources import files_of
from cygnet.archive.near import pack_sketch, small_picture
from cygnet.imaging.decode import decode
from cygnet.imaging.fingerprint import orient, perceptual_hashes
from cygnet.models import LesionModel

OPTIONS = Options("CC-BY-NC", "ViDIR Group, Medical University of Vienna", publish=True)
#: Photographs that looks are mixed from. None of them is among those that are taken in.
PHOTOGRAPHS = 1500


class Look(NamedTuple):
    """What near duplicates are found by: hash, sketch, and the name of a thumbnail that can be read."""

    phash: int
    sketch: bytes
    thumbnail: str


class Looks:
    """Draws looks; keeps the thumbnails that they mix in an archive's ``blobs``."""

    def __init__(self, folder: Path, blobs: Blobs) -> None:
        files = sorted((folder / "images").glob("*.jpg"))[-PHOTOGRAPHS:]
        thumbnails = [decode(f.read_bytes(), 240, thumbnail=256, min_side=32).thumbnail or b"" for f in files]
        self._names = [blobs.put(thumbnail) for thumbnail in thumbnails]
        self._small = [small_picture(thumbnail).astype(np.float32) for thumbnail in thumbnails]

    def draw(self, rng: np.random.Generator) -> Look:
        """One more."""
        first, second = rng.integers(0, len(self._small), 2).tolist()
        turns = rng.integers(0, 8, 2).tolist()
        one, other = (
            np.asarray(orient(self._small[k], t), np.float32) for k, t in zip((first, second), turns, strict=True)
        )
        small = ((2 * one + other) / 3).astype(np.uint8)
        phash = int(perceptual_hashes(small)[:1].view(np.int64)[0])
        return Look(phash, pack_sketch(small), self._names[first])


class Taken(NamedTuple):
    """What an ingest took: seconds, images, of them added, and megabytes at its peak after each so many images."""

    seconds: float
    images: int
    added: int
    memory: list[tuple[int, float]]


def items_of(folder: Path) -> Iterable[Item]:
    """The HAM10000 images with their metadata."""
    rows = read_rows(folder / "manifest.csv", constants={"image_type": "dermoscopic"})
    return pair(files_of(folder / "images"), rows)


def take(root: Path, folder: Path, first: int, number: int | None, every: int = 1000) -> Taken:
    """Ingest some of the images, in a process of its own for the peak of memory to be that of the ingest."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_take, root, folder, first, number, every).result()


def _take(root: Path, folder: Path, first: int, number: int | None, every: int) -> Taken:
    memory: list[tuple[int, float]] = []
    done = 0

    def on_outcome(_: Any) -> None:
        nonlocal done
        done += 1
        if done % every == 0:
            memory.append((done, peak_mb()))

    model = LesionModel()
    began = time.perf_counter()
    with Archive.open(root) as archive:
        items = islice(items_of(folder), first, None if number is None else first + number)
        summary = archive.ingest(items, str(folder), OPTIONS, model=model, on_outcome=on_outcome)
    return Taken(time.perf_counter() - began, done, summary.added, memory)


def into_empty(folder: Path, root: Path) -> str:
    """A paragraph on taking in all images, and on verifying them."""
    Archive.init(root).close()
    taken = take(root, folder, 0, None)
    with Archive.open(root) as archive:
        began = time.perf_counter()
        verdict = archive.verify()
        checked = time.perf_counter() - began
    assert verdict.clean, verdict.problems[:3]
    peaks = ", ".join(f"{mb:.0f} at {n:,}" for n, mb in taken.memory)
    return (
        f"Ingest of {taken.images:,} HAM10000 images with every check, table included: {taken.seconds:.1f} s, "
        f"**{taken.images / taken.seconds:.0f} images/s**; {taken.added:,} added, {taken.images - taken.added:,} refused. "
        f"Peak memory in MB: {peaks} (in a process of its own). "
        f"Verifying all {verdict.blobs:,} files, catalogue and log: {checked:.1f} s."
    )


def into_full(name: str, archive: Archive, folder: Path) -> str:
    """A row of :func:`crowd_table`: one image, then a thousand, into an archive that is there."""
    held = len(archive)
    assert archive.root is not None
    # The first ingest packs what was written without it, as one ingest after another would have done.
    take(archive.root, folder, 0, 1)
    one = take(archive.root, folder, 1, 1)
    many = take(archive.root, folder, 2, 1000, every=500)
    half, whole = (mb for _, mb in many.memory)
    rate = many.images / many.seconds
    return f"| {name} | {held:,} | {one.seconds:.2f} | {many.seconds:.1f} | {rate:.0f} | {half:.0f} | {whole:.0f} |"


def crowd_table(rows: list[str]) -> str:
    """How long ingest takes with so many images there to be compared with."""
    head = (
        "Ingest into an archive that holds so many images already, each new one compared with all of them for near duplicates "
        "(seconds from opening the archive; the model is loaded before):"
    )
    columns = "| database | images held | 1 image, s | 1,000 images, s | images/s | MB at 500 | MB at 1,000 |"
    return "\n".join([head, "", columns, "|---|--:|--:|--:|--:|--:|--:|", *rows])
