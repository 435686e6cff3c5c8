"""A zip of what a query finds, made while it is sent; and the licences' texts."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, HTTPException, Path
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from cygnet.archive.exports.layouts import isic_layout
from cygnet.archive.exports.rows import rows_by_page
from cygnet.archive.exports.targets import zip_stream
from cygnet.archive.licences import LICENCES, licence_text
from cygnet.web.api.common import MISSING, UNREADABLE, seen
from cygnet.web.api.models import Problem, SearchIn
from cygnet.web.auth import needs_nothing
from cygnet.web.shown import numbers
from cygnet.web.site import Site, site_of

router = APIRouter(prefix="/zip-download", tags=["zip-download"], dependencies=[needs_nothing])
#: Seconds for which an address is good.
_GOOD_FOR: Final = 24 * 3600
_LARGEST_NUMBER: Final = 2**63


@router.post("/url/", response_model=str, responses={**UNREADABLE, 403: {"model": Problem}})
def url(request: Request, wanted: SearchIn) -> Response:
    """The address of a zip with what matches, good for a day to whoever has it: images, metadata.csv, attribution.txt, licenses/ and
    the hashes of all."""
    view = seen(request)
    collections = wanted.collections if isinstance(wanted.collections, list) else numbers(wanted.collections)
    if any(not 0 <= n < _LARGEST_NUMBER for n in collections or ()):
        raise HTTPException(422, "collections: a number is out of range")
    query = wanted.query or ""
    view.archive.matches(query, collections=collections)
    path = zip_address(request, query, collections, view.public_only)
    return JSONResponse(str(request.base_url).rstrip("/") + path)


def zip_address(request: Request, query: str, collections: list[int] | None, public_only: bool) -> str:
    """The path of a zip with what matches."""
    token = _sealed(site_of(request), {"q": query, "c": collections, "p": public_only})
    return f"/api/v2/zip-download/file/{token}/images.zip"


@router.get(
    "/file/{token}/images.zip",
    response_class=Response,
    responses={**MISSING, 200: {"content": {"application/zip": {}}}},
)
def file(request: Request, token: str) -> Response:
    """The zip itself, in memory never more than a few images at a time."""
    archive = site_of(request).archive
    asked = _opened(site_of(request), token)
    matches = archive.matches(asked["q"], collections=asked["c"], public_only=asked["p"])
    pieces: Iterator[bytes] = zip_stream(isic_layout(rows_by_page(archive.database, matches), archive.blobs))
    headers = {"Content-Disposition": 'attachment; filename="images.zip"', "Cache-Control": "no-store"}
    return StreamingResponse(pieces, media_type="application/zip", headers=headers)


@router.get(
    "/license-file/{type}/",
    response_model=None,
    responses={**MISSING, 200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def license_file(type: Annotated[str, Path(examples=["CC-BY"])]) -> Response:
    """The text of a licence: CC-0, CC-BY or CC-BY-NC."""
    if type not in LICENCES:
        raise HTTPException(404, f"{type[:40]}: no such licence; there are {', '.join(LICENCES)}")
    return PlainTextResponse(licence_text(type))


def _sealed(site: Site, asked: dict[str, Any]) -> str:
    text = json.dumps({**asked, "until": int(time.time()) + _GOOD_FOR}, separators=(",", ":"))
    return f"{base64.urlsafe_b64encode(text.encode()).decode().rstrip('=')}.{site.accounts.seal('zip', text)}"


def _opened(site: Site, token: str) -> dict[str, Any]:
    coded, _, seal = token.partition(".")
    try:
        text = base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4)).decode()
    except ValueError:
        text = ""
    if not site.accounts.sealed("zip", text, seal):
        raise HTTPException(404, "this is no address of a zip; ask for one at zip-download/url/")
    asked: dict[str, Any] = json.loads(text)
    if asked["until"] < time.time():
        raise HTTPException(404, "this address was good for a day; ask for another at zip-download/url/")
    return asked
