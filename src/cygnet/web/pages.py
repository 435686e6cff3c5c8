"""Pages: one answer as HTML for people, ``.json`` and ``.csv`` for programs, at the same path."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from typing import Any, Final

from fastapi import APIRouter
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cygnet.archive.exports.texts import csv_line
from cygnet.triage import RESEARCH_USE
from cygnet.version import VERSION
from cygnet.web.auth import Role, actor, csrf_token
from cygnet.web.site import site_of
from cygnet.web.static_files import static
from cygnet.web.texts import LANGUAGES, language_of, number, translate

#: The areas that every page leads to: address and text. Each area adds a line.
AREAS: Final = (
    ("/patients", "base.patients"),
    ("/archive", "base.archive"),
    ("/challenges", "base.challenges"),
    ("/help", "base.help"),
)
#: Pages depend on who asks; the browser asks again whether they are still true.
PRIVATE: Final = {"Cache-Control": "private, no-cache", "Vary": "Cookie, Accept-Language"}


def page(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """A template as HTML. It has ``t``, ``csrf``, ``static``, ``actor``, ``Role``, ``lang`` and ``path`` besides ``values``."""
    language = language_of(request)
    text = (
        _environment()
        .get_template(template)
        .render(
            t=partial(translate, language),
            number=partial(number, language),
            csrf=partial(csrf_token, request),
            actor=actor(request),
            lang=language,
            path=request.url.path,
            demo=site_of(request).settings.demo,
            guarded=site_of(request).guarded,
            **values,
        )
    )
    return Response(text, status, PRIVATE, "text/html; charset=utf-8")


def answers(
    request: Request,
    template: str,
    data: Mapping[str, Any],
    table: Iterable[Mapping[str, Any]] | None = None,
    status: int = 200,
    **only_html: Any,
) -> Response:
    """``data`` in the form that the path asks for: HTML (with ``only_html`` besides), ``.json``, or ``table`` as ``.csv``."""
    form = form_of(request)
    if form == "json":
        return JSONResponse(data, status, PRIVATE)
    if form == "csv":
        return Response(csv_text(table or ()), status, PRIVATE, "text/csv; charset=utf-8")
    return page(request, template, status, **data, **only_html)


def form_of(request: Request) -> str:
    """ "json", "csv" or "html", by the end of the path."""
    end = request.url.path.rpartition(".")[2]
    return end if end in ("json", "csv") else "html"


def get_page(
    router: APIRouter, path: str, *, csv: bool = False, **options: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function for a page and its twins: ``/lesions`` is also ``/lesions.json`` and, with ``csv``, ``/lesions.csv``.

    The twin of ``/`` is ``/index.json``.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        stem = path if path != "/" else "/index"
        for end in (".json", ".csv") if csv else (".json",):
            name = f"{function.__name__}_{end[1:]}"
            router.add_api_route(
                stem + end, function, include_in_schema=False, name=name, response_model=None, **options
            )
        router.add_api_route(path, function, include_in_schema=False, response_model=None, **options)
        return function

    return register


def csv_text(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as CSV with the first row's keys for columns; no cell is executed by a spreadsheet."""
    lines: list[str] = []
    columns: list[str] = []
    for row in rows:
        if not columns:
            columns = list(row)
            lines.append(csv_line(columns))
        lines.append(csv_line(row.get(name) for name in columns))
    return "".join(lines)


@cache
def _environment() -> Environment:
    env = Environment(
        loader=PackageLoader("cygnet.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    env.globals |= {
        "static": static,
        "Role": Role,
        "areas": AREAS,
        "research_use": RESEARCH_USE,
        "version": VERSION,
        "languages": LANGUAGES,
    }
    return env
