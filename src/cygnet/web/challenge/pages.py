"""The pages that everybody may read: list, rules and data, board, teams, runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from fastapi import APIRouter, HTTPException
from starlette.requests import Request
from starlette.responses import Response

from cygnet.challenge.store import out, views
from cygnet.challenge.tasks import as_toml
from cygnet.report.evaluation_figures import drawn
from cygnet.web.auth import Role, actor, needs_nothing
from cygnet.web.challenge.desk import challenge_of, desk_of, my_team, run_of, summary
from cygnet.web.pages import answers, get_page
from cygnet.web.site import site_of

router = APIRouter(prefix="/challenges", dependencies=[needs_nothing], include_in_schema=False)
#: Entries whose curves are drawn together.
_TOGETHER: Final = 6


@get_page(router, "", csv=True)
def challenges(request: Request) -> Response:
    """Every challenge: those that take submissions first, then past ones."""
    organiser = actor(request).may(Role.ORGANISER)
    rows = [summary(c) for c in desk_of(request).store.all() if organiser or c.state != "draft"]
    running = [r for r in rows if r["state"] in ("draft", "open")]
    past = [r for r in rows if r["state"] not in ("draft", "open")]
    return answers(request, "challenge/list.html", {"running": running, "past": past}, [*running, *past])


@get_page(router, "/{name}")
def challenge(request: Request, name: str) -> Response:
    """Rules, data, what a submission looks like, who is to be cited."""
    found = challenge_of(request, name)
    data = {
        "challenge": summary(found),
        "task": {**found.task.as_json(), "layout": found.task.layout},
        "hosting": found.hosting.as_json(),
        "commitment": found.commitment,
    }
    return answers(request, "challenge/show.html", data, tab="rules")


@router.get("/{name}/images.csv")
def images(request: Request, name: str) -> Response:
    """The images that a submission must have, for ``cygnet challenge check --images``."""
    found = challenge_of(request, name)
    lines = [found.task.identifier, *desk_of(request).store.images(name)]
    return Response("\n".join(lines) + "\n", media_type="text/csv; charset=utf-8")


@router.get("/{name}/{file}.toml")
def definition(request: Request, name: str, file: str) -> Response:
    """What is asked, as ``cygnet challenge check FILE.toml`` and ``score`` take it."""
    task = challenge_of(request, name).task
    if file != task.name:
        raise HTTPException(404, f"there is {task.name}.toml")
    return Response(as_toml(task), media_type="application/toml; charset=utf-8")


@router.get("/{name}/split.csv")
def split(request: Request, name: str) -> Response:
    """Which images were public; once the private score is open."""
    found = challenge_of(request, name)
    if not found.revealed:
        raise HTTPException(404, "the split is published with the private score")
    return Response(desk_of(request).store.split_document(name), media_type="text/csv; charset=utf-8")


@get_page(router, "/{name}/board", csv=True)
def board(request: Request, name: str, side: str | None = None) -> Response:
    """The board, and the curves of chosen entries (``?entry=RUN``) once the challenge is revealed."""
    found = challenge_of(request, name)
    desk = desk_of(request)
    made = views.board(desk.store, name, side)
    chosen = {e for e in request.query_params.getlist("entry") if e.isdigit()}
    models = _models(request, found, made, chosen) if found.revealed else []
    sides = ["public"] + (["private"] if found.revealed and found.public_images < found.images else [])
    return answers(
        request,
        "challenge/board.html",
        {"challenge": summary(found), "board": made, "sides": sides},
        _table(made),
        tab="board",
        figures=drawn(models, {"models": models, "level": 0.95}) if models else [],
        chosen={int(e) for e in chosen},
        titles=views.COLUMNS,
        subgroups=views.by_subgroup(made["rows"]),
        mine=my_team(request, found),
    )


def _table(made: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Rows for the CSV twin; nothing is computed for the others."""
    yield from out.table(made).to_dicts()


def _models(request: Request, found: Any, made: dict[str, Any], chosen: set[str]) -> list[dict[str, Any]]:
    desk = desk_of(request)
    wanted = [row for row in made["rows"] if str(row["run"]) in chosen][:_TOGETHER]
    return [m for row in wanted if (m := desk.curves_of(found, row, made["side"])) is not None]


@router.get("/{name}/events")
async def events(request: Request, name: str) -> Response:
    """That the board has changed, as server-sent events."""
    challenge_of(request, name)
    return site_of(request).events.stream(f"challenge-{name}")


@get_page(router, "/{name}/teams/{team_id}", csv=True)
def team(request: Request, name: str, team_id: int) -> Response:
    """A team: approaches and the history of its runs; its members see problems and what is left of the quota."""
    found = challenge_of(request, name)
    own = team_id == my_team(request, found)
    made = views.team(desk_of(request).store, name, team_id, own=own)
    rows = [_flat(run) for run in made["runs"]]
    data = {"challenge": summary(found), "team": made, "own": own}
    return answers(request, "challenge/team.html", data, rows, tab="team" if own else "board")


def _flat(run: dict[str, Any]) -> dict[str, Any]:
    public = run["public"] or {}
    flat = {k: run[k] for k in ("run", "number", "approach", "state", "sent_at", "scored_at")}
    return {**flat, **{k: public.get(k) for k in ("value", "low", "high")}}


@get_page(router, "/{name}/runs/{run_id}")
def run(request: Request, name: str, run_id: int) -> Response:
    """One run."""
    found = challenge_of(request, name)
    made = run_of(request, found, run_id)
    return answers(
        request,
        "challenge/run.html",
        {"challenge": summary(found), "run": made},
        tab="team" if made["own"] else "board",
        titles=views.COLUMNS,
    )


@router.get("/{name}/runs/{run_id}/bundle.json")
def bundle(request: Request, name: str, run_id: int, side: str = "private") -> dict[str, Any]:
    """The signed score, once the challenge is revealed."""
    run_of(request, challenge_of(request, name), run_id)
    return out.bundle(desk_of(request).store, run_id, side)
