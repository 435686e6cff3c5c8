"""Cells that no spreadsheet executes, and the way back.

A spreadsheet runs a cell that starts with ``= + - @``, a tab or a line break as a formula. Such a cell is written with an
apostrophe before it, the spreadsheets' own mark for text; numbers stay as they are. A cell that reads ``'=...`` already
gets another apostrophe, so that ``restore(safe(x)) == x`` for every text.

Source: OWASP, "CSV Injection".
"""

from __future__ import annotations

import re
from typing import Final

#: A cell that a spreadsheet may execute, or that ``safe`` has made harmless. One syntax for Python and polars.
TRIGGER: Final = r"^'*(?:[ \u00a0]*[=+\-@＝＋－＠]|[\t\r\n])"
#: A plain number, which is no formula.
NUMBER: Final = r"^[+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?$"
_TRIGGER: Final = re.compile(TRIGGER)
_NUMBER: Final = re.compile(NUMBER.replace("$", r"\Z"))


def risky(text: str) -> bool:
    """Whether a spreadsheet may execute ``text`` (or would, without the apostrophe before it)."""
    return _TRIGGER.match(text) is not None and _NUMBER.match(text) is None


def safe(text: str) -> str:
    """``text`` as it goes into a CSV or spreadsheet cell."""
    return f"'{text}" if risky(text) else text


def restore(text: str) -> str:
    """What ``safe`` was given."""
    return text[1:] if text.startswith("'") and _TRIGGER.match(text) else text
