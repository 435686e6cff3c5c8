"""A small archive on loopback that answers as the ISIC Archive does, and misbehaves as it is told."""

from __future__ import annotations

import base64
import email.utils
import hashlib
import io
import json
import socket
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from PIL import Image

from cygnet.interop import Patience

#: Waits that a test can afford.
QUICK = Patience(connect=2, read=0.4, tries=3, first=0.01, longest=0.05, asked=5, silence=0.6, slowest=256)


def jpeg(seed: int, width: int = 64, height: int = 48) -> bytes:
    """A noisy JPEG unlike that of any other seed."""
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


class Far:
    """The archive's content and manners. ``page`` is images a page; ``faults`` gives what goes wrong with an image's file by its id."""

    def __init__(self, n: int = 6, page: int = 4) -> None:
        self.page = page
        self.ids = [f"ISIC_{k:07d}" for k in range(n)]
        self.files = {isic_id: jpeg(k) for k, isic_id in enumerate(self.ids)}
        self.metadata: dict[str, Any] = {
            i: {"acquisition": {"pixels_x": 64}, "clinical": {"sex": "male"}} for i in self.ids
        }
        self.faults: dict[str, Callable[[Handler, int], bool]] = {}
        self.change: Callable[[dict[str, Any]], None] = lambda page: None
        self.result: Callable[[dict[str, Any]], None] = lambda result: None
        self.collections: list[dict[str, Any]] = []
        self.etags = True
        self.asked: list[str] = []
        self.served: Counter[str] = Counter()
        self.before: Callable[[Handler], bool] = lambda handler: False
        self.port = 0
        self.connections: set[socket.socket] = set()
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        handler = type("Bound", (Handler,), {"far": self})
        self._server = Server(("127.0.0.1", self.port), handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
            for connection in list(self.connections):
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self.connections.clear()

    def one(self, isic_id: str) -> dict[str, Any]:
        file = {"url": f"{self.url}/files/{isic_id}.jpg", "size": len(self.files[isic_id])}
        made = {
            "isic_id": isic_id,
            "public": True,
            "copyright_license": "CC-BY" if isic_id.endswith("1") else "CC-0",
            "attribution": "Far clinic",
            "files": {"full": file},
            "metadata": self.metadata[isic_id],
        }
        self.result(made)
        return made


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Clients that leave are no news."""


class Handler(BaseHTTPRequestHandler):
    far: Far
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.far.connections.add(self.connection)

    def finish(self) -> None:
        self.far.connections.discard(self.connection)
        super().finish()

    def do_GET(self) -> None:
        far = self.far
        far.asked.append(self.path)
        if far.before(self):
            return
        parts = urllib.parse.urlsplit(self.path)
        asked = dict(urllib.parse.parse_qsl(parts.query))
        place = parts.path.removeprefix("/api/v2/")
        if place == "images/search/":
            self.search(asked)
        elif place == "images/search/size/":
            self.reply({"size": sum(map(len, far.files.values()))})
        elif place == "collections/":
            self.reply({"count": len(far.collections), "next": None, "results": far.collections})
        elif place.startswith("collections/"):
            found = [c for c in far.collections if isinstance(c, dict) and str(c["id"]) == place.split("/")[1]]
            self.reply(found[0]) if found else self.reply({"message": "not found"}, 404)
        elif place.startswith("images/"):
            isic_id = place.split("/")[1]
            self.reply(far.one(isic_id)) if isic_id in far.files else self.reply({"message": "not found"}, 404)
        elif place.startswith("zip-download/license-file/"):
            self.send(f"The text of {place.split('/')[2]}".encode(), {"Content-Type": "text/plain"})
        elif parts.path.startswith("/files/"):
            self.file(parts.path.removeprefix("/files/").removesuffix(".jpg"))
        else:
            self.reply({"message": "nothing here"}, 404)

    def search(self, asked: dict[str, str]) -> None:
        far = self.far
        if asked.get("query") == "bad:":
            self.reply({"message": "Could not parse search query."}, 400)
            return
        start = int(asked.get("cursor", 0))
        some = far.ids[start : start + far.page]
        more = start + far.page < len(far.ids)
        query = urllib.parse.urlencode({**asked, "cursor": start + far.page})
        page = {
            "count": len(far.ids) if not start else None,
            "next": f"{far.url}/api/v2/images/search/?{query}" if more else None,
            "previous": None,
            "results": [far.one(isic_id) for isic_id in some],
        }
        far.change(page)
        self.reply(page)

    def file(self, isic_id: str) -> None:
        far = self.far
        far.served[isic_id] += 1
        fault = far.faults.get(isic_id)
        if fault is not None and fault(self, far.served[isic_id]):
            return
        data = far.files[isic_id]
        tag = f'"{hashlib.sha1(data).hexdigest()}"'
        headers = {"ETag": tag, "Accept-Ranges": "bytes"} if far.etags else {}
        asked = self.headers.get("Range")
        if asked and far.etags and self.headers.get("If-Range") == tag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self.send(data[start:], headers, 206)
            return
        self.send(data, headers)

    def reply(self, value: Any, status: int = 200) -> None:
        self.send(json.dumps(value).encode(), {"Content-Type": "application/json"}, status)

    def send(
        self, data: bytes, headers: dict[str, str] | None = None, status: int = 200, stated: int | None = None
    ) -> None:
        """An answer; ``stated`` is a Content-Length other than the truth, after which the connection is cut."""
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data) if stated is None else stated))
        self.end_headers()
        self.wfile.write(data)
        if stated is not None:
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


def status(
    code: int, times: int | None = None, headers: dict[str, str] | None = None
) -> Callable[[Handler, int], bool]:
    """A fault: the first ``times`` answers, or all, have this status."""

    def fault(handler: Handler, n: int) -> bool:
        if times is not None and n > times:
            return False
        handler.send(b"no", headers, code)
        return True

    return fault


def cut(at: int, times: int | None = None) -> Callable[[Handler, int], bool]:
    """A fault: the connection is cut after ``at`` bytes, the ETag having been given."""

    def fault(handler: Handler, n: int) -> bool:
        if times is not None and n > times:
            return False
        data = handler.far.files[handler.path.removeprefix("/files/").removesuffix(".jpg")]
        tag = {"ETag": f'"{hashlib.sha1(data).hexdigest()}"'} if handler.far.etags else {}
        handler.send(data[:at], tag, stated=len(data))
        return True

    return fault


def instead(data: bytes, headers: dict[str, str] | None = None) -> Callable[[Handler, int], bool]:
    """A fault: other bytes come."""

    def fault(handler: Handler, _: int) -> bool:
        handler.send(data, headers)
        return True

    return fault


def stall(seconds: float, times: int | None = None) -> Callable[[Handler, int], bool]:
    """A fault: half of the file, then silence."""

    def fault(handler: Handler, n: int) -> bool:
        if times is not None and n > times:
            return False
        data = handler.far.files[handler.path.removeprefix("/files/").removesuffix(".jpg")]
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[: len(data) // 2])
        handler.wfile.flush()
        time.sleep(seconds)
        handler.close_connection = True
        return True

    return fault


def md5_of(data: bytes) -> str:
    """Content-MD5."""
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def http_date(seconds: float) -> str:
    """A moment from now as HTTP writes it."""
    return email.utils.formatdate(time.time() + seconds, usegmt=True)


@contextmanager
def serving(far: Far) -> Iterator[Far]:
    far.start()
    try:
        yield far
    finally:
        far.stop()
