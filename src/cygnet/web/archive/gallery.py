"""The gallery: the address is the query, facets narrow it, an error points at its character."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse

from cygnet.archive.exports.rows import rows_by_page
from cygnet.archive.exports.texts import COLUMNS, csv_line
from cygnet.archive.query import QueryError
from cygnet.web.api.downloads import zip_address
from cygnet.web.archive.narrow import address_of, facets_of
from cygnet.web.auth import needs_nothing
from cygnet.web.failures import UNPARSABLE
from cygnet.web.pages import answers, form_of, get_page
from cygnet.web.shown import Shown, shown

router = APIRouter(dependencies=[needs_nothing], include_in_schema=False)
#: Pictures on a page.
_PAGE: Final = 100
PATH: Final = "/archive"


@get_page(router, PATH, csv=True)
def gallery(request: Request, query: str = "", cursor: str | None = None) -> Response:
    """Images that match, with the counts by which to go on. As CSV: the metadata of all of them."""
    view = shown(request)
    if form_of(request) == "csv":
        return StreamingResponse(_lines(view, query), media_type="text/csv; charset=utf-8")
    try:
        page = view.search(query, _PAGE, cursor)
        counts = view.facets(query)
    except QueryError as error:
        return _unreadable(request, query, error)
    links = {
        end: address_of(PATH, query=query, cursor=getattr(page, end)) if getattr(page, end) else None
        for end in ("next", "previous")
    }
    total = view.count(query) if page.count is None else page.count
    data = {"query": query, "count": total, **links, "results": page.results, "facets": counts}
    return answers(
        request,
        "archive/gallery.html",
        data,
        narrow=facets_of(query, counts, PATH),
        csv_address=address_of(f"{PATH}.csv", query=query),
        problem=None,
    )


@router.post(f"{PATH}/download")
def download(request: Request, query: Annotated[str, Form(max_length=20_000)] = "") -> Response:
    """A zip of everything that matches."""
    return RedirectResponse(zip_address(request, query, None, shown(request).public_only), 303)


def _lines(view: Shown, query: str) -> Iterator[str]:
    matches = view.archive.matches(query, public_only=view.public_only)

    def lines() -> Iterator[str]:
        yield csv_line(COLUMNS)
        for row in rows_by_page(view.archive.database, matches):
            yield csv_line(row.get(name) for name in COLUMNS)

    return lines()


def _unreadable(request: Request, query: str, error: QueryError) -> Response:
    at = min(error.position, len(query))
    if form_of(request) == "json":
        return JSONResponse({"message": UNPARSABLE, "position": at, "detail": str(error)}, 400)
    problem: dict[str, Any] = {
        "message": str(error).partition("\n")[0],
        "before": query[:at],
        "at": query[at : at + 1],
        "after": query[at + 1 :],
    }
    data: dict[str, Any] = {"query": query, "count": None, "next": None, "previous": None, "results": [], "facets": {}}
    return answers(request, "archive/gallery.html", data, status=400, narrow=[], csv_address="", problem=problem)
