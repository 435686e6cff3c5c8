"""Every route against every role: what it declares is what happens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from conftest_web import PATIENCE, Serve, accounts_for
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from cygnet.accounts import Role
from cygnet.accounts.roles import Actor
from cygnet.web import Settings, create_app

#: Paths of streams that never end by themselves.
STREAMS = ("/events",)


class Declared(NamedTuple):
    method: str
    path: str
    need: tuple[Role, ...]


def declared(app: FastAPI) -> Iterator[Declared]:
    """Every route with the roles that it declares."""
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        assert isinstance(route, APIRoute), f"{context.path}: not a route that can declare what it needs"
        needs = [d.call.need for d in context.dependant.dependencies if hasattr(d.call, "need")]  # type: ignore[union-attr]
        assert needs, f"{context.path}: declares neither needs(...) nor needs_nothing"
        # Of several, as of a router and its route, all must be met.
        for method in context.methods or ():
            yield Declared(method, context.path, _narrowest(needs))


def _narrowest(needs: list[tuple[Role, ...]]) -> tuple[Role, ...]:
    some = [set(need) for need in needs if need]
    return tuple(set.intersection(*some)) if some else ()


@pytest.fixture
def app(archive_dir: Path) -> Iterator[FastAPI]:
    app = create_app(Settings(archive_dir, accounts=True))
    yield app
    app.state.site.close()


def test_every_route_for_every_role(app: FastAPI, serve: Serve, archive_dir: Path) -> None:
    tokens = accounts_for(archive_dir)
    routes = list(declared(app))
    with httpx.Client(base_url=serve(Settings(archive_dir, port=0)), timeout=PATIENCE) as client:
        check_routes(client, routes, tokens)


def check_routes(client: httpx.Client, routes: list[Declared], tokens: dict[Role, str]) -> None:
    assert len(routes) > 10
    for method, path, need in routes:
        address = re.sub(r"\{[^}]*\}", "99999", path)  # nothing has this name, so that nothing changes
        for role in (None, *Role):
            headers = {"Authorization": f"Bearer {tokens[role]}"} if role else {}
            headers["Accept"] = "application/json"
            if path.endswith(STREAMS):
                continue
            status = client.request(method, address, headers=headers).status_code
            may = not need or (role is not None and Actor("x", frozenset({role})).may(*need))
            refused = status in (401, 403)
            if path.startswith("/login"):
                assert status < 500
                continue
            assert refused != may or (status == 401 and not need), f"{method} {path} as {role}: {status}"
            assert status < 500, f"{method} {path} as {role}: {status}"
            if role is None and need:
                assert status == 401


def test_a_route_that_declares_nothing_is_found(app: FastAPI) -> None:
    @app.get("/forgotten")
    def forgotten() -> dict[str, Any]:
        return {}

    with pytest.raises(AssertionError, match="forgotten"):
        list(declared(app))
