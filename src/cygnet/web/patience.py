"""How long the server waits for a client: for its headers, for more of a body, for room to send. Connections that stall are let go."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class PatientProtocol(HttpToolsProtocol):
    """Closes a connection whose request has not come after so many seconds, which uvicorn itself never does."""

    patience: float = 30.0
    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Something came: a whole request, or still only a part of its headers."""
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._wait()
        else:
            self._stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has left."""
        self._stop()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._waiting is None:
            self._waiting = self.loop.call_later(self.patience, self._give_up)

    def _stop(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        self._waiting = None
        if not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete):
            self.transport.abort()


def patient_protocol(seconds: float) -> type[PatientProtocol]:
    """The protocol with that much patience."""
    return type("_Protocol", (PatientProtocol,), {"patience": seconds})


class Patience:
    """The same for bodies and answers: ``seconds`` without a byte, and the request has failed."""

    def __init__(self, app: ASGIApp, *, seconds: float) -> None:
        self.app, self.seconds = app, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        whole = stalled = False

        async def take() -> Message:
            nonlocal whole, stalled
            if whole:  # from now on one waits for the client to leave, however long
                return await receive()
            try:
                async with asyncio.timeout(self.seconds):
                    message = await receive()
            except TimeoutError:
                stalled = True
                return {"type": "http.disconnect"}
            whole = not message.get("more_body", False)
            return message

        async def give(message: Any) -> None:
            if stalled and message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Connection"] = "close"
            async with asyncio.timeout(self.seconds):
                await send(message)

        await self.app(scope, take, give)
