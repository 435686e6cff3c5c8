"""Sequences a piece at a time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from threadpoolctl import threadpool_limits

T = TypeVar("T")
Result = TypeVar("Result")


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of ``size`` items, the last maybe shorter."""
    source = iter(items)
    while piece := list(islice(source, size)):
        yield piece


def usual_workers() -> int:
    """One more than there are cores, for the moments in which a worker waits for the interpreter's lock."""
    return len(os.sched_getaffinity(0)) + 1


def worked(pieces: Iterable[T], work: Callable[[T], Result], workers: int | None = None) -> Iterator[Result]:
    """The results of ``work`` on ``pieces``, by several threads, in order; a few pieces at a time are in memory."""
    source, count = iter(pieces), workers or usual_workers()
    # The workers fill the cores; threads of the linear algebra library beside them would only fight for the same.
    limited = threadpool_limits(limits=1, user_api="blas")
    with ThreadPoolExecutor(count, thread_name_prefix="cygnet") as pool:
        try:
            waiting: deque[Future[Result]] = deque(pool.submit(work, piece) for piece in islice(source, 2 * count + 1))
            while waiting:
                done = waiting.popleft().result()
                waiting.extend(pool.submit(work, piece) for piece in islice(source, 1))
                yield done
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            limited.restore_original_limits()
