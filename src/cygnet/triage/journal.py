"""What a run has already examined, kept so that an interrupted run loses nothing.

One SQLite file in the output folder; written as the run goes, deleted when its outputs are in place.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from cygnet.errors import InputError, OutputError
from cygnet.imaging import Finding, Reason
from cygnet.schema import ImageRecord
from cygnet.triage.outlines import Outline
from cygnet.triage.pipeline import Examined, Look

NAME: Final = ".cygnet-journal.sqlite"
_EVERY: Final = 32
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS run (fingerprint TEXT);
CREATE TABLE IF NOT EXISTS image (
  position INTEGER PRIMARY KEY, bytes INTEGER, changed INTEGER, sha256 TEXT, width INTEGER, height INTEGER,
  findings TEXT, logits BLOB, embedding BLOB, measurements BLOB, grid INTEGER, outline BLOB, confidence REAL, thumbnail BLOB);
"""


def fingerprint(records: Sequence[ImageRecord], model_sha256: str, code_version: str, thumbnail: int) -> str:
    """What must be the same for an interrupted run to go on: inputs, model, code, picture size."""
    lines = [code_version, model_sha256, str(thumbnail), *(f"{r.patient_id}\t{r.image}\t{r.path}" for r in records)]
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


class Journal:
    """The journal of one run in ``folder``. Use as a context manager; ``discard`` it once the outputs are in place.

    Raises
    ------
    InputError
        When the folder holds the journal of another run and ``resume`` is asked for, or of this run and it is not.
    """

    def __init__(self, folder: Path, mark: str, *, resume: bool) -> None:
        self.path = folder / NAME
        if not resume and self.path.exists():
            raise InputError(
                f"{folder}: an interrupted run is kept here; add --resume to go on with it, or delete {self.path.name}"
            )
        self._lock = threading.Lock()
        self._pending = 0
        self._closed = False
        try:
            self._db = sqlite3.connect(self.path, check_same_thread=False)
            self._db.executescript(_TABLES)
            stored = self._db.execute("SELECT fingerprint FROM run").fetchone()
            if stored is None:
                self._db.execute("INSERT INTO run VALUES (?)", (mark,))
                self._db.commit()
        except sqlite3.Error as error:
            if hasattr(self, "_db"):
                self._db.close()
            raise OutputError(
                f"{self.path}: cannot be used ({error}); free some space, delete this file or choose another --out"
            ) from error
        if stored is not None and stored[0] != mark:
            self._db.close()
            raise InputError(
                f"{folder}: the interrupted run kept here had other images, another model or another version; "
                f"delete {self.path.name} to start over"
            )
        self.found = int(self._db.execute("SELECT count(*) FROM image").fetchone()[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Keep what has been examined."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            # On a full disk what was committed before is intact, and the error that ends the run is on its way.
            with suppress(sqlite3.Error):
                self._db.commit()
            self._db.close()

    def discard(self) -> None:
        """Remove the journal; the run is complete."""
        self.close()
        self.path.unlink(missing_ok=True)

    def add(self, position: int, e: Examined) -> None:
        """Keep one result. Unreadable files are not kept: they may be mended before the run goes on."""
        try:
            stat = e.record.path.stat()
        except (OSError, ValueError):
            return
        look = e.look
        arrays = (look.logits, look.embedding, look.measurements) if look else (None, None, None)
        findings = json.dumps([[str(f.code), f.message, f.refuses] for f in e.findings])
        row = (position, stat.st_size, stat.st_mtime_ns, e.sha256, e.width, e.height, findings)
        blobs = tuple(None if a is None else np.asarray(a, np.float32).tobytes() for a in arrays)
        line = look.outline if look else None
        drawn = (line.grid, line.bits, line.confidence) if line else (None, None, None)
        with self._lock:
            try:
                self._db.execute(
                    "INSERT OR REPLACE INTO image VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                    (*row, *blobs, *drawn, e.thumbnail),
                )
                self._pending += 1
                if self._pending >= _EVERY:
                    self._db.commit()
                    self._pending = 0
            except sqlite3.Error as error:
                raise OutputError(
                    f"{self.path}: cannot be written ({error}); free some space and use --resume"
                ) from error

    def known(self, position: int, record: ImageRecord) -> Examined | None:
        """An earlier result for this image, if its file has not changed since."""
        with self._lock:
            row = self._db.execute("SELECT * FROM image WHERE position = ?", (position,)).fetchone()
        if row is None:
            return None
        _, size, changed, sha256, width, height, findings, logits, embedding, measurements, *drawn, thumbnail = row
        try:
            stat = record.path.stat()
        except (OSError, ValueError):
            return None
        if (stat.st_size, stat.st_mtime_ns) != (size, changed):
            return None
        found = tuple(Finding(Reason(code), message, refuses) for code, message, refuses in json.loads(findings))
        line = None if drawn[0] is None else Outline(*drawn)
        look = Look(_floats(logits), _floats(embedding), _floats(measurements), line) if logits is not None else None
        return Examined(record, sha256, width, height, found, look, thumbnail)


def _floats(blob: bytes) -> NDArray[np.float32]:
    return np.frombuffer(blob, np.float32)
