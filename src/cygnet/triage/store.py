"""What an interrupted run has done so far: rows by position in one SQLite file, each good while its image is unchanged.

Memory does not grow with the run, a row takes a lookup, and what was committed survives a full disk or a cut cable.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from cygnet.errors import InputError, OutputError

_EVERY: Final = 32


class Store:
    """The rows of one run in the file ``path``. Use as a context manager; ``discard`` it once the outputs are in place.

    ``mark`` stands for what must be the same for the run to go on. ``columns`` are SQL column definitions; a row holds one
    value for each. Safe to use from several threads.

    Raises
    ------
    InputError
        When there is a store of another run and ``resume`` is asked for, or any store and it is not.
    """

    def __init__(self, path: Path, mark: str, columns: Sequence[str], *, resume: bool) -> None:
        self.path = path
        if not resume and path.exists():
            raise InputError(
                f"{path.parent}: an interrupted run is kept here; add --resume to go on with it, or delete {path.name}"
            )
        self._lock = threading.Lock()
        self._pending = 0
        self._closed = False
        self._row = f"?,?,?{',?' * len(columns)}"
        try:
            self._db = sqlite3.connect(path, check_same_thread=False)
            self._db.executescript(
                "CREATE TABLE IF NOT EXISTS run (fingerprint TEXT);\nCREATE TABLE IF NOT EXISTS image "
                f"(position INTEGER PRIMARY KEY, bytes INTEGER, changed INTEGER, {', '.join(columns)});"
            )
            stored = self._db.execute("SELECT fingerprint FROM run").fetchone()
            if stored is None:
                self._db.execute("INSERT INTO run VALUES (?)", (mark,))
                self._db.commit()
        except sqlite3.Error as error:
            if hasattr(self, "_db"):
                self._db.close()
            raise OutputError(
                f"{path}: cannot be used ({error}); free some space, delete this file or choose another --out"
            ) from error
        if stored is not None and stored[0] != mark:
            self._db.close()
            raise InputError(
                f"{path.parent}: the interrupted run kept here had other images, another model, other options or another "
                f"version; delete {path.name} to start over"
            )
        self.found = int(self._db.execute("SELECT count(*) FROM image").fetchone()[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Keep what has been done."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            # On a full disk what was committed before is intact, and the error that ends the run is on its way.
            with suppress(sqlite3.Error):
                self._db.commit()
            self._db.close()

    def discard(self) -> None:
        """Remove the file; the run is complete."""
        self.close()
        self.path.unlink(missing_ok=True)

    def put(self, position: int, image: Path, values: Sequence[Any]) -> None:
        """Keep a row; nothing where the image file cannot be found, for it may be there when the run goes on."""
        stamp = _stamp(image)
        if stamp is None:
            return
        with self._lock:
            try:
                self._db.execute(f"INSERT OR REPLACE INTO image VALUES ({self._row})", (position, *stamp, *values))
                self._pending += 1
                if self._pending >= _EVERY:
                    self._db.commit()
                    self._pending = 0
            except sqlite3.Error as error:
                raise OutputError(
                    f"{self.path}: cannot be written ({error}); free some space and use --resume"
                ) from error

    def get(self, position: int, image: Path) -> tuple[Any, ...] | None:
        """An earlier row, if its image file has not changed since."""
        with self._lock:
            row = self._db.execute("SELECT * FROM image WHERE position = ?", (position,)).fetchone()
        return row[3:] if row is not None and row[1:3] == _stamp(image) else None

    def rows(self, start: int, stop: int) -> Iterator[tuple[Any, ...]]:
        """Position and values of the rows from ``start`` to before ``stop``, in order."""
        with self._lock:
            found = self._db.execute(
                "SELECT * FROM image WHERE position >= ? AND position < ? ORDER BY position", (start, stop)
            ).fetchall()
        return ((row[0], *row[3:]) for row in found)


def _stamp(image: Path) -> tuple[int, int] | None:
    """Size and time of change of a file; None for one that cannot be found."""
    try:
        stat = os.stat(image)  # noqa: PTH116 - hot in a million rows
    except (OSError, ValueError):
        return None
    return stat.st_size, stat.st_mtime_ns
