"""Errors as answers: a page for people, JSON for programs, never a traceback."""

from __future__ import annotations

import errno
import logging
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from cygnet.archive.query import QueryError
from cygnet.archive.results import NotFoundError
from cygnet.archive.search import CursorError
from cygnet.errors import CygnetError, OutputError
from cygnet.web.auth import actor
from cygnet.web.pages import form_of, page

_log = logging.getLogger("cygnet.web")
#: What the ISIC Archive says, word for word; its client looks for it.
UNPARSABLE: Final = "Could not parse search query."
NO_ROOM: Final = "The server cannot store anything at the moment. Nothing was kept; try again later."
#: A disk, a quota or a file that is full, or one that cannot be written.
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def handle_failures(app: FastAPI) -> None:
    """Register the handlers."""
    app.add_exception_handler(StarletteHTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(CygnetError, _cygnet)
    app.add_exception_handler(OSError, _no_room)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _bug)


def for_program(request: Request) -> bool:
    """Whether a program asks, which wants JSON."""
    accept = request.headers.get("accept", "")
    return request.url.path.startswith("/api/") or form_of(request) != "html" or "application/json" in accept


def answer(request: Request, status: int, message: str, headers: dict[str, str] | None = None, **more: Any) -> Response:
    """An error with a sentence, as page or JSON."""
    if for_program(request):
        return JSONResponse({"message": message, **more}, status, headers)
    title = HTTPStatus(status).phrase
    response = page(request, "error.html", status, code=status, title=title, message=message)
    response.headers.update(headers or {})
    return response


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)
    if error.status_code == 401 and not for_program(request) and not actor(request).known:
        goal = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?next={quote(goal if request.method == 'GET' else '/')}", 303)
    return answer(request, error.status_code, str(error.detail), dict(error.headers or {}))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    detail = [{"loc": list(e["loc"]), "msg": e["msg"], "type": e["type"]} for e in error.errors()]
    first = f"{'.'.join(map(str, detail[0]['loc'][1:]))}: {detail[0]['msg']}" if detail else "not understood"
    return answer(request, 422, first, detail=detail)


async def _cygnet(request: Request, error: Exception) -> Response:
    if isinstance(error, QueryError):
        return answer(request, 400, UNPARSABLE, position=error.position, detail=str(error))
    if isinstance(error, OutputError):
        return _unwritten(request, str(error))
    status = 404 if isinstance(error, NotFoundError) else 422 if isinstance(error, CursorError) else 400
    return answer(request, status, str(error))


async def _no_room(request: Request, error: Exception) -> Response:
    """What runs into a full disk by itself, as a form's files on their way into the temporary folder."""
    assert isinstance(error, OSError)
    if error.errno not in _FULL:
        raise error
    return _unwritten(request, f"{error.filename or 'a file'}: cannot be written ({error.strerror}); free some space")


def _unwritten(request: Request, message: str) -> Response:
    """The whole reason for whoever sits at this machine; others have no use for names of its files."""
    _log.error("%s %s: %s", request.method, request.url.path, message)
    return answer(request, 507, message if actor(request).local else NO_ROOM)


async def _gone(request: Request, error: Exception) -> Response:
    return answer(request, 408, "the request stopped in its middle", {"Connection": "close"})


async def _bug(request: Request, error: Exception) -> Response:
    return answer(request, 500, "an error of Cygnet's own; the server's log has the details")


__all__ = ["answer", "for_program", "handle_failures"]
