"""Review: what waits, with what the checks said; accepted, or rejected for one of the five standards; then published."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from cygnet.archive.fields import STATES
from cygnet.archive.findings import GROUPS
from cygnet.archive.review import ids_of, vote, waiting
from cygnet.archive.states import set_state
from cygnet.web.api.common import place
from cygnet.web.archive.narrow import address_of
from cygnet.web.archive.records import flat
from cygnet.web.auth import Role, actor, needs
from cygnet.web.failures import for_program
from cygnet.web.front.home import local_path
from cygnet.web.pages import answers, get_page
from cygnet.web.shown import shown
from cygnet.web.site import site_of

router = APIRouter(include_in_schema=False)
PATH: Final = "/archive/review"
_PAGE: Final = 20
Text = Annotated[str, Form(max_length=20_000)]


@get_page(router, PATH, csv=True, dependencies=[needs(Role.REVIEWER)])
def review(request: Request, query: str = "", state: str = "draft", cursor: str | None = None) -> Response:
    """Images in one state, oldest first."""
    if state not in STATES:
        raise HTTPException(422, f"state: one of {', '.join(STATES)}")
    view = shown(request)
    matches = view.archive.matches(query)
    with view.archive.database.read() as connection:
        count, images, part = waiting(connection, matches, state, _PAGE, place(cursor), view.address)
    after = address_of(PATH, query=query, state=state, cursor=part.next.to_text()) if part.next else None
    data = {"query": query, "state": state, "count": count, "next": after, "results": images}
    rows = [
        {**row, "findings": "; ".join(f["code"] for f in i["findings"])}
        for row, i in zip(flat(images), images, strict=True)
    ]
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return answers(request, "archive/review.html", data, rows, states=STATES, reasons=GROUPS, here=here)


@router.post(f"{PATH}/{{isic_id}}", dependencies=[needs(Role.REVIEWER)])
def decide(request: Request, isic_id: str, verdict: Text, note: Text = "", back: Text = PATH) -> Response:
    """One reader's verdict: "accept", or one of the five reasons to reject."""
    accepts = verdict == "accept"
    with site_of(request).archive.database.write() as connection:
        ids = ids_of(connection, [isic_id])
        states = vote(
            connection, ids, actor(request).name, accepts=accepts, reason=None if accepts else verdict, note=note
        )
    return _answer(request, {"isic_id": isic_id, "state": next(iter(states))}, back)


@router.post(f"{PATH}/{{isic_id}}/state", dependencies=[needs(Role.CURATOR)])
def move(request: Request, isic_id: str, state: Text, back: Text = PATH) -> Response:
    """Publish an accepted image, or take one back to draft."""
    if state not in ("published", "draft"):
        raise HTTPException(422, "state: published or draft")
    with site_of(request).archive.database.write() as connection:
        set_state(connection, ids_of(connection, [isic_id]), state, actor(request).name)
    return _answer(request, {"isic_id": isic_id, "state": state}, back)


@router.post(f"{PATH}-publish", dependencies=[needs(Role.CURATOR)])
def publish(request: Request, query: Text = "") -> Response:
    """Publish every accepted image that a query finds."""
    archive = site_of(request).archive
    with archive.database.read() as connection:
        _, images, part = waiting(connection, archive.matches(query), "accepted", 1000, None, archive.address)
    names = [image["isic_id"] for image in images]
    with archive.database.write() as connection:
        n = set_state(connection, ids_of(connection, names), "published", actor(request).name)
    return _answer(
        request, {"published": n, "more": part.next is not None}, address_of(PATH, state="accepted", query=query)
    )


def _answer(request: Request, data: dict[str, Any], back: str) -> Response:
    return JSONResponse(data) if for_program(request) else RedirectResponse(local_path(back), 303)
