"""Images: all, found, one, similar ones, sizes and facets."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cygnet.errors import InputError
from cygnet.web.api.common import (
    GUARDED,
    LARGEST,
    MISSING,
    UNREADABLE,
    Collections,
    CursorText,
    Limit,
    QueryText,
    paged,
    seen,
)
from cygnet.web.api.models import FacetOut, ImageOut, Paged, SimilarOut, SizeOut
from cygnet.web.auth import needs_nothing
from cygnet.web.auth.needs import needs_account
from cygnet.web.shown import numbers

router = APIRouter(prefix="/images", tags=["images"])


@router.get("/", dependencies=[needs_nothing], response_model=Paged[ImageOut], responses=UNREADABLE)
def images(request: Request, limit: Limit = 0, cursor: CursorText = None) -> Response:
    """All images, in the order in which they came."""
    return paged(request, seen(request).search("", limit, cursor).to_dict())


@router.get("/search/", dependencies=[needs_nothing], response_model=Paged[ImageOut], responses=UNREADABLE)
def search(
    request: Request,
    query: QueryText = "",
    collections: Collections = "",
    limit: Limit = 0,
    cursor: CursorText = None,
    pin_sort: Annotated[str, Query(description="Refused, unless empty or false: there is one order.")] = "",
) -> Response:
    """Images that match a query, in the order in which they came."""
    if pin_sort.lower() not in ("", "false", "0"):
        raise InputError("pin_sort is not known here: images come in the order in which they were added; leave it out")
    return paged(request, seen(request).search(query, limit, cursor, numbers(collections)).to_dict())


@router.get("/search/size/", dependencies=[needs_nothing], response_model=SizeOut, responses=UNREADABLE)
def size(request: Request, query: QueryText = "", collections: Collections = "") -> Response:
    """Bytes of the images that match."""
    view = seen(request)
    n = view.archive.size(query, collections=numbers(collections), public_only=view.public_only)
    return JSONResponse({"size": n})


@router.get("/facets/", dependencies=[needs_nothing], response_model=dict[str, FacetOut], responses=UNREADABLE)
def facets(request: Request, query: QueryText = "", collections: Collections = "") -> Response:
    """How many of the images that match have each value of each field."""
    return JSONResponse(seen(request).facets(query, numbers(collections)))


@router.get("/{isic_id}/", dependencies=[needs_nothing], response_model=ImageOut, responses=MISSING)
def image(request: Request, isic_id: str) -> Response:
    """One image."""
    return JSONResponse(seen(request).image(isic_id))


@router.get("/{isic_id}/similar/", dependencies=[needs_account()], response_model=list[SimilarOut], responses=GUARDED)
def similar(request: Request, isic_id: str, limit: Annotated[int, Query(ge=0, le=LARGEST)] = 20) -> Response:
    """The images that look most like one, nearest first: up to 50."""
    view = seen(request)
    found = view.archive.similar(isic_id, limit, public_only=view.public_only, address=view.address)
    return JSONResponse(found)
