"""One's own account: roles and API tokens."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from cygnet.web.auth import actor
from cygnet.web.auth.needs import needs_account
from cygnet.web.pages import answers, get_page, page
from cygnet.web.site import site_of

router = APIRouter(dependencies=[needs_account()], include_in_schema=False)


def _shown(request: Request) -> dict[str, Any]:
    who = actor(request)
    tokens = [] if who.local else site_of(request).accounts.tokens(who.name)
    return {"name": who.name, "roles": sorted(who.all_roles), "local": who.local, "tokens": tokens}


@get_page(router, "/account")
def account(request: Request) -> Response:
    """Who one is here, and one's tokens."""
    return answers(request, "front/account.html", _shown(request), made="")


@router.post("/account/tokens")
def new_token(request: Request, label: Annotated[str, Form(max_length=200)] = "") -> Response:
    """Make a token; the page that answers is the only one that ever shows it."""
    who = actor(request)
    if who.local:
        return RedirectResponse("/account", 303)
    made = site_of(request).accounts.new_token(who.name, label)
    answer = page(request, "front/account.html", **_shown(request), made=made)
    answer.headers["Cache-Control"] = "no-store"
    return answer


@router.post("/account/tokens/{number}/remove")
def drop_token(request: Request, number: int) -> Response:
    """Make a token worthless."""
    site_of(request).accounts.drop_token(actor(request).name, number)
    return RedirectResponse("/account", 303)
