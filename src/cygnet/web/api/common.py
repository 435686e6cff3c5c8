"""What the parts of the API share: parameters, pages with absolute addresses, documented failures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import Query
from starlette.requests import Request
from starlette.responses import JSONResponse

from cygnet.archive.search import MAX_LIMIT, Cursor, Slice
from cygnet.web.api.models import Problem
from cygnet.web.shown import Shown, shown

#: Numbers as they fit a database.
LARGEST: Final = 2**63 - 1
QueryText = Annotated[
    str, Query(description="What to look for.", examples=["diagnosis_1:Malignant AND age_approx:[50 TO *]"])
]
Collections = Annotated[str, Query(description="Only images of any of these collections.", examples=["1,2"])]
Limit = Annotated[int, Query(ge=0, le=LARGEST, description="1 to 100 results; anything else stands for 100.")]
CursorText = Annotated[str | None, Query(description="From an earlier answer's next or previous.")]

UNREADABLE: Final[dict[int | str, dict[str, Any]]] = {400: {"model": Problem}, 422: {"model": Problem}}
MISSING: Final[dict[int | str, dict[str, Any]]] = {404: {"model": Problem}, 422: {"model": Problem}}
GUARDED: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": Problem} for status in (400, 401, 403, 404, 415, 422)
}


def seen(request: Request) -> Shown:
    """What the request sees, with addresses that work from anywhere."""
    return shown(request, absolute=True)


def paged(request: Request, answer: Mapping[str, Any]) -> JSONResponse:
    """A page whose cursors have become addresses."""
    links = {name: _address(request, answer[name]) for name in ("next", "previous")}
    return JSONResponse({"count": answer["count"], **links, "results": answer["results"]})


def paged_slice(request: Request, count: int | None, results: list[Any], part: Slice) -> JSONResponse:
    """The same from a slice."""
    ends = {name: c.to_text() if c else None for name, c in (("next", part.next), ("previous", part.previous))}
    return paged(request, {"count": count, "results": results, **ends})


def bounded(limit: int) -> int:
    """A limit as the archive takes it."""
    return limit if 1 <= limit <= MAX_LIMIT else MAX_LIMIT


def place(cursor: str | None) -> Cursor | None:
    """Where a page begins."""
    return Cursor.from_text(cursor) if cursor else None


def _address(request: Request, cursor: str | None) -> str | None:
    return None if cursor is None else str(request.url.include_query_params(cursor=cursor))
