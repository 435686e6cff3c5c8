"""What a server's headers promise about a file's content, and whether the content keeps it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import urlsplit

from cygnet.errors import DecodeError
from cygnet.imaging import decode

_FIELD: Final = re.compile(r"([a-z0-9-]+)=:([A-Za-z0-9+/=]+):")
_ALGORITHMS: Final = {"sha-256": "sha256", "sha-512": "sha512", "md5": "md5"}
#: Side in pixels at which an image is decoded to see whether it can be.
_SIDE: Final = 16


def promised(headers: Mapping[str, str], url: str, *, whole: bool) -> dict[str, str]:
    """Hashes in hexadecimal by algorithm that hold for the whole file at ``url``.

    Read are Repr-Digest and Content-Digest (RFC 9530), Content-MD5 (RFC 1864), Amazon's checksums, the ETag where Amazon's S3 makes it the MD5,
    and 64 hexadecimal digits that are both the ETag and the file's name in its address, as Cygnet's own server has them. Other ETags may be
    anything, so that they prove nothing. ``whole`` says that the answer is not a range.
    """
    found: dict[str, str] = {}
    texts = [headers.get("Repr-Digest") or ""]
    if whole:
        texts.append(headers.get("Content-Digest") or "")
        texts.append(f"md5=:{headers.get('Content-MD5') or ''}:")
    texts.append(f"sha-256=:{headers.get('x-amz-checksum-sha256') or ''}:")
    for name, value in (pair for text in texts for pair in _FIELD.findall(text)):
        if name in _ALGORITHMS and (digest := _hexadecimal(value)):
            found.setdefault(_ALGORITHMS[name], digest)
    tag = re.fullmatch(r'"([0-9a-f]{32})"', headers.get("ETag") or "")
    if tag and headers.get("Server") == "AmazonS3" and headers.get("x-amz-server-side-encryption") in (None, "AES256"):
        found.setdefault("md5", tag[1])
    named = re.fullmatch(r"[0-9a-f]{64}", PurePosixPath(urlsplit(url).path).stem)
    if named and headers.get("ETag") == f'"{named[0]}"':
        found.setdefault("sha256", named[0])
    return found


def _hexadecimal(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).hex()
    except (binascii.Error, ValueError):
        return ""


def flaws(data: bytes, size: int | None, promises: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What is wrong with a file that came: code and words, the plainest first."""
    if size is not None and len(data) != size:
        yield "size", f"{len(data):,} bytes came, {size:,} were announced"
    for algorithm, digest in promises.items():
        if hashlib.new(algorithm, data, usedforsecurity=False).hexdigest() != digest:
            yield "hash", f"its {algorithm.upper()} is not the one that the server states"
    if (said := damage(data)) is not None:
        yield "damaged", said


def damage(data: bytes) -> str | None:
    """Why bytes are no whole image, None where they are one. All of the compressed data are read."""
    try:
        decode(data, _SIDE, min_side=1)
    except DecodeError as error:
        return f"what came is no whole image: {error}"
    # The codec forgives a missing end of image; a scan must be followed by one.
    if data.startswith(b"\xff\xd8") and data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda"):
        return "what came is no whole image: the JPEG has no end"
    return None
