"""The server: uvicorn, told to finish what runs when it is asked to leave, and to hang up when it is asked again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final

import uvicorn
from fastapi import FastAPI

from cygnet.web.patience import patient_protocol

#: Seconds that running requests have once the server is asked to leave.
_LAST: Final = 60
#: Seconds that requests have to notice that their clients were hung up on.
_HUNG_UP: Final = 5


class Server(uvicorn.Server):
    """One app on one address. ``started`` is called once it can be reached, with its port; ``waiting`` when it was asked to leave and
    something still runs."""

    def __init__(
        self,
        app: FastAPI,
        host: str,
        port: int,
        started: Callable[[int], None] = lambda _: None,
        waiting: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=_LAST,
                timeout_keep_alive=15,
                ws="none",
                http=patient_protocol(app.state.site.settings.patience),
            )
        )
        self._app, self._on_start, self._on_wait = app, started, waiting
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say where."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if self.servers:
            self._on_start(self.servers[0].sockets[0].getsockname()[1])

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take no more requests, and end the streams that would never end; the second time, hang up on whoever is still there."""
        super().handle_exit(sig, frame)  # which takes a server that leaves already for one that is asked again
        self.leave()
        if self.force_exit and self._loop is not None:
            self._loop.call_soon_threadsafe(self._hang_up)

    def _hang_up(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what runs, and let the site go: also when hanging up, so that its runs are told to end."""
        if self.server_state.tasks or self._app.state.site.jobs.busy():
            self._on_wait()
        await super().shutdown(sockets)
        if self.force_exit:
            with _quiet():
                if self.server_state.tasks:
                    await asyncio.wait(self.server_state.tasks, timeout=_HUNG_UP)
                await self.lifespan.shutdown()
                # What waits for a thread is cancelled here, since the loop's end would not be quiet.
                for task in self.server_state.tasks:
                    task.cancel()
                await asyncio.sleep(0)

    def leave(self) -> None:
        """Ask the server to finish what runs and end."""
        self.should_exit = True
        self._app.state.site.events.close()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Being asked to leave is no error: unlike uvicorn's own, the signal is not raised again at the end."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {sig: signal.signal(sig, self.handle_exit) for sig in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Requests that were cut off are no errors to be told of."""

    def told(record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))

    log = logging.getLogger("uvicorn.error")
    log.addFilter(told)
    try:
        yield
    finally:
        log.removeFilter(told)
