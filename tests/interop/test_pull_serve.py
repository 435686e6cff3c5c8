"""Our client against our server, as users run them; in between, where wanted, a gateway that misbehaves."""

from __future__ import annotations

import csv
import http.client
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from conftest_pull import QUICK, Far, Handler, serving, status

from cygnet.archive import Archive
from cygnet.archive import collections as kept
from cygnet.archive.ingest.rows import pair, read_rows
from cygnet.archive.ingest.run import Options
from cygnet.archive.ingest.sources import files_of
from cygnet.interop import Pulled, pull, verify
from cygnet.simulate import write_patients

pytest.importorskip("cygnet.web", reason="this version has no server")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of eighteen published images of two simulated patients, six of them in a public collection."""
    root = tmp_path_factory.mktemp("served")
    made = write_patients(root / "set", n_patients=2, seed=7, n_lesions=9, size=(240, 180))
    with Archive.init(root / "archive") as archive:
        items = pair(files_of(made / "images"), read_rows(made / "manifest.csv"))
        archive.ingest(items, "tests", Options("CC-BY", "Tests & Sons", publish=True))
        assert archive.count(public_only=True) == 18
        with archive.database.write() as connection:
            number = kept.create(connection, "Challenge 2020: Training", "tester", public=True)
            six = " OR ".join(f"isic_id:{r['isic_id']}" for r in archive.search(limit=6).results)
            kept.add(connection, number, archive.matches(six), "tester")
    return root / "archive"


class Server:
    """``cygnet serve`` in a process of its own, at one port for its whole life."""

    def __init__(self, place: Path) -> None:
        self.place, self.port = place, 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        code = "from cygnet.cli import main; main()"
        command = [sys.executable, "-c", code, "serve", "--archive", str(self.place), "--port", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        self.port = urlsplit(said.split()[3]).port or 0

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        self.process.wait(70)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[Server]:
    running = Server(place)
    yield running
    running.stop()


@pytest.fixture
def fetch(server: Server, tmp_path: Path) -> Callable[..., Pulled]:
    def run(query: str = "", **options: Any) -> Pulled:
        return pull(query, **{"out": tmp_path / "out", "source": server.url, "jobs": 4, **options})

    return run


def files(out: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in (out / "images").iterdir()}


def views(place: Path, query: str = "") -> dict[str, bytes]:
    """What the archive itself says is to be seen."""
    with Archive.open(place) as archive:
        return {r["isic_id"]: archive.picture(r["isic_id"]) for r in archive.search(query).results}


def test_everything_comes_as_it_is(place: Path, fetch: Callable[..., Pulled], tmp_path: Path) -> None:
    done = fetch()
    assert (done.complete, done.said, done.listed, done.received) == (True, 18, 18, 18)
    assert files(tmp_path / "out") == views(place)
    with (tmp_path / "out" / "metadata.csv").open(newline="") as stream:
        rows = {row["isic_id"]: row for row in csv.DictReader(stream)}
    with Archive.open(place) as archive:
        for result in archive.search().results:
            flat = {k: v for group in result["metadata"].values() for k, v in group.items()}
            shown = {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in flat.items()}
            assert {k: v for k, v in rows[result["isic_id"]].items() if k in flat} == shown
    assert (tmp_path / "out" / "attribution.txt").read_text() == "Tests & Sons\n(18 images)\n"
    assert [p.name for p in (tmp_path / "out" / "licenses").iterdir()] == ["CC-BY.txt"]
    assert verify(tmp_path / "out").sound
    assert fetch().fetched == 0


def test_queries_and_collections(place: Path, fetch: Callable[..., Pulled], tmp_path: Path) -> None:
    for k, query in enumerate(('attribution:"Tests & Sons" sex:male', "-sex:male", "age_approx:[20 TO *]")):
        wanted = views(place, query)
        assert fetch(query, out=tmp_path / str(k)).received == len(wanted)
        assert files(tmp_path / str(k)) == wanted
    assert fetch(collections=[1], out=tmp_path / "number").received == 6
    assert fetch(data_set="isic2020", out=tmp_path / "name").collections == (1,)
    with pytest.raises(Exception, match="has no collection 99"):
        fetch(collections=[99], out=tmp_path / "none")
    with pytest.raises(Exception, match=r"400 \(bad request\).*[Cc]ould not parse"):
        fetch("sex:", out=tmp_path / "none")


def test_the_server_is_ended_in_the_middle_and_started_again(place: Path, tmp_path: Path) -> None:
    server = Server(place)
    try:
        seen = threading.Event()

        def restart() -> None:
            seen.wait(30)
            server.stop(signal.SIGTERM)
            server.start()

        thread = threading.Thread(target=restart)
        thread.start()
        with serving(Gateway(server.url)) as gateway:
            gateway.slow, gateway.passed = 0.15, seen
            done = pull(out=tmp_path / "out", source=gateway.url, jobs=2)
        thread.join()
    finally:
        server.stop()
    assert (done.complete, done.received) == (True, 18)
    assert files(tmp_path / "out") == views(place)


class Gateway(Far):
    """Passes everything on to a server, apart from faults; addresses in answers are the gateway's own."""

    def __init__(self, behind: str) -> None:
        super().__init__(n=0)
        self.behind = urlsplit(behind).netloc
        self.before = self.forward
        self.slow = 0.0
        self.passed: threading.Event | None = None

    def forward(self, handler: Handler) -> bool:
        parts = urlsplit(handler.path)
        name = parts.path.split("/")[2] if parts.path.startswith("/files/") else ""
        if name:
            time.sleep(self.slow)
            self.served[name] += 1
            if len(self.served) > 3 and self.passed is not None:
                self.passed.set()
            fault = self.faults.get(name)
            if fault is not None and fault(handler, self.served[name]):
                return True
        try:
            data, headers, code = self.ask(handler)
        except OSError:
            handler.close_connection = True
            return True
        handler.send(data, headers, code)
        return True

    def ask(self, handler: Handler) -> tuple[bytes, dict[str, str], int]:
        """The server's own answer."""
        connection = http.client.HTTPConnection(self.behind, timeout=10)
        wanted = ("Host", "Range", "If-Range")
        connection.request("GET", handler.path, headers={k: v for k in wanted if (v := handler.headers.get(k))})
        answer = connection.getresponse()
        data = answer.read()
        passed = ("ETag", "Accept-Ranges", "Content-Range", "Repr-Digest", "Content-Type", "Retry-After")
        headers = {k: v for k in passed if (v := answer.getheader(k))}
        connection.close()
        return data, headers, answer.status


def cut(gateway: Gateway, share: float, times: int) -> Callable[[Handler, int], bool]:
    def fault(handler: Handler, n: int) -> bool:
        if n > times:
            return False
        data, headers, code = gateway.ask(handler)
        handler.send(data[: int(len(data) * share)], headers, code, stated=len(data))
        return True

    return fault


def longer(gateway: Gateway) -> Callable[[Handler, int], bool]:
    def fault(handler: Handler, _: int) -> bool:
        handler.send(gateway.ask(handler)[0] + b"more")
        return True

    return fault


def changed(gateway: Gateway) -> Callable[[Handler, int], bool]:
    """The same length, one byte of the picture another."""

    def fault(handler: Handler, _: int) -> bool:
        data, headers, _code = gateway.ask(handler)
        handler.send(data[:-20] + bytes([data[-20] ^ 1]) + data[-19:], headers)
        return True

    return fault


def test_faults_between_our_client_and_our_server(server: Server, place: Path, tmp_path: Path) -> None:
    wanted = views(place)
    names = list(wanted)
    with serving(Gateway(server.url)) as gateway:
        gateway.slow = 0.01
        gateway.faults = {
            names[0]: status(404),
            names[1]: longer(gateway),
            names[2]: cut(gateway, 0.6, 2),
            names[3]: status(429, 2, {"Retry-After": "1"}),
            names[4]: status(500, 2),
        }
        done = pull(out=tmp_path / "out", source=gateway.url, jobs=3, patience=QUICK)
        assert done.received == 16
        assert {(p.image, p.code) for p in done.problems} == {(names[0], "refused"), (names[1], "size")}
        assert files(tmp_path / "out") == {k: v for k, v in wanted.items() if k not in names[:2]}
        gateway.faults = {}
        assert pull(out=tmp_path / "out", source=gateway.url, jobs=3, patience=QUICK).complete
        assert files(tmp_path / "out") == wanted
        gateway.faults = {names[5]: changed(gateway)}
        done = pull(out=tmp_path / "other", source=gateway.url, jobs=3, patience=QUICK)
        assert [(p.image, p.code) for p in done.problems] == [(names[5], "hash")]
