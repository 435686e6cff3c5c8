"""Threads that list and fetch side by side, and one inbox in which everything they find arrives."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from cygnet.interop.fetch import Got, Wanted
from cygnet.interop.listing import Page
from cygnet.interop.patience import Gate
from cygnet.interop.transport import Stopped

#: Pages that may be listed before earlier ones are taken.
_AHEAD: Final = 4
#: Seconds after which an idle crew looks at its journal.
_PATROL: Final = 0.25
#: Seconds in which threads may end by themselves; they are daemons and do not outlive the program.
_FAREWELL: Final = 2.0


class EndOfList:
    """Arrives after the last page."""


Found = Page | Got | EndOfList | Exception


class Crew:
    """A lister and ``jobs`` fetchers. What goes wrong in a thread arrives in the inbox as its exception."""

    def __init__(self, gate: Gate, jobs: int, fetch: Callable[[Wanted], Got], pages: Iterable[Page] | None) -> None:
        self._gate, self._fetch = gate, fetch
        self._inbox: queue.SimpleQueue[Found] = queue.SimpleQueue()
        self._todo: queue.SimpleQueue[Wanted | None] = queue.SimpleQueue()
        self._ahead = threading.Semaphore(_AHEAD)
        self.at_work = 0
        work = [lambda: self._list(pages)] if pages is not None else []
        work += [self._work] * jobs
        self._threads = [threading.Thread(target=task, name="cygnet-pull", daemon=True) for task in work]
        for thread in self._threads:
            thread.start()

    def ask(self, wanted: Wanted) -> None:
        """Have a file fetched."""
        self.at_work += 1
        self._todo.put(wanted)

    def found(self) -> Iterator[Found]:
        """What has arrived, at least once a quarter of a second even if nothing has."""
        try:
            one = self._inbox.get(timeout=_PATROL)
            while True:
                if isinstance(one, Got):
                    self.at_work -= 1
                elif isinstance(one, Page):
                    self._ahead.release()
                yield one
                one = self._inbox.get_nowait()
        except queue.Empty:
            return

    def dismiss(self) -> None:
        """End all threads."""
        self._gate.stop.set()
        for _ in self._threads:
            self._todo.put(None)
        for thread in self._threads:
            thread.join(_FAREWELL / len(self._threads))

    def _list(self, pages: Iterable[Page]) -> None:
        try:
            for page in pages:
                while not self._ahead.acquire(timeout=_PATROL):
                    self._gate.wait(0)
                self._inbox.put(page)
            self._inbox.put(EndOfList())
        except Stopped:
            return
        except Exception as error:  # noqa: BLE001  whatever it is, it belongs to the thread that waits
            self._inbox.put(error)

    def _work(self) -> None:
        while (wanted := self._todo.get()) is not None and not self._gate.stop.is_set():
            try:
                self._inbox.put(self._fetch(wanted))
            except Stopped:
                return
            except Exception as error:  # noqa: BLE001
                self._inbox.put(error)
                return
