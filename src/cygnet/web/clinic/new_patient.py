"""New pictures: a dropped folder, files or a table become a patient's visit, with live progress."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any, Final

from fastapi import APIRouter, HTTPException
from starlette.datastructures import UploadFile
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
    files = [f for f in form.getlist("files") if isinstance(f, UploadFile) and f.filename]
    label, day = (str(form.get(name) or "").strip() for name in ("label", "day"))
    if not files:
        raise InputError("no files came in; choose a folder or pictures")
    folder = Path(tempfile.mkdtemp(prefix="cygnet-drop-", dir=_aside(request)))
    try:
        for file in files:
            await _put(folder, file)
        items = from_paths([folder], patient=label[:200] or _name(files), day=day or None)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return _answer(request, _start(site_of(request), reader(request), items, folder))


@router.post("/patients/from-archive")
async def take_from_archive(request: Request) -> Response:
    """Patients that the archive's search finds."""
    form = await request.form()
    site = site_of(request)
    items = from_archive(site.archive, str(form.get("query") or ""))
    return _answer(request, _start(site, reader(request), items, None, source="archive"))


@router.post("/patients/demo")
async def take_demo(request: Request) -> Response:
    """One more simulated patient, labelled so."""
    site, who = site_of(request), reader(request)
    items = list(demo.items(demo.Spec(seed=3, lesions=37, skin_type="II", earlier="2026-03-12")))
    return _answer(request, _start(site, who, items, None, source=demo.SOURCE, simulated=True))


def _answer(request: Request, job: Job) -> Response:
    if for_program(request):
        return JSONResponse({"run": job.id, "address": f"/runs/{job.id}"}, 202)
    return RedirectResponse(f"/runs/{job.id}", 303)


def _start(
    site: Site,
    who: str,
    items: list[Incoming],
    folder: Path | None,
    *,
    source: str = "upload",
    simulated: bool = False,
) -> Job:
    def work(progress: Progress) -> dict[str, Any]:
        total = 2 * len(items)
        try:
            done = admit(site.clinic, who, items, source, simulated=simulated, on_image=lambda n: progress(n, total))
        finally:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
        if done.assessments:
            run_all(site, list(done.assessments), progress, before=len(items))
        return {"patients": list(done.patients), "added": done.added, "known": done.known}

    return site.jobs.start("admit", items[0].patient, who, work)


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
