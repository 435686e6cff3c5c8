"""What the clinic's routes share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from fastapi import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from cygnet.archive import log
from cygnet.clinic import Clinic
from cygnet.clinic.errors import ConflictError, UnknownError, WithheldError
from cygnet.web.auth import Role, actor, needs
from cygnet.web.pages import page
from cygnet.web.site import site_of

CLINICIAN: Final[Any] = needs(Role.CLINICIAN)


def clinic_of(request: Request) -> Clinic:
    """The clinic of this server."""
    return site_of(request).clinic


def reader(request: Request) -> str:
    """Whose verdicts these are."""
    return actor(request).name


@contextmanager
def told() -> Iterator[None]:
    """The clinic's refusals as answers: 404 for what is not there, 409 for what waits for a verdict. Conflicts are the route's own."""
    try:
        yield
    except UnknownError as error:
        raise HTTPException(404, str(error)) from error
    except WithheldError as error:
        raise HTTPException(409, str(error)) from error


def note(request: Request, action: str, **about: Any) -> None:
    """An entry in the audit log."""
    with clinic_of(request).write() as connection:
        log.append(connection, reader(request), action, about)


def render(request: Request, template: str, **values: Any) -> str:
    """A template as text, for parts of a page."""
    return bytes(page(request, template, **values).body).decode()


def conflict(request: Request, error: ConflictError, template: str, **values: Any) -> Response:
    """409 with both values, as a page."""
    return page(request, template, 409, stored=error.stored, given=error.given, **values)
