"""The first page and the help."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from cygnet.web.auth import Role, actor, needs_nothing
from cygnet.web.clinic.worklist import worklist
from cygnet.web.pages import answers, get_page
from cygnet.web.shown import shown
from cygnet.web.texts import COOKIE, LANGUAGES

#: Pictures on the first page.
_FIRST: Final = 12

router = APIRouter(dependencies=[needs_nothing], include_in_schema=False)


@get_page(router, "/")
def home(request: Request) -> Response:
    """The worklist for clinicians; for others what is here, and where to begin."""
    if actor(request).may(Role.CLINICIAN):
        patients: Response = worklist(request)
        return patients
    page = shown(request).search("", _FIRST, None)
    return answers(request, "front/home.html", {"images": page.count, "first": page.results})


@get_page(router, "/help")
def help_(request: Request) -> Response:
    """How to use the pages and their addresses."""
    return answers(request, "front/help.html", {})


@router.get("/language/{lang}")
def language(lang: str, next: str = "/") -> Response:
    """Remember a language."""
    response = RedirectResponse(local_path(next), 303)
    if lang in LANGUAGES:
        response.set_cookie(COOKIE, lang, max_age=31536000, httponly=True, samesite="lax")
    return response


def local_path(text: str) -> str:
    """A path on this server, ``/`` for anything that could lead to another one."""
    safe = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    return text if safe else "/"
