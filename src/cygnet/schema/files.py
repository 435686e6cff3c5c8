"""Files that are whole or not there, written beside their place, then moved; and their hashes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cygnet.errors import OutputError


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """A path to write to, which becomes ``file`` when the block ends well; its folder is made.

    Raises
    ------
    OutputError
        If writing or moving fails; what stood at ``file`` is then untouched.
    """
    part = file.with_name(f".{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        yield part
        os.replace(part, file)
    except OSError as error:
        raise OutputError(f"{file}: could not be written ({error.strerror or error}); choose another place") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
