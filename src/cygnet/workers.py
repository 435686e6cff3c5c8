"""Work on many things by several threads, answered in order, with memory that does not grow.

Each thread takes a thing from bytes to result by itself; Pillow, numpy and ONNX Runtime let go of the interpreter's lock, so that one
decodes while another computes, and no core waits for a stage.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from threadpoolctl import threadpool_limits

T = TypeVar("T")
Result = TypeVar("Result")


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def worked(things: Iterable[T], work: Callable[[T], Result], workers: int | None = None) -> Generator[Result]:
    """The results of ``work`` on ``things``, in order; a few at a time are in memory.

    ``workers`` threads, by default one more than there are cores, for the moments in which one waits for the interpreter's lock.
    When the caller stops early, what is being worked on is finished, and what waits is dropped.
    """
    source, count = iter(things), workers or cores() + 1
    # The workers fill the cores; threads of the linear algebra library beside them would only fight for the same.
    limited = threadpool_limits(limits=1, user_api="blas")
    with ThreadPoolExecutor(count, thread_name_prefix="cygnet") as pool:
        try:
            waiting: deque[Future[Result]] = deque(pool.submit(work, thing) for thing in islice(source, 2 * count + 1))
            while waiting:
                done = waiting.popleft().result()
                waiting.extend(pool.submit(work, thing) for thing in islice(source, 1))
                yield done
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            limited.restore_original_limits()
