"""The checks that need one image alone, on all cores: type, decode, privacy, quality, fingerprint, embedding, view, thumbnail."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from cygnet.archive.blobs import Blobs
from cygnet.archive.chunks import chunks
from cygnet.archive.findings import Finding, found
from cygnet.archive.ingest.items import Blob, Examined, Item, Unloadable
from cygnet.archive.ingest.metadata_scan import scan_exif
from cygnet.archive.near import pack_sketch, small_picture
from cygnet.archive.text import CELL, storable_values
from cygnet.archive.views import trailing_bytes, view_of
from cygnet.errors import DecodeError
from cygnet.imaging import Decoded, Reason, decode, inspect, scene
from cygnet.imaging import Finding as Judged
from cygnet.imaging.decode import FORMATS
from cygnet.imaging.fingerprint import Fingerprint, fingerprint_of
from cygnet.workers import worked

if TYPE_CHECKING:
    from cygnet.models import LesionModel

#: Images a worker takes at a time; the same as in ranking, and for the same reasons.
BATCH: Final = 8
THUMBNAIL: Final = 256
#: Side in pixels that images are judged at where no model says otherwise. A multiple of the coarse outline's grid.
_SIDE: Final = 240
#: Tiles of total-body photography are small.
MIN_SIDE: Final = 32
_EXTENSIONS: Final = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "MPO": (".jpg", ".jpeg", ".mpo"),
    "PNG": (".png",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp", ".dib"),
    "WEBP": (".webp",),
    "DICOM": (".dcm", ".dicom", ""),
}
#: What browsers, interpreters and unpackers start at, in small letters.
_ACTIVE: Final = (b"<script", b"<html", b"<!doctype", b"<svg", b"<?php", b"pk\x03\x04", b"%pdf-")
#: Bytes of a file's beginning in which they are looked for.
_HEADER: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Examiner:
    """How to examine. ``blobs`` None keeps nothing, as in a dry run; ``model`` None leaves embeddings and the question whether an
    image is dermoscopy out."""

    blobs: Blobs | None
    model: LesionModel | None
    licence: str
    attribution: str

    def run(self, items: Iterable[Item], workers: int | None = None) -> Iterator[Examined]:
        """Examine items in the order given, a few batches in memory at a time."""
        for done in worked(chunks(items, BATCH), self.batch, workers):
            yield from done

    def batch(self, items: Sequence[Item]) -> list[Examined]:
        """Examine a few items in this thread, each of a file's frames apart."""
        done: list[Examined] = []
        for opened in chunks((o for item in items for o in self._open(item)), BATCH):
            seen = iter(self._look([o for o in opened if o.image is not None]))
            done += [self._close(next(seen), o) if o.image is not None else o.examined for o in opened]
        return done

    def _open(self, item: Item) -> Iterator[Opened]:
        result = Examined(item, "", 0, item.findings, record=storable_values(dict(item.record), CELL))
        if result.refused:
            yield Opened(result)
            return
        try:
            data = item.load()
        except Unloadable as error:
            yield Opened(replace(result, findings=(*item.findings, error.finding)))
            return
        result = replace(result, sha256=hashlib.sha256(data).hexdigest(), size=len(data))
        try:
            for picture in pictures_of(data, item.frame):
                named = replace(item, name=f"{item.name}#{picture.frame}") if picture.frame else item
                yield self._open_picture(replace(result, item=named, frame=picture.frame), data, picture)
        except DecodeError as error:
            yield Opened(_undecoded(result, error))

    def _open_picture(self, result: Examined, data: bytes, picture: Picture) -> Opened:
        item = result.item
        try:
            image = decode(picture.data, self._size, thumbnail=THUMBNAIL, min_side=MIN_SIDE)
            mark = fingerprint_of(picture.data, item.name)
        except DecodeError as error:
            return Opened(_undecoded(result, error))
        name = item.name.removesuffix(f"#{picture.frame}")
        findings = (*item.findings, *picture.findings, *_about_file(name, picture))
        return Opened(
            _marked(replace(result, findings=findings, type=picture.type), mark, picture), image, data, picture
        )

    @property
    def _size(self) -> int:
        return self.model.size if self.model else _SIDE

    def _look(self, opened: list[Opened]) -> list[Examined]:
        """Quality and embedding, measured as one stack."""
        images = [o.image for o in opened if o.image is not None]
        if not images:
            return []
        pixels = np.stack([image.pixels for image in images])
        seen = scene(pixels)
        quality = inspect(seen)
        predicted = self.model.predict(pixels, seen.lab) if self.model else None
        results = []
        for k, examined in enumerate(o.examined for o in opened):
            strange = float(predicted.strangeness[k]) if predicted else 0.0
            findings = [*examined.findings, *_about_quality(examined, quality[k], strange)]
            embedding = predicted.embedding[k] if predicted else None
            results.append(replace(examined, findings=tuple(findings), embedding=embedding))
        return results

    def _close(self, examined: Examined, opened: Opened) -> Examined:
        """Keep original, view and thumbnail."""
        assert opened.image is not None
        assert opened.picture is not None
        licence = examined.item.licence or self.licence
        attribution = examined.item.attribution or self.attribution
        with Image.open(io.BytesIO(opened.picture.data), formats=FORMATS) as image:
            view = view_of(opened.picture.data, image, licence, attribution)
        self._keep(opened.data)
        thumbnail = opened.image.thumbnail or b""
        sketch = pack_sketch(small_picture(thumbnail))
        return replace(examined, view=self._keep(view), thumbnail=self._keep(thumbnail), sketch=sketch)

    def _keep(self, data: bytes) -> Blob:
        name = self.blobs.put(data) if self.blobs is not None else hashlib.sha256(data).hexdigest()
        return Blob(name, len(data))


@dataclass(frozen=True, slots=True)
class Picture:
    """A file's picture as bytes that the codecs read, the file's type, and what else the file says; ``mm_per_pixel`` where it states a
    scale, ``frame`` 0 for an only one."""

    data: bytes
    type: str = ""
    findings: tuple[Finding, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)
    mm_per_pixel: float | None = None
    frame: int = 0


@dataclass(frozen=True, slots=True)
class Opened:
    """An item with its decoded image, its bytes and its picture; only itself where a finding refuses it."""

    examined: Examined
    image: Decoded | None = None
    data: bytes = b""
    picture: Picture | None = None


def pictures_of(data: bytes, frame: int = 0) -> Iterator[Picture]:
    """The pictures within a file, one after the other; with ``frame``, from 1, that one alone.

    Raises
    ------
    DecodeError
        If a DICOM file holds none that can be read, or the file no such frame.
    """
    if data[128:132] == b"DICM":
        from cygnet.archive.ingest.dicom import read_dicom

        for read in read_dicom(data, frame):
            yield Picture(read.picture, "DICOM", read.findings, read.record, read.mm_per_pixel, read.frame)
        return
    if frame > 1:
        raise DecodeError(f"there is no frame {frame}; the file has one picture", Reason.MISSING)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            picture = Picture(data, image.format or "", tuple(scan_exif(image)))
    except Exception:  # noqa: BLE001  decoding, next, says what is wrong with it
        picture = Picture(data)
    yield picture


def picture_of(data: bytes, frame: int = 0) -> Picture:
    """The only picture within a file, or that of a ``frame``.

    Raises
    ------
    DecodeError
        If there are several and none is asked for, or as :func:`pictures_of` does.
    """
    picture = next(pictures_of(data, frame))
    if picture.frame and not frame:
        raise DecodeError("several frames; save the one that is meant as a single image", Reason.UNREADABLE)
    return picture


def _undecoded(result: Examined, error: DecodeError) -> Examined:
    return replace(result, findings=(*result.findings, found("refuse", error.code, str(error))))


def _marked(examined: Examined, mark: Fingerprint, picture: Picture) -> Examined:
    return replace(
        examined,
        width=mark.width,
        height=mark.height,
        pixels_sha256=mark.pixels,
        hashes=mark.hashes,
        small=mark.thumbnail,
        record={**picture.record, **{k: v for k, v in examined.record.items() if v is not None}},
    )


def _about_quality(examined: Examined, quality: Sequence[Judged], strange: float) -> list[Finding]:
    """What the gate sees. Only what should be dermoscopy is asked whether it is."""
    expected = examined.record.get("image_type") in (None, "dermoscopic")
    findings = [
        found("hold" if q.refuses else "note", str(q.code), q.message)
        for q in quality
        if expected or q.code != Reason.NOT_DERMOSCOPY
    ]
    if strange > 1 and expected:
        words = f"does not look like dermoscopy ({strange:.1f} times the limit)"
        findings.append(found("hold", Reason.NOT_DERMOSCOPY, words))
    return findings


def _about_file(name: str, picture: Picture) -> list[Finding]:
    findings = []
    extension = PurePosixPath(name).suffix.lower()
    if extension not in _EXTENSIONS.get(picture.type, (extension,)):
        words = f"the name ends in {extension or 'nothing'}, the content is {picture.type}"
        findings.append(found("note", "wrong-extension", words))
    tail = trailing_bytes(picture.data) if picture.type in ("JPEG", "MPO") else b""
    if any(mark in (picture.data[:_HEADER] + tail).lower() for mark in _ACTIVE):
        findings.append(found("hold", "polyglot", "the file is also a web page, script or archive; its view is not"))
    elif tail.strip(b"\0") and picture.type == "JPEG":
        words = f"{len(tail):,} bytes follow the image's end; views are made without them"
        findings.append(found("note", "trailing-data", words))
    return findings
