"""What a pull has listed and received so far: one SQLite file, so that neither a kill nor a full disk loses what was done."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

from cygnet.errors import InputError, OutputError
from cygnet.interop.fetch import Got, Wanted
from cygnet.interop.pulled import Problem
from cygnet.interop.records import Record

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT);
CREATE TABLE IF NOT EXISTS image (position INTEGER PRIMARY KEY, isic_id TEXT UNIQUE COLLATE NOCASE, record TEXT,
  state TEXT DEFAULT 'wanted', sha256 TEXT DEFAULT '', size INTEGER DEFAULT 0);
CREATE TABLE IF NOT EXISTS problem (image TEXT, code TEXT, message TEXT, listing INTEGER);
CREATE TABLE IF NOT EXISTS earlier (file TEXT PRIMARY KEY, sha256 TEXT) WITHOUT ROWID;
"""


class Journal:
    """The journal of one pull in the file ``path``. For one thread; use as a context manager.

    Raises
    ------
    InputError
        If another pull is working with it.
    OutputError
        If it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._db = sqlite3.connect(path, timeout=0.5, isolation_level=None)
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(_TABLES)
        except sqlite3.Error as error:
            if hasattr(self, "_db"):
                self._db.close()
            if "locked" in str(error):
                raise InputError(f"{path.parent.parent}: another pull is at work here; let it end") from error
            raise _unwritable(path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    @contextmanager
    def change(self) -> Iterator[None]:
        """All changes in the block, or none."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise _unwritable(self.path, error) from error

    def fact(self, name: str) -> Any:
        """A fact about the pull as a whole, None if it is not known."""
        row = self._db.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def set(self, **facts: Any) -> None:
        """Note facts."""
        rows = [(name, json.dumps(value)) for name, value in facts.items()]
        self._db.executemany("INSERT OR REPLACE INTO fact VALUES (?, ?)", rows)

    def begin_list(self) -> None:
        """Forget what was listed; files that are there are found again."""
        found = self._db.execute("SELECT record, sha256 FROM image WHERE state = 'got'")
        self.remember((Record.from_json(record).file, sha256) for record, sha256 in found.fetchall())
        self._db.execute("DELETE FROM image")
        self._db.execute("DELETE FROM problem")

    def remember(self, files: Iterable[tuple[str, str]]) -> None:
        """Note hashes of files that an earlier pull brought."""
        self._db.executemany("INSERT OR REPLACE INTO earlier VALUES (?, ?)", files)

    def add(self, record: Record) -> bool:
        """Note a listed image; False if its id was listed before, capitals or not."""
        row = (record.isic_id, record.to_json())
        return self._db.execute("INSERT OR IGNORE INTO image (isic_id, record) VALUES (?, ?)", row).rowcount == 1

    def complain(self, problems: Iterable[Problem], *, listing: bool) -> None:
        """Note problems, of the list or of files."""
        rows = [(p.image, p.code, p.message, listing) for p in problems]
        self._db.executemany("INSERT INTO problem VALUES (?, ?, ?, ?)", rows)

    def problems(self, *, listing: bool | None = None) -> list[Problem]:
        """Problems so far: those of the list first, then those of files, in the order of the list."""
        where = "" if listing is None else f"WHERE listing = {int(listing)}"
        rows = self._db.execute(
            f"SELECT problem.image, code, message FROM problem LEFT JOIN image ON image.isic_id = problem.image {where} "
            "ORDER BY listing DESC, position, problem.rowid"
        )
        return [Problem(*row) for row in rows]

    def retry(self) -> None:
        """Want again what failed."""
        self._db.execute("UPDATE image SET state = 'wanted' WHERE state = 'failed'")
        self._db.execute("DELETE FROM problem WHERE NOT listing")

    def recheck(self, out: Path) -> None:
        """Want again what is no longer there in the size in which it came."""
        rows = self._db.execute("SELECT position, record, size FROM image WHERE state = 'got'")
        lost = [(position,) for position, record, size in rows if _size(out / Record.from_json(record).file) != size]
        self._db.executemany("UPDATE image SET state = 'wanted', sha256 = '' WHERE position = ?", lost)

    def wanted(self, after: int, most: int) -> list[Wanted]:
        """The next files to fetch."""
        rows = self._db.execute(
            "SELECT position, record FROM image WHERE state = 'wanted' AND position > ? ORDER BY position LIMIT ?",
            (after, most),
        ).fetchall()
        found = [(position, Record.from_json(record)) for position, record in rows]
        return [Wanted(position, record, self._earlier(record.file)) for position, record in found]

    def _earlier(self, file: str) -> str:
        row = self._db.execute("SELECT sha256 FROM earlier WHERE file = ?", (file,)).fetchone()
        return row[0] if row else ""

    def take(self, outcomes: Iterable[Got]) -> None:
        """Note what became of files."""
        for got in outcomes:
            state = "failed" if got.code else "got"
            values = (state, got.sha256, got.size, got.record.to_json(), got.position)
            self._db.execute("UPDATE image SET state = ?, sha256 = ?, size = ?, record = ? WHERE position = ?", values)
            if got.code:
                self.complain([Problem(got.record.isic_id, got.code, got.problem)], listing=False)

    def counts(self) -> dict[str, tuple[int, int]]:
        """Number and bytes of images by state: wanted, got, failed."""
        rows = self._db.execute("SELECT state, count(*), sum(size) FROM image GROUP BY state")
        return {state: (n, size) for state, n, size in rows}

    def got(self) -> Iterator[Got]:
        """What is here, in the order of the list."""
        rows = self._db.execute(
            "SELECT position, record, sha256, size FROM image WHERE state = 'got' ORDER BY position"
        )
        for position, record, sha256, size in rows:
            yield Got(position, Record.from_json(record), sha256, size)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _unwritable(path: Path, error: sqlite3.Error) -> OutputError:
    return OutputError(f"{path}: cannot be written ({error}); free some space and run the same again")
