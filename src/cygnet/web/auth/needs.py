"""What a route needs, declared once: who may call it, and that a change comes from our own pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException
from starlette.requests import Request

from cygnet.accounts import Role
from cygnet.web.auth.who import actor, by_token, is_csrf_token

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
#: Files of one form; the size of all is bounded by the route.
MOST_FILES: Final = 20_000
#: Names under which the token comes.
CSRF_FIELD, CSRF_HEADER = "csrf", "x-csrf-token"


def needs(*roles: Role) -> Any:
    """A dependency: the actor has one of these roles. Put it into a route's or router's ``dependencies``."""

    async def check(request: Request) -> None:
        who = actor(request)
        if not who.known:
            raise HTTPException(401, "log in first", {"WWW-Authenticate": "Bearer"})
        if not who.may(*roles):
            raise HTTPException(403, f"this needs the role {' or '.join(roles)}")
        await _ours(request)

    return Depends(_marked(check, roles))


def needs_account() -> Any:
    """A dependency: anybody with an account, whatever the role."""
    return needs(*Role)


async def _open(request: Request) -> None:
    await _ours(request)


def _marked(
    check: Callable[[Request], Awaitable[None]], roles: tuple[Role, ...]
) -> Callable[[Request], Awaitable[None]]:
    """With what the test of routes and roles reads."""
    check.need = roles  # type: ignore[attr-defined]
    return check


#: A dependency of public routes: anybody; what is not public is left out by the route itself.
needs_nothing: Final[Any] = Depends(_marked(_open, ()))


async def _ours(request: Request) -> None:
    """Refuse a change that another site's page could have brought a browser to send (CSRF)."""
    if request.method in _SAFE or by_token(request):
        return
    if _from_elsewhere(request):
        raise HTTPException(403, "this request comes from another site")
    if not actor(request).known or _json_of_a_program(request):
        return
    given = request.headers.get(CSRF_HEADER) or await _field(request)
    if not is_csrf_token(request, given):
        await request.close()
        raise HTTPException(403, "this form is too old, or comes from another site; load the page again")


def _from_elsewhere(request: Request) -> bool:
    if request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        return True
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host", "")


def _json_of_a_program(request: Request) -> bool:
    """JSON to the API without a browser's headers. Browsers send JSON to another site only if that site allows it; ours never does."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    browser = "origin" in request.headers or "sec-fetch-site" in request.headers
    return request.url.path.startswith("/api/") and kind == "application/json" and not browser


async def _field(request: Request) -> str:
    if not request.headers.get("content-type", "").lower().startswith(_FORMS):
        return ""
    value = (await request.form(max_files=MOST_FILES)).get(CSRF_FIELD, "")
    return value if isinstance(value, str) else ""
