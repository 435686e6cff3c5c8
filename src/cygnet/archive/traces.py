"""What is left of something that was erased: files searched byte by byte."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

#: Shorter texts are not searched for, since chance would find them.
SHORTEST: Final = 6
_BLOCK: Final = 1 << 24


def marks(texts: Iterable[str]) -> list[bytes]:
    """The texts that are worth looking for, as they stand in files."""
    return sorted({text.encode() for text in texts if len(text) >= SHORTEST})


def found_in(path: Path, wanted: Iterable[bytes]) -> list[str]:
    """Which of the marks a file holds; none where there is no file. A few megabytes are in memory at a time."""
    left = set(wanted)
    overlap = max(map(len, left), default=1) - 1
    seen: set[bytes] = set()
    tail = b""
    try:
        with path.open("rb") as stream:
            while left and (block := stream.read(_BLOCK)):
                data = tail + block
                here = {mark for mark in left if mark in data}
                seen |= here
                left -= here
                tail = data[len(data) - overlap :] if overlap else b""
    except FileNotFoundError:
        return []
    return sorted(mark.decode(errors="replace") for mark in seen)


def forget_files(folder: Path, pattern: str, wanted: Iterable[bytes]) -> int:
    """Remove the files of a folder that hold one of the marks; returns how many."""
    some = list(wanted)
    holding = [path for path in folder.glob(pattern) if found_in(path, some)]
    for path in holding:
        path.unlink(missing_ok=True)
    return len(holding)
