"""A PostgreSQL of our own on loopback, small images, and archives on either database."""

from __future__ import annotations

import io
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cygnet.archive import Archive
from cygnet.archive.archive import CATALOGUE
from cygnet.archive.database import Database
from cygnet.archive.ingest.items import Item
from cygnet.archive.ingest.run import Options, Summary

Make = Callable[..., Archive]
TEMPLATE = "with_tables"


def server_programs() -> Path | None:
    """Where PostgreSQL's server programs are."""
    places = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    if (found := shutil.which("initdb")) is not None:
        places.insert(0, Path(found).parent)
    return next((p for p in places if (p / "initdb").exists() and (p / "postgres").exists()), None)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a server that lives as long as the tests; databases are made in it by name."""
    programs = server_programs()
    if programs is None:
        pytest.skip("PostgreSQL's server programs are not installed (apt-get install postgresql)")
    # The server refuses to run as root.
    become: dict[str, Any] = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    home = Path(tempfile.mkdtemp(prefix="cygnet-postgres-", dir="/tmp"))
    if become:
        shutil.chown(home, "postgres")
    port = free_port()
    initdb = [
        programs / "initdb",
        "-D",
        home / "data",
        "-A",
        "trust",
        "-U",
        "cygnet",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
        "-N",
    ]
    subprocess.run(initdb, check=True, capture_output=True, cwd="/tmp", **become)
    settings = {"listen_addresses": "127.0.0.1", "port": port, "fsync": "off", "unix_socket_directories": home}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    log = (home.parent / f"{home.name}.log").open("wb")
    server = subprocess.Popen(
        [programs / "postgres", "-D", home / "data", *options], stdout=log, stderr=log, cwd="/tmp", **become
    )
    url = f"postgresql://cygnet@127.0.0.1:{port}"
    try:
        wait_for(url)
        _make_template(url)
        yield url
    finally:
        server.send_signal(signal.SIGQUIT)  # at once, writing nothing down: all of it is thrown away
        server.wait(30)
        log.close()
        Path(log.name).unlink()
        shutil.rmtree(home, ignore_errors=True)


def wait_for(url: str) -> None:
    import psycopg

    for _ in range(200):
        try:
            psycopg.connect(f"{url}/postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("PostgreSQL did not start")


def _make_template(server: str) -> None:
    """A database with the tables, from which others are copied: quicker than migrating each."""
    made = Database(new_database(server, name=TEMPLATE, like="template1"))
    made.migrate()
    made.close()


def new_database(server: str, *, name: str = "", like: str = TEMPLATE) -> str:
    """The URL of a fresh database, with empty tables unless it is made like another."""
    import psycopg

    name = name or f"t{time.time_ns()}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {like}")
    return f"{server}/{name}"


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request: pytest.FixtureRequest) -> Callable[..., str | None]:
    """Gives the URL of a new catalogue: None for SQLite in the archive's folder."""
    if request.param == "sqlite":
        return lambda **_: None
    server: str = request.getfixturevalue("postgres")
    return lambda **options: new_database(server, **options)


@pytest.fixture(scope="session")
def empty_catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite catalogue with empty tables, to be copied."""
    path = tmp_path_factory.mktemp("catalogue") / CATALOGUE
    made = Database(f"sqlite:///{path}")
    made.migrate()
    with made.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    made.close()
    return path


@pytest.fixture
def archive(tmp_path: Path, db: Callable[..., str | None], empty_catalogue: Path) -> Iterator[Archive]:
    """An empty archive, on SQLite and on PostgreSQL."""
    if (url := db()) is None:
        (tmp_path / "archive").mkdir()
        shutil.copy(empty_catalogue, tmp_path / "archive")
    with Archive.init(tmp_path / "archive", db=url) as made:
        yield made


@pytest.fixture
def local(tmp_path: Path, empty_catalogue: Path) -> Iterator[Archive]:
    """An empty archive on SQLite."""
    (tmp_path / "archive").mkdir()
    shutil.copy(empty_catalogue, tmp_path / "archive")
    with Archive.init(tmp_path / "archive") as made:
        yield made


def pixels(seed: int, width: int = 120, height: int = 96) -> np.ndarray[Any, Any]:
    """A sharp, coloured picture: skin with a dark blot and texture, unlike that of any other seed."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    cy, cx = rng.uniform(0.35, 0.65, 2) * (height, width)
    blot = ((x - cx) / rng.uniform(0.15, 0.3) / width) ** 2 + ((y - cy) / rng.uniform(0.15, 0.3) / height) ** 2 < 1
    coarse = rng.normal(0, 22, (height // 8 + 1, width // 8 + 1)).repeat(8, 0).repeat(8, 1)[:height, :width]
    base = np.where(blot, rng.uniform(60, 110), rng.uniform(170, 210)) + coarse + rng.normal(0, 14, (height, width))
    return np.clip(np.stack([base + 25, base - 15, base - 35], axis=2), 0, 255).astype(np.uint8)


def jpeg(seed: int, width: int = 120, height: int = 96, quality: int = 90, **save: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels(seed, width, height)).save(buffer, "JPEG", quality=quality, **save)
    return buffer.getvalue()


def item(name: str, data: bytes, **record: Any) -> Item:
    """One item with metadata as the schema gives them."""
    return Item(name, lambda: data, record=record)


def take(archive: Archive, items: list[Item], **options: Any) -> tuple[Summary, list[Any]]:
    """Ingest without a model; returns the summary and what became of each."""
    outcomes: list[Any] = []
    given = {"licence": "CC-0", "attribution": "Tests", "actor": "tester", "workers": 2, **options}
    summary = archive.ingest(items, "test", Options(**given), on_outcome=outcomes.append)
    return summary, outcomes
