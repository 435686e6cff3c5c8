"""The page of longer work: how far it is, what came of it; it can be cancelled."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from cygnet.web.auth import Role, actor, needs
from cygnet.web.jobs import Job
from cygnet.web.pages import answers, get_page
from cygnet.web.site import site_of

_ANYONE = (Role.CONTRIBUTOR, Role.CURATOR, Role.CLINICIAN, Role.ORGANISER)
router = APIRouter(dependencies=[needs(*_ANYONE)], include_in_schema=False)


def job_of(request: Request, run: str) -> Job:
    """A run that the actor may see: one's own, or any for a curator."""
    job = site_of(request).jobs.get(run)
    who = actor(request)
    if job is None or not (who.may(Role.CURATOR) or job.actor == who.name):
        raise HTTPException(404, f"{run[:60]}: no such run")
    return job


@get_page(router, "/runs", csv=True)
def runs(request: Request) -> Response:
    """The latest runs."""
    who = actor(request)
    rows: list[dict[str, Any]] = []
    for job in site_of(request).jobs.latest():
        if who.may(Role.CURATOR) or job.actor == who.name:
            rows.append({k: v for k, v in job.to_dict().items() if k != "result"})
    return answers(request, "front/runs.html", {"runs": rows}, rows)


@router.get("/runs/{run}/events")
async def run_events(request: Request, run: str) -> Response:
    """Progress as server-sent events."""
    job_of(request, run)
    return site_of(request).events.stream(f"run-{run}")


@router.post("/runs/{run}/cancel")
def cancel(request: Request, run: str) -> Response:
    """Ask a run to end."""
    site_of(request).jobs.cancel(job_of(request, run).id)
    return RedirectResponse(f"/runs/{run}", 303)


@get_page(router, "/runs/{run}", csv=True)
def run_(request: Request, run: str) -> Response:
    """One run. As CSV: each of the run's rows, as its result lists them under "rows"."""
    job = job_of(request, run)
    rows = job.result.get("rows", []) if isinstance(job.result, dict) else []
    return answers(request, "front/run.html", {"run": job.to_dict()}, map(_as_row, rows))


def _as_row(row: dict[str, Any]) -> dict[str, Any]:
    """Lists as text: the messages of findings, by ``; ``."""
    return {k: "; ".join(str(x["message"]) for x in v) if isinstance(v, list) else v for k, v in row.items()}
