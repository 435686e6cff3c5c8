"""Answers that hold until the archive changes: worked out once, also when many ask at the same time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, Final

#: Answers that are kept; the ones not asked for the longest go first.
MOST: Final = 32


class Remembered:
    """Answers by key. A key names all that its answer depends on, the state of the archive among it, so that none is ever out of date.
    Safe to use from several threads. Answers are shared: do not change them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: OrderedDict[Hashable, Future[Any]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The answer of ``key``. Whoever asks first makes it, others wait for that; an error reaches all of them and is forgotten."""
        with self._lock:
            found = self._answers.get(key)
            if found is None:
                mine = self._answers[key] = Future[Any]()
                while len(self._answers) > MOST:
                    self._answers.popitem(last=False)
            else:
                self._answers.move_to_end(key)
        if found is not None:
            return found.result()
        try:
            mine.set_result(make())
        except BaseException as error:
            with self._lock:
                self._answers.pop(key, None)
            mine.set_exception(error)
            raise
        return mine.result()
