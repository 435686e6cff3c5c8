"""Logging in and out."""

from __future__ import annotations

import math
from typing import Annotated

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from cygnet.web.auth import needs_nothing
from cygnet.web.auth.who import SESSION_COOKIE
from cygnet.web.front.home import local_path
from cygnet.web.pages import page
from cygnet.web.site import site_of

router = APIRouter(dependencies=[needs_nothing], include_in_schema=False)


@router.get("/login")
def login_form(request: Request, next: str = "/") -> Response:
    """The form; without accounts there is nothing to log in to."""
    if not site_of(request).guarded:
        return RedirectResponse("/", 303)
    return page(request, "front/login.html", next=local_path(next), name="", problem="")


@router.post("/login")
def log_in(
    request: Request,
    name: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=4000)] = "",
    next: Annotated[str, Form(max_length=4000)] = "/",
) -> Response:
    """Begin a session. After too many wrong passwords one has to wait, by name and by address."""
    site = site_of(request)
    goal = local_path(next)
    keys = (f"name {name.lower()}", f"address {request.client.host if request.client else ''}")
    if wait := site.login_failures.wait(*keys):
        minutes = math.ceil(wait / 60)
        answer = page(request, "front/login.html", 429, next=goal, name=name, problem="wait", minutes=minutes)
        answer.headers["Retry-After"] = str(math.ceil(wait))
        return answer
    session = site.accounts.log_in(name, password, site.settings.session_hours)
    if session is None:
        site.login_failures.add(*keys)
        return page(request, "front/login.html", 403, next=goal, name=name, problem="wrong")
    response = RedirectResponse(goal, 303)
    response.set_cookie(
        SESSION_COOKIE,
        session.key,
        max_age=int(site.settings.session_hours * 3600),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return response


@router.post("/logout")
def log_out(request: Request) -> Response:
    """End the session."""
    if key := request.cookies.get(SESSION_COOKIE):
        site_of(request).accounts.log_out(key)
    response = RedirectResponse("/", 303)
    response.delete_cookie(SESSION_COOKIE)
    return response
