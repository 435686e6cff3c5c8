"""What can go wrong in the clinic that its callers must tell apart."""

from __future__ import annotations

from typing import Any

from cygnet.errors import CygnetError, InputError


class UnknownError(InputError):
    """No patient, visit, lesion or image of that number."""


class WithheldError(CygnetError):
    """What Cygnet says is asked for before the reader's own verdicts are stored."""


class ConflictError(CygnetError):
    """Something newer is stored than what the writer had seen. ``stored`` is that; ``given`` what was to be written."""

    def __init__(self, message: str, stored: dict[str, Any] | None, given: dict[str, Any]) -> None:
        super().__init__(message)
        self.stored, self.given = stored, given


class TamperedError(CygnetError):
    """The audit log is not as it was written."""

    exit_code = 1
