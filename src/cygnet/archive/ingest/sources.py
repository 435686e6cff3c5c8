"""Where images come from: folders and zips of image and DICOM files, by name. Nothing is ever unpacked to a path of its own."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final

from cygnet.archive.findings import found
from cygnet.archive.ingest.items import MAX_BYTES, Unloadable
from cygnet.errors import InputError

Files = Mapping[str, Callable[[], bytes]]
#: What is taken, or refused with a reason; other files are left alone.
SUFFIXES: Final = frozenset(
    f".{name}"
    for name in (
        *("jpg", "jpeg", "jpe", "jfif", "mpo", "png", "tif", "tiff", "bmp", "dib", "webp", "dcm", "dicom"),
        *("gif", "svg", "heic", "heif", "avif", "jp2", "raw", "cr2", "nef", "dng"),
    )
)
_PACKED: Final = (".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz")
#: A packed file of more than this many bytes that unpacks to more than so many times its size is a bomb.
_BOMB_BYTES, _BOMB_RATIO = 4 << 20, 200


def files_of(source: Path, *, everything: bool = False) -> Files:
    """The files of a folder or zip, or one file, by name with forward slashes, sorted. ``everything`` takes those of any suffix.

    Raises
    ------
    InputError
        If there is no such source, or it cannot be read.
    """
    if source.is_dir():
        return _of_folder(source, everything)
    if not source.exists():
        raise InputError(f"{source}: no such folder, zip or file")
    if zipfile.is_zipfile(source):
        return _of_zip(source, everything)
    if source.suffix.lower() == ".zip":
        raise InputError(f"{source}: not a zip file, or cut short; copy it again")
    return {source.name: partial(_read_file, source)}


def _wanted(name: str, everything: bool) -> bool:
    path = PurePosixPath(name)
    if path.name.startswith(".") or "__MACOSX" in path.parts:
        return False
    return everything or path.suffix.lower() in SUFFIXES


def _of_folder(root: Path, everything: bool) -> Files:
    files = {}
    for folder, below, names in os.walk(root):
        below.sort()
        for name in sorted(names):
            path = Path(folder) / name
            relative = path.relative_to(root).as_posix()
            if _wanted(relative, everything) and path.is_file():
                files[relative] = partial(_read_file, path)
    return files


def _read_file(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise Unloadable(found("refuse", "too_large", f"more than {MAX_BYTES >> 20} MB"))
        return path.read_bytes()
    except OSError as error:
        raise Unloadable(found("refuse", "unreadable", f"cannot be read ({error.strerror})")) from error


def _of_zip(path: Path, everything: bool) -> Files:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise InputError(f"{path}: not a zip that can be read ({error})") from error
    files = {}
    for member in archive.infolist():
        if member.is_dir():
            continue
        packed = PurePosixPath(member.filename).suffix.lower() in _PACKED
        if packed or _wanted(member.filename, everything):
            files[member.filename] = partial(_read_member, archive, member)
    return dict(sorted(files.items()))


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    if PurePosixPath(member.filename).suffix.lower() in _PACKED:
        raise Unloadable(found("refuse", "nested-archive"))
    if member.flag_bits & 1:
        raise Unloadable(found("refuse", "encrypted"))
    most = min(MAX_BYTES, max(_BOMB_BYTES, member.compress_size * _BOMB_RATIO))
    if member.file_size > most:
        raise Unloadable(found("refuse", "zip-bomb", f"{member.compress_size:,} bytes unpack to {member.file_size:,}"))
    try:
        with archive.open(member) as stream:
            data = stream.read(most + 1)
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, ValueError) as error:
        raise Unloadable(found("refuse", "truncated", f"cannot be unpacked ({error})")) from error
    except Exception as error:
        raise Unloadable(found("refuse", "truncated", f"cannot be unpacked ({error})")) from error
    if len(data) > most:
        raise Unloadable(found("refuse", "zip-bomb", f"{member.compress_size:,} bytes unpack to more than {most:,}"))
    return data
