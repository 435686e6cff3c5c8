"""How often one may be wrong."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

_KEYS: Final = 10_000


class Failures:
    """Counts failures by key: after ``most`` of them within ``seconds`` one has to wait. Safe to use from several threads."""

    def __init__(self, most: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._seconds, self._clock = most, seconds, clock
        self._failed: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def wait(self, *keys: str) -> float:
        """Seconds until one may try again; 0 is now."""
        with self._lock:
            return max(map(self._wait, keys), default=0.0)

    def _wait(self, key: str) -> float:
        times, now = self._failed.get(key), self._clock()
        while times and times[0] <= now - self._seconds:
            times.popleft()
        if not times:
            self._failed.pop(key, None)
            return 0.0
        return times[0] + self._seconds - now if len(times) >= self._most else 0.0

    def add(self, *keys: str) -> None:
        """One more failure."""
        with self._lock:
            for key in keys:
                if len(self._failed) >= _KEYS and key not in self._failed:
                    self._failed.pop(next(iter(self._failed)))
                self._failed.setdefault(key, deque(maxlen=self._most)).append(self._clock())
