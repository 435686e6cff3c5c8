"""How long a server is waited for, and the gate through which all threads of a pull ask it."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds.

    ``connect`` and ``read`` are the longest silences of one connection. A request is tried ``tries`` times with pauses that begin
    at ``first`` and double up to ``longest``. ``asked`` is the longest wait that a server may ask for (Retry-After).
    Without any good answer for ``silence``, the server counts as gone. ``slowest`` is the least bytes per second over ``read`` seconds.
    """

    connect: float = 10.0
    read: float = 30.0
    tries: int = 6
    first: float = 0.5
    longest: float = 30.0
    asked: float = 600.0
    silence: float = 60.0
    slowest: int = 256

    def pause(self, failures: int) -> float:
        """Seconds to wait after so many failures: doubling, half of it drawn by lot so that clients do not come back together."""
        most = min(self.longest, self.first * 2.0 ** (failures - 1))
        return most * random.uniform(0.5, 1.0)


def retry_after(text: str | None, now: datetime | None = None) -> float | None:
    """Seconds that a Retry-After header asks for: a number or a date (RFC 9110, 10.2.3); None where it says neither."""
    if text is None:
        return None
    if text.strip().isdecimal():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - (now or datetime.now(UTC))).total_seconds())


class Stopped(Exception):
    """The pull ends; a thread that waits for anything leaves."""


class Gate:
    """Shared by the threads of a pull: when the server may be asked again, when it last answered well, whether to go on."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.known = False  # whether the server ever answered well
        self._until = 0.0
        self._heard = time.monotonic()
        self._lock = threading.Lock()

    def enter(self) -> None:
        """Return when the server may be asked.

        Raises
        ------
        Stopped
            If the pull ends meanwhile.
        """
        while (left := self._until - time.monotonic()) > 0:
            self.wait(left)
        if self.stop.is_set():
            raise Stopped

    def wait(self, seconds: float) -> None:
        """Sleep, unless the pull ends."""
        if self.stop.wait(seconds):
            raise Stopped

    def hold(self, seconds: float) -> None:
        """Let nobody ask for so many seconds, as the server wishes."""
        with self._lock:
            self._until = max(self._until, time.monotonic() + seconds)
            self._heard = max(self._heard, self._until)

    def heard(self) -> None:
        """Note a good answer."""
        self.known = True
        with self._lock:
            self._heard = max(self._heard, time.monotonic())

    def silent(self) -> float:
        """Seconds since the last good answer."""
        return time.monotonic() - self._heard

    def held(self) -> float:
        """Seconds that the server still wants to be left alone."""
        return max(0.0, self._until - time.monotonic())
