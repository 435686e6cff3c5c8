"""Longer work: its progress on the page and as events, its end in every way, and after a restart; the app's own files."""

from __future__ import annotations

import itertools
import json
import threading
import time
from pathlib import Path

import httpx
import pytest
from conftest_web import PATIENCE, Serve, accounts_for, until

from cygnet.accounts import Role
from cygnet.errors import InputError
from cygnet.web import Settings, create_app
from cygnet.web.events import Events
from cygnet.web.jobs import Jobs, Progress
from cygnet.web.server import Server


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    return Jobs(tmp_path / "runs", Events())


def ended(jobs: Jobs, id_: str) -> str:
    def state() -> str | None:
        job = jobs.get(id_)
        assert job is not None
        return None if job.state == "running" else job.state

    return str(until(state))


def test_a_run_ends_well(jobs: Jobs) -> None:
    def work(progress: Progress) -> dict[str, int]:
        progress(3, 10, "counting")
        return {"n": 10}

    job = jobs.start("count", "Counting", "anna", work)
    assert ended(jobs, job.id) == "done"
    again = jobs.get(job.id)
    assert again is not None
    assert (again.result, again.done, again.total, again.message) == ({"n": 10}, 3, 10, "counting")
    assert [j.id for j in jobs.latest()] == [job.id]


def test_a_run_fails_with_words(jobs: Jobs, caplog: pytest.LogCaptureFixture) -> None:
    def wrong(_: Progress) -> None:
        raise InputError("no such table")

    def bug(_: Progress) -> None:
        raise ZeroDivisionError("secret detail")

    for work, words in ((wrong, "no such table"), (bug, "Cygnet's own")):
        job = jobs.start("x", "X", "anna", work)
        assert ended(jobs, job.id) == "failed"
        found = jobs.get(job.id)
        assert found is not None and words in found.message and "secret" not in found.message
    assert "secret detail" in caplog.text


def test_a_run_is_cancelled(jobs: Jobs) -> None:
    begun = threading.Event()

    def work(progress: Progress) -> None:
        for k in itertools.count():
            progress(k)
            begun.set()
            time.sleep(0.01)

    job = jobs.start("x", "X", "anna", work)
    assert begun.wait(PATIENCE)
    assert jobs.cancel(job.id)
    assert ended(jobs, job.id) == "cancelled"
    assert not jobs.cancel(job.id)


def test_a_run_that_a_restart_cut_off(jobs: Jobs, tmp_path: Path) -> None:
    goes_on = threading.Event()
    job = jobs.start("x", "X", "anna", lambda _: goes_on.wait(PATIENCE))
    after = Jobs(tmp_path / "runs", Events()).get(job.id)
    assert after is not None and after.state == "interrupted"
    goes_on.set()
    jobs.close()
    for name in ("../../etc/passwd", "", "20260101000000-zzzzzzzz"):
        assert jobs.get(name) is None


def test_pages_listen(archive_dir: Path) -> None:
    app = create_app(Settings(archive_dir, port=0))
    ready, port, goes_on = threading.Event(), [0], threading.Event()

    def started(at: int) -> None:
        port[0] = at
        ready.set()

    server = Server(app, "127.0.0.1", 0, started)
    thread = threading.Thread(target=server.run)
    thread.start()
    assert ready.wait(PATIENCE)

    def work(progress: Progress) -> None:
        goes_on.wait(PATIENCE)
        progress(1, 2, "half")
        time.sleep(0.3)

    site = app.state.site
    job = site.jobs.start("x", "<b>X</b>", "local", work)
    url = f"http://127.0.0.1:{port[0]}"
    assert "&lt;b&gt;X" in httpx.get(f"{url}/runs/{job.id}").text
    with httpx.stream("GET", f"{url}/runs/{job.id}/events", timeout=PATIENCE) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(lines) == "retry: 2000"
        goes_on.set()
        events = []
        for line in lines:
            if line.startswith("data:"):
                events.append(json.loads(line[5:]))
                if events[-1]["state"] != "running":
                    break
    assert (events[0]["done"], events[0]["message"]) == (1, "half")
    assert events[-1]["state"] == "done" and "result" not in events[-1]
    listening = httpx.Client(timeout=PATIENCE)
    with listening.stream("GET", f"{url}/runs/{job.id}/events", timeout=PATIENCE) as answer:
        server.leave()  # a stream that never ends by itself does not keep the server
        answer.read()
    listening.close()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_others_runs_are_not_shown(serve: Serve, archive_dir: Path) -> None:
    tokens = accounts_for(archive_dir, Role.CONTRIBUTOR, Role.CURATOR)
    runs = Jobs(Settings(archive_dir).site / "runs", Events())
    job = runs.start("x", "Of the curator", "curator", lambda _: None)
    ended(runs, job.id)
    url = serve(Settings(archive_dir, port=0))
    for role, status in ((Role.CONTRIBUTOR, 404), (Role.CURATOR, 200)):
        headers = {"Authorization": f"Bearer {tokens[role]}"}
        assert httpx.get(f"{url}/runs/{job.id}", headers=headers).status_code == status
        assert ("Of the curator" in httpx.get(f"{url}/runs.csv", headers=headers).text) is (status == 200)


def test_the_apps_own_files_are_kept_for_good(serve: Serve, archive_dir: Path) -> None:
    url = serve(Settings(archive_dir, port=0))
    page = httpx.get(url).text
    address = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
    answer = httpx.get(url + address)
    assert "immutable" in answer.headers["cache-control"] and answer.headers["content-type"].startswith("text/css")
    assert httpx.get(f"{url}/static/0000000000000000/base.css").status_code == 404
    assert httpx.get(f"{url}/static/{address.split('/')[2]}/..%2fapp.py").status_code == 404
