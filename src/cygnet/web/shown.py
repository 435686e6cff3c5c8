"""What of the archive a request may see, and where its files are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import HTTPException
from starlette.requests import Request

from cygnet.archive import Archive
from cygnet.archive.archive import Page
from cygnet.archive.remembered import Remembered
from cygnet.archive.results import Address
from cygnet.web.auth import Role, actor
from cygnet.web.site import site_of


@dataclass(frozen=True, slots=True)
class Shown:
    """The archive as the actor of a request sees it. Everything that reads images for an answer goes through here."""

    archive: Archive
    public_only: bool
    address: Address
    remembered: Remembered

    def search(self, query: str, limit: int, cursor: str | None, collections: Sequence[int] | None = None) -> Page:
        """One page of what matches."""
        return self.archive.search(
            query,
            limit=limit,
            cursor=cursor,
            collections=collections,
            public_only=self.public_only,
            address=self.address,
        )

    def count(self, query: str = "", collections: Sequence[int] | None = None) -> int:
        """How many images match."""
        return self.archive.count(query, collections=collections, public_only=self.public_only)

    def facets(self, query: str = "", collections: Sequence[int] | None = None) -> dict[str, Any]:
        """Counts of values by field among what matches; shared, not to be changed."""
        return self.archive.facets(query, collections=collections, public_only=self.public_only, shared=self.remembered)

    def image(self, isic_id: str) -> dict[str, Any]:
        """One image."""
        return self.archive.image(isic_id, public_only=self.public_only, address=self.address)


def shown(request: Request, *, absolute: bool = False) -> Shown:
    """What this request sees; ``absolute`` addresses are for answers that leave the browser."""
    start = str(request.base_url).rstrip("/") if absolute else ""
    public_only = not actor(request).may(Role.VIEWER)
    site = site_of(request)
    return Shown(site.archive, public_only, lambda sha, id_, _: f"{start}/files/{id_}/{sha}.jpg", site.facets)


def numbers(text: str | None) -> list[int] | None:
    """Collections as "1,2"; None for none.

    Raises
    ------
    HTTPException
        If it is something else.
    """
    if not text:
        return None
    parts = text.split(",")
    if not all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts):
        raise HTTPException(422, f"collections: {text[:60]!r} is not a list of numbers such as 1,2")
    return [int(part) for part in parts]
