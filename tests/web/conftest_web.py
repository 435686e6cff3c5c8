"""A real server on loopback, a browser that may look at nothing else, and the judge of accessibility."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest

from cygnet.accounts import Role
from cygnet.archive import Archive
from cygnet.cli.serve_demo import fill
from cygnet.simulate import write_patients
from cygnet.web import Settings, create_app
from cygnet.web.server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Serve = Callable[..., str]
PASSWORD = "correct horse battery"
#: Seconds that a test waits for anything: more than a machine needs that is busy with something else.
PATIENCE = 120


@pytest.fixture(autouse=True)
def asking_takes_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request of a test waits longer than the five seconds that are httpx's default."""
    for name in ("get", "post", "stream"):
        monkeypatch.setattr(httpx, name, partial(getattr(httpx, name), timeout=PATIENCE))


def until(look: Callable[[], Any]) -> Any:
    """What ``look`` gives as soon as it is true."""
    end = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.05)
    return found


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two simulated patients of nine lesions. Read only."""
    return write_patients(tmp_path_factory.mktemp("drawn") / "set", n_patients=2, seed=7, n_lesions=9, size=(240, 180))


@pytest.fixture(scope="session")
def filled(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of these 18 images: 12 published, 6 drafts; without embeddings. Read only: see ``archive_dir``."""
    place = tmp_path_factory.mktemp("filled") / "archive"
    copy = shutil.copytree(drawn, tmp_path_factory.mktemp("copy") / "set")
    with Archive.init(place) as archive:
        fill(archive, copy, embed=False)
    return place


@pytest.fixture
def archive_dir(filled: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return shutil.copytree(filled, tmp_path / "archive")


@contextmanager
def serving() -> Iterator[Serve]:
    """Starts servers, which end with it."""
    running: list[tuple[Server, threading.Thread]] = []

    def start(settings: Settings) -> str:
        ready, at = threading.Event(), [0]

        def started(port: int) -> None:
            at[0] = port
            ready.set()

        server = Server(create_app(settings), settings.host, settings.port, started)
        thread = threading.Thread(target=server.run, name="server")
        thread.start()
        running.append((server, thread))
        assert ready.wait(PATIENCE), "the server did not start"
        return f"http://127.0.0.1:{at[0]}"

    try:
        yield start
    finally:
        for server, thread in running:
            server.leave()
            thread.join(PATIENCE)
            assert not thread.is_alive(), "the server did not end"


@pytest.fixture
def serve() -> Iterator[Serve]:
    """``serve(Settings(archive_dir, port=0))`` starts a server and gives its address; it ends with the test."""
    with serving() as start:
        yield start


@pytest.fixture
def program(archive_dir: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """``cygnet serve`` as a process of its own."""
    code = "from cygnet.cli import main; main()"
    command = [sys.executable, "-c", code, "serve", "--archive", str(archive_dir), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stderr is not None
    url = process.stdout.readline().split()[3].rstrip("/")
    yield process, url
    if process.poll() is None:
        process.kill()
    process.wait(PATIENCE)
    process.stdout.close()
    process.stderr.close()


def accounts_for(archive_dir: Path, *roles: Role) -> dict[Role, str]:
    """An account per role, named like it, with ``PASSWORD``; returns an API token of each."""
    from cygnet.accounts import Accounts

    accounts = Accounts(Settings(archive_dir).site / "accounts.sqlite")
    for role in roles or tuple(Role):
        accounts.add(role.value, PASSWORD, [role])
    tokens = {role: accounts.new_token(role.value, "tests") for role in roles or tuple(Role)}
    accounts.close()
    return tokens


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without a head."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium here (apt-get install chromium)")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def new_page(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Opens pages (arguments as of ``browser.new_context``); the test fails if one asks another machine or logs an error."""
    contexts, wrong = [], []

    def look(page: Page) -> None:
        page.on("console", lambda m: wrong.append(f"console: {m.text}") if m.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
        page.on("request", lambda r: None if _ours(r.url) else wrong.append(f"asks {r.url}"))

    def open_(**options: Any) -> Page:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 800}, "locale": "en", **options})
        contexts.append(context)
        context.set_default_timeout(PATIENCE * 1000)
        page = context.new_page()
        look(page)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not wrong, wrong


@pytest.fixture
def browser_page(new_page: Callable[..., Page]) -> Page:
    """One page of 1280 x 800."""
    return new_page()


def _ours(url: str) -> bool:
    return urlsplit(url).hostname in ("127.0.0.1", None) or url.startswith(("blob:", "data:"))


def axe(page: Page) -> list[str]:
    """What axe-core finds wrong with a page by WCAG 2.2 AA: the rule and the first element."""
    import axe_playwright_python

    script = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    page.evaluate(script)  # by the debugger, which the page's policy does not bind
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = page.evaluate("tags => axe.run({runOnly: {type: 'tag', values: tags}})", rules)
    return [f"{v['id']}: {v['help']}: {v['nodes'][0]['html'][:200]}" for v in found["violations"]]
