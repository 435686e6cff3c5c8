"""Taking part: make a team, check a file, send it, choose the run that counts."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Final

from anyio import to_thread
from fastapi import APIRouter, Form, HTTPException
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from cygnet.challenge.check import check_source
from cygnet.challenge.packed import Source
from cygnet.challenge.store import runs, views
from cygnet.web.auth import actor
from cygnet.web.auth.needs import needs_account
from cygnet.web.challenge.desk import challenge_of, desk_of, my_team, own_team, run_of, summary
from cygnet.web.failures import for_program
from cygnet.web.pages import answers, get_page, page
from cygnet.web.site import site_of

router = APIRouter(prefix="/challenges", dependencies=[needs_account()], include_in_schema=False)
#: Bytes that are looked at before they are sent; larger files are checked when they are scored.
CHECKED: Final = 64 << 20


def _shown(request: Request, name: str) -> dict[str, Any]:
    found = challenge_of(request, name)
    team_id = my_team(request, found)
    team = views.team(desk_of(request).store, name, team_id, own=True) if team_id is not None else None
    layout = {"layout": found.task.layout, "identifier": found.task.identifier, "tabular": found.task.tabular}
    return {"challenge": summary(found), "task": layout, "team": team}


@get_page(router, "/{name}/submit")
def submit_page(request: Request, name: str) -> Response:
    """Make a team, or send a submission for it."""
    return answers(request, "challenge/submit.html", _shown(request, name), tab="submit", checked=None, most=CHECKED)


@router.post("/{name}/teams")
def make_team(request: Request, name: str, team: Annotated[str, Form(max_length=200)]) -> Response:
    """Make a team with oneself as its first member."""
    found = challenge_of(request, name)
    runs.join(desk_of(request).store, found.name, team, actor(request).name)
    return RedirectResponse(f"/challenges/{name}/submit", 303)


@router.post("/{name}/members")
def add_member(request: Request, name: str, account: Annotated[str, Form(max_length=200)]) -> Response:
    """Add an account to one's own team."""
    found = challenge_of(request, name)
    team_id = own_team(request, found)
    site = site_of(request)
    if account.strip() not in {one["name"] for one in site.accounts.listed()}:
        raise HTTPException(400, "there is no such account here")
    runs.add_member(desk_of(request).store, name, team_id, account.strip(), actor(request).name)
    return RedirectResponse(f"/challenges/{name}/teams/{team_id}", 303)


@router.post("/{name}/check", max_body_size=CHECKED + (1 << 20))
async def check(request: Request, name: str) -> Response:
    """Every problem of a file, which is looked at and not kept."""
    found = challenge_of(request, name)
    async with request.form(max_files=1, max_fields=20) as form:
        upload = _file(form)
        data = await upload.read()
    names = desk_of(request).store.images(found.name)
    source = Source(upload.filename or "file", data=data)
    problems = await to_thread.run_sync(check_source, found.task, source, names)
    made = {
        "file": upload.filename,
        "accepted": not any(p.severity == "error" for p in problems),
        "problems": [p.as_json() for p in problems],
    }
    if for_program(request):
        return JSONResponse(made)
    return page(request, "challenge/submit.html", **_shown(request, name), tab="submit", checked=made, most=CHECKED)


@router.post("/{name}/submit", max_body_size=runs.MOST)
async def submit(request: Request, name: str) -> Response:
    """Take a submission; it is scored at once."""
    found = challenge_of(request, name)
    desk, team_id, who = desk_of(request), own_team(request, found), actor(request).name
    async with request.form(max_files=1, max_fields=20) as form:
        upload = _file(form)
        send = partial(
            runs.send,
            desk.store,
            found.name,
            team_id,
            upload.file,
            upload.filename or "submission",
            approach=_word(form, "approach"),
            description=_word(form, "description"),
            external_data=_word(form, "external_data"),
            actor=who,
        )
        run_id = await to_thread.run_sync(send)
    desk.score(run_id)
    if for_program(request):
        return JSONResponse({"run": run_id, "address": f"/challenges/{name}/runs/{run_id}.json"}, 202)
    return RedirectResponse(f"/challenges/{name}/runs/{run_id}", 303)


def _file(form: FormData) -> UploadFile:
    upload = form.get("file")
    if not isinstance(upload, UploadFile) or not upload.size:
        raise HTTPException(400, "no file came with the form; choose one")
    return upload


def _word(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""


@router.get("/{name}/runs/{run_id}/events")
async def run_events(request: Request, name: str, run_id: int) -> Response:
    """When one's run is scored, as server-sent events."""
    if not run_of(request, challenge_of(request, name), run_id)["own"]:
        raise HTTPException(404, f"no run {run_id}")
    return site_of(request).events.stream(f"challenge-run-{run_id}")


@router.post("/{name}/runs/{run_id}/choose")
def choose(request: Request, name: str, run_id: int) -> Response:
    """Make a run the one that counts."""
    found = challenge_of(request, name)
    team_id = own_team(request, found)
    runs.choose(desk_of(request).store, name, team_id, run_id, actor(request).name)
    return RedirectResponse(f"/challenges/{name}/teams/{team_id}", 303)
