"""The ISIC Archive's own client against our server. It speaks to port 8000 and lives in an environment of its own."""

from __future__ import annotations

import csv
import os
import socket
import subprocess
from pathlib import Path

import pytest
from conftest_web import Serve

from cygnet.archive import Archive
from cygnet.archive import collections as kept
from cygnet.web import Settings

PORT = 8000


@pytest.fixture
def isic(serve: Serve, archive_dir: Path, tmp_path: Path):  # type: ignore[no-untyped-def]
    program = os.environ.get("CYGNET_ISIC_CLI")
    if not program:
        pytest.skip(
            "CYGNET_ISIC_CLI does not name the program isic (pip install isic-cli==12.4.0, in an environment of its own)"
        )
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", PORT))
        except OSError:
            pytest.skip(f"port {PORT}, the only one that isic speaks to, is in use")
    with Archive.open(archive_dir) as archive, archive.database.write() as connection:
        number = kept.create(connection, "odd ones", "tester", public=True)
        kept.add(connection, number, archive.matches("diagnosis_1:Malignant", public_only=True), "tester")
    serve(Settings(archive_dir, port=PORT))
    environment = {**os.environ, "HOME": str(tmp_path), "COLUMNS": "120"}
    environment.pop("PYTHONPATH", None)

    def run(*args: object) -> str:
        command = [program, "--guest", "--dev", "--no-version-check", *map(str, args)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=120, env=environment, cwd=tmp_path, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_the_official_client(isic, archive_dir: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert "odd ones" in isic("collection", "list")
    with Archive.open(archive_dir) as archive:
        everything = {i["isic_id"]: i["files"]["full"]["size"] for i in archive.search().results}
        query = "sex:male AND age_approx:[20 TO *]"
        some = {i["isic_id"] for i in archive.search(query).results}
        odd = {i["isic_id"] for i in archive.search("diagnosis_1:Malignant", public_only=True).results}
    everywhere = tmp_path / "all"
    assert f"{len(everything)} images" in isic("image", "download", everywhere)
    assert {p.stem: p.stat().st_size for p in everywhere.glob("*.jpg")} == everything
    assert (everywhere / "licenses" / "CC-0.txt").is_file()
    assert (everywhere / "attribution.txt").read_text() == "Cygnet simulator"
    found = tmp_path / "found"
    isic("image", "download", "--search", query, found)
    assert {p.stem for p in found.glob("*.jpg")} == some
    isic("image", "download", "--collections", "1", tmp_path / "odd")
    assert {p.stem for p in (tmp_path / "odd").glob("*.jpg")} == odd
    for search, names in (([], set(everything)), (["--search", query], some)):
        isic("metadata", "download", *search, "--outfile", tmp_path / "metadata.csv")
        with (tmp_path / "metadata.csv").open() as stream:
            rows = list(csv.DictReader(stream))
        assert {row["isic_id"] for row in rows} == names
        assert all(row["image_type"] == "dermoscopic" for row in rows)
