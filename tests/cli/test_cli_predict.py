"""``cygnet predict`` and ``cygnet embed`` as a user meets them."""

from __future__ import annotations

import csv
import inspect
import json
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

import cygnet.cli.predict
from cygnet.imaging import decode
from cygnet.models import find_lesion
from cygnet.models.registry import ALIASES, PREFERRED
from cygnet.triage import features as module

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Answer

    from cygnet.models import LesionModel


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_probabilities_are_those_of_a_ranking(
    simulated: Path, tmp_path: Path, command: Callable[..., Answer], ranked: object
) -> None:
    out = tmp_path / "new" / "submission.csv"
    answer = command("predict", simulated, "--task", "isic2020", "--out", out, "--model", "fast")
    assert answer.code == 0
    assert answer.out.startswith("9 rows for isic2020 in ")
    assert [p.name for p in out.parent.iterdir()] == ["submission.csv"]
    found = {r["image_name"]: float(r["target"]) for r in rows(out)}
    images = [i for lesion in ranked.lesions for i in lesion.images if i.assessable]
    assert len(images) >= 5
    for image in images:
        assert found[image.image] == pytest.approx(image.p_diagnosis["mel"], abs=1e-4)


def test_a_submission_takes_the_model_that_ranks() -> None:
    assert inspect.signature(cygnet.cli.predict.predict).parameters["model"].default == PREFERRED


def test_summary_and_limit(simulated: Path, tmp_path: Path, command: Callable[..., Answer]) -> None:
    out = tmp_path / "s.csv"
    answer = command("predict", simulated, "--task", "isic2018", "--out", out, "--json", "--limit", 3)
    summary = json.loads(answer.out)
    assert (summary["images"], summary["failed"], summary["prior"]) == (3, [], "uniform")
    assert summary["prevalence"] == pytest.approx(1 / 7, abs=1e-6)
    assert summary["model_sha256"] == find_lesion(PREFERRED).sha256
    assert len(rows(out)) == 3
    assert command("predict", simulated, "--task", "isic2018", "--out", out, "-q", "--limit", 1) == (0, "", "")
    assert len(rows(out)) == 1


def test_the_accurate_model_is_the_mean_of_two(simulated: Path, tmp_path: Path, command: Callable[..., Answer]) -> None:
    out = [tmp_path / "fast.csv", tmp_path / "accurate.csv"]
    for name, path in zip(("fast", "accurate"), out, strict=True):
        answer = command(
            "predict", simulated, "--task", "isic2018", "--out", path, "--json", "--limit", 3, "--model", name
        )
        assert json.loads(answer.out)["model"] == ALIASES[name]
    fast, accurate = (np.array([[float(v) for v in list(r.values())[1:]] for r in rows(path)]) for path in out)
    assert not np.allclose(fast, accurate, atol=1e-3)
    # They agree more with each other than with chance.
    assert np.corrcoef(fast.ravel(), accurate.ravel())[0, 1] > 0.5
    wrong = command("predict", simulated, "--task", "isic2018", "--out", out[0], "--model", "best")
    assert wrong.code == 2
    assert f"no lesion model 'best'; there are fast, accurate, {ALIASES['accurate']}, {ALIASES['fast']}" in wrong.err


def test_tiles_are_warned_of(simulated: Path, tmp_path: Path, command: Callable[..., Answer]) -> None:
    answer = command("predict", simulated, "--task", "isic2024", "--out", tmp_path / "s.csv", "--limit", 1)
    assert answer.code == 0
    assert "tiles of 3D total-body photographs" in answer.err


def test_every_image_gets_a_row(photos: Path, tmp_path: Path, command: Callable[..., Answer]) -> None:
    bad, cut, *_ = sorted(photos.iterdir())
    bad.write_bytes(b"no image")
    cut.write_bytes(cut.read_bytes()[:2000])
    answer = command("predict", photos, "--task", "isic2019", "--out", tmp_path / "s.csv", "-q")
    assert (answer.code, answer.out) == (0, "")
    assert f"{bad.stem}: not a JPEG" in answer.err
    assert answer.err.endswith("2 of 9 images could not be read; each has a row with UNK 1\n")
    found = {r["image"]: r["UNK"] for r in rows(tmp_path / "s.csv")}
    assert len(found) == 9
    assert found[bad.stem] == found[cut.stem] == "1"


def test_nothing_readable_is_exit_1(tmp_path: Path, command: Callable[..., Answer]) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.jpg").write_bytes(b"")
    for args in (("predict", "--task", "isic2020", "--out", "s.csv"), ("embed", "--out", "e.parquet")):
        answer = command(args[0], tmp_path / "a", *args[1:-1], tmp_path / args[-1])
        assert answer.code == 1
        assert "none of 1 images could be read; x: the file is empty" in answer.err
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("extra", [("predict", "--task", "isic2018"), ("embed",)], ids=["predict", "embed"])
def test_interrupted_and_resumed(
    photos: Path,
    tmp_path: Path,
    command: Callable[..., Answer],
    monkeypatch: pytest.MonkeyPatch,
    extra: tuple[str, ...],
) -> None:
    name = "out.parquet" if extra[0] == "embed" else "out.csv"
    whole, out = tmp_path / "whole" / name, tmp_path / "m" / name
    assert command(*extra, photos, "--out", whole, "-q").code == 0
    batch = module.answers

    def pull(records: list[object], *args: object) -> object:
        if len(records) == 1:
            raise KeyboardInterrupt
        return batch(records, *args)

    monkeypatch.setattr(module, "answers", pull)
    answer = command(*extra, photos, "--out", out, "--workers", 1)
    assert answer.code == 130
    assert "interrupted after 8 of 9 images; nothing is lost" in answer.err
    assert [p.name for p in out.parent.iterdir()] == [f".{name}.cygnet-journal.sqlite"]
    refused = command(*extra, photos, "--out", out)
    assert refused.code == 2
    assert "add --resume" in refused.err
    other = command(*extra, photos, "--out", out, "--resume", "--limit", 4)
    assert other.code == 2
    assert "had other images" in other.err

    def once(records: list[object], *args: object) -> object:
        assert len(records) == 1
        return batch(records, *args)

    monkeypatch.setattr(module, "answers", once)
    answer = command(*extra, photos, "--out", out, "--resume")
    assert answer.code == 0
    assert "resuming: 8 of 9 images are done" in answer.err
    assert [p.name for p in out.parent.iterdir()] == [name]
    assert out.read_bytes() == whole.read_bytes()


def test_embeddings(photos: Path, tmp_path: Path, command: Callable[..., Answer], model: LesionModel) -> None:
    bad, good, *_ = sorted(photos.iterdir())
    bad.write_bytes(b"no image")
    out = tmp_path / "e.parquet"
    answer = command("embed", photos, "--out", out)
    assert answer.code == 0
    assert answer.out.startswith(f"8 embeddings of 128 numbers in {out}")
    assert "1 of 9 images could not be read; left out" in answer.err
    table = pl.read_parquet(out)
    assert table.schema["embedding"] == pl.Array(pl.Float32, 128)
    assert table["image"].to_list() == [p.stem for p in sorted(photos.iterdir())[1:]]
    assert table["patient_id"].unique().to_list() == ["anna"]
    assert table["lesion_id"].null_count() == 8
    assert table["model_sha256"].unique().to_list() == [model.files.sha256]
    alone = model.predict(decode(good.read_bytes(), model.size).pixels[None]).embedding[0]
    np.testing.assert_allclose(table["embedding"].to_numpy()[0], alone, atol=1e-4)


def test_half_size_embeddings(photos: Path, tmp_path: Path, command: Callable[..., Answer]) -> None:
    full, half = tmp_path / "e.parquet", tmp_path / "h.parquet"
    assert command("embed", photos, "--out", full, "-q", "--limit", 2) == (0, "", "")
    summary = json.loads(command("embed", photos, "--out", half, "--float16", "--json", "--limit", 2).out)
    assert (summary["rows"], summary["type"], summary["numbers"]) == (2, "float16", 128)
    values = [np.array(pl.read_parquet(p)["embedding"].to_list()) for p in (full, half)]
    np.testing.assert_allclose(*values, rtol=1e-3, atol=1e-4)


def test_a_table_without_patients(photos: Path, tmp_path: Path, command: Callable[..., Answer]) -> None:
    """As those of 2018 and 2019 are: men and women, and words that a ranking would not know."""
    one, two, *_ = sorted(p.stem for p in photos.iterdir())
    table = tmp_path / "meta.csv"
    table.write_text(f"image,sex,anatom_site_general\n{one},male,elsewhere\n{two},female,torso\n")
    answer = command("predict", table, "--images", photos, "--task", "isic2018", "--out", tmp_path / "s.csv")
    assert answer.code == 0, answer.err
    assert [r["image"] for r in rows(tmp_path / "s.csv")] == [one, two]


def test_wrong_use(photos: Path, tmp_path: Path, command: Callable[..., Answer]) -> None:
    for words, args in (
        ("let --out end in .parquet", ("embed", photos, "--out", tmp_path / "e.csv")),
        ("a folder; --out names the file", ("predict", photos, "--task", "isic2020", "--out", tmp_path)),
        ("asks for one target", ("predict", photos, "--task", "isic2020", "--prior", "uniform", "--out", "x.csv")),
    ):
        answer = command(*args)
        assert answer.code == 2
        assert words in answer.err
