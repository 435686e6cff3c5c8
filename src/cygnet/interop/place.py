"""The folder of a pull: what may be in it, and whether there is room."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from cygnet.errors import InputError, OutputError
from cygnet.interop.asked import Asked, words
from cygnet.interop.transport import FetchError, Transport

MANIFEST: Final = "manifest.json"
SCHEMA: Final = "cygnet-pull-1"
IMAGES: Final = "images"
#: Journal and unfinished files, until the pull is complete.
WORK: Final = ".cygnet-pull"
JOURNAL: Final = "journal.sqlite"
PARTS: Final = "parts"


def prepare(out: Path) -> None:
    """Make the folder of a pull.

    Raises
    ------
    InputError
        If it holds something else.
    OutputError
        If it cannot be made.
    """
    try:
        ours = (out / WORK).is_dir() or (out / MANIFEST).is_file()
        if out.exists() and not ours and any(out.iterdir()):
            raise InputError(f"{out}: is not empty and holds no earlier pull; choose another folder")
        for folder in (out / IMAGES, out / WORK / PARTS):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be made ({error.strerror}); choose another folder") from error


def tidy(out: Path) -> None:
    """Remove journal and unfinished files once everything is here."""
    shutil.rmtree(out / WORK, ignore_errors=True)


def abandon(out: Path) -> None:
    """Leave the folder as it was before a pull that came to nothing, so that another may have it."""
    if any((out / IMAGES).iterdir()) and not (out / MANIFEST).is_file():
        return
    tidy(out)
    with suppress(OSError):  # what is not empty stays
        (out / IMAGES).rmdir()
        out.rmdir()


def read_manifest(out: Path) -> dict[str, Any]:
    """The manifest of a pull.

    Raises
    ------
    InputError
        If there is none that can be read.
    """
    path = out / MANIFEST
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        files = found["files"]
        sound = found["schema"] == SCHEMA and all(
            isinstance(f["path"], str) and isinstance(f["sha256"], str) and isinstance(f["size"], int) for f in files
        )
    except FileNotFoundError as error:
        raise InputError(f"{out}: no {MANIFEST}, so that nothing was pulled here to its end") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); pull again") from error
    if not sound:
        raise InputError(f"{path}: is no manifest of a pull; pull again")
    return dict(found)


def earlier_files(out: Path, asked: Asked) -> list[tuple[str, str]]:
    """Names and hashes of what an earlier pull of the same brought, nothing if there was none.

    Raises
    ------
    InputError
        If the folder holds a pull of something else.
    """
    if not (out / MANIFEST).is_file():
        return []
    found = read_manifest(out)
    key = asked.key()
    if any(found.get(name) != value for name, value in key.items()):
        raise InputError(f"{out}: holds a pull of {words(found)}; choose another folder")
    return [(f["path"], f["sha256"]) for f in found["files"]]


def room(transport: Transport, asked: Asked, out: Path) -> None:
    """Make sure that what will come has room, where the server says how much it is.

    Raises
    ------
    OutputError
        If it has not.
    """
    if asked.limit is not None:
        return
    query: dict[str, str | int] = {"query": asked.query}
    if asked.numbers:
        query["collections"] = ",".join(map(str, asked.numbers))
    try:
        answer = transport.json(asked.site.url("images", "search", "size", **query))
    except FetchError:
        return
    size = answer.get("size") if isinstance(answer, dict) else None
    free = shutil.disk_usage(out).free
    if not isinstance(size, int) or size <= free:
        return
    here = sum(path.stat().st_size for path in (out / IMAGES).iterdir())
    if size > free + here:
        raise OutputError(
            f"{out}: {size / 1e6:,.1f} MB will come and {free / 1e6:,.1f} MB are free; free some space, or choose another folder"
        )
