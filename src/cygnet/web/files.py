"""The files of images. Their address holds the content's hash, so that they never change; ranges let downloads go on where they stopped."""

from __future__ import annotations

import base64
from typing import Final

from fastapi import APIRouter, HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from cygnet.archive.blobs import FolderBlobs, checked
from cygnet.errors import OutputError
from cygnet.web.auth import needs_nothing
from cygnet.web.shown import shown

router = APIRouter(dependencies=[needs_nothing], include_in_schema=False)
_KINDS: Final = ("full", "thumbnail_256")
_JPEG: Final = "image/jpeg"
_PUBLIC: Final = "public, max-age=31536000, immutable"
_PRIVATE: Final = "private, max-age=31536000, immutable"


@router.api_route("/files/{isic_id}/{sha256}.jpg", methods=["GET", "HEAD"])
def file(request: Request, isic_id: str, sha256: str) -> Response:
    """The view or thumbnail of an image that the actor may see. A damaged one is not noticed here but by ``cygnet archive verify``
    and by clients, which compare the hash in the address."""
    seen = shown(request)
    image = seen.archive.image(isic_id, public_only=seen.public_only, address=lambda sha, _id, _kind: sha)
    if sha256 not in (image["files"][kind]["url"] for kind in _KINDS):
        raise HTTPException(404, "this image has no such file; it may have changed")
    headers = {
        "Cache-Control": _PUBLIC if image["public"] else _PRIVATE,
        "ETag": f'"{sha256}"',
        "Repr-Digest": f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:",  # RFC 9530
    }
    if not image["public"]:
        headers["Vary"] = "Cookie, Authorization"
    if f'"{sha256}"' in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    blobs = seen.archive.blobs
    if not isinstance(blobs, FolderBlobs):
        return Response(checked(blobs, sha256), media_type=_JPEG, headers=headers)
    path = blobs.path(sha256)
    try:
        found = path.stat()
    except OSError as error:
        raise OutputError(f"{isic_id}: its file is missing here; put it back from a backup") from error
    return FileResponse(path, headers=headers, media_type=_JPEG, stat_result=found)
