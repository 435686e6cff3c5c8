"""Blobs by content hash, on a folder or wherever fsspec reaches (``s3://bucket/prefix``).

A blob's name is its SHA-256, so that it is written once, never changed, and can be checked by anyone. In a folder it is written beside
its place, flushed to the disk and renamed, so that a name is never there without its whole content.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from cygnet.archive.extras import needs
from cygnet.errors import InputError, OutputError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_NAME: Final = re.compile(r"[0-9a-f]{64}")
_PART: Final = 1 << 20
#: Seconds after which a temporary file of a process on another machine counts as left behind.
_STALE: Final = 24 * 3600


class Blobs(Protocol):
    """Where blobs are kept."""

    url: str

    def put(self, data: bytes) -> str:
        """Keep ``data``; returns its SHA-256."""

    def get(self, sha256: str) -> bytes:
        """The blob of that hash, as stored: :func:`checked` compares it."""

    def has(self, sha256: str) -> bool:
        """Whether there is a blob of that name."""

    def delete(self, sha256: str, younger_than: float = 0) -> bool:
        """Remove a blob unless it was put less than so many seconds ago; whether it did."""

    def names(self) -> Iterator[str]:
        """The hashes of all blobs, in no order."""

    def tidy(self) -> int:
        """Remove what writers that died left behind; returns how many files."""


def open_blobs(url: str) -> Blobs:
    """The blobs at a path or URL."""
    if "://" not in url or url.startswith("file://"):
        return FolderBlobs(Path(url.removeprefix("file://")))
    return RemoteBlobs(url)


def sha256_of(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def checked(blobs: Blobs, sha256: str) -> bytes:
    """A blob whose content is what its name says.

    Raises
    ------
    OutputError
        If it is missing or damaged.
    """
    data = blobs.get(sha256)
    if sha256_of(data) != sha256:
        raise OutputError(
            f"{blobs.url}: blob {sha256} is damaged; put it back from a backup, then: cygnet archive verify"
        )
    return data


def _valid(sha256: str) -> str:
    if not _NAME.fullmatch(sha256):
        raise InputError(f"{sha256!r} is not the name of a blob")
    return sha256


class FolderBlobs:
    """Blobs in a folder: ``ab/cdef...``, where ``ab`` are the first two digits."""

    def __init__(self, root: Path) -> None:
        self.root, self.url = root, str(root)
        self._waiting = root / "tmp"

    def path(self, sha256: str) -> Path:
        """Where the blob is, or would be."""
        name = _valid(sha256)
        return self.root / name[:2] / name[2:]

    def put(self, data: bytes) -> str:
        """Keep ``data``; returns its SHA-256."""
        name = sha256_of(data)
        place = self.path(name)
        if place.exists():
            with suppress(OSError):
                os.utime(place)  # it is wanted again: see Archive.remove_unused
            return name
        waiting = self._waiting / f"{os.getpid()}-{secrets.token_hex(8)}"
        try:
            self._waiting.mkdir(parents=True, exist_ok=True)
            place.parent.mkdir(exist_ok=True)
            with waiting.open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(waiting, place)
            _flush(place.parent)
        except OSError as error:
            with suppress(OSError):
                waiting.unlink()
            raise OutputError(
                f"{self.root}: cannot be written ({error.strerror}); free some space and run again"
            ) from error
        return name

    def get(self, sha256: str) -> bytes:
        """The blob of that hash."""
        try:
            return self.path(sha256).read_bytes()
        except FileNotFoundError as error:
            raise OutputError(f"{self.root}: blob {sha256} is missing; put it back from a backup") from error

    def has(self, sha256: str) -> bool:
        """Whether there is a blob of that name."""
        return self.path(sha256).exists()

    def delete(self, sha256: str, younger_than: float = 0) -> bool:
        """Remove a blob unless it was put less than so many seconds ago; whether it did."""
        path = self.path(sha256)
        if not path.exists() or time.time() - path.stat().st_mtime < younger_than:
            return False
        path.unlink()
        return True

    def names(self) -> Iterator[str]:
        """The hashes of all blobs."""
        for folder in self.root.glob("[0-9a-f][0-9a-f]"):
            with os.scandir(folder) as found:
                yield from (folder.name + entry.name for entry in found)

    def tidy(self) -> int:
        """Remove the temporary files of processes that are gone."""
        removed = 0
        for path in self._waiting.glob("*-*"):
            owner = path.name.partition("-")[0]
            with suppress(OSError):
                if not _alive(owner) or time.time() - path.stat().st_mtime > _STALE:
                    path.unlink()
                    removed += 1
        return removed


def _alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True


def _flush(folder: Path) -> None:
    """Make a rename in this folder outlast a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class RemoteBlobs:
    """Blobs behind fsspec. An object store shows an object only once it is whole, so that no renaming is needed."""

    def __init__(self, url: str) -> None:
        import fsspec

        self.url = url.rstrip("/")
        scheme = url.partition("://")[0]
        try:
            with needs("s3fs", "adlfs", "gcsfs", "aiobotocore", extra="archive"):
                filesystem, self._root = fsspec.core.url_to_fs(self.url, **_settings(scheme))
        except (ValueError, ImportError) as error:
            raise InputError(
                f"{url}: blobs cannot be kept there ({error}); use a folder or s3://BUCKET/PREFIX"
            ) from error
        self._fs: AbstractFileSystem = filesystem

    def _path(self, sha256: str) -> str:
        name = _valid(sha256)
        return f"{self._root}/{name[:2]}/{name[2:]}"

    def put(self, data: bytes) -> str:
        """Keep ``data``; returns its SHA-256."""
        name = sha256_of(data)
        if not self.has(name):
            self._do(lambda: self._fs.pipe_file(self._path(name), data))
        return name

    def get(self, sha256: str) -> bytes:
        """The blob of that hash."""
        try:
            return bytes(self._do(lambda: self._fs.cat_file(self._path(sha256))))
        except FileNotFoundError as error:
            raise OutputError(f"{self.url}: blob {sha256} is missing; put it back from a backup") from error

    def has(self, sha256: str) -> bool:
        """Whether there is a blob of that name."""
        return bool(self._do(lambda: self._fs.exists(self._path(sha256))))

    def delete(self, sha256: str, younger_than: float = 0) -> bool:
        """Remove a blob, if it is there; whether it did."""
        if not self.has(sha256):
            return False
        self._do(lambda: self._fs.rm_file(self._path(sha256)))
        return True

    def names(self) -> Iterator[str]:
        """The hashes of all blobs."""
        self._fs.invalidate_cache()
        for path in self._do(lambda: self._fs.find(self._root)):
            folder, _, rest = str(path).rpartition("/")
            name = folder[-2:] + rest
            if _NAME.fullmatch(name):
                yield name

    def tidy(self) -> int:
        """Nothing: unfinished uploads never become objects."""
        return 0

    def _do(self, call: Any) -> Any:
        try:
            return call()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise OutputError(f"{self.url}: {error}; check the address, the credentials and the network") from error


def _settings(scheme: str) -> dict[str, Any]:
    """fsspec's own settings: S3 servers other than Amazon's are named in AWS_ENDPOINT_URL, as for the AWS tools."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    return {"client_kwargs": {"endpoint_url": endpoint}} if scheme == "s3" and endpoint else {}


__all__ = ["Blobs", "FolderBlobs", "RemoteBlobs", "checked", "open_blobs", "sha256_of"]
