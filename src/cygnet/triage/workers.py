"""Work on many images in small batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Final, TypeVar

from cygnet.workers import worked

#: Images per batch. Small, so that a patient of 20 keeps two cores busy; larger ones fall out of the processor's cache.
BATCH: Final = 8

Result = TypeVar("Result")


def in_batches(n: int, work: Callable[[range], list[Result]], workers: int | None = None) -> Iterator[Result]:
    """The results of ``work`` on the positions 0 to n - 1, in order; ``work`` is given a few positions at a time.

    As ``cygnet.workers.worked``: at most a few batches are in memory, and those that are being worked on when the caller stops are finished.
    """
    with closing(worked(spans(n), work, workers)) as batches:
        for batch in batches:
            yield from batch


def spans(n: int) -> Iterator[range]:
    """The positions 0 to n - 1, a batch at a time."""
    return (range(start, min(start + BATCH, n)) for start in range(0, n, BATCH))
