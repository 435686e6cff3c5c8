"""Embeddings of the current model for images that came without, or with an older model's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest_archive import item, jpeg, take
from sqlalchemy import select

from cygnet.archive import Archive, log
from cygnet.archive.embed import lacking
from cygnet.archive.ingest.commit import pack_vector
from cygnet.archive.ingest.run import Options
from cygnet.archive.tables import embedding, image
from cygnet.models import LesionModel

OPTIONS = Options("CC-0", "Tests", actor="tester", workers=2)


@pytest.fixture(scope="module")
def model() -> LesionModel:
    return LesionModel()


def vectors(archive: Archive) -> dict[str, tuple[str, bytes]]:
    """Model and vector by image."""
    with archive.database.read() as connection:
        columns = (image.c.isic_id, embedding.c.model, embedding.c.vector)
        return {row[0]: (row[1], row[2]) for row in connection.execute(select(*columns).join_from(image, embedding))}


def blob_of(archive: Archive, isic_id: str) -> str:
    with archive.database.read() as connection:
        return str(connection.execute(select(image.c.original_sha256).where(image.c.isic_id == isic_id)).scalar_one())


def put(archive: Archive, number: int, model: str, vector: list[float]) -> None:
    with archive.database.write() as connection:
        values = {"image_id": number, "model": model, "vector": pack_vector(np.array(vector))}
        connection.execute(embedding.insert().values(**values))


def test_what_lacks_an_embedding_gets_that_of_an_ingest(archive: Archive, model: LesionModel, tmp_path: Path) -> None:
    """The first image has one, the second an older model's, the third none."""
    archive.ingest([item("0.jpg", jpeg(0, 640, 480))], "test", OPTIONS, model=model)
    take(archive, [item(f"{k}.jpg", jpeg(k, 640, 480)) for k in (1, 2)])
    put(archive, 2, "old", [1.0, 0.0])
    before = vectors(archive)
    assert lacking(archive.database, model.files.sha256) == 2
    heard: list[int] = []
    done = archive.embed(model, "tester", workers=2, advance=heard.append)
    assert (done.images, done.unread, heard) == (2, {}, [2])
    found = vectors(archive)
    first, *others = [r["isic_id"] for r in archive.search("").results]
    assert found[first] == before[first]
    assert {name for name, _ in found.values()} == {model.files.sha256}
    with Archive.init(tmp_path / "other") as other:
        other.ingest([item(f"{k}.jpg", jpeg(k, 640, 480)) for k in (1, 2)], "test", OPTIONS, model=model)
        expected = vectors(other)
        order = [r["isic_id"] for r in other.search("").results]
    for mine, theirs in zip(others, order, strict=True):
        same = [np.frombuffer(v, "<f2").astype(np.float32) for v in (found[mine][1], expected[theirs][1])]
        np.testing.assert_allclose(*same, atol=2e-3)
    assert lacking(archive.database, model.files.sha256) == 0
    assert archive.embed(model, "tester").images == 0
    assert not archive.verify().problems


def test_the_log_says_once_what_was_embedded(local: Archive, model: LesionModel) -> None:
    take(local, [item("1.jpg", jpeg(1))])
    local.embed(model, "Ada")
    local.embed(model, "Ada")
    with local.database.read() as connection:
        entries = [(e.actor, e.detail["count"]) for e in log.entries(connection) if e.action == "embedded"]
    assert entries == [("Ada", 1)]


def test_an_interruption_keeps_what_was_embedded(
    local: Archive, model: LesionModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cygnet.archive.embed._WRITTEN", 2)
    take(local, [item(f"{k}.jpg", jpeg(k)) for k in range(5)])

    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        local.embed(model, "tester", advance=stop)
    kept = vectors(local)
    assert len(kept) == 2
    assert local.embed(model, "tester").images == 3
    assert {name: vectors(local)[name] for name in kept} == kept


def test_a_damaged_original_is_named_and_the_others_are_done(local: Archive, model: LesionModel) -> None:
    take(local, [item(f"{k}.jpg", jpeg(k)) for k in range(3)])
    names = [r["isic_id"] for r in local.search("").results]
    put(local, 2, "old", [1.0, 0.0])
    path = local.blobs.path(blob_of(local, names[1]))
    path.chmod(0o600)
    path.write_bytes(b"something else")
    done = local.embed(model, "tester")
    assert done.images == 2
    assert list(done.unread) == [names[1]]
    assert "is damaged" in done.unread[names[1]]
    assert vectors(local)[names[1]][0] == "old", "what was there is left"


def test_whoever_keeps_vectors_sees_images_embedded_later(local: Archive, model: LesionModel, tmp_path: Path) -> None:
    """The second image came with an embedding, the first gets its own after similar images had been asked for."""
    take(local, [item("1.jpg", jpeg(1, 640, 480))])
    local.ingest([item("2.jpg", jpeg(1, 640, 480, quality=80))], "test", OPTIONS, model=model)
    early, late = [r["isic_id"] for r in local.search("").results]
    assert local.similar(late, 5) == []
    with Archive.open(str(tmp_path / "archive")) as elsewhere:
        elsewhere.embed(model, "tester")
    assert [r["isic_id"] for r in local.similar(late, 5)] == [early]


def test_the_command(local: Archive, command: Callable[..., Any], tmp_path: Path) -> None:
    place = tmp_path / "archive"
    take(local, [item(f"{k}.jpg", jpeg(k)) for k in range(2)])
    names = [r["isic_id"] for r in local.search("").results]
    asked = command("archive", "search", place, "--like", names[0])
    assert asked.code == 2
    assert "cygnet archive embed" in asked.err
    done = command("archive", "embed", place)
    assert (done.code, done.out) == (0, "2 embedded by lesion-2, 0 were already\n")
    again = command("archive", "embed", place, "--json")
    assert json.loads(again.out)["present"] == 2
    take(local, [item("new.jpg", jpeg(7))])
    asked = command("archive", "search", place, "--like", names[0], "--json")
    assert asked.code == 0
    assert "1 images have no embedding of the current model" in asked.err
    assert [r["isic_id"] for r in json.loads(asked.out)] == [names[1]]
