"""New pictures: a dropped folder, files or a table become a patient's visit, with live progress."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, HTTPException
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from cygnet.clinic import demo
from cygnet.clinic.admit import admit
from cygnet.clinic.incoming import Incoming, from_archive, from_paths
from cygnet.errors import InputError
from cygnet.web.clinic.assessing import run_all
from cygnet.web.clinic.common import CLINICIAN, reader
from cygnet.web.clinic.words import Words
from cygnet.web.failures import for_program
from cygnet.web.jobs import Job, Progress
from cygnet.web.pages import page
from cygnet.web.site import Site, site_of
from cygnet.web.texts import language_of

router = APIRouter(dependencies=[CLINICIAN], include_in_schema=False)

#: Bytes of one drop: some hundred photographs of a good camera.
_MOST: Final = 2 << 30
_FILES: Final = 1000
_CHUNK: Final = 1 << 20


@router.get("/patients/new")
def new(request: Request) -> Response:
    """Where to drop them."""
    return page(request, "clinic/new.html", w=Words(language_of(request)))


@router.post("/patients/new", max_body_size=_MOST)
async def take(request: Request) -> Response:
    """Keep the files aside, then admit and assess them in a run."""
    form = await request.form()
    try:
        return await _take(request, form)
    finally:
        await form.close()


async def _take(request: Request, form: FormData) -> Response:
    files = [f for f in form.getlist("files") if isinstance(f, UploadFile) and f.filename]
    label, day = (str(form.get(name) or "").strip() for name in ("label", "day"))
    if not files:
        raise InputError("no files came in; choose a folder or pictures")
    folder = Path(tempfile.mkdtemp(prefix="cygnet-drop-", dir=_aside(request)))
    try:
        for file in files:
            await _put(folder, file)
        items = await run_in_threadpool(from_paths, [folder], patient=label[:200] or _name(files), day=day or None)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return _answer(
        request, _start(site_of(request), reader(request), _Drop(items[0].patient, items, len(items), folder))
    )


@router.post("/patients/from-archive")
def take_from_archive(request: Request, query: Annotated[str, Form()] = "") -> Response:
    """Patients that the archive's search finds."""
    site = site_of(request)
    items = from_archive(site.archive, query)
    drop = _Drop(items[0].patient, items, len(items), source="archive")
    return _answer(request, _start(site, reader(request), drop))


@router.post("/patients/demo")
def take_demo(request: Request) -> Response:
    """One more simulated patient, labelled so; drawn while the run goes on."""
    spec = demo.Spec(*demo.PATIENTS[0])
    drop = _Drop(demo.label(spec), demo.items(spec), demo.images(spec), source=demo.SOURCE, simulated=True)
    return _answer(request, _start(site_of(request), reader(request), drop))


def _answer(request: Request, job: Job) -> Response:
    if for_program(request):
        return JSONResponse({"run": job.id, "address": f"/runs/{job.id}"}, 202)
    return RedirectResponse(f"/runs/{job.id}", 303)


@dataclass(frozen=True, slots=True)
class _Drop:
    """What is to be admitted: ``count`` items, the ``folder`` to remove afterwards, where it comes from."""

    title: str
    items: Iterable[Incoming]
    count: int
    folder: Path | None = None
    source: str = "upload"
    simulated: bool = False


def _start(site: Site, who: str, drop: _Drop) -> Job:
    def work(progress: Progress) -> dict[str, Any]:
        total = 2 * drop.count

        def kept(n: int) -> None:
            progress(n, total)

        try:
            done = admit(site.clinic, who, drop.items, drop.source, simulated=drop.simulated, on_image=kept)
        finally:
            if drop.folder is not None:
                shutil.rmtree(drop.folder, ignore_errors=True)
        if done.assessments:
            run_all(site, list(done.assessments), progress, before=drop.count)
        return {"patients": list(done.patients), "added": done.added, "known": done.known}

    return site.jobs.start("admit", drop.title, who, work)


def _aside(request: Request) -> Path:
    place = site_of(request).settings.site / "drops"
    place.mkdir(parents=True, exist_ok=True)
    return place


def _name(files: list[UploadFile]) -> str:
    """The dropped folder's name; without one, the first file's."""
    first = PurePosixPath((files[0].filename or "").replace("\\", "/"))
    return first.parts[0] if len(first.parts) > 1 else first.stem or "patient"


async def _put(folder: Path, file: UploadFile) -> None:
    """A file under its own name, wherever it said that it lay; two of one name are told apart."""
    name = PurePosixPath((file.filename or "").replace("\\", "/")).name.lstrip(".")[:150]
    if not name or "\0" in name:
        raise HTTPException(400, "a file has no name")
    place = folder / name
    for n in range(2, _FILES):
        if not place.exists():
            break
        place = folder / f"{PurePosixPath(name).stem}-{n}{PurePosixPath(name).suffix}"
    with place.open("wb") as out:
        while chunk := await file.read(_CHUNK):
            out.write(chunk)
