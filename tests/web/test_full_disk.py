"""A disk that is full under a running server: a clear answer, nothing half-stored, and all is well when there is room.

Files of the server's process may not grow (RLIMIT_FSIZE 0), which asks for no rights and makes every write fail, the database's own too.
"""

from __future__ import annotations

import io
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from conftest_web import PASSWORD, PATIENCE, accounts_for, until

from cygnet.accounts import Role
from cygnet.archive import Archive
from cygnet.challenge.store import runs
from cygnet.challenge.store.hosted import Challenges
from cygnet.errors import OutputError
from cygnet.web import Settings
from cygnet.web.challenge import desk
from cygnet.web.challenge.desk import Desk
from cygnet.web.events import Events

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "challenge"))
from conftest_challenge import TABLE, submission, truth_frame

pytestmark = pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits of another process are Linux's own")
NEVER = resource.RLIM_INFINITY


@pytest.fixture
def hosted(archive_dir: Path, tmp_path: Path) -> Path:
    """The archive with accounts and an open challenge."""
    accounts_for(archive_dir)
    truth_frame().write_csv(tmp_path / "truth.csv")
    store = Challenges(Settings(archive_dir).site)
    store.create("odd", TABLE, tmp_path / "truth.csv")
    store.open("odd")
    store.close()
    return archive_dir


@contextmanager
def full(process: subprocess.Popen[str]) -> Iterator[None]:
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, NEVER))
    yield
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (NEVER, NEVER))


def visitor(url: str) -> httpx.Client:
    client = httpx.Client(base_url=url, timeout=PATIENCE)
    client.headers["X-CSRF-Token"] = client.get("/help").text.partition('name="csrf" content="')[2].partition('"')[0]
    client.headers["Accept"] = "application/json"
    return client


def logged_in(url: str, role: Role) -> httpx.Client:
    client = visitor(url)
    assert client.post("/login", data={"name": role.value, "password": PASSWORD}).status_code == 303
    page = client.get("/help", headers={"Accept": "text/html"}).text
    client.headers["X-CSRF-Token"] = page.partition('name="csrf" content="')[2].partition('"')[0]
    return client


def test_a_full_disk_under_a_server(hosted: Path, program: tuple[subprocess.Popen[str], str]) -> None:
    process, url = program
    with ExitStack() as opened:
        nobody = visitor(url)
        opened.callback(nobody.close)
        roles = (Role.VIEWER, Role.ORGANISER, Role.CURATOR, Role.CLINICIAN)
        them = {}
        for role in roles:
            them[role] = logged_in(url, role)
            opened.callback(them[role].close)
        look(hosted, process, nobody, them)


def look(hosted: Path, process: subprocess.Popen[str], nobody: httpx.Client, them: dict[Role, httpx.Client]) -> None:
    viewer, organiser, curator, clinician = them.values()
    assert viewer.post("/challenges/odd/teams", data={"team": "A"}).status_code == 303
    truth = truth_frame().write_csv().encode()
    definition = {"name": "another", "definition": 'kind = "ranking"\nreplicates = 100'}
    image = ("a.jpg", b"x" * 3_000_000)  # larger than what a form keeps in memory
    writes: dict[str, Callable[[], httpx.Response]] = {
        "log in": lambda: nobody.post("/login", data={"name": "viewer", "password": PASSWORD}),
        "token": lambda: viewer.post("/account/tokens", data={"label": "x"}),
        "team": lambda: organiser.post("/challenges/odd/teams", data={"team": "B"}),
        "submit": lambda: viewer.post(
            "/challenges/odd/submit", files={"file": ("a.csv", submission(1))}, data={"approach": "x"}
        ),
        "challenge": lambda: organiser.post("/challenges/new", files={"truth": ("t.csv", truth)}, data=definition),
        "collection": lambda: curator.post("/archive/collections", data={"name": "X"}),
        "ingest": lambda: curator.post(
            "/ingest", files=[("files", image)], data={"licence": "CC-0", "attribution": "T", "dry": "1"}
        ),
        "patient": lambda: clinician.post("/patients/new", files=[("files", image)]),
    }
    before = sorted(p for p in hosted.rglob("*") if "sqlite" not in p.name)
    with full(process):
        for what, write in writes.items():
            answer = write()
            assert answer.status_code == 507, (what, answer.text)
            assert str(hosted) not in answer.text and "Nothing was kept" in answer.json()["message"], what
        for path in (
            "/",
            "/archive.json",
            "/api/v2/images/",
            "/challenges/odd/board.json",
            "/challenges/odd/images.csv",
        ):
            assert viewer.get(path).status_code == 200, path  # who reads does not notice
        assert sorted(p for p in hosted.rglob("*") if "sqlite" not in p.name) == before
    for what, write in writes.items():
        assert write().status_code in (200, 202, 303), what
    with Archive.open(hosted) as archive:
        assert archive.verify(quick=True)
    (run,) = viewer.get("/challenges/odd/teams/1.json").json()["team"]["runs"]
    assert until(lambda: viewer.get(f"/challenges/odd/runs/{run['run']}.json").json()["run"]["state"] == "scored")


def test_a_run_that_could_not_be_written_is_scored_when_there_is_room(
    hosted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "AGAIN", 0.05)
    written, tries = runs._written, []

    def fails_twice(*args: object) -> None:
        tries.append(args)
        if len(tries) < 3:
            raise OutputError("the disk is full")
        written(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(runs, "_written", fails_twice)
    made = Desk(Settings(hosted).site, Events())
    team = runs.join(made.store, "odd", "A")
    run = runs.send(made.store, "odd", team, io.BytesIO(submission(1)), "x.csv", approach="x")
    made.score(run)
    until(lambda: len(tries) == 3)
    made.close()
    store = Challenges(Settings(hosted).site)
    with store.database.read() as c:
        assert c.exec_driver_sql("select state, claim from run").all() == [("scored", None)]
        assert c.exec_driver_sql("select count(*) from access where what = 'probe'").scalar() == 1
    store.close()
