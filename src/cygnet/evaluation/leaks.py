"""The audit of splits for leaks: one call gathers overlaps, duplicates and shortcuts; another writes them down."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from cygnet.errors import DecodeError, OutputError
from cygnet.evaluation.entries import Entry, counts
from cygnet.evaluation.lookalikes import MIN_COSINE, Pair, duplicates, is_duplicate, looks_alike
from cygnet.evaluation.overlap import Leak, shared_ids
from cygnet.evaluation.shortcuts import Shortcut, shortcuts
from cygnet.imaging.fingerprint import Fingerprint, fingerprint
from cygnet.workers import worked


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found. ``images`` per split, ``fingerprinted`` of all, ``unread`` with reasons; ``inside`` counts the
    duplicate pairs within one split, which are no leak."""

    images: dict[str, int]
    fingerprinted: int
    unread: tuple[str, ...]
    leaks: tuple[Leak, ...]
    inside: int
    shortcuts: tuple[Shortcut, ...]

    def standing(self, *, strict: bool = False) -> int:
        """How many leaks stand; with ``strict`` also look-alikes, close embeddings and shortcuts that warn."""
        standing = sum(leak.stands or strict for leak in self.leaks)
        return standing + sum(s.warns for s in self.shortcuts if strict)


def audit(
    entries: Sequence[Entry],
    prints: Sequence[Fingerprint | None] | None = None,
    unread: Sequence[str] = (),
    pairs: Sequence[Pair] = (),
) -> Audit:
    """Overlaps and shortcuts of ``entries``, and what ``pairs`` (positions in ``entries``) mean for their splits."""
    across = [p for p in pairs if entries[p.i].split != entries[p.j].split]
    found = [*shared_ids(entries), *(_leak(entries, pair) for pair in across)]
    return Audit(
        counts(entries),
        sum(p is not None for p in prints or ()),
        tuple(unread),
        tuple(found),
        len(pairs) - len(across),
        tuple(shortcuts(entries, prints)),
    )


def find_pairs(
    prints: Sequence[Fingerprint | None],
    embeddings: NDArray[np.floating] | None = None,
    progress: Callable[[int], None] | None = None,
    min_cosine: float = MIN_COSINE,
) -> list[Pair]:
    """The pairs of images that repeat each other; see ``lookalikes.duplicates``."""
    return duplicates(list(prints), embeddings, min_cosine=min_cosine, progress=progress)


def fingerprints(
    entries: Sequence[Entry], workers: int | None = None, progress: Callable[[int], None] | None = None
) -> tuple[list[Fingerprint | None], list[str]]:
    """Each entry's fingerprint, None where it has no file, and a line for each file that could not be read.

    A file that several entries name is read once.
    """

    def read(path: Path) -> Fingerprint | str:
        try:
            return fingerprint(path)
        except DecodeError as error:
            return str(error)

    files = list(dict.fromkeys(e.path for e in entries if e.path is not None))
    found: dict[Path, Fingerprint | str] = {}
    for done, (path, mark) in enumerate(zip(files, worked(files, read, workers), strict=True), start=1):
        found[path] = mark
        if progress:
            progress(done)
    marks = [None if e.path is None else found[e.path] for e in entries]
    return [m if isinstance(m, Fingerprint) else None for m in marks], [m for m in found.values() if isinstance(m, str)]


def _leak(entries: Sequence[Entry], pair: Pair) -> Leak:
    a, b = entries[pair.i], entries[pair.j]
    leak = Leak(_kind(pair), a.split, b.split, "", a.image, b.image, stands=is_duplicate(pair))
    return replace(leak, bits=pair.bits, correlation=pair.correlation, cosine=pair.cosine)


def _kind(pair: Pair) -> str:
    if pair.identical:
        return "identical pixels"
    if is_duplicate(pair):
        return "near duplicate"
    return "look-alike" if looks_alike(pair) else "close embedding"


def summary(found: Audit) -> dict[tuple[str, str, str], int]:
    """How many leaks of each kind between each two splits, in the order found."""
    return dict(Counter((leak.kind, leak.split_a, leak.split_b) for leak in found.leaks))


def document(found: Audit, *, strict: bool = False) -> dict[str, Any]:
    """The audit as JSON's types, NaN as null."""
    body = {
        "schema": "cygnet-leaks-1",
        "leaks_stand": found.standing(strict=strict),
        "strict": strict,
        "images": found.images,
        "fingerprinted": found.fingerprinted,
        "unread": list(found.unread),
        "pairs_within_a_split": found.inside,
        "counts": [{"kind": k, "split_a": a, "split_b": b, "n": n} for (k, a, b), n in summary(found).items()],
        "shortcuts": [{**asdict(s), "warns": s.warns} for s in found.shortcuts],
    }
    clean: dict[str, Any] = _clean(body)
    return clean


def write(found: Audit, folder: Path, *, strict: bool = False) -> None:
    """leaks.csv with every leak and leaks.json with the counts, each written beside its place and then moved there."""

    def rows(stream: TextIO) -> None:
        table = csv.DictWriter(stream, [f.name for f in fields(Leak)], lineterminator="\n")
        table.writeheader()
        table.writerows({k: "" if v is None else v for k, v in _clean(asdict(leak)).items()} for leak in found.leaks)

    write_whole(folder / "leaks.csv", rows)
    write_whole(folder / "leaks.json", lambda s: json.dump(document(found, strict=strict), s, indent=1))


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """A text file with one line each, whole or not at all."""
    write_whole(path, lambda stream: stream.writelines(f"{line}\n" for line in lines))


def write_whole(path: Path, fill: Callable[[TextIO], None]) -> None:
    """Let ``fill`` write a file that appears only once it is complete.

    Raises
    ------
    OutputError
        Where it cannot be written; what stood there is unchanged.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8", newline="") as stream:
            fill(stream)
        os.replace(part, path)
    except OSError as error:
        raise OutputError(
            f"{path}: could not be written ({error.strerror or error}); choose another place or free some space"
        ) from error
    finally:
        part.unlink(missing_ok=True)


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _clean(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_clean(v) for v in value]
    if isinstance(value, float):
        return None if np.isnan(value) else round(value, 6)
    return value
