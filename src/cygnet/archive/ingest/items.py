"""One image on its way in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygnet.archive.findings import Finding

#: Bytes above which a file is not read.
MAX_BYTES = 512 * 1024 * 1024


def original_of(sha256: str, frame: int) -> str:
    """What an image came as: a file's hash, with the number of the frame if the file has several."""
    return f"{sha256}#{frame}" if frame else sha256


class Unloadable(Exception):
    """A file that its source cannot give; ``finding`` says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


@dataclass(frozen=True, slots=True)
class Item:
    """An image that a source offers. ``load`` reads its bytes, in any thread, and may raise :class:`Unloadable`.

    ``record`` is its metadata by the fields of ISIC 6.1, ``contributed`` the row as it came; ``findings`` what is already
    known of it. ``public_ids`` are ids of another archive to keep: image, patient, lesion. ``frame`` takes that frame of a file alone,
    from 1; 0 takes all.
    """

    name: str
    load: Callable[[], bytes]
    record: Mapping[str, Any] = field(default_factory=dict)
    contributed: Mapping[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    licence: str | None = None
    attribution: str | None = None
    public_ids: Mapping[str, str] = field(default_factory=dict)
    frame: int = 0


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob that has been kept."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True, eq=False)
class Examined:
    """An item, or one frame of it, after every check that needs it alone. Without ``pixels_sha256`` it is refused.

    ``sha256`` and ``size`` are of the whole file, of which this is the picture number ``frame``, 0 if it is the only one.
    ``hashes`` (8,) uint64 and ``small`` (32, 32, 3) uint8 are its fingerprint, ``sketch`` its thumbnail's as the catalogue holds it;
    ``embedding`` (d,) float32 or None.
    """

    item: Item
    sha256: str
    size: int
    findings: tuple[Finding, ...]
    type: str = ""
    width: int = 0
    height: int = 0
    pixels_sha256: str = ""
    hashes: NDArray[np.uint64] | None = None
    small: NDArray[np.uint8] | None = None
    embedding: NDArray[np.float32] | None = None
    view: Blob | None = None
    thumbnail: Blob | None = None
    sketch: bytes = b""
    record: Mapping[str, Any] = field(default_factory=dict)
    frame: int = 0

    @property
    def original(self) -> str:
        """What it came as: the file's hash, with the number of the frame if there are several."""
        return original_of(self.sha256, self.frame)

    @property
    def refused(self) -> bool:
        """Whether a finding keeps it out."""
        return any(f.level == "refuse" for f in self.findings)
