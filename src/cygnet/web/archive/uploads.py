"""What a browser sends, on its way into the archive: files of one upload in one folder, whole or not at all."""

from __future__ import annotations

import re
import secrets
import shutil
import time
from pathlib import Path
from typing import Final

from starlette.datastructures import FormData, UploadFile

from cygnet.errors import InputError, OutputError

#: Seconds after which an upload that nobody took in is thrown away.
_KEPT: Final = 24 * 3600
_ID: Final = re.compile(r"[0-9a-f]{32}")
_UNFIT: Final = re.compile(r"[\x00-\x1f\x7f/\\:*?\"<>|]")


def keep(folder: Path, form: FormData) -> str:
    """Store the form's ``files`` and its ``table``; returns the upload's name.

    Raises
    ------
    InputError
        If there is no file.
    OutputError
        If the disk is full; then nothing of it stays.
    """
    tidy(folder)
    files = [f for f in form.getlist("files") if isinstance(f, UploadFile) and f.filename]
    table = form.get("table")
    if not files:
        raise InputError("choose files first: images, DICOM files or a zip of them")
    name = secrets.token_hex(16)
    beside = folder / f".{name}"
    try:
        (beside / "files").mkdir(parents=True)
        for k, file in enumerate(files):
            _write(_free(beside / "files", _plain(file.filename or "", k)), file)
        if isinstance(table, UploadFile) and table.filename:
            (beside / "table").mkdir()
            _write(beside / "table" / _plain(table.filename, 0), table)
        beside.rename(folder / name)
    except OSError as error:
        shutil.rmtree(beside, ignore_errors=True)
        raise OutputError(f"the upload cannot be stored ({error.strerror}); nothing of it was kept") from error
    return name


def kept(folder: Path, name: str) -> tuple[Path, Path | None]:
    """The files' folder and the table of an upload.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    place = folder / name
    if not _ID.fullmatch(name) or not place.is_dir():
        raise InputError("this upload is no longer here; send the files again")
    return place / "files", next(iter((place / "table").glob("*")), None)


def drop(folder: Path, name: str) -> None:
    """Throw an upload away."""
    if _ID.fullmatch(name):
        shutil.rmtree(folder / name, ignore_errors=True)


def tidy(folder: Path) -> None:
    """Throw away what was left lying."""
    for place in folder.glob("*"):
        if place.stat().st_mtime < time.time() - _KEPT:
            shutil.rmtree(place, ignore_errors=True)


def _write(path: Path, file: UploadFile) -> None:
    with path.open("xb") as stream:
        shutil.copyfileobj(file.file, stream, 1 << 20)


def _plain(name: str, number: int) -> str:
    """A file's name without its way there, as any disk takes it."""
    last = _UNFIT.sub("_", re.split(r"[/\\]", name)[-1]).strip(". ")
    return last.encode("utf-8", "replace")[-120:].decode("utf-8", "ignore").lstrip(".") or f"file-{number}"


def _free(folder: Path, name: str) -> Path:
    """A path that is not taken: a file of the same name from another folder gets a number."""
    path, k = folder / name, 2
    while path.exists():
        path, k = folder / f"{Path(name).stem}-{k}{Path(name).suffix}", k + 1
    return path
