"""Collections of an archive, and the known data sets by the names of theirs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from cygnet.errors import InputError
from cygnet.interop.listing import pages
from cygnet.interop.transport import FetchError, Transport
from cygnet.schema.suggest import did_you_mean, nearest

_FILE: Final = Path(__file__).parent / "data" / "datasets.json"


@dataclass(frozen=True, slots=True)
class Dataset:
    """A known data set. ``collections`` are names, or DOIs, of its collections in the public ISIC Archive."""

    name: str
    title: str
    collections: tuple[str, ...]
    licence: str
    source: str


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection of an archive."""

    id: int
    name: str
    doi: str | None = None

    @classmethod
    def of(cls, value: Any) -> Collection | None:
        """A collection as the API gives it, None for anything else."""
        if not isinstance(value, dict) or not isinstance(value.get("id"), int):
            return None
        doi = value.get("doi")
        return cls(value["id"], str(value.get("name") or ""), str(doi) if doi else None)


@cache
def datasets() -> dict[str, Dataset]:
    """The known data sets by name."""
    rows = json.loads(_FILE.read_text(encoding="utf-8"))["datasets"]
    return {row["name"]: Dataset(**{**row, "collections": tuple(row["collections"])}) for row in rows}


def dataset(name: str) -> Dataset:
    """A known data set.

    Raises
    ------
    InputError
        If it is not known; the message lists those that are.
    """
    known = datasets()
    if name.lower() not in known:
        hint = did_you_mean(nearest(name.lower(), tuple(known), 1))
        lines = "\n".join(f"  {d.name:14} {d.title}" for d in known.values())
        raise InputError(f"no data set {name!r} is known{'; ' + hint if hint else ''}. There are:\n{lines}")
    return known[name.lower()]


def collection(transport: Transport, number: int) -> Collection:
    """A collection by its number.

    Raises
    ------
    InputError
        If the archive has none of that number that anyone may see.
    """
    try:
        found = Collection.of(transport.json(transport.site.url("collections", str(number))))
    except FetchError as error:
        if error.status != 404:
            raise
        found = None
    if found is None:
        raise InputError(f"{transport.site}: has no collection {number}")
    return found


def collections_of(transport: Transport, wanted: Dataset) -> list[Collection]:
    """The collections of a data set in this archive, found by name or DOI: numbers differ between archives and change over time.

    Raises
    ------
    InputError
        If one of them is not there.
    """
    known = list(_all(transport))
    by = {key.casefold(): c for c in reversed(known) for key in (c.name, _bare(c.doi)) if key}
    missing = [name for name in wanted.collections if name.casefold() not in by]
    if missing:
        near = did_you_mean(nearest(missing[0], tuple(c.name for c in known), 3))
        hint = f"{near} Give its number with --collection" if near else "Give a query, or --collection N"
        raise InputError(f"{transport.site}: has no collection {missing[0]!r} for the data set {wanted.name}. {hint}")
    return [by[name.casefold()] for name in wanted.collections]


def _all(transport: Transport) -> Iterator[Collection]:
    for page in pages(transport, transport.site.url("collections", limit=100)):
        yield from (found for value in page.results if (found := Collection.of(value)) is not None)


def _bare(doi: str | None) -> str:
    return (doi or "").removeprefix("https://doi.org/")
