"""What an archive lists for a query, page by page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from cygnet.interop.site import Site
from cygnet.interop.transport import FetchError, Transport

_PAGE: Final = 100
#: Images that a list may have beyond its count, as where some come in meanwhile, before it counts as endless.
_SURPLUS: Final = 10_000


class Unfit(FetchError):
    """What the archive answers cannot be worked with, now or a minute later."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page. ``count`` is how many images the server says there are, on the first page only; ``next`` the next page's address."""

    count: int | None
    results: list[Any]
    next: str | None


def first_page(site: Site, query: str, collections: Sequence[int], limit: int | None) -> str:
    """Where the list begins."""
    asked: dict[str, str | int] = {"query": query, "limit": min(limit or _PAGE, _PAGE)}
    if collections:
        asked["collections"] = ",".join(map(str, collections))
    return site.url("images", "search", **asked)


def pages(transport: Transport, address: str) -> Iterator[Page]:
    """Pages from an address on.

    Raises
    ------
    FetchError
        If a page cannot be had.
    Unfit
        If it is none, or leads elsewhere or in a circle.
    """
    seen = set()
    following: str | None = address
    most, rows = None, 0
    while following:
        if not transport.site.owns(following):
            raise Unfit(f"{transport.site}: its next page is elsewhere ({following}); not followed")
        mark = sha256(following.encode()).digest()
        if mark in seen:
            raise Unfit(f"{transport.site}: its pages lead in a circle ({following}); the list has no end")
        seen.add(mark)
        page = _page(transport, following)
        yield page
        most, rows = page.count if most is None else most, rows + len(page.results)
        if most is not None and rows > most + _SURPLUS:
            raise Unfit(
                f"{transport.site}: counts {most:,} images and has listed {rows:,}; the list seems to have no end"
            )
        following = page.next


def _page(transport: Transport, address: str) -> Page:
    answer = transport.json(address)
    results = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(results, list):
        raise Unfit(f"{transport.site}: does not answer as an ISIC-compatible archive ({address})")
    count, following = answer.get("count"), answer.get("next")
    address_of_next = None if following is None else transport.site.absolute(str(following))
    return Page(count if isinstance(count, int) and count >= 0 else None, results, address_of_next)
