"""Pictures by content hash: kept by the browser for good, shown to clinicians only."""

from __future__ import annotations

import io
from typing import Final

from fastapi import APIRouter, HTTPException
from PIL import Image
from starlette.requests import Request
from starlette.responses import Response

from cygnet.clinic import reading
from cygnet.errors import InputError, OutputError
from cygnet.imaging.registration import laid_on, register
from cygnet.web.clinic.common import CLINICIAN, clinic_of

router = APIRouter(dependencies=[CLINICIAN], include_in_schema=False)

#: The browser's own store only, and for good: another picture has another address.
_KEEP: Final = {"Cache-Control": "private, max-age=31536000, immutable"}
#: Longer side of pictures laid on each other.
_SIDE: Final = 1024


@router.get("/pictures/{sha256}.jpg")
def picture(request: Request, sha256: str) -> Response:
    """A picture or thumbnail."""
    return Response(_bytes(request, sha256), media_type="image/jpeg", headers=_KEEP)


@router.get("/pictures/{first}/{second}.jpg")
def aligned(request: Request, first: str, second: str) -> Response:
    """The second picture laid on the first; as it is where the two do not match (header ``X-Matched``)."""
    one, other = (_opened(_bytes(request, name)) for name in (first, second))
    found = register(one, other)
    made = laid_on(other, found, one.size) if found.matched else other
    buffer = io.BytesIO()
    made.save(buffer, "JPEG", quality=92)
    matched = {"X-Matched": "yes" if found.matched else "no"}
    return Response(buffer.getvalue(), media_type="image/jpeg", headers=_KEEP | matched)


def _opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.draft("RGB", (_SIDE, _SIDE))
    image.thumbnail((_SIDE, _SIDE))
    return image.convert("RGB")


def _bytes(request: Request, sha256: str) -> bytes:
    clinic = clinic_of(request)
    with clinic.read() as connection:
        known = reading.is_picture(connection, sha256)
    if not known:
        raise HTTPException(404, "no such picture")
    try:
        return clinic.pictures.get(sha256)
    except (InputError, OutputError) as error:
        raise HTTPException(404, "this picture is missing; restore it from a backup") from error
