"""How fast the server answers, streams and paints.

python benchmarks/server.py [--images 1000000] [--connections 16] [--seconds 10] [--zip 10000] [--pull 5000] [--out FILE]

The catalogue is that of benchmarks/archive.py: made-up rows drawn from the tables of 2019 and 2020 (--data), without files. The server is
``cygnet serve`` in a process of its own; whoever asks runs beside it on the same cores. Zip, pull and paint use a second archive whose files are
small made-up pictures. --isic names the ISIC Archive's own client (isic-cli in an environment of its own), which is timed
against ``cygnet pull`` on port 8000. Chromium is needed for the paint.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import os
import platform
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from archive import fill, records

from cygnet.archive import Archive
from cygnet.archive.ingest.items import Item
from cygnet.archive.ingest.run import Options

#: The ISIC Archive's client speaks to this port only.
PORT = 8000


class Load(NamedTuple):
    """What a load found: answers a second, milliseconds at the median and the 99th percentile, and what was no 200."""

    rate: float
    median: float
    p99: float
    errors: int


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("CYGNET_DATA", "../shared/data")))
    parser.add_argument("--images", type=int, default=1_000_000, help="rows of the catalogue")
    parser.add_argument("--archive", type=Path, help="keep the catalogue in this folder, or use the one that is there")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--zip", type=int, default=10_000, help="images of the zip")
    parser.add_argument("--pull", type=int, default=5_000, help="images to pull")
    parser.add_argument("--isic", type=Path, default=os.environ.get("CYGNET_ISIC_CLI"), help="the program isic")
    parser.add_argument("--out", type=Path, help="write the tables to this Markdown file")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        parts = []
        for part in chain([_head()], _requests(args, Path(scratch)), _files(args, Path(scratch))):
            print(part, flush=True)
            parts.append(part)
    page = "\n\n".join(parts)
    if args.out:
        args.out.write_text(page + "\n", encoding="utf-8")


def _head() -> str:
    return (
        "# The server: requests, zips, pulls, paint\n\n"
        f"Written by `python benchmarks/server.py --out docs/benchmarks-server.md` on {os.cpu_count()} cores "
        f"(Python {platform.python_version()}); do not edit by hand, rerun it for yours. Server and client share the cores; "
        f"before they began, {os.getloadavg()[0]:.1f} other processes wanted one (load average)."
    )


@contextlib.contextmanager
def serving(place: Path, port: int = 0) -> Iterator[tuple[str, int]]:
    """``cygnet serve`` as a process; its address and process id."""
    code = "from cygnet.cli import main; main()"
    command = [sys.executable, "-c", code, "serve", "--archive", str(place), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[3].rstrip("/"), process.pid
        finally:
            process.terminate()


def _requests(args: argparse.Namespace, scratch: Path) -> Iterator[str]:
    place = args.archive or scratch / "catalogue"
    if not (place / "archive.json").exists():
        with Archive.init(place) as archive:
            fill(archive, records(args.data), args.images, args.images, independent=False)
    with Archive.open(place) as archive:
        n = len(archive)
        ids = [row["isic_id"] for row in archive.search().results]
    rng = random.Random(0)
    paths: dict[str, Callable[[], str]] = {
        "image page": lambda: f"/archive/images/{rng.choice(ids)}",
        "image, API": lambda: f"/api/v2/images/{rng.choice(ids)}/",
        "page of 100 images, API": lambda: "/api/v2/images/search/?query=sex:male&limit=100",
        "facets, API": lambda: "/api/v2/images/facets/?query=sex:male",
    }
    lines = ["| what | requests/s | median ms | p99 ms | errors |", "|---|--:|--:|--:|--:|"]
    with serving(place) as (url, _):
        for name, path in paths.items():
            load(url, path, args.connections, 1.0)
            found = load(url, path, args.connections, args.seconds)
            lines.append(f"| {name} | {found.rate:,.0f} | {found.median:.1f} | {found.p99:.1f} | {found.errors} |")
    yield f"{args.connections} connections, {n:,} images in the catalogue:\n\n" + "\n".join(lines)


def load(url: str, path: Callable[[], str], connections: int, seconds: float) -> Load:
    """Ask as fast as answers come, over connections that stay open."""
    return asyncio.run(_load(url, path, connections, seconds))


async def _load(url: str, path: Callable[[], str], connections: int, seconds: float) -> Load:
    times: list[float] = []
    errors = 0
    host, _, port = url.removeprefix("http://").partition(":")
    end = time.perf_counter() + seconds

    async def one() -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 20)
        while time.perf_counter() < end:
            began = time.perf_counter()
            writer.write(f"GET {path()} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
            await reader.readexactly(length)
            times.append(1000 * (time.perf_counter() - began))
            errors += b" 200 " not in head[:16]
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    rate = len(times) / (time.perf_counter() - began)
    return Load(rate, statistics.median(times), statistics.quantiles(times, n=100)[98], errors)


def _files(args: argparse.Namespace, scratch: Path) -> Iterator[str]:
    place = scratch / "files"
    with Archive.init(place) as archive:
        _take(archive, max(args.zip, args.pull))
        total = archive.size()
    with serving(place) as (url, pid):
        yield _zip(url, pid, args.zip, total)
        yield _paint(url)
    yield _pulls(args, place, scratch)


def _take(archive: Archive, number: int) -> None:
    """Pictures of coarse colour noise, which resemble each other no more than strangers' do; what they show does not matter here."""
    from PIL import Image

    def made(k: int) -> bytes:
        coarse = np.random.default_rng(k).integers(0, 256, (6, 8, 3)).astype(np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(coarse).resize((256, 192), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=95)
        return buffer.getvalue()

    items = (Item(f"{k}.jpg", lambda k=k: made(k), record={"image_type": "dermoscopic"}) for k in range(number))  # type: ignore[misc]
    archive.ingest(items, "benchmark", Options("CC-0", "Made up", publish=True))


def _zip(url: str, pid: int, number: int, total: int) -> str:
    body = b'{"query": ""}'
    asked = urllib.request.Request(
        f"{url}/api/v2/zip-download/url/", body, {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(asked) as answer:
        address = answer.read().decode().strip('"')
    marks: list[float] = []
    before, received = _resident(pid), 0
    began = time.perf_counter()
    with urllib.request.urlopen(address) as answer:
        while piece := answer.read(1 << 16):
            received += len(piece)
            if received // (total // 5 + 1) > len(marks):
                marks.append(_resident(pid))
    seconds = time.perf_counter() - began
    shown = ", ".join(f"{mark:.0f}" for mark in marks)
    return (
        f"A zip of {number:,} images: {received / 1e6:,.0f} MB in {seconds:.1f} s ({number / seconds:,.0f} images/s). Resident memory of the server "
        f"before: {before:.0f} MB; while it streams: {shown} MB."
    )


def _resident(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def _paint(url: str) -> str:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        return "Paint: not measured, there is no Chromium."
    from playwright.sync_api import sync_playwright

    first, last = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for _ in range(5):
            page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
            page.goto(f"{url}/archive", wait_until="networkidle")
            first.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
            last.append(page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"))
        browser.close()
    return (
        "The gallery's page of 100 thumbnails in Chromium, five times without a cache: first contentful paint "
        f"{statistics.median(first):.0f} ms (at most {max(first):.0f}), loaded {statistics.median(last):.0f} ms (at most {max(last):.0f})."
    )


def _pulls(args: argparse.Namespace, place: Path, scratch: Path) -> str:
    commands: dict[str, list[Any]] = {}
    if (
        "pull"
        in subprocess.run(
            [sys.executable, "-c", "from cygnet.cli import main; main()", "--help"],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
    ):
        ours = [
            sys.executable,
            "-c",
            "from cygnet.cli import main; main()",
            "pull",
            "isic_id:*",
            "--from",
            f"http://127.0.0.1:{PORT}",
        ]
        commands["cygnet pull"] = [*ours, "--out", scratch / "ours"]
    if args.isic:
        commands["isic-cli"] = [
            args.isic,
            "--guest",
            "--dev",
            "--no-version-check",
            "image",
            "download",
            scratch / "theirs",
        ]
    if not commands:
        return "Pulls: not measured."
    lines = ["| client | images | seconds | images/s |", "|---|--:|--:|--:|"]
    with serving(place, PORT):
        for name, command in commands.items():
            began = time.perf_counter()
            done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
            seconds = time.perf_counter() - began
            if done.returncode:
                lines.append(f"| {name} | failed: {done.stderr.strip().splitlines()[-1:]} | | |")
                continue
            n = sum(1 for _ in Path(command[-1]).rglob("*.jpg"))
            lines.append(f"| {name} | {n:,} | {seconds:.1f} | {n / seconds:,.0f} |")
    return "All images from loopback:\n\n" + "\n".join(lines)


if __name__ == "__main__":
    main()
