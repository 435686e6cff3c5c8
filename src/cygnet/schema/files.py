"""Files that are whole or not there: written beside their place, then moved."""

from __future__ import annotations

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
