"""Ingest: files dropped on the page, tried first, then taken in; every image with its reasons."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, Depends, HTTPException
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from cygnet.archive.ingest.commit import Outcome
from cygnet.archive.ingest.items import Item
from cygnet.archive.ingest.rows import pair, read_rows, without_table
from cygnet.archive.ingest.run import Options
from cygnet.archive.ingest.sources import Files, files_of
from cygnet.archive.licences import LICENCES
from cygnet.errors import InputError, OutputError
from cygnet.web.archive import uploads
from cygnet.web.auth import Role, actor, needs
from cygnet.web.auth.needs import MOST_FILES
from cygnet.web.failures import for_program
from cygnet.web.front.runs import job_of
from cygnet.web.jobs import Job, Progress
from cygnet.web.pages import answers, get_page
from cygnet.web.site import Site, site_of


def _fits(request: Request) -> None:
    """Refuse a body that is too large before any of it is read."""
    if request.method != "POST" or request.url.path != "/ingest":
        return
    length, most = request.headers.get("content-length"), site_of(request).settings.max_upload_bytes
    if length is None:
        raise HTTPException(411, "say with Content-Length how much comes")
    if int(length) > most:
        raise HTTPException(413, f"more than {most >> 20:,} MB; send less at once")


router = APIRouter(dependencies=[Depends(_fits), needs(Role.CONTRIBUTOR)], include_in_schema=False)
#: Bytes that no setting goes beyond.
_BYTES: Final = 1 << 40
#: Images of which a run's page keeps the reasons.
_DETAILS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Wish:
    """What the form says."""

    licence: str
    attribution: str
    cohort: str
    publish: bool
    embed: bool


@get_page(router, "/ingest")
def ingest_form(request: Request) -> Response:
    """The form, and the latest runs."""
    jobs = [j for j in site_of(request).jobs.latest() if j.kind == "ingest"]
    mine = [j for j in jobs if actor(request).may(Role.CURATOR) or j.actor == actor(request).name]
    shown = [{"id": j.id, "title": j.title, "state": j.state} for j in mine]
    return answers(request, "archive/ingest.html", {"licences": list(LICENCES), "runs": shown})


@router.post("/ingest", max_body_size=_BYTES)
async def ingest(request: Request) -> Response:
    """Take an upload and try it, or take it in at once."""
    site = site_of(request)
    async with _form(request) as form:
        wish = _wish(request, form)
        name = await run_in_threadpool(uploads.keep, _uploads(site), form)
    return _started(request, _start(site, actor(request).name, name, wish, dry=bool(form.get("dry"))))


@router.post("/ingest/{run}/commit")
def commit(request: Request, run: str) -> Response:
    """Take in what was tried, as it was tried."""
    job, site = job_of(request, run), site_of(request)
    result = job.result if isinstance(job.result, dict) else {}
    if job.kind != "ingest" or not result.get("dry_run"):
        raise InputError("this was no dry run")
    wish = Wish(**result["wish"])
    _may_publish(request, wish)
    return _started(request, _start(site, actor(request).name, result["upload"], wish, dry=False))


@asynccontextmanager
async def _form(request: Request) -> AsyncIterator[FormData]:
    try:
        async with request.form(max_files=MOST_FILES) as form:
            yield form
    except OSError as error:
        raise OutputError(f"the upload cannot be stored ({error.strerror}); nothing of it was kept") from error


def _wish(request: Request, form: FormData) -> Wish:
    def text(name: str) -> str:
        value = form.get(name)
        return value.strip() if isinstance(value, str) else ""

    wish = Wish(
        text("licence"), text("attribution"), text("cohort") or "default", bool(text("publish")), bool(text("embed"))
    )
    if not wish.licence or not wish.attribution:
        raise InputError("licence and credit are needed: under which terms may the images be used, and whose are they?")
    _may_publish(request, wish)
    return wish


def _may_publish(request: Request, wish: Wish) -> None:
    if wish.publish and not actor(request).may(Role.CURATOR):
        raise HTTPException(403, "publishing needs the role curator")


def _uploads(site: Site) -> Path:
    return site.settings.site / "uploads"


def _start(site: Site, who: str, name: str, wish: Wish, *, dry: bool) -> Job:
    source, table = uploads.kept(_uploads(site), name)
    n = sum(1 for _ in source.iterdir())
    work = partial(_work, site, who, name, wish, source, table, dry)
    return site.jobs.start("ingest", f"{'Dry run' if dry else 'Ingest'}: {n:,} files", who, work)


def _started(request: Request, job: Job) -> Response:
    address = f"/runs/{job.id}"
    return (
        JSONResponse({"run": job.id, "address": address}, 202)
        if for_program(request)
        else RedirectResponse(address, 303)
    )


def _work(
    site: Site, who: str, name: str, wish: Wish, source: Path, table: Path | None, dry: bool, progress: Progress
) -> Any:
    from cygnet.models import LesionModel

    progress(0, 0, "reading")
    items, total = _items(source, table)
    details: list[dict[str, Any]] = []
    done = 0

    def heard(outcome: Outcome) -> None:
        nonlocal done
        done += 1
        if len(details) < _DETAILS:
            details.append(_detail(outcome))
        progress(done, total)

    options = Options(wish.licence, wish.attribution, wish.cohort, wish.publish, dry=dry, actor=who)
    model = LesionModel() if wish.embed else None
    progress(0, total, "")
    summary = site.archive.ingest(items, f"upload/{name}", options, model=model, on_outcome=heard)
    if not dry:
        uploads.drop(_uploads(site), name)
    return {"dry_run": dry, "upload": name, "wish": asdict(wish), **summary.to_dict(), "rows": details}


def _items(source: Path, table: Path | None) -> tuple[list[Item], int]:
    files: dict[str, Any] = {}
    for name, load in files_of(source).items():
        files[name] = load
    for packed in sorted(source.glob("*.zip")):
        inner: Files = files_of(packed)
        files |= {f"{packed.stem}/{name}": load for name, load in inner.items()}
    if table is not None:
        rows = read_rows(table)
        return list(pair(files, rows)), len(rows)
    if not files:
        raise InputError("none of the files is an image, a DICOM file or a zip of them")
    return list(without_table(files, {})), len(files)


def _detail(outcome: Outcome) -> dict[str, Any]:
    return {
        "file": outcome.name,
        "result": outcome.result,
        "isic_id": outcome.isic_id,
        "state": outcome.state,
        "findings": [f.to_dict() for f in outcome.findings],
    }
