"""The organiser's pages: make a challenge, open it, see who looks at the test set, freeze, reveal, keep."""

from __future__ import annotations

import io
import tempfile
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from anyio import to_thread
from fastapi import APIRouter, HTTPException
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from cygnet.challenge.store import out, runs, views
from cygnet.challenge.store.hosted import Challenges
from cygnet.web.auth import Role, actor, needs
from cygnet.web.challenge.desk import challenge_of, desk_of, summary
from cygnet.web.pages import answers, get_page

router = APIRouter(prefix="/challenges", dependencies=[needs(Role.ORGANISER)], include_in_schema=False)
EXAMPLE: Final = """title = "Odd one out"
kind = "ranking"            # classification, segmentation, attributes, ranking
headline = "within_patient_auc"
public_share = 0.3
per_day = 5
closes = 2027-12-31
rules = "One team each. Declare external data."
"""


@get_page(router, "/new")
def new_page(request: Request) -> Response:
    """A form for a new challenge."""
    return answers(request, "challenge/new.html", {"example": EXAMPLE})


@router.post("/new", max_body_size=runs.MOST)
async def new(request: Request) -> Response:
    """Make a challenge from its TOML text and its truth; it stays a draft until it is opened."""
    store, who = desk_of(request).store, actor(request).name
    async with request.form(max_files=2, max_fields=10) as form:
        made = await to_thread.run_sync(_make, store, form, who)
    return RedirectResponse(f"/challenges/{made}/organise", 303)


def _make(store: Challenges, form: FormData, who: str) -> str:
    truth, metadata, name = form.get("truth"), form.get("metadata"), str(form.get("name", "")).strip()
    if not isinstance(truth, UploadFile) or not truth.size:
        raise HTTPException(400, "no truth came with the form; choose a table, or a zip of masks")
    try:
        table = tomllib.loads(str(form.get("definition", "")))
    except tomllib.TOMLDecodeError as error:
        raise HTTPException(400, f"the definition is no TOML: {error}") from error
    more = metadata if isinstance(metadata, UploadFile) and metadata.size else None
    with tempfile.TemporaryDirectory() as place:
        kept = _kept(Path(place) / "truth", truth)
        extra = _kept(Path(place) / "metadata", more) if more is not None else None
        return store.create(name, {**table, "name": name}, kept, extra, who).name


def _kept(folder: Path, upload: UploadFile) -> Path:
    folder.mkdir()
    suffix = Path(upload.filename or "").suffix.lower()
    file = folder / f"sent{suffix if suffix in ('.csv', '.parquet', '.zip', '.tsv') else ''}"
    with file.open("wb") as target:
        while block := upload.file.read(1 << 20):
            target.write(block)
    return file


@get_page(router, "/{name}/organise")
def organise(request: Request, name: str) -> Response:
    """The state of a challenge, and who has looked at its test set how often."""
    found = challenge_of(request, name)
    made = views.access_log(desk_of(request).store, name)
    data = {"challenge": summary(found), "commitment": found.commitment, "log": made}
    return answers(request, "challenge/organise.html", data, tab="organise")


_TURNS: Final[dict[str, Callable[[Challenges, str, str], Any]]] = {
    "open": Challenges.open,
    "freeze": Challenges.freeze,
    "reveal": Challenges.reveal,
}


@router.post("/{name}/state/{turn}")
def turn(request: Request, name: str, turn: str) -> Response:
    """Open, freeze or reveal."""
    if turn not in _TURNS:
        raise HTTPException(404, "open, freeze or reveal")
    found = challenge_of(request, name)
    _TURNS[turn](desk_of(request).store, found.name, actor(request).name)
    return RedirectResponse(f"/challenges/{name}/organise", 303)


@router.get("/{name}/snapshot.zip")
def snapshot(request: Request, name: str) -> Response:
    """Boards as JSON, CSV and one HTML page, to be kept for good."""
    found = challenge_of(request, name)
    buffer = io.BytesIO()
    with tempfile.TemporaryDirectory() as place, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in out.snapshot(desk_of(request).store, found.name, Path(place)):
            packed.write(file, file.name)
    headers = {"Content-Disposition": f'attachment; filename="{found.name}-board.zip"', "Cache-Control": "no-store"}
    return Response(buffer.getvalue(), media_type="application/zip", headers=headers)
