"""Many images to what the network says of each, and nothing else: the work of ``cygnet predict`` and ``cygnet embed``.

No quality gate and no outlines: a submission needs a row for every image, an archive an embedding for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from cygnet.imaging import middles
from cygnet.models import LesionModel
from cygnet.schema import ImageRecord
from cygnet.triage.pipeline import open_image
from cygnet.triage.store import Store
from cygnet.triage.workers import in_batches

Part = Literal["logits", "embedding"]
_COLUMNS: Final = ("answer BLOB", "strangeness REAL", "problem TEXT")


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the network says of one image: ``values`` (k,) float32, its logits (k = 7) or its embedding (k = 128).

    ``strangeness`` as in ``cygnet.models.Prediction``: above 1.0 the image does not look like dermoscopy. ``values`` is None
    and ``strangeness`` NaN where the image could not be read; ``problem`` then says why.
    """

    record: ImageRecord
    values: NDArray[np.float32] | None
    strangeness: float
    problem: str = ""


def see(
    records: Sequence[ImageRecord],
    model: LesionModel,
    part: Part,
    *,
    workers: int | None = None,
    known: Callable[[int, ImageRecord], Seen | None] | None = None,
) -> Iterator[Seen]:
    """Run the network over images, yielding one answer each in the order given; a few batches are in memory at a time.

    ``known(position, record)`` may return the answer of an earlier, interrupted run.
    """

    def work(span: range) -> list[Seen]:
        return earlier(records, span, known) or answers([records[i] for i in span], model, part)

    return in_batches(len(records), work, workers)


def earlier(
    records: Sequence[ImageRecord], span: range, known: Callable[[int, ImageRecord], Seen | None] | None
) -> list[Seen] | None:
    """What an earlier run knows of a batch; None unless of all of it, so that a resumed run computes the same bits."""
    if known is None:
        return None
    found = [known(i, records[i]) for i in span]
    return None if None in found else [one for one in found if one is not None]


def answers(records: Sequence[ImageRecord], model: LesionModel, part: Part) -> list[Seen]:
    """One batch, from files to answers."""
    opened = [open_image(record, model.size, 0, middle=model.middle) for record in records]
    images = [image for _, image, _ in opened if image is not None]
    if images:
        found = model.predict(np.stack([image.pixels for image in images]), near=middles(images))
        said = iter(zip(getattr(found, part), found.strangeness.tolist(), strict=True))
    made = []
    for record, (_, image, problem) in zip(records, opened, strict=True):
        if image is None:
            made.append(Seen(record, None, float("nan"), problem.message if problem else ""))
        else:
            made.append(Seen(record, *next(said)))
    return made


class SeenJournal(Store):
    """What a run into the file ``out`` has seen so far, in a file beside it; errors as of ``Store``."""

    def __init__(self, out: Path, mark: str, records: Sequence[ImageRecord], *, resume: bool) -> None:
        super().__init__(out.with_name(f".{out.name}.cygnet-journal.sqlite"), mark, _COLUMNS, resume=resume)
        self._records = records

    def add(self, position: int, one: Seen) -> None:
        """Keep one answer."""
        blob = None if one.values is None else np.asarray(one.values, np.float32).tobytes()
        self.put(position, one.record.path, (blob, one.strangeness, one.problem))

    def known(self, position: int, record: ImageRecord) -> Seen | None:
        """An earlier answer for this image, if its file has not changed since."""
        row = self.get(position, record.path)
        return None if row is None else _seen(record, *row)

    def stretch(self, start: int, stop: int) -> list[Seen]:
        """The answers kept from position ``start`` to before ``stop``, in order."""
        return [_seen(self._records[position], *row) for position, *row in self.rows(start, stop)]


def _seen(record: ImageRecord, blob: bytes | None, strangeness: float | None, problem: str) -> Seen:
    values = None if blob is None else np.frombuffer(blob, np.float32)
    return Seen(record, values, float("nan") if strangeness is None else strangeness, problem)
