"""What is asked of a user who lacks an optional package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cygnet.errors import MissingExtraError


@contextmanager
def needs(*packages: str, extra: str = "archive") -> Iterator[None]:
    """Imports of optional ``packages`` go inside; a missing one becomes a sentence that says what to install.

    Raises
    ------
    MissingExtraError
        If one of the packages, not something else, cannot be found.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in packages:
            raise
        raise MissingExtraError(f"this needs the package {missing}: pip install 'cygnet[{extra}]'") from error
