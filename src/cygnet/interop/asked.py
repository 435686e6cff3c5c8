"""What a pull is to bring, and how it tells how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from cygnet.interop.catalogue import Collection
from cygnet.interop.listing import first_page
from cygnet.interop.site import Site


class Progress(NamedTuple):
    """How far a pull is: images done, images in all (0 while unknown), bytes here, and a word on what it waits for."""

    done: int
    total: int
    bytes: int
    note: str = ""


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """A query in an archive, within collections if any are given, the first ``limit`` images of it."""

    site: Site
    query: str
    collections: tuple[Collection, ...] = ()
    limit: int | None = None
    dataset: str | None = None

    @property
    def numbers(self) -> tuple[int, ...]:
        """The collections' numbers."""
        return tuple(dict.fromkeys(c.id for c in self.collections))

    @property
    def first(self) -> str:
        """The address at which the list begins."""
        return first_page(self.site, self.query, self.numbers, self.limit)

    def key(self) -> dict[str, Any]:
        """What must be the same for a pull to go on in a folder."""
        return {"source": str(self.site), "query": self.query, "collections": list(self.numbers), "limit": self.limit}

    def at_most(self, count: int | None) -> int | None:
        """A count that the server gave, within the limit."""
        return count if count is None or self.limit is None else min(count, self.limit)


def words(key: dict[str, Any]) -> str:
    """A key as a person reads it."""
    parts = [f"{key.get('query')!r}"]
    if key.get("collections"):
        parts.append(f"collections {', '.join(map(str, key['collections']))}")
    if key.get("limit"):
        parts.append(f"limit {key['limit']}")
    return f"{', '.join(parts)} from {key.get('source')}"
