"""Collections: listed, one, credits, and their images put in and taken out."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cygnet.archive import collections as kept
from cygnet.archive.search import Cursor, Slice
from cygnet.web.api.common import (
    GUARDED,
    LARGEST,
    MISSING,
    UNREADABLE,
    CursorText,
    Limit,
    bounded,
    paged_slice,
    place,
    seen,
)
from cygnet.web.api.models import CollectionOut, CreditOut, IdsIn, Paged, PopulatedOut, RemovedOut
from cygnet.web.auth import Role, actor, needs, needs_nothing

router = APIRouter(prefix="/collections", tags=["collections"])
Number = Annotated[int, Path(ge=0, le=LARGEST)]
#: Names that are offered while one types.
_OFFERED = 10


@router.get("/", dependencies=[needs_nothing], response_model=Paged[CollectionOut], responses=UNREADABLE)
def collections(
    request: Request,
    pinned: bool | None = None,
    sort: Literal["name", "created"] | None = None,
    limit: Limit = 0,
    cursor: CursorText = None,
) -> Response:
    """Collections that may be seen, pinned ones first unless sorted otherwise."""
    rows = _listed(request, pinned)
    if sort is not None:
        rows.sort(key=lambda row: str(row["name"]) if sort == "name" else f"{row['id']:020}")
    start = place(cursor)
    n = bounded(limit)
    first = 0 if start is None else max(0, start.id - n) if start.backwards else start.id
    last = min(len(rows), first + n)
    ends = Cursor(first, backwards=True) if first else None, Cursor(last) if last < len(rows) else None
    count = len(rows) if start is None else None
    return paged_slice(request, count, [_out(row) for row in rows[first:last]], Slice([], *ends))


@router.get("/autocomplete/", dependencies=[needs_nothing], response_model=list[CollectionOut], responses=UNREADABLE)
def autocomplete(request: Request, query: Annotated[str, Query(min_length=1)]) -> Response:
    """Collections whose name holds some letters."""
    wanted = query.casefold()
    found = [_out(row) for row in _listed(request, None) if wanted in row["name"].casefold()]
    return JSONResponse(found[:_OFFERED])


@router.get("/{number}/", dependencies=[needs_nothing], response_model=CollectionOut, responses=MISSING)
def collection(request: Request, number: Number) -> Response:
    """One collection."""
    view = seen(request)
    with view.archive.database.read() as connection:
        return JSONResponse(_out(kept.visible(connection, number, public_only=view.public_only)))


@router.get("/{number}/attribution/", dependencies=[needs_nothing], response_model=list[CreditOut], responses=MISSING)
def attribution(request: Request, number: Number) -> Response:
    """Whom to credit for a collection's images, most images first."""
    view = seen(request)
    with view.archive.database.read() as connection:
        kept.visible(connection, number, public_only=view.public_only)
        credits = kept.attributions(connection, number, public_only=view.public_only)
    return JSONResponse([{"attribution": credit, "count": n} for credit, n in credits])


@router.post(
    "/{number}/populate-from-list/",
    dependencies=[needs(Role.CURATOR)],
    response_model=PopulatedOut,
    responses=GUARDED,
)
def populate(request: Request, number: Number, ids: IdsIn) -> Response:
    """Put images into a collection; a public one takes public images only."""
    with seen(request).archive.database.write() as connection:
        good, private, unknown = kept.sort_out(connection, number, ids.isic_ids)
        kept.change_members(connection, number, good, actor(request).name)
    return JSONResponse(
        {"succeeded": good, "no_perms_or_does_not_exist": unknown, "private_image_public_collection": private}
    )


@router.post(
    "/{number}/remove-from-list/", dependencies=[needs(Role.CURATOR)], response_model=RemovedOut, responses=GUARDED
)
def remove(request: Request, number: Number, ids: IdsIn) -> Response:
    """Take images out of a collection."""
    with seen(request).archive.database.write() as connection:
        kept.visible(connection, number)
        unknown = kept.change_members(connection, number, ids.isic_ids, actor(request).name, remove=True)
    gone = [isic_id for isic_id in ids.isic_ids if isic_id not in unknown]
    return JSONResponse({"succeeded": gone, "no_perms_or_does_not_exist": unknown})


def _listed(request: Request, pinned: bool | None) -> list[dict[str, Any]]:
    view = seen(request)
    with view.archive.database.read() as connection:
        return kept.listed(connection, public_only=view.public_only, pinned=pinned)


def _out(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in CollectionOut.model_fields}
