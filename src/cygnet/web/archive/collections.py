"""Collections: listed, one, made, changed, filled by a query."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Path
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from cygnet.archive import collections as kept
from cygnet.errors import InputError
from cygnet.web.api.common import LARGEST
from cygnet.web.auth import Role, actor, needs, needs_nothing
from cygnet.web.pages import answers, get_page
from cygnet.web.shown import shown
from cygnet.web.site import site_of

router = APIRouter(include_in_schema=False)
Number = Annotated[int, Path(ge=0, le=LARGEST)]
Text = Annotated[str, Form(max_length=4000)]
_SAMPLE: Final = 24
_CURATOR: Final = [needs(Role.CURATOR)]


@get_page(router, "/archive/collections", csv=True, dependencies=[needs_nothing])
def collections(request: Request) -> Response:
    """Collections that may be seen, with the number of images that may."""
    view = shown(request)
    with view.archive.database.read() as connection:
        rows = kept.listed(connection, public_only=view.public_only)
    if view.public_only:
        rows = [{**row, "images": view.count(collections=[row["id"]])} for row in rows]
    return answers(request, "archive/collections.html", {"collections": rows}, rows)


@get_page(router, "/archive/collections/{number}", csv=True, dependencies=[needs_nothing])
def collection(request: Request, number: Number) -> Response:
    """One collection: what it is, whom to credit, its first images."""
    view = shown(request)
    with view.archive.database.read() as connection:
        found = kept.visible(connection, number, public_only=view.public_only)
        credits = kept.attributions(connection, number, public_only=view.public_only)
    page = view.search("", _SAMPLE, None, [number])
    rows = [{"attribution": credit, "images": n} for credit, n in credits]
    data: dict[str, Any] = {"collection": found, "images": page.count, "credits": rows, "sample": page.results}
    return answers(request, "archive/collection.html", data, rows)


@router.post("/archive/collections", dependencies=_CURATOR)
def create(request: Request, name: Text, description: Text = "", public: Text = "") -> Response:
    """Make one."""
    with site_of(request).archive.database.write() as connection:
        number = kept.create(connection, name, actor(request).name, description=description, public=bool(public))
    return _to(number)


@router.post("/archive/collections/{number}", dependencies=_CURATOR)
def change(
    request: Request,
    number: Number,
    name: Text,
    description: Text = "",
    public: Text = "",
    pinned: Text = "",
    locked: Text = "",
) -> Response:
    """Change what it says of itself and who sees it."""
    if not name.strip():
        raise InputError("a collection needs a name")
    values: dict[str, Any] = {"name": name, "description": description}
    values |= {"public": bool(public), "pinned": bool(pinned), "locked": bool(locked)}
    with site_of(request).archive.database.write() as connection:
        kept.visible(connection, number)
        kept.change(connection, number, actor(request).name, **values)
    return _to(number)


@router.post("/archive/collections/{number}/add", dependencies=_CURATOR)
def add(request: Request, number: Number, query: Annotated[str, Form(max_length=20_000)]) -> Response:
    """Put in what a query finds; a public collection takes public images only."""
    archive = site_of(request).archive
    if not query.strip():
        raise InputError("which images? write a query; isic_id:* means all")
    with archive.database.write() as connection:
        public = kept.visible(connection, number)["public"]
        kept.add(connection, number, archive.matches(query, public_only=public), actor(request).name)
    return _to(number)


@router.post("/archive/collections/{number}/remove", dependencies=_CURATOR)
def remove(request: Request, number: Number, isic_id: Text) -> Response:
    """Take one image out."""
    with site_of(request).archive.database.write() as connection:
        kept.visible(connection, number)
        kept.change_members(connection, number, [isic_id], actor(request).name, remove=True)
    return _to(number)


def _to(number: int) -> Response:
    return RedirectResponse(f"/archive/collections/{number}", 303)
