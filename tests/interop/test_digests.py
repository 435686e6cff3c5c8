"""What headers promise, worked out by hand with the hashes of the empty file and of "abc"."""

from __future__ import annotations

import base64
import io
from datetime import UTC, datetime

import pytest
from conftest_pull import jpeg
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from urllib3 import HTTPHeaderDict

from cygnet.interop.digests import damage, flaws, promised
from cygnet.interop.patience import retry_after
from cygnet.interop.site import Site

#: FIPS 180-4's example and RFC 1321's, of "abc".
SHA = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
MD5 = "900150983cd24fb0d6963f7d28e17f72"


def base(digest: str) -> str:
    return base64.b64encode(bytes.fromhex(digest)).decode()


@pytest.mark.parametrize(
    ("headers", "url", "whole", "found"),
    [
        ({"Repr-Digest": f"sha-256=:{base(SHA)}:"}, "", False, {"sha256": SHA}),
        ({"repr-digest": f"unixsum=:AAA=:, sha-256=:{base(SHA)}:"}, "", False, {"sha256": SHA}),
        ({"Content-Digest": f"sha-256=:{base(SHA)}:"}, "", True, {"sha256": SHA}),
        ({"Content-Digest": f"sha-256=:{base(SHA)}:"}, "", False, {}),
        ({"Content-MD5": base(MD5)}, "", True, {"md5": MD5}),
        ({"Content-MD5": base(MD5)}, "", False, {}),
        ({"Content-MD5": "not base 64"}, "", True, {}),
        ({"x-amz-checksum-sha256": base(SHA)}, "", False, {"sha256": SHA}),
        ({"x-amz-checksum-sha256": f"{base(SHA)}-3"}, "", True, {}),
        ({"ETag": f'"{MD5}"', "Server": "AmazonS3"}, "", True, {"md5": MD5}),
        ({"ETag": f'"{MD5}"', "Server": "AmazonS3", "x-amz-server-side-encryption": "aws:kms"}, "", True, {}),
        ({"ETag": f'"{MD5}-2"', "Server": "AmazonS3"}, "", True, {}),
        ({"ETag": f'"{MD5}"'}, "", True, {}),
        ({"ETag": f'"{SHA}"'}, f"http://x/files/{SHA}.jpg?a=1", True, {"sha256": SHA}),
        ({"ETag": f'"{SHA}"'}, "http://x/files/abc.jpg", True, {}),
        ({"ETag": f'W/"{SHA}"'}, f"http://x/files/{SHA}.jpg", True, {}),
        ({}, "", True, {}),
    ],
)
def test_what_headers_promise(headers: dict[str, str], url: str, whole: bool, found: dict[str, str]) -> None:
    assert promised(HTTPHeaderDict(headers), url, whole=whole) == found


def test_flaws_name_the_plainest_first() -> None:
    assert [code for code, _ in flaws(b"abc", 4, {"sha256": SHA, "md5": MD5})] == ["size", "damaged"]
    assert [code for code, _ in flaws(b"abd", 3, {"sha256": SHA, "md5": MD5})] == ["hash", "hash", "damaged"]
    assert list(flaws(jpeg(1), None, {})) == []


@given(st.integers(min_value=0, max_value=len(jpeg(3)) - 1))
def test_no_beginning_of_a_jpeg_is_whole(length: int) -> None:
    assert damage(jpeg(3)[:length]) is not None


@pytest.mark.parametrize("save", [{"format": "JPEG", "progressive": True}, {"format": "PNG"}, {"format": "TIFF"}])
def test_other_whole_images(save: dict[str, object]) -> None:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(jpeg(1))).save(buffer, **save)  # type: ignore[arg-type]
    assert damage(buffer.getvalue()) is None
    assert damage(jpeg(1) + bytes(8)) is None, "padding does no harm"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("soon", None),
        ("-3", None),
        ("Wed, 21 Oct 2015 07:28:10 GMT", 10.0),
        ("Wed, 21 Oct 2015 07:27:00 GMT", 0.0),
        ("Wed, 99 Oct 2015 07:27:00 GMT", None),
    ],
)
def test_retry_after(text: str | None, seconds: float | None) -> None:
    assert retry_after(text, datetime(2015, 10, 21, 7, 28, tzinfo=UTC)) == seconds


@given(st.text())
def test_whatever_is_asked_arrives_as_it_was(query: str) -> None:
    from urllib.parse import parse_qs, urlsplit

    try:
        query.encode()
    except UnicodeEncodeError:
        return
    url = Site.of("https://archive.example/isic/api/v2/").url("images", "search", query=query)
    assert url.startswith("https://archive.example/isic/api/v2/images/search/?query=")
    assert parse_qs(urlsplit(url).query, keep_blank_values=True)["query"] == [query]
