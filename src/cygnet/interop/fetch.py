"""One file from an archive onto the disk: in parts, checked, and under its name only when it is whole."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cygnet.archive.ingest.items import MAX_BYTES
from cygnet.interop.digests import damage, flaws, promised
from cygnet.interop.records import Record, read_result
from cygnet.interop.transport import FetchError, Passing, Transport

_PIECE: Final = 1 << 16
#: Fetched twice, wrong twice: it is the server's.
_ROUNDS: Final = 2
#: What a fresh address may mend: signed addresses expire.
_EXPIRED: Final = (400, 401, 403, 404, 410)
_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to have. ``position`` is its place in the journal; ``sha256`` what an earlier pull found, "" if it did not."""

    position: int
    record: Record
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Got:
    """What became of it. Without ``code`` it is there and sound; ``fresh`` says that it came now."""

    position: int
    record: Record
    sha256: str = ""
    size: int = 0
    fresh: bool = False
    code: str = ""
    problem: str = ""


class Wrong(Exception):
    """A file that came and is not what it should be."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Fetcher:
    """Fetches files of one archive into ``out``, by way of ``parts``. Safe to use from many threads, each with files of its own."""

    def __init__(self, transport: Transport, out: Path, parts: Path) -> None:
        self.transport, self.out, self.parts = transport, out, parts

    def __call__(self, wanted: Wanted) -> Got:
        """Have one file. Whatever is wrong is told in the answer; only a full disk and the like are raised.

        Raises
        ------
        OSError
            If it cannot be written.
        Gone, Stopped
            If the whole pull is to end.
        """
        record = wanted.record
        if (there := self._adopt(wanted)) is not None:
            return there
        try:
            data, record = self._sound(record)
        except Wrong as error:
            return Got(wanted.position, record, code=error.code, problem=str(error))
        except FetchError as error:
            if type(error) is not FetchError:
                raise
            return Got(wanted.position, record, code="refused" if error.status else "network", problem=str(error))
        return Got(wanted.position, record, hashlib.sha256(data).hexdigest(), len(data), fresh=True)

    def _adopt(self, wanted: Wanted) -> Got | None:
        """The file that is there already, if it is the one: same size, and same hash where that is known, whole where it is not."""
        path, record = self.out / wanted.record.file, wanted.record
        if not path.is_file() or (record.size is not None and path.stat().st_size != record.size):
            return None
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        sound = digest == wanted.sha256 if wanted.sha256 else damage(data) is None
        return Got(wanted.position, record, digest, len(data)) if sound else None

    def _sound(self, record: Record) -> tuple[bytes, Record]:
        """Fetch a file until it passes its checks, twice at most; from a fresh address if the old one is refused."""
        for again in range(_ROUNDS):
            try:
                return self._once(record), record
            except Wrong:
                if again == _ROUNDS - 1:
                    raise
            except FetchError as error:
                fresh = self._renewed(record) if error.status in _EXPIRED and not again else None
                if fresh is None:
                    raise
                record = fresh
        raise AssertionError("unreachable")

    def _renewed(self, record: Record) -> Record | None:
        """The record as the archive gives it now, if it names another address."""
        try:
            site = self.transport.site
            fresh, _ = read_result(self.transport.json(site.url("images", record.isic_id)), site)
        except FetchError:
            return None
        same = fresh is None or fresh.isic_id != record.isic_id or fresh.url == record.url or fresh.file != record.file
        return None if same else fresh

    def _once(self, record: Record) -> bytes:
        part = Part(self.parts, record.isic_id)
        promises = self.transport.patiently(lambda: self._continue(record, part))
        assert part.path is not None
        data = part.path.read_bytes()
        for code, words in flaws(data, record.size, promises):
            part.path.unlink()
            raise Wrong(code, words)
        os.replace(part.path, self.out / record.file)
        return data

    def _continue(self, record: Record, part: Part) -> dict[str, str]:
        """Fetch what is missing of a part; returns the hashes that the server promises."""
        start = part.size
        try:
            with self.transport.open(record.url, headers={"Accept-Encoding": "identity", **part.headers()}) as answer:
                start = part.begin(answer.status, answer.headers)
                self._pour(answer, part, record.size)
                return promised(answer.headers, record.url, whole=answer.status == 200)
        except Passing as error:
            if error.status == 416:
                part.drop()
            error.gained = part.size > start and part.resumable
            raise

    def _pour(self, answer: Any, part: Part, size: int | None) -> None:
        patience = self.transport.patience
        most = MAX_BYTES if size is None else min(size, MAX_BYTES)
        assert part.path is not None
        began, slow_from = time.monotonic(), 0
        with part.path.open("ab") as stream:
            came = stream.tell()
            while piece := answer.read1(_PIECE):
                self.transport.gate.enter()
                came += stream.write(piece)
                if came > most:
                    part.drop()
                    raise Wrong("size", f"more bytes came than the {most:,} that were announced or are allowed")
                now = time.monotonic()
                if now - began > patience.read:
                    if came - slow_from < patience.slowest * patience.read:
                        raise Passing(f"fewer than {patience.slowest} bytes a second came")
                    began, slow_from = now, came


class Part:
    """The beginning of a file. Its name holds the validator of the version it belongs to, so that two versions are never joined."""

    def __init__(self, folder: Path, isic_id: str) -> None:
        self._folder, self._isic_id = folder, isic_id
        self.path: Path | None = next(iter(folder.glob(f"{isic_id}.*.part")), None)

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return self.path.stat().st_size if self.path is not None and self.path.exists() else 0

    @property
    def validator(self) -> str:
        """The ETag or Last-Modified that the server gave with it, "" for none."""
        text = self.path.name.split(".")[1] if self.path is not None else ""
        return bytes.fromhex(text).decode("latin-1")

    @property
    def resumable(self) -> bool:
        """Whether the server can be asked for the rest."""
        return bool(self.validator)

    def headers(self) -> dict[str, str]:
        """What asks for the rest, if it is of the same version (RFC 9110, 13.1.5)."""
        if not self.size or not self.resumable:
            return {}
        return {"Range": f"bytes={self.size}-", "If-Range": self.validator}

    def begin(self, status: int, headers: Mapping[str, str]) -> int:
        """Get ready for an answer; returns the byte at which it goes on."""
        if status == 206:
            found = _RANGE.fullmatch(headers.get("Content-Range", ""))
            if found is None or int(found[1]) != self.size:
                self.drop()
                raise Passing("the server sent another part of the file than the one asked for")
            return self.size
        self.drop()
        self.path = self._folder / f"{self._isic_id}.{_validator(headers).encode('latin-1').hex()}.part"
        return 0

    def drop(self) -> None:
        """Begin anew."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
        self.path = None


def _validator(headers: Mapping[str, str]) -> str:
    """A strong ETag, or a date, that a server which does ranges gave; "" where the rest could not be asked for."""
    tag = headers.get("ETag", "")
    strong = tag if re.fullmatch(r'"[\x21\x23-\x7e]{1,80}"', tag) else ""
    text = strong or headers.get("Last-Modified", "")
    return text if headers.get("Accept-Ranges", "bytes") != "none" and len(text) <= 82 else ""
