"""What a pull gives back."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """Something missing or wrong. ``image`` is its id, "" for the pull as a whole; ``code`` one of

    count, twice, id, no-file, shape (of the list); refused, network, size, damaged, hash (of a file); pending (not tried);
    licence (text not to be had); archive (refused by the archive it went into).
    """

    image: str
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.image}: {self.message}" if self.image else self.message


@dataclass(frozen=True, slots=True)
class Pulled:
    """What became of a pull.

    ``said`` is the number of images that the server counted (at most ``limit``), None where it gave none; ``listed`` what it listed,
    ``received`` what is here and checked, ``fetched`` how many of these came in this run; ``bytes`` the size of the images here.
    """

    source: str
    query: str
    collections: tuple[int, ...]
    out: Path | None
    archive: Path | None
    said: int | None
    listed: int
    received: int
    fetched: int
    bytes: int
    problems: tuple[Problem, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether everything that was asked for is here and sound."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {
            "complete": self.complete,
            "source": self.source,
            "query": self.query,
            "collections": list(self.collections),
            "out": str(self.out) if self.out else None,
            "archive": str(self.archive) if self.archive else None,
            "count": {"server": self.said, "listed": self.listed, "received": self.received},
            "fetched": self.fetched,
            "bytes": self.bytes,
            "problems": [asdict(problem) for problem in self.problems],
        }
