"""The API's own description: OpenAPI for programs, a plain page for people, nothing from elsewhere."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.openapi.utils import get_openapi
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cygnet.web.auth import needs_nothing
from cygnet.web.pages import page

router = APIRouter(dependencies=[needs_nothing], include_in_schema=False)


def description(request: Request) -> dict[str, Any]:
    """The OpenAPI document, made once."""
    state = request.app.state
    if not hasattr(state, "openapi"):
        app = request.app
        state.openapi = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        state.openapi["components"].setdefault("securitySchemes", {})["token"] = {"type": "http", "scheme": "bearer"}
        state.openapi["security"] = [{}, {"token": []}]
    found: dict[str, Any] = state.openapi
    return found


@router.get("/openapi.json")
def openapi(request: Request) -> Response:
    """The OpenAPI document."""
    return JSONResponse(description(request))


@router.get("/docs")
def docs(request: Request) -> Response:
    """The same for people."""
    calls = [
        {"method": method.upper(), "path": path, **operation}
        for path, operations in description(request)["paths"].items()
        for method, operation in operations.items()
    ]
    return page(request, "api/docs.html", calls=calls)
