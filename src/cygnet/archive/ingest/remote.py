"""Another ISIC-compatible archive as a source, through its public API v2. Its ids are kept."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from cygnet.archive.findings import found
from cygnet.archive.ingest.items import MAX_BYTES, Item, Unloadable
from cygnet.archive.ingest.rows import checked_records
from cygnet.errors import InputError
from cygnet.version import VERSION

_PATH: Final = "/api/v2/images/search/"
_PAGE: Final = 100
_TIMEOUT: Final = 60
_MOST_JSON: Final = 32 * 1024 * 1024
_TRIES: Final = 3
#: Fields of a result that an ingest takes; sizes of pixels are measured.
_LEFT: Final = ("pixels_x", "pixels_y")


class Remote:
    """An archive at ``url``, its address with or without /api/v2, narrowed to a query."""

    def __init__(self, url: str, query: str = "") -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(f"{url}: not the address of an archive; write https://HOST")
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._first = f"{self._origin}{_PATH}?{urllib.parse.urlencode({'query': query, 'limit': _PAGE})}"

    def count(self) -> int:
        """How many images the query finds there."""
        return int(self._json(self._first).get("count") or 0)

    def items(self) -> Iterator[Item]:
        """An item for each image, a page at a time; files are fetched by the workers."""
        address: str | None = self._first
        while address:
            page = self._json(address)
            results = page.get("results")
            if not isinstance(results, list):
                raise InputError(f"{self._origin}: does not answer as an ISIC-compatible archive")
            yield from self._page(results)
            address = page.get("next")
            if address and not address.startswith(f"{self._origin}/"):
                raise InputError(f"{self._origin}: its next page is elsewhere ({address}); not followed")

    def _page(self, results: list[Any]) -> Iterator[Item]:
        sound = [r for r in results if isinstance(r, dict) and isinstance(r.get("isic_id"), str)]
        rows = [_flat(result) for result in sound]
        for result, row, (record, findings) in zip(sound, rows, checked_records(rows), strict=True):
            yield Item(
                name=f"{result['isic_id']}.jpg",
                load=partial(self._file, result),
                record=record,
                contributed=row,
                findings=findings,
                licence=str(result["copyright_license"]) if result.get("copyright_license") else None,
                attribution=str(result["attribution"]) if result.get("attribution") else None,
                public_ids={
                    "image": result["isic_id"],
                    "patient": row.get("patient_id", ""),
                    "lesion": row.get("lesion_id", ""),
                    "rcm_case": row.get("rcm_case_id", ""),
                },
            )

    def _file(self, result: Mapping[str, Any]) -> bytes:
        try:
            stated = result["files"]["full"]
            address, size = urllib.parse.urljoin(self._origin, str(stated["url"])), stated.get("size")
        except (KeyError, TypeError, ValueError) as error:
            raise Unloadable(found("refuse", "missing", "the archive names no file for it")) from error
        if urllib.parse.urlsplit(address).scheme not in ("http", "https"):
            raise Unloadable(found("refuse", "missing", f"its file is at {address}, which is no web address"))
        try:
            data = _get(address, MAX_BYTES)
        except (OSError, ValueError) as error:
            raise Unloadable(
                found("refuse", "unreadable", f"cannot be fetched ({error}); run the same again")
            ) from error
        if isinstance(size, int) and size != len(data):
            raise Unloadable(found("refuse", "checksum", f"{len(data):,} bytes came, {size:,} were announced"))
        return data

    def _json(self, address: str) -> dict[str, Any]:
        try:
            answer = json.loads(_get(address, _MOST_JSON))
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(
                f"{address}: no answer of an archive ({error}); check the address and the network"
            ) from error
        if not isinstance(answer, dict):
            raise InputError(f"{self._origin}: does not answer as an ISIC-compatible archive")
        return answer


def _get(address: str, most: int) -> bytes:
    request = urllib.request.Request(address, headers={"User-Agent": f"cygnet/{VERSION}"})
    for attempt in range(_TRIES):
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
                data: bytes = answer.read(most + 1)
            break
        except urllib.error.HTTPError as error:
            if error.code < 500 or attempt == _TRIES - 1:
                raise
        except OSError:
            if attempt == _TRIES - 1:
                raise
    if len(data) > most:
        raise ValueError(f"more than {most >> 20} MB")
    return data


def _flat(result: Mapping[str, Any]) -> dict[str, str]:
    """A result's metadata as a table would give them."""
    metadata = result.get("metadata")
    groups = metadata.values() if isinstance(metadata, dict) else ()
    values = {k: v for group in groups if isinstance(group, dict) for k, v in group.items() if k not in _LEFT}
    return {str(k): str(v).lower() if isinstance(v, bool) else str(v) for k, v in values.items() if v is not None}
