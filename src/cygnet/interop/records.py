"""One result of a search, as an archive sends it, turned into what a pull works with. Nothing in it is trusted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

from cygnet.interop.pulled import Problem
from cygnet.interop.site import Site

#: What may be the name of a file on any system.
_SAFE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
#: Names that Windows keeps for devices.
_DEVICES: Final = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)")
_SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp")
Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Record:
    """An image that an archive lists. ``size`` in bytes as announced, None if it is not; ``values`` are its metadata, flat."""

    isic_id: str
    url: str
    size: int | None
    licence: str | None
    attribution: str | None
    values: Mapping[str, Value]

    @property
    def file(self) -> str:
        """Its place in a pull's folder, as the official client names files: by id, with the suffix of the address."""
        suffix = PurePosixPath(urlsplit(self.url).path).suffix.lower()
        return f"images/{self.isic_id}{suffix if suffix in _SUFFIXES else '.jpg'}"

    def row(self) -> dict[str, Any]:
        """A row of metadata.csv."""
        return {
            "isic_id": self.isic_id,
            "attribution": self.attribution,
            "copyright_license": self.licence,
            **self.values,
        }

    def to_json(self) -> str:
        """For the journal."""
        return json.dumps([self.isic_id, self.url, self.size, self.licence, self.attribution, dict(self.values)])

    @classmethod
    def from_json(cls, text: str) -> Record:
        """The way back."""
        return cls(*json.loads(text))


def read_result(result: Any, site: Site) -> tuple[Record | None, list[Problem]]:
    """The record of a result, None if it cannot become a file, and what is wrong with it."""
    isic_id = result.get("isic_id") if isinstance(result, dict) else None
    if not isinstance(isic_id, str) or not _SAFE.fullmatch(isic_id) or _DEVICES.fullmatch(isic_id):
        shown = json.dumps(result if isic_id is None else isic_id)[:80]
        return None, [Problem("", "id", f"{shown} is listed as an image's id and cannot name a file; left out")]
    full = _full(result)
    url = site.absolute(full["url"]) if isinstance(full.get("url"), str) and full["url"] else ""
    if urlsplit(url).scheme not in ("http", "https"):
        said = f"names {url} as its file, which is no web address" if url else "is listed without a file"
        return None, [Problem(isic_id, "no-file", f"{said}; left out")]
    size = full.get("size")
    values, problems = _flat(isic_id, result.get("metadata"))
    texts = (result.get(name) for name in ("copyright_license", "attribution"))
    licence, attribution = (text if isinstance(text, str) and text else None for text in texts)
    stated = size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None
    return Record(isic_id, url, stated, licence, attribution, values), problems


def _full(result: Mapping[str, Any]) -> Mapping[str, Any]:
    files = result.get("files")
    full = files.get("full") if isinstance(files, dict) else None
    return full if isinstance(full, dict) else {}


def _flat(isic_id: str, metadata: Any) -> tuple[dict[str, Value], list[Problem]]:
    """Metadata by field. Values that are no plain values are kept as JSON, and reported."""
    if metadata is None:
        return {}, []
    if not isinstance(metadata, dict):
        words = f"its metadata are {type(metadata).__name__}, not fields with values; its row has none"
        return {}, [Problem(isic_id, "shape", words)]
    values: dict[str, Value] = {}
    odd: list[str] = []
    for name, value in _fields(metadata):
        if value is None:
            continue
        plain = isinstance(value, str | int | float | bool)
        kept = value if plain else json.dumps(value)
        if not plain or values.setdefault(name, kept) != kept:
            odd.append(name)
        values[name] = kept
    words = f"the values of {', '.join(sorted(set(odd)))} are nested or given twice; kept as they came"
    return values, [Problem(isic_id, "shape", words)] if odd else []


def _fields(metadata: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Fields in their groups (acquisition, clinical), and those in none."""
    for name, group in metadata.items():
        yield from group.items() if isinstance(group, dict) else [(name, group)]


__all__ = ["Record", "read_result"]
