"""Kills, writers side by side, damage from outside."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest_archive import item, jpeg, take
from sqlalchemy import text

from cygnet.archive import Archive
from cygnet.archive.blobs import FolderBlobs
from cygnet.errors import InputError, OutputError

HERE = Path(__file__).parent


def hard_times(*args: object) -> dict[str, Any]:
    command = [sys.executable, HERE / "hard_times.py", *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False, cwd=HERE)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_killed_at_fifty_random_moments(tmp_path: Path) -> None:
    found = hard_times("kills", tmp_path, 50)
    assert found["problems"] == []
    assert (found["killed"], found["images"], found["temporary"]) == (50, 20, 0)
    assert found["partial"] >= 5, "the kills should fall into the middle of ingests"


def test_killed_on_postgresql(tmp_path: Path, postgres: str) -> None:
    from conftest_archive import new_database

    found = hard_times("kills", tmp_path, 8, new_database(postgres))
    assert (found["problems"], found["images"]) == ([], 20)


def test_eight_writers(tmp_path: Path, db: Callable[[], str | None]) -> None:
    url = db()
    found = hard_times("writers", tmp_path, 8, *([url] if url else []))
    assert found["codes"] == [0] * 8
    assert found["problems"] == []
    assert found["images"] == 3 + 8 * 5
    assert found["patients"] == [{"key": "male", "doc_count": 43}]
    assert found["public_ids"] == 3


@pytest.fixture
def three(archive: Archive) -> Archive:
    """Three published images."""
    take(archive, [item(f"{k}.jpg", jpeg(k), sex="male", patient_id="P") for k in range(3)], publish=True)
    assert archive.verify().clean
    return archive


def tampered(archive: Archive, statement: str) -> list[str]:
    with archive.database.write() as connection:
        for part in statement.split(";"):
            connection.execute(text(part))
    return archive.verify().problems


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ('UPDATE image SET record = \'{"sex":"female"}\' WHERE id = 1', "not those that were entered"),
        ("UPDATE profile SET sex = 'female'", "searchable fields"),
        ("UPDATE profile SET n = n + 1", "counts 4 images and has 3"),
        ("UPDATE profile SET last_id = 1", "beyond its bounds"),
        ("UPDATE image SET original_sha256 = 'x' WHERE id = 2", "not those that were entered"),
        (
            "DELETE FROM finding; DELETE FROM sketch; DELETE FROM image WHERE id = 3; UPDATE profile SET n = 2",
            "the log knows this image",
        ),
        ("UPDATE head SET hash = 'x'", "newest entries are missing"),
    ],
)
def test_verify_finds_changes_behind_its_back(three: Archive, statement: str, says: str) -> None:
    assert any(says in problem for problem in tampered(three, statement))


def test_the_log_only_grows(three: Archive) -> None:
    for statement in ("UPDATE log SET actor = 'nobody'", "DELETE FROM log"):
        with pytest.raises(Exception, match="append-only"), three.database.write() as connection:
            connection.execute(text(statement))
    assert three.verify().clean


def test_a_changed_or_shortened_log_is_found(tmp_path: Path, local: Archive) -> None:
    take(local, [item("a.jpg", jpeg(1))])
    earlier = local.verify().head
    take(local, [item("b.jpg", jpeg(2))])
    assert local.verify(known_head=earlier).clean
    assert any("cut off" in p for p in local.verify(known_head="0" * 63 + "1").problems)
    drop = "DROP TRIGGER log_no_UPDATE; DROP TRIGGER log_no_DELETE"
    assert tampered(local, drop) == []
    assert any(
        "changed after it was written" in p for p in tampered(local, "UPDATE log SET actor = 'nobody' WHERE id = 2")
    )
    assert any("newest entries are missing" in p for p in tampered(local, "DELETE FROM log WHERE id = 4"))


def test_lost_and_damaged_files_are_named(local: Archive) -> None:
    _, [a, b] = take(local, [item(f"{k}.jpg", jpeg(k)) for k in range(2)])
    assert isinstance(local.blobs, FolderBlobs)
    with local.database.read() as connection:
        rows = connection.execute(text("SELECT original_sha256, thumbnail_sha256 FROM image ORDER BY id")).all()
    local.blobs.path(rows[0][0]).unlink()
    place = local.blobs.path(rows[1][1])
    place.write_bytes(b"x" + place.read_bytes()[1:])
    problems = local.verify().problems
    assert len(problems) == 2
    assert problems[0].startswith(f"{a.isic_id}: its original cannot be read")
    assert problems[1].startswith(f"{b.isic_id}: its thumbnail is damaged")
    assert [p.split(":")[0] for p in local.verify(quick=True).problems] == [a.isic_id]
    with pytest.raises(OutputError, match="damaged"):
        local.picture(b.isic_id, "thumbnail_256")


def test_unused_files_are_no_problem_and_can_go(local: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    from cygnet.archive import archive as module

    take(local, [item("a.jpg", jpeg(1))])
    name = local.blobs.put(b"left behind")
    verdict = local.verify()
    assert (verdict.clean, verdict.unused) == (True, [name])
    assert local.remove_unused(verdict.unused) == 0, "it is young, a writer may be about to use it"
    monkeypatch.setattr(module, "_YOUNG", -1)
    assert local.remove_unused(verdict.unused) == 1
    assert (local.verify().clean, local.verify().unused) == (True, [])


def test_other_peoples_folders_and_versions(tmp_path: Path, local: Archive) -> None:
    with pytest.raises(InputError, match="no archive here"):
        Archive.open(tmp_path)
    (tmp_path / "archive.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        Archive.open(tmp_path)
    (tmp_path / "archive.json").write_text('{"format": "something"}')
    with pytest.raises(InputError, match="another version"):
        Archive.open(tmp_path)
    with local.database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(InputError, match="version 9999"):
        Archive.open(tmp_path / "archive")
    with pytest.raises(InputError, match="can be on sqlite"):
        Archive.init(tmp_path / "other", db="mysql://localhost/x")
    with pytest.raises(InputError, match="no catalogue can be read"):
        Archive.open("postgresql://cygnet@127.0.0.1:1/none")


def test_tables_and_migrations_agree(archive: Archive) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from cygnet.archive.tables import metadata

    with archive.database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    archive.database.migrate()
    archive.database.check()


def test_an_archive_of_the_first_version_is_brought_up_to_date(
    three: Archive, tmp_path: Path, db: Callable[..., str | None]
) -> None:
    """The same rows in the tables of then: everything is there afterwards, and what refers to images still does."""
    from alembic import command
    from sqlalchemy import MetaData, select

    from cygnet.archive.database import Database, _config

    place, url = tmp_path / "old", db(like="template1")
    place.mkdir()
    old = Database(url or f"sqlite:///{place / 'catalogue.sqlite'}")
    with old.engine.connect() as connection, connection.begin():
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        then = MetaData()
        then.reflect(connection)
        connection.execute(then.tables["head"].delete())
        with three.database.read() as source:
            for table in then.sorted_tables:
                if table.name != "alembic_version":
                    rows = [dict(row) for row in source.execute(select(table)).mappings()]
                    if rows:
                        connection.execute(table.insert(), rows)
                        if url and "id" in table.c and table.name != "head":
                            counter = f"pg_get_serial_sequence('{table.name}', 'id')"
                            connection.execute(text(f"SELECT setval({counter}, (SELECT max(id) FROM {table.name}))"))
    old.close()
    (place / "archive.json").write_text(json.dumps({"format": "cygnet-archive-1", "db": url, "blobs": three.blobs.url}))
    with pytest.raises(InputError, match="has version 0001"):
        Archive.open(place)
    with Archive.init(place) as again:
        assert again.verify().clean
        assert again.search().to_dict()["results"] == three.search().to_dict()["results"]
        _, [twice] = take(again, [item("copy.jpg", jpeg(1))])
        assert {f.code for f in twice.findings} == {"exact-duplicate"}


def test_a_full_disk_leaves_nothing_half(local: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    take(local, [item("a.jpg", jpeg(1))])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        take(local, [item("b.jpg", jpeg(2))])
    monkeypatch.undo()
    assert isinstance(local.blobs, FolderBlobs)
    assert not list((local.blobs.root / "tmp").iterdir())
    assert (len(local), local.verify().clean) == (1, True)
    take(local, [item("b.jpg", jpeg(2))])
    assert len(local) == 2
