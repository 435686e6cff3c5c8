"""Where an export goes: a folder, or a zip that is made while it is read."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from cygnet.errors import InputError, OutputError

#: Name and content of one file of an export.
File = tuple[str, bytes]
MANIFEST: Final = "manifest.sha256"
#: The same time for every file, so that the same export gives the same bytes.
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


def manifest_line(name: str, data: bytes) -> str:
    """One line as ``sha256sum --check`` reads it."""
    return f"{hashlib.sha256(data).hexdigest()}  {name}\n"


def with_manifest(files: Iterable[File]) -> Iterator[File]:
    """The files, then the manifest with their hashes."""
    lines = []
    for name, data in files:
        lines.append(manifest_line(name, data))
        yield name, data
    yield MANIFEST, "".join(lines).encode()


def write_folder(folder: Path, files: Iterable[File]) -> int:
    """Write an export into a folder; files that are there already with the same content stay. Returns how many files it has.

    The manifest comes last, so that a folder without one was interrupted; running the export again completes it.

    Raises
    ------
    InputError
        If the folder holds something that is no export.
    OutputError
        If it cannot be written.
    """
    if folder.exists() and any(folder.iterdir()) and not any((folder / n).exists() for n in (MANIFEST, _MARK)):
        raise InputError(f"{folder}: is not empty and no export; choose another folder")
    n = 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _MARK).touch()
        (folder / MANIFEST).unlink(missing_ok=True)
        for name, data in with_manifest(files):
            path = folder / name
            if not path.resolve().is_relative_to(folder.resolve()):
                raise InputError(f"{name!r} leads out of {folder}; is this archive from a stranger's backup?")
            _write(path, data)
            n += 1
        (folder / _MARK).unlink()
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}); free some space and run again") from error
    return n


_MARK: Final = ".cygnet-export-unfinished"


def _write(path: Path, data: bytes) -> None:
    if path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    beside.write_bytes(data)
    os.replace(beside, path)


class _Buffer:
    """What a zip writer wrote since last asked; it cannot be wound back."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing: everything is at hand."""

    def take(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data


def zip_stream(files: Iterable[File]) -> Iterator[bytes]:
    """A zip in pieces, a few files in memory at a time. JPEGs are stored, texts deflated."""
    buffer = _Buffer()
    with zipfile.ZipFile(buffer, "w", allowZip64=True) as archive:  # type: ignore[call-overload]
        for name, data in with_manifest(files):
            packed = zipfile.ZIP_STORED if name.endswith((".jpg", ".dcm", ".parquet")) else zipfile.ZIP_DEFLATED
            info = zipfile.ZipInfo(name, _EPOCH)
            info.external_attr = 0o644 << 16
            archive.writestr(info, data, packed)
            yield buffer.take()
    yield buffer.take()


def write_zip(path: Path, files: Iterable[File]) -> None:
    """A zip file, whole or not at all.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    beside = path.with_name(f".{path.name}.part")
    try:
        with beside.open("wb") as stream:
            for piece in zip_stream(files):
                stream.write(piece)
        os.replace(beside, path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}); free some space and run again") from error
    finally:
        beside.unlink(missing_ok=True)
