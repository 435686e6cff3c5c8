"""What checks say of an image, in the five groups of ISIC's standards: technology, technique, terminology, metadata, privacy."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

#: A refused image stays out; a held one is kept as a draft until a person has looked; a note changes nothing.
Level = Literal["refuse", "hold", "note"]
GROUPS: Final = ("technology", "technique", "terminology", "metadata", "privacy")

#: Every code that ingest gives beside those of :mod:`cygnet.schema`, with its group and what it means.
CODES: Final[dict[str, tuple[str, str]]] = {
    "missing": ("technology", "the table names a file that the source does not have"),
    "ambiguous-file": ("technology", "the table names a file that could be several"),
    "no-row": ("metadata", "the table has no row for this file"),
    "unreadable": ("technology", "the file is no image that can be read"),
    "truncated": ("technology", "the file is cut short"),
    "too_large": ("technology", "the file has more bytes or pixels than an image may have"),
    "too_small": ("technology", "the image has too few pixels"),
    "nested-archive": ("technology", "an archive within an archive is not opened"),
    "zip-bomb": ("technology", "a packed file would unpack to far more than it may"),
    "encrypted": ("technology", "a packed file needs a password"),
    "wrong-extension": ("technology", "the file's name says another format than its content"),
    "trailing-data": ("technology", "bytes follow the image's end; views are made without them"),
    "polyglot": ("technology", "the file is also a web page, script or archive"),
    "checksum": ("technology", "the file is not the one that was announced"),
    "blurred": ("technique", "not sharp within the lesion"),
    "too_dark": ("technique", "underexposed"),
    "too_bright": ("technique", "overexposed"),
    "not_dermoscopy": ("technique", "does not look like dermoscopy"),
    "cut_off": ("technique", "the lesion may leave the picture"),
    "exact-duplicate": ("technology", "the same bytes are in the archive"),
    "pixel-duplicate": ("technology", "the same pixels are in the archive, in another file"),
    "near-duplicate": ("technology", "the archive has the same photograph, re-encoded, scaled or turned"),
    "licence": ("metadata", "no licence that the archive knows"),
    "exif-position": ("privacy", "the file carries the place where it was taken"),
    "exif-person": ("privacy", "the file carries a name or a device's number"),
    "exif-text": ("privacy", "the file carries free text"),
    "dicom-person": ("privacy", "the DICOM header identifies a person"),
    "burned-in": ("privacy", "text is burned into the picture"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason, with words for this image."""

    level: Level
    group: str
    code: str
    message: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        return asdict(self)


def found(level: Level, code: str, message: str = "") -> Finding:
    """A finding by its code; without ``message`` in the code's own words."""
    group, meaning = CODES[code]
    return Finding(level, group, code, message or meaning)


def meaning(code: str) -> str:
    """What a code means, be it of ingest or of the metadata schema."""
    from cygnet.schema.problems import CODES as OF_SCHEMA

    return {**OF_SCHEMA, **CODES}.get(code, ("", code))[1]
