"""The server: uvicorn, told to finish what runs when it is asked to leave."""

from __future__ import annotations

import contextlib
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


class Server(uvicorn.Server):
    """One app on one address. ``started`` is called once it can be reached, with its port."""

    def __init__(self, app: FastAPI, host: str, port: int, started: Callable[[int], None] = lambda _: None) -> None:
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
        self._app, self._on_start = app, started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say where."""
        await super().startup(sockets)
        if self.servers:
            self._on_start(self.servers[0].sockets[0].getsockname()[1])

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take no more requests, and end the streams that would never end."""
        self.leave()
        super().handle_exit(sig, frame)

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
