"""Who makes a request: by API token, by session, or as the one person at this machine."""

from __future__ import annotations

from typing import Final

from starlette.requests import HTTPConnection

from cygnet.accounts import ANONYMOUS, LOCAL, Actor
from cygnet.web.site import site_of

SESSION_COOKIE: Final = "cygnet_session"
#: Names by which this machine calls itself; others in the Host header are another site's attempt (DNS rebinding).
LOCAL_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "[::1]", "::1"})


def token_of(request: HTTPConnection) -> str | None:
    """The API token that a request carries."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def actor(request: HTTPConnection) -> Actor:
    """Whoever makes this request. A token or session of nobody's counts as none."""
    known = getattr(request.state, "actor", None)
    if isinstance(known, Actor):
        return known
    request.state.actor = found = _found(request)
    return found


def _found(request: HTTPConnection) -> Actor:
    site = site_of(request)
    if not site.guarded:
        return LOCAL
    if (token := token_of(request)) is not None:
        return site.accounts.by_token(token) or ANONYMOUS
    if session := request.cookies.get(SESSION_COOKIE):
        return site.accounts.by_session(session) or ANONYMOUS
    return ANONYMOUS


def by_token(request: HTTPConnection) -> bool:
    """Whether the actor proved itself by an API token, which no other site can make a browser send."""
    return site_of(request).guarded and token_of(request) is not None


def csrf_token(request: HTTPConnection) -> str:
    """What a form of this session must carry; of no use to any other session."""
    known = getattr(request.state, "csrf", None)
    if known is None:
        request.state.csrf = known = site_of(request).accounts.seal("csrf", _bound_to(request))
    return str(known)


def is_csrf_token(request: HTTPConnection, given: str) -> bool:
    """Whether this is the token of this session."""
    return site_of(request).accounts.sealed("csrf", _bound_to(request), given)


def _bound_to(request: HTTPConnection) -> str:
    who = actor(request)
    return "local" if who.local else request.cookies.get(SESSION_COOKIE, "") if who.known else ""
