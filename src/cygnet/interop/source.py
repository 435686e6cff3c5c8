"""Another ISIC-compatible archive as a source of images for an ingest. Its ids are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from cygnet.archive.findings import found
from cygnet.archive.ingest.items import MAX_BYTES, Item, Unloadable
from cygnet.archive.ingest.rows import checked_records
from cygnet.errors import InputError
from cygnet.interop.asked import Asked
from cygnet.interop.digests import flaws, promised
from cygnet.interop.listing import Page, pages
from cygnet.interop.patience import Gate, Patience
from cygnet.interop.pulled import Problem
from cygnet.interop.records import Record, read_result
from cygnet.interop.site import Site
from cygnet.interop.transport import FetchError, Gone, Transport

#: Sizes in pixels are measured.
_LEFT: Final = ("pixels_x", "pixels_y")
_CODES: Final = {"size": "checksum", "hash": "checksum", "damaged": "truncated"}
#: Gives sizes in bytes of those of the named images that are there already.
Known = Callable[[Sequence[str]], Mapping[str, int]]
#: Gives the bytes of a record's file, or raises ``Unloadable``.
Load = Callable[[Record], bytes]


class Remote:
    """What an archive lists, as items. ``said``, ``listed``, ``skipped`` and ``problems`` grow as the items are taken."""

    def __init__(self, transport: Transport, asked: Asked, known: Known = lambda ids: {}) -> None:
        self._transport, self._asked, self._known = transport, asked, known
        self.said: int | None = None
        self.listed = self.skipped = 0
        self.problems: list[Problem] = []

    @classmethod
    def at(cls, url: str, query: str = "") -> Remote:
        """The archive at ``url``, its address with or without /api/v2, narrowed to a query."""
        site = Site.of(url)
        return cls(Transport(site, 8, Patience(), Gate()), Asked(site, query))

    def count(self) -> int:
        """How many images the query finds there.

        Raises
        ------
        InputError
            If the archive does not say.
        """
        return self._asked.at_most(next(self._pages()).count) or 0

    def items(self) -> Iterator[Item]:
        """An item for each image that is not here already, a page at a time; files are fetched by whoever loads them.

        Raises
        ------
        InputError
            If the archive does not answer.
        """
        seen: set[str] = set()
        for page in self._pages():
            if not self.listed:
                self.said = self._asked.at_most(page.count)
            most = None if self._asked.limit is None else self._asked.limit - self.listed
            results = page.results[:most]
            self.listed += len(results)
            yield from items_of(self._fresh(results, seen), self._load)
            if self._asked.limit is not None and self.listed >= self._asked.limit:
                break
        if self.said is not None and self.said != self.listed:
            words = f"the server counts {self.said:,} images and lists {self.listed:,}"
            self.problems.append(Problem("", "count", words))

    def _pages(self) -> Iterator[Page]:
        try:
            yield from pages(self._transport, self._asked.first)
        except Gone:
            raise
        except FetchError as error:
            raise InputError(
                f"{error}. Check the address, the query and the network, and run the same again"
            ) from error

    def _fresh(self, results: Sequence[object], seen: set[str]) -> list[Record]:
        """The records of a page that can be had, each once, without those that are here."""
        fresh: list[Record] = []
        for result in results:
            record, problems = read_result(result, self._asked.site)
            self.problems += problems
            if record is not None and record.isic_id.casefold() in seen:
                words = "is listed twice; taken once, and another image may be missing in its place"
                self.problems.append(Problem(record.isic_id, "twice", words))
            elif record is not None:
                seen.add(record.isic_id.casefold())
                fresh.append(record)
        here = self._known([record.isic_id for record in fresh])
        wanted = [r for r in fresh if r.size is None or here.get(r.isic_id) != r.size]
        self.skipped += len(fresh) - len(wanted)
        return wanted

    def _load(self, record: Record) -> bytes:
        try:
            data, promises = self._transport.patiently(lambda: self._fetch(record))
        except Gone:
            raise
        except FetchError as error:
            raise Unloadable(
                found("refuse", "unreadable", f"cannot be fetched ({error}); run the same again")
            ) from error
        for code, words in flaws(data, record.size, promises):
            raise Unloadable(found("refuse", _CODES[code], words))
        return data

    def _fetch(self, record: Record) -> tuple[bytes, dict[str, str]]:
        with self._transport.open(record.url, headers={"Accept-Encoding": "identity"}) as answer:
            data: bytes = answer.read(MAX_BYTES + 1)
            if len(data) > MAX_BYTES:
                raise FetchError(f"more than {MAX_BYTES >> 20} MB")
            return data, promised(answer.headers, record.url, whole=True)


def items_of(records: Sequence[Record], load: Load) -> Iterator[Item]:
    """Records as items, their metadata read and checked as those of a table."""
    rows = [_texts(record) for record in records]
    for record, row, (read, findings) in zip(records, rows, checked_records(rows), strict=True):
        yield Item(
            name=record.file.rpartition("/")[2],
            load=partial(load, record),
            record=read,
            contributed=row,
            findings=findings,
            licence=record.licence,
            attribution=record.attribution,
            public_ids={
                "image": record.isic_id,
                "patient": row.get("patient_id", ""),
                "lesion": row.get("lesion_id", ""),
                "rcm_case": row.get("rcm_case_id", ""),
            },
        )


def _texts(record: Record) -> dict[str, str]:
    """A record's metadata as a table would give them."""
    values: Iterable[tuple[str, object]] = record.values.items()
    return {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in values if k not in _LEFT}
