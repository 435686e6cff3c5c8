"""The first page and the help."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from cygnet.web.auth import Role, actor, needs_nothing
from cygnet.web.clinic.worklist import worklist
from cygnet.web.pages import answers, get_page
from cygnet.web.site import site_of
from cygnet.web.texts import COOKIE, LANGUAGES

router = APIRouter(dependencies=[needs_nothing], include_in_schema=False)


@get_page(router, "/")
def home(request: Request) -> Response:
    """The worklist for clinicians; for others what is here, and where to begin."""
    if actor(request).may(Role.CLINICIAN):
        patients: Response = worklist(request)
        return patients
    archive = site_of(request).archive
    public_only = not actor(request).may(Role.VIEWER)
    shown = archive.search(limit=12, public_only=public_only, address=lambda sha, isic_id, kind: f"/images/{isic_id}")
    return answers(request, "front/home.html", {"images": shown.count, "latest": shown.results})


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
