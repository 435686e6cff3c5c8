"""Server-sent events: whoever works publishes on a topic, open pages listen."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from typing import Any, Final

from starlette.responses import StreamingResponse

#: Seconds after which a silent stream says that it is alive.
_BEAT: Final = 15.0
#: Events that may wait for a slow page; older ones are dropped, since each says how things stand.
_WAITING: Final = 64


class _Listener:
    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.queue: asyncio.Queue[str | None] = asyncio.Queue()

    def take(self, text: str | None) -> None:
        while self.queue.qsize() >= _WAITING:
            self.queue.get_nowait()
        self.queue.put_nowait(text)


class Events:
    """A hub. ``publish`` may be called from any thread."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[_Listener]] = {}
        self._lock = threading.Lock()
        self._closed = False

    def publish(self, topic: str, data: Any, event: str = "message") -> None:
        """Send ``data``, as JSON, to every page that listens to the topic."""
        text = f"event: {event}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
        self._give(list(self._of(topic)), text)

    def close(self) -> None:
        """End every stream, so that the server can leave."""
        with self._lock:
            self._closed = True
            everyone = [one for some in self._listeners.values() for one in some]
        self._give(everyone, None)

    def _of(self, topic: str) -> set[_Listener]:
        with self._lock:
            return set(self._listeners.get(topic, ()))

    def _give(self, listeners: list[_Listener], text: str | None) -> None:
        for one in listeners:
            if not one.loop.is_closed():
                one.loop.call_soon_threadsafe(one.take, text)

    async def listen(self, topic: str) -> AsyncIterator[str]:
        """What is published on a topic from now on, as lines of an event stream."""
        listener = _Listener()
        with self._lock:
            closed = self._closed
            self._listeners.setdefault(topic, set()).add(listener)
        try:
            yield "retry: 2000\n\n"
            while not closed:
                try:
                    text = await asyncio.wait_for(listener.queue.get(), _BEAT)
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                if text is None:
                    return
                yield text
        finally:
            with self._lock:
                self._listeners[topic].discard(listener)
                if not self._listeners[topic]:
                    del self._listeners[topic]

    def stream(self, topic: str) -> StreamingResponse:
        """The answer to a page's EventSource."""
        return StreamingResponse(
            self.listen(topic), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )
