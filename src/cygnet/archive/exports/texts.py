"""The tables and texts of an export or a download, made of rows from anywhere."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from cygnet.archive.fields import FIELDS
from cygnet.archive.licences import LICENCES, licence_text
from cygnet.schema.cells import safe

#: The columns of metadata.csv, in the order of the official client's, then in the order of the fields.
COLUMNS: Final = (
    "isic_id",
    "attribution",
    "copyright_license",
    *(f.name for f in FIELDS if f.group),
)


def csv_line(values: Iterable[Any]) -> str:
    """One line of CSV (RFC 4180) whose cells no spreadsheet executes."""
    buffer = io.StringIO()
    csv.writer(buffer).writerow([_cell(v) for v in values])
    return buffer.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return safe(value) if isinstance(value, str) else str(value)


def attribution_text(credits: Counter[str]) -> str:
    """attribution.txt: whom to credit, most images first."""
    ordered = sorted(credits.items(), key=lambda item: (-item[1], item[0]))
    return "\n\n".join(f"{credit}\n({n:,} images)" for credit, n in ordered) + "\n"


def licence_files(codes: Iterable[str]) -> dict[str, str]:
    """A text for each licence, by the name of its file."""
    return {f"licenses/{code}.txt": licence_text(code) for code in LICENCES if code in set(codes)}
