"""One tree of errors. Each message names the file or row, and the fix.

The command line prints the message and leaves with ``exit_code``; only a bug shows a traceback.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "CygnetError",
    "DecodeError",
    "InputError",
    "MissingExtraError",
    "ModelError",
    "NothingAssessedError",
    "OutputError",
    "TableError",
    "TrainingError",
]


class CygnetError(Exception):
    """Any error that Cygnet raises on purpose."""

    exit_code = 2


class InputError(CygnetError):
    """Wrong use: a path, table or option that cannot be worked with."""


class TableError(InputError):
    """Rows of a table cannot be worked with. ``problems`` lists all of them, the message counts and shows five."""

    def __init__(self, problems: Sequence[str], advice: str = "") -> None:
        self.problems = tuple(problems)
        shown = "\n".join(f"  {problem}" for problem in self.problems[:5])
        more = f"\n  (and {len(self.problems) - 5} more)" if len(self.problems) > 5 else ""
        head = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__(f"{head}:\n{shown}{more}" + (f"\n{advice}" if advice else ""))


class OutputError(CygnetError):
    """The results could not be written; what stood there before is untouched."""


class TrainingError(CygnetError):
    """A training run cannot go on by itself; its last good checkpoint is kept."""

    exit_code = 1


class ModelError(CygnetError):
    """A model is missing, damaged, or not the one its card describes."""


class MissingExtraError(CygnetError):
    """An optional dependency is needed for what was asked."""


class NothingAssessedError(CygnetError):
    """The input was fine to read, but no image in it could be assessed."""

    exit_code = 1


class DecodeError(CygnetError):
    """One image cannot be turned into pixels. ``code`` says why, as in :class:`cygnet.imaging.Reason`."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code
