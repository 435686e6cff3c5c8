"""``cygnet audit leaks`` and ``cygnet split`` from the outside."""

from __future__ import annotations

import csv
import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Answer

    Command = Callable[..., Answer]


def table(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_clean_splits(command: Command, tmp_path: Path) -> None:
    a = table(tmp_path / "a.csv", "image,patient_id\n1,P\n2,P\n")
    b = table(tmp_path / "b.csv", "image,patient_id\n3,Q\n")
    done = command("audit", "leaks", a, b)
    assert (done.code, done.out.splitlines()[-1]) == (0, "no leaks stand")


def test_shared_patient(command: Command, tmp_path: Path) -> None:
    a = table(tmp_path / "all.csv", "image,patient_id,fold\n1,P,0\n2,P,1\n3,Q,1\n")
    done = command("audit", "leaks", a, "--by", "fold", "--out", tmp_path / "out")
    assert done.code == 1
    assert "LEAK  patient: 1 shared by 0 and 1: P" in done.out
    with (tmp_path / "out" / "leaks.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(r["kind"], r["key"], r["image_a"], r["image_b"]) for r in rows] == [("patient", "P", "1", "2")]
    assert json.loads((tmp_path / "out" / "leaks.json").read_text())["leaks_stand"] == 1


def test_copied_picture(command: Command, photos: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(min(photos.iterdir()), other / "new.jpg")
    done = command("audit", "leaks", photos, other, "--json")
    assert done.code == 1
    assert json.loads(done.out)["counts"] == [
        {"kind": "identical pixels", "split_a": "anna", "split_b": "other", "n": 1}
    ]
    assert command("audit", "leaks", photos, other, "--quiet") == (1, "", "")


def test_embeddings(command: Command, photos: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    shutil.move(min(photos.iterdir()), other)
    vectors = np.eye(9)
    vectors[8] = vectors[0]
    np.save(tmp_path / "e.npy", vectors)
    done = command("audit", "leaks", photos, other, "--embeddings", tmp_path / "e.npy")
    assert (done.code, "look  close embedding: 1" in done.out) == (0, True)
    assert command("audit", "leaks", photos, other, "--embeddings", tmp_path / "e.npy", "--strict").code == 1
    vectors[8] = 0.9 * vectors[0] + np.sqrt(1 - 0.9**2) * vectors[1]
    np.save(tmp_path / "e.npy", vectors)
    near = ("audit", "leaks", photos, other, "--embeddings", tmp_path / "e.npy")
    assert "close embedding" not in command(*near).out, "0.98 is wanted of a network of which nothing is known"
    assert "close embedding: 1" in command(*near, "--min-cosine", 0.85).out
    np.save(tmp_path / "e.npy", vectors[:4])
    assert command("audit", "leaks", photos, other, "--embeddings", tmp_path / "e.npy").code == 2


def test_a_table_of_cygnet_embed(command: Command, photos: Path, tmp_path: Path) -> None:
    """It says what embedding anew says."""
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(min(photos.iterdir()), other / "new.jpg")
    made = tmp_path / "e.parquet"
    assert command("embed", photos, other, "--out", made, "--quiet").code == 0
    leaks = ("audit", "leaks", photos, other, "--json", "--embeddings")
    assert command(*leaks, made).out == command(*leaks, "lesion").out
    table = pl.read_parquet(made)
    table.with_columns(pl.Series("model_sha256", [str(i) for i in range(len(table))])).write_parquet(made)
    assert "several models" in command(*leaks, made).err
    ragged = [row[: 2 + i % 2] for i, row in enumerate(table["embedding"].to_list())]
    table.with_columns(pl.Series("embedding", ragged)).write_parquet(made)
    assert "not all of one length" in command(*leaks, made).err
    wide = pl.DataFrame(
        table["embedding"].to_numpy(), schema=[f"e{i}" for i in range(table.schema["embedding"].shape[0])]
    )
    pl.concat([table.drop("embedding"), wide], how="horizontal").write_parquet(made)  # words beside the numbers
    assert '"close embedding"' in command(*leaks, made, "--min-cosine", "-1").out
    table.select("image", "model").write_parquet(made)
    assert "no column holds numbers" in command(*leaks, made).err


@pytest.mark.parametrize(("maker", "named"), [({"model_sha256": "f0f3"}, 1), ({}, 0)], ids=["ours", "anyone's"])
def test_arrays_are_judged_by_who_made_them(
    command: Command, photos: Path, tmp_path: Path, maker: dict[str, str], named: int
) -> None:
    """A cosine of 0.9 names a pair of the lesion model's embeddings, and none of another network's."""
    a, b = (tmp_path / side for side in ("a", "b"))
    rows = []
    for folder, photo, vector in zip((a, b), sorted(photos.iterdir()), ([1.0, 0.0], [0.9, 0.19**0.5]), strict=False):
        folder.mkdir()
        shutil.copy(photo, folder)
        rows.append({"image": photo.name, "embedding": vector, **maker})
    pl.DataFrame(rows).write_parquet(tmp_path / "e.parquet")
    done = command("audit", "leaks", a, b, "--json", "--embeddings", tmp_path / "e.parquet")
    assert sum(c["n"] for c in json.loads(done.out)["counts"] if c["kind"] == "close embedding") == named


def test_the_models_own_embeddings(command: Command, photos: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(min(photos.iterdir()), other / "new.jpg")
    done = command("audit", "leaks", photos, other, "--embeddings", "lesion", "--out", tmp_path / "out")
    assert done.code == 1
    with (tmp_path / "out" / "leaks.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert float(next(r for r in rows if r["kind"] == "identical pixels")["cosine"]) == pytest.approx(1, abs=1e-5)


def test_wrong_use(command: Command, tmp_path: Path) -> None:
    a = table(tmp_path / "a.csv", "image\n1\n1\n")
    b = table(tmp_path / "b.csv", "image\n2\n")
    one, twice, missing = (
        command("audit", "leaks", b),
        command("audit", "leaks", a, b, "--out", tmp_path / "out"),
        command("audit", "leaks", a, tmp_path / "no.csv"),
    )
    assert (one.code, twice.code, missing.code) == (2, 2, 2)
    assert "--by" in one.err
    assert "a row 3: image 1 again, first in a row 2" in twice.err
    assert (tmp_path / "out" / "problems.txt").read_text().startswith("a row 3")
    assert "no such file" in missing.err


@pytest.mark.parametrize("options", [("--folds", 3), ("--shares", "train=0.5,val=0.25,test=0.25")])
def test_a_split_passes_its_own_audit(command: Command, tmp_path: Path, options: tuple[object, ...]) -> None:
    rows = "".join(f"I{p}_{k},P{p},{int(p % 5 == 0)},x\n" for p in range(40) for k in range(p % 4 + 1))
    whole = table(tmp_path / "all.csv", "image,patient_id,target,extra\n" + rows)
    done = command("split", whole, *options, "--out", tmp_path / "folds.csv")
    assert done.code == 0
    assert (tmp_path / "folds.csv").read_text().splitlines()[0] == "image,patient_id,target,extra,fold"
    assert command("audit", "leaks", tmp_path / "folds.csv", "--by", "fold").code == 0


def test_split_keeps_copies_together(command: Command, photos: Path, tmp_path: Path) -> None:
    files = sorted(photos.iterdir())
    shutil.copy(files[0], photos / "again.jpg")
    names = [f.name for f in sorted(photos.iterdir())]
    whole = table(tmp_path / "all.csv", "image\n" + "".join(f"{n}\n" for n in names))
    for seed in range(4):
        done = command("split", whole, "--folds", 2, "--images", photos, "--seed", seed, "--out", tmp_path / "f.csv")
        assert "1 duplicate pairs kept together" in done.out
        with (tmp_path / "f.csv").open() as stream:
            fold = {r["image"]: r["fold"] for r in csv.DictReader(stream)}
        assert fold["again.jpg"] == fold[files[0].name]


@pytest.mark.parametrize(
    "options", [(), ("--folds", 2, "--shares", "a=1,b=1"), ("--shares", "a"), ("--shares", "a=1,a=2"), ("--folds", 9)]
)
def test_wrong_splits(command: Command, tmp_path: Path, options: tuple[object, ...]) -> None:
    whole = table(tmp_path / "all.csv", "image\n1\n2\n3\n")
    assert command("split", whole, *options, "--out", tmp_path / "f.csv").code == 2
    assert not (tmp_path / "f.csv").exists()
