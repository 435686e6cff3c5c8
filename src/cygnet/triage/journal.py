"""What a ranking has already examined, kept so that an interrupted run loses nothing.

One SQLite file in the output folder; written as the run goes, deleted when its outputs are in place.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cygnet.imaging import Finding, Reason
from cygnet.schema import ImageRecord
from cygnet.triage.outlines import Outline
from cygnet.triage.pipeline import Examined, Look
from cygnet.triage.store import Store

NAME: Final = ".cygnet-journal.sqlite"
_COLUMNS: Final = (
    *("sha256 TEXT", "width INTEGER", "height INTEGER", "findings TEXT"),
    *("logits BLOB", "embedding BLOB", "measurements BLOB", "attention BLOB"),
    *("grid INTEGER", "outline BLOB", "confidence REAL", "thumbnail BLOB"),
)


def fingerprint(records: Sequence[ImageRecord], model_sha256: str, code_version: str, thumbnail: int) -> str:
    """What must be the same for an interrupted run to go on: inputs, model, code, picture size."""
    made = hashlib.sha256("\n".join((code_version, model_sha256, str(thumbnail))).encode("utf-8", "surrogateescape"))
    for r in records:
        made.update(f"\n{r.patient_id}\t{r.image}\t{r.path}".encode("utf-8", "surrogateescape"))
    return made.hexdigest()


class Journal(Store):
    """The journal of one ranking in ``folder``; errors as of ``Store``."""

    def __init__(self, folder: Path, mark: str, *, resume: bool) -> None:
        super().__init__(folder / NAME, mark, _COLUMNS, resume=resume)

    def add(self, position: int, e: Examined) -> None:
        """Keep one result. Missing files are not kept: they may be there when the run goes on."""
        look = e.look
        arrays = (look.logits, look.embedding, look.measurements, look.attention) if look else (None,) * 4
        blobs = (None if a is None else np.asarray(a, np.float32).tobytes() for a in arrays)
        findings = json.dumps([[str(f.code), f.message, f.refuses] for f in e.findings])
        line = look.outline if look else None
        drawn = (line.grid, line.bits, line.confidence) if line else (None, None, None)
        self.put(position, e.record.path, (e.sha256, e.width, e.height, findings, *blobs, *drawn, e.thumbnail))

    def known(self, position: int, record: ImageRecord) -> Examined | None:
        """An earlier result for this image, if its file has not changed since."""
        row = self.get(position, record.path)
        if row is None:
            return None
        sha256, width, height, findings, logits, embedding, measurements, attention, *drawn, thumbnail = row
        found = tuple(Finding(Reason(code), message, refuses) for code, message, refuses in json.loads(findings))
        line = None if drawn[0] is None else Outline(*drawn)
        look = None
        if logits is not None:
            seen = None if attention is None else square(floats(attention))
            look = Look(floats(logits), floats(embedding), floats(measurements), line, seen)
        return Examined(record, sha256, width, height, found, look, thumbnail)


def floats(blob: bytes) -> NDArray[np.float32]:
    """The numbers of a stored array."""
    return np.frombuffer(blob, np.float32)


def square(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """(g * g,) values as a grid (g, g)."""
    side = round(len(values) ** 0.5)
    return values.reshape(side, side)
