"""How fast images come from a server on this machine: ``cygnet pull`` beside the ISIC Archive's own client.

python benchmarks/pull.py [--images 5000] [--repeats 3] [--isic PROGRAM] [--out FILE]

The images are made up, 200 x 150 pixels at JPEG quality 75, the size of HAM10000's small rendering. The server runs in a process of its own on
port 8000, where the official client (isic-cli) looks for one when it is started with ``--guest --dev --no-version-check``. ``--isic`` names its
program, best in an environment of its own (``pip install isic-cli==12.4.0``); without it only cygnet is measured. Both take turns on the same server in the
same run, and every file that came is compared with what was sent.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from peak import finished
from PIL import Image

PORT = 8000
URL = f"http://127.0.0.1:{PORT}"
PAGE = 100


class Run(NamedTuple):
    """One measured run: seconds, processor seconds of the client, its peak memory in MB."""

    seconds: float
    cpu: float
    memory: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--isic", help="the program isic of isic-cli")
    parser.add_argument("--out", type=Path, help="write the table there as well")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve is not None:
        serve(given.serve)
        return
    with tempfile.TemporaryDirectory() as folder, serving(given.images):
        table = measure(Path(folder), given.images, given.repeats, given.isic)
    print(table)
    if given.out is not None:
        given.out.write_text(table, encoding="utf-8")


def picture(seed: int) -> bytes:
    """A made-up picture: skin with a dark blot and texture."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:150, 0:200]
    blot = ((x - 100) / rng.uniform(30, 60)) ** 2 + ((y - 75) / rng.uniform(25, 50)) ** 2 < 1
    base = np.where(blot, 90, 190) + rng.normal(0, 12, (150, 200))
    pixels = np.clip(np.stack([base + 25, base - 15, base - 35], axis=2), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=75)
    return buffer.getvalue()


def name_of(k: int) -> str:
    """The id of an image."""
    return f"ISIC_{k:07d}"


def serve(images: int) -> None:
    """A server that answers what both clients ask, from memory."""
    distinct = [picture(k) for k in range(50)]  # sent again and again: what is measured is the way, not the pictures
    files = {name_of(k): distinct[k % 50] for k in range(images)}
    names = list(files)

    def one(name: str) -> dict[str, Any]:
        return {
            "isic_id": name,
            "public": True,
            "copyright_license": "CC-0",
            "attribution": "Benchmark",
            "files": {"full": {"url": f"{URL}/files/{name}.jpg", "size": len(files[name])}},
            "metadata": {
                "acquisition": {"pixels_x": 200, "pixels_y": 150},
                "clinical": {"sex": "male", "age_approx": 50},
            },
        }

    def answer(place: str, asked: dict[str, str]) -> Any:
        if place == "images/search/":
            start, limit = int(asked.get("cursor", 0)), int(asked.get("limit", PAGE))
            end = start + limit
            following = urllib.parse.urlencode({"cursor": end, "limit": limit})
            return {
                "count": len(names) if not start else None,
                "next": f"{URL}/api/v2/images/search/?{following}" if end < len(names) else None,
                "previous": None,
                "results": [one(name) for name in names[start:end]],
            }
        return {"size": sum(map(len, files.values()))} if place == "images/search/size/" else {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_GET(self) -> None:
            parts = urllib.parse.urlsplit(self.path)
            if parts.path.startswith("/files/"):
                data = files[parts.path[7:-4]]
                kind = "image/jpeg"
            elif "license-file" in parts.path:
                data, kind = b"No rights reserved.", "text/plain"
            else:
                asked = dict(urllib.parse.parse_qsl(parts.query))
                data, kind = json.dumps(answer(parts.path.removeprefix("/api/v2/"), asked)).encode(), "application/json"
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Nothing: it is measured."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    server = Server(("127.0.0.1", PORT), Handler)

    def leave() -> None:
        sys.stdin.read()
        server.shutdown()

    threading.Thread(target=leave, daemon=True).start()
    server.serve_forever()


@contextmanager
def serving(images: int) -> Iterator[None]:
    """The server in a process of its own; it ends with this one."""
    process = subprocess.Popen([sys.executable, __file__, "--serve", str(images)], stdin=subprocess.PIPE)
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{URL}/api/v2/images/search/size/", timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        yield
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(20)


def measure(folder: Path, images: int, repeats: int, isic: str | None) -> str:
    """Let the clients take turns; the table of what they took."""
    ours = [sys.executable, "-c", "from cygnet.cli import main; main()", "pull", "", "--from", URL, "--quiet", "--out"]
    clients = {"cygnet pull": ours}
    if isic is not None:
        clients["isic image download"] = [isic, "--guest", "--dev", "--no-version-check", "image", "download"]
    runs: dict[str, list[Run]] = {name: [] for name in clients}
    expected = {name_of(k): hashlib.sha256(picture(k % 50)).digest() for k in range(min(images, 50))}
    for turn in range(repeats):
        for name, command in clients.items():
            out = folder / f"{turn}-{name.replace(' ', '-')}"
            runs[name].append(timed([*command, str(out)]))
            check(out, images, expected)
            if turn == repeats - 1 and name == "cygnet pull":
                runs["cygnet pull, again"] = [timed([*command, str(out)])]
            shutil.rmtree(out)
    return report(images, repeats, runs, version(isic))


def timed(command: list[str]) -> Run:
    """Run a client to its end."""
    began = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(command, stdout=said, stderr=said)
        memory, usage = finished(child)
        seconds = time.perf_counter() - began
        if child.returncode:
            said.seek(0)
            raise SystemExit(f"{' '.join(command)} left with {child.returncode}\n{said.read().decode()[-2000:]}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, memory)


def check(out: Path, images: int, expected: dict[str, bytes]) -> None:
    """Everything must be there, and as it was sent."""
    found = {path.stem: path for path in out.rglob("ISIC_*.jpg")}
    if len(found) != images:
        raise SystemExit(f"{out.name}: {len(found):,} of {images:,} images came")
    for name, digest in expected.items():
        if hashlib.sha256(found[name].read_bytes()).digest() != digest:
            raise SystemExit(f"{out.name}: {name} is not what was sent")


def version(isic: str | None) -> str:
    """What the official client calls itself."""
    if isic is None:
        return "not measured"
    return subprocess.run([isic, "--version"], capture_output=True, text=True, check=True).stdout.strip()


def report(images: int, repeats: int, runs: dict[str, list[Run]], official: str) -> str:
    """The table as Markdown."""
    lines = [
        "# Pulling images: speed",
        "",
        f"Written by `python benchmarks/pull.py --images {images} --repeats {repeats} --isic isic --out docs/benchmarks-pull.md` on "
        f"{len(os.sched_getaffinity(0))} cores (Python {platform.python_version()}); do not edit by hand, rerun it for yours.",
        "",
        f"{images:,} made-up images of 200 x 150 pixels with metadata, from a server of Python's own on loopback; whole commands, from start to exit, in turns. "
        f"The official client is {official}. Medians of {repeats}, in brackets the fastest and slowest where there are several.",
        "",
        "| client | seconds | images/s | processor seconds | peak memory, MB |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, some in runs.items():
        seconds = statistics.median(r.seconds for r in some)
        spread = f" ({min(r.seconds for r in some):.1f} to {max(r.seconds for r in some):.1f})" if len(some) > 1 else ""
        cpu, memory = (statistics.median(values) for values in zip(*((r.cpu, r.memory) for r in some), strict=True))
        lines.append(f"| `{name}` | {seconds:.1f}{spread} | {images / seconds:,.0f} | {cpu:.1f} | {memory:.0f} |")
    lines += [
        "",
        "`cygnet pull` decodes and hashes every file that comes, and writes a manifest; the official client does neither. *Again* is the same command "
        "in the same folder: the list is asked for, every file is hashed, nothing is fetched.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
