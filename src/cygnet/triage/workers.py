"""Work on many images, on all cores, in small batches, answered in order, with memory that does not grow.

Each worker takes a small batch from bytes to result by itself; Pillow and ONNX Runtime both let go of the interpreter
lock, so that one worker decodes while another computes, and no core waits for a stage. One worker more than there are
cores fills the moments in which a worker waits for that lock.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Final, TypeVar

from threadpoolctl import threadpool_limits

#: Images per batch. Small, so that a patient of 20 keeps two cores busy; larger ones fall out of the processor's cache.
BATCH: Final = 8

Result = TypeVar("Result")


def default_workers() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_batches(n: int, work: Callable[[range], list[Result]], workers: int | None = None) -> Iterator[Result]:
    """The results of ``work`` on the positions 0 to n - 1, in order; ``work`` is given a few positions at a time.

    At most a few batches are in memory. When the caller stops early, batches that are being worked on are finished.
    """
    count = workers or default_workers() + 1
    batches = spans(n)
    pool = ThreadPoolExecutor(count, thread_name_prefix="cygnet")
    waiting: deque[Future[list[Result]]] = deque()
    # The workers fill the cores; threads of the linear algebra library beside them would only fight for the same.
    limited = threadpool_limits(limits=1, user_api="blas")
    try:
        waiting.extend(pool.submit(work, span) for span in islice(batches, 2 * count + 1))
        while waiting:
            done = waiting.popleft().result()
            if (span := next(batches, None)) is not None:
                waiting.append(pool.submit(work, span))
            yield from done
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        limited.restore_original_limits()


def spans(n: int) -> Iterator[range]:
    """The positions 0 to n - 1, a batch at a time."""
    return (range(start, min(start + BATCH, n)) for start in range(0, n, BATCH))
