"""The rows of an export, streamed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Connection

from cygnet.archive import search as searching
from cygnet.archive.database import Database
from cygnet.archive.query import Matches
from cygnet.archive.results import rows_of

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
