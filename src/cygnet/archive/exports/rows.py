"""The rows of an export, streamed, and the tables and texts made of them."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

from sqlalchemy import Connection

from cygnet.archive import search as searching
from cygnet.archive.database import Database
from cygnet.archive.fields import FIELDS
from cygnet.archive.licences import LICENCES
from cygnet.archive.query import Matches
from cygnet.archive.results import rows_of
from cygnet.schema.cells import safe

#: The columns of metadata.csv, in the order of the official client's, then in the order of the fields.
COLUMNS: Final = (
    "isic_id",
    "attribution",
    "copyright_license",
    *(f.name for f in FIELDS if f.group),
)
_PAGE: Final = 500
Row = dict[str, Any]


def rows_matching(connection: Connection, matches: Matches) -> Iterator[Row]:
    """Flat rows of what matches, in the order in which images came."""
    cursor = None
    while True:
        page = searching.page(connection, matches, _PAGE, cursor)
        yield from rows_of(connection, page.ids)
        if page.next is None:
            return
        cursor = page.next


def rows_by_page(database: Database, matches: Matches) -> Iterator[Row]:
    """The same, but holding no connection while whoever takes the rows is busy or slow; each page is as things stand then."""
    cursor = None
    while True:
        with database.read() as connection:
            page = searching.page(connection, matches, _PAGE, cursor)
            rows = rows_of(connection, page.ids)
        yield from rows
        if page.next is None:
            return
        cursor = page.next


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
    from cygnet.archive.licences import licence_text

    return {f"licenses/{code}.txt": licence_text(code) for code in LICENCES if code in set(codes)}
