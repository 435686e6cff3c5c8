"""Bytes that arrive packed: gzip and zip, opened in memory within stated limits, never on disk."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from cygnet.challenge.problems import Problems
from cygnet.errors import InputError

#: Bytes that a table may have, unpacked.
TABLE_BYTES: Final = 256 * 1024 * 1024
#: Bytes that one mask file may have, and all files of a zip together.
MEMBER_BYTES: Final = 64 * 1024 * 1024
ZIP_BYTES: Final = 8 * 1024 * 1024 * 1024
#: How much larger than packed a zip may be; masks of one colour reach 1,000.
_RATIO: Final = 1100
_IGNORED: Final = {
    "attribution.txt",
    "license.txt",
    "licence.txt",
    "thumbs.db",
    "desktop.ini",
    "readme.txt",
    "readme.md",
}
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


@dataclass(frozen=True, slots=True)
class Source:
    """Something that was sent: ``name`` for messages, and its bytes or the file or folder that holds them."""

    name: str
    path: Path | None = None
    data: bytes | None = None

    @classmethod
    def of(cls, path: Path) -> Source:
        """A file or folder.

        Raises
        ------
        InputError
            If there is none.
        """
        if not path.exists():
            raise InputError(f"{path}: no such file or folder; check the path")
        return cls(path.name, path)

    @property
    def folder(self) -> bool:
        """Whether it is a folder of files."""
        return self.path is not None and self.path.is_dir()

    def read_start(self) -> bytes:
        """Its first two bytes, which tell a zip."""
        if self.data is not None or self.path is None:
            return (self.data or b"")[:2]
        with self.path.open("rb") as handle:
            return handle.read(2)

    def read(self) -> bytes:
        """All of it.

        Raises
        ------
        InputError
            If it cannot be read or is larger than any table.
        """
        if self.data is not None:
            return self.data
        assert self.path is not None
        try:
            if self.path.stat().st_size > TABLE_BYTES:
                raise InputError(f"{self.path}: larger than {TABLE_BYTES >> 20} MB; a submission is far smaller")
            return self.path.read_bytes()
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({error.strerror or error})") from error


def gunzip(data: bytes, problems: Problems) -> bytes | None:
    """The content of gzip bytes, None (and a problem) where it is damaged or larger than ``TABLE_BYTES``."""
    engine = zlib.decompressobj(wbits=31)
    try:
        made = engine.decompress(data, TABLE_BYTES + 1)
    except zlib.error as error:
        problems.add("gzip", f"the gzip file is damaged ({error})", "compress it again, or send the CSV itself")
        return None
    if len(made) > TABLE_BYTES:
        problems.add(
            "too-large", f"the gzip file unpacks to more than {TABLE_BYTES >> 20} MB", "send one row per image"
        )
        return None
    if not engine.eof:
        problems.add("gzip", "the gzip file is cut short", "send it again")
        return None
    return made


def opened_zip(source: Source, problems: Problems) -> zipfile.ZipFile | None:
    """The zip of a source, None (and a problem) where it is none."""
    try:
        return zipfile.ZipFile(io.BytesIO(source.data) if source.data is not None else str(source.path))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        problems.add("zip", f"no zip file ({error})", "pack the files into a .zip again")
        return None


def members(archive: zipfile.ZipFile, most: int, problems: Problems) -> Iterator[zipfile.ZipInfo]:
    """The files of a zip that may be read; unsafe ones become problems, those that systems leave behind are passed over.

    Nothing is written to disk, so that a path that leads outside can do no harm; it is refused all the same. ``most`` is
    how many files there may be at most.
    """
    infos = [i for i in archive.infolist() if not i.is_dir() and not _left_behind(i.filename)]
    if len(infos) > most:
        problems.add("zip", f"{len(infos):,} files, where at most {most:,} belong", "send one file per image")
        return
    whole, packed = sum(i.file_size for i in infos), sum(i.compress_size for i in infos)
    if whole > ZIP_BYTES or whole > _RATIO * max(packed, 1) + (1 << 20):
        problems.add("zip-bomb", f"unpacks from {packed:,} to {whole:,} bytes", "pack plain PNG files")
        return
    for info in infos:
        if reason := _unsafe(info):
            problems.add("zip", reason, "pack plain files anew", column=info.filename)
        else:
            yield info


def _unsafe(info: zipfile.ZipInfo) -> str:
    path = PurePosixPath(info.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        return "the file's path leads outside of the zip"
    if info.flag_bits & 1:
        return "the file is encrypted"
    if info.compress_type not in _METHODS:
        return "packed by a method that few programs know (as Windows does for large files)"
    if info.file_size > MEMBER_BYTES:
        return f"the file has {info.file_size:,} bytes"
    if (info.external_attr >> 16) & 0o170000 == 0o120000:
        return "the file is a link"
    return ""


def content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes | str:
    """The bytes of a member, or why they cannot be had; never more than the zip says there are."""
    try:
        with archive.open(info) as handle:
            data = handle.read(info.file_size + 1)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        return f"cannot be unpacked ({error})"
    return data if len(data) == info.file_size else "has another size than the zip says"


def _left_behind(name: str) -> bool:
    last = PurePosixPath(name.replace("\\", "/")).name
    return name.startswith("__MACOSX") or last.startswith(".") or last.lower() in _IGNORED


def in_folder(folder: Path) -> list[Path]:
    """The files of a folder, without those that systems and challenges leave there."""
    return sorted(p for p in folder.iterdir() if p.is_file() and not _left_behind(p.name))
