"""Files by hash: a name that no one chooses, a content that cannot change unseen."""

from __future__ import annotations

import hashlib
import os
import secrets
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from cygnet.challenge.packed import in_folder
from cygnet.errors import InputError, OutputError
from cygnet.schema.files import file_sha256


class Files:
    """Files below ``folder``, each under its SHA-256."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path:
        """Where a file lies."""
        return self.folder / sha256[:2] / sha256

    def sound(self, sha256: str) -> Path:
        """Where a file lies, after making sure that it still is what its name says.

        Raises
        ------
        InputError
            If it was changed or is gone.
        """
        file = self.path(sha256)
        try:
            found = file_sha256(file)
        except OSError as error:
            raise InputError(f"{file}: cannot be read ({error.strerror or error}); restore it from a backup") from error
        if found != sha256:
            raise InputError(f"{file}: was changed since it was taken in; restore it from a backup")
        return file

    def put(self, stream: BinaryIO, most: int | None = None) -> str:
        """Keep what a stream holds; its hash.

        Raises
        ------
        InputError
            If it has more than ``most`` bytes.
        OutputError
            If it cannot be written.
        """
        part = self.folder / f".{secrets.token_hex(8)}.part"
        digest, size = hashlib.sha256(), 0
        try:
            with part.open("wb") as out:
                while block := stream.read(1 << 20):
                    size += len(block)
                    if most is not None and size > most:
                        raise InputError(f"larger than {most >> 20} MB; pack masks as PNG, tables as CSV or Parquet")
                    digest.update(block)
                    out.write(block)
                out.flush()
                os.fsync(out.fileno())
            target = self.path(digest.hexdigest())
            target.parent.mkdir(exist_ok=True)
            os.replace(part, target)
        except OSError as error:
            raise OutputError(
                f"{self.folder}: cannot be written ({error.strerror or error}); free some space"
            ) from error
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        return digest.hexdigest()

    def put_path(self, source: Path) -> str:
        """Keep a file, or a folder as a zip whose bytes depend on its content alone."""
        if not source.is_dir():
            with source.open("rb") as stream:
                return self.put(stream)
        packed = self.folder / f".{secrets.token_hex(8)}.zip"
        try:
            with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
                for file in in_folder(source):
                    archive.writestr(zipfile.ZipInfo(file.name), file.read_bytes())
            with packed.open("rb") as stream:
                return self.put(stream)
        finally:
            packed.unlink(missing_ok=True)
