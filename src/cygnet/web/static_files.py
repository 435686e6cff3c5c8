"""The app's own files, each at an address that holds its content's hash, so that browsers keep them for good."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

from fastapi import APIRouter, HTTPException
from starlette.responses import Response

from cygnet.web.auth import needs_nothing

#: Names of all files: nothing else can be asked for.
_TYPES: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "txt": "text/plain"}
FOREVER: Final = "public, max-age=31536000, immutable"

router = APIRouter(dependencies=[needs_nothing], include_in_schema=False)


class _File(NamedTuple):
    data: bytes
    digest: str
    type: str


@cache
def _files() -> dict[str, _File]:
    found = {}
    for entry in files("cygnet.web").joinpath("static").iterdir():
        kind = _TYPES.get(entry.name.rpartition(".")[2])
        if kind is not None:
            data = entry.read_bytes()
            found[entry.name] = _File(data, hashlib.sha256(data).hexdigest()[:16], f"{kind}; charset=utf-8")
    return found


def static(name: str) -> str:
    """The address of a file in ``static/``."""
    return f"/static/{_files()[name].digest}/{name}"


@router.get("/static/{digest}/{name}")
def file(digest: str, name: str) -> Response:
    """One file; with another digest it is an older or newer version that this server does not have."""
    found = _files().get(name)
    if found is None or found.digest != digest:
        raise HTTPException(404, "no such file")
    return Response(found.data, media_type=found.type, headers={"Cache-Control": FOREVER})
