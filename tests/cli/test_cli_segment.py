"""``cygnet segment`` as a user meets it."""

from __future__ import annotations

import csv
import hashlib
import inspect
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import cygnet
import cygnet.cli.segment
from cygnet.models import SegmentModel, find, find_outliner
from cygnet.models.registry import DEFAULT, OUTLINERS, PREFERRED, SEGMENTER
from cygnet.triage.mask_journal import NAME

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Answer


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def pixels(path: Path) -> bytes:
    with Image.open(path) as image:
        return image.convert("L").tobytes()


def test_a_mask_per_image(photos: Path, tmp_path: Path, command: Callable[..., Answer]) -> None:
    out = tmp_path / "masks"
    answer = command("segment", photos, "--out", out)
    assert answer.code == 0
    assert answer.out.startswith("9 outlined")
    assert "0 failed" in answer.out
    stems = sorted(p.stem for p in photos.iterdir())
    assert names(out) == sorted([*(f"{s}_segmentation.png" for s in stems), "manifest.json", "segmentation.csv"])
    records = json.loads((out / "manifest.json").read_text())["images"]
    assert [r["image"] for r in records] == stems
    for record in records:
        mask, image = out / record["mask"], photos / f"{record['image']}.jpg"
        assert record["mask_sha256"] == hashlib.sha256(mask.read_bytes()).hexdigest()
        assert record["sha256"] == hashlib.sha256(image.read_bytes()).hexdigest()
        with Image.open(mask) as opened:
            assert (opened.mode, opened.size) == ("L", (240, 180))
            values = np.asarray(opened)
        assert set(np.unique(values)) <= {0, 255}
        assert record["area_share"] == pytest.approx((values > 0).mean(), abs=1e-5)
        assert np.array_equal(values > 0, cygnet.segment(image).mask)
    rows = csv.DictReader((out / "segmentation.csv").read_text().splitlines())
    assert [r["image"] for r in rows] == stems


def test_json_and_overlays(photos: Path, tmp_path: Path, command: Callable[..., Answer]) -> None:
    out = tmp_path / "masks"
    answer = command("segment", photos, "--out", out, "--json", "--overlay", "--limit", 2)
    assert answer.code == 0
    assert json.loads(answer.out) == json.loads((out / "manifest.json").read_text())
    assert len(list(out.glob("*_overlay.jpg"))) == 2
    with Image.open(next(out.glob("*_overlay.jpg"))) as picture:
        assert picture.size == (240, 180)


def test_views_are_used_written_down_and_checked(photos: Path, tmp_path: Path, command: Callable[..., Answer]) -> None:
    out, image = tmp_path / "m", sorted(photos.iterdir())[0]
    assert command("segment", image, "--out", out, "--model", "fast", "--views", 8).code == 0
    assert json.loads((out / "manifest.json").read_text())["views"] == 8
    made = pixels(out / f"{image.stem}_segmentation.png")
    expected = cygnet.segment(image, SegmentModel(views=8)).mask
    assert made == (expected * np.uint8(255)).tobytes()
    wrong = command("segment", image, "--out", out, "--views", 3)
    assert (wrong.code, wrong.err.strip()) == (2, "cygnet: --views 3: give one of 1, 2, 4, 8")
    assert command("segment", image, "--out", out, "--views", 2, "--masks", photos).code == 2


def test_models_by_name(photos: Path, tmp_path: Path, command: Callable[..., Answer]) -> None:
    image = sorted(photos.iterdir())[0]
    for asked, name, views in (
        ((), OUTLINERS[PREFERRED], 4),
        (("--model", "accurate"), "segment-2", 4),
        (("--model", "fast"), SEGMENTER, 1),
        (("--model", SEGMENTER, "--views", 2), SEGMENTER, 2),
    ):
        assert command("segment", image, "--out", tmp_path / "m", *asked).code == 0
        said = json.loads((tmp_path / "m" / "manifest.json").read_text())
        assert (said["model"], said["views"], said["model_sha256"]) == (name, views, find(name).sha256)
        expected = cygnet.segment(image, SegmentModel(find_outliner(name), views=views)).mask
        assert pixels(tmp_path / "m" / f"{image.stem}_segmentation.png") == (expected * np.uint8(255)).tobytes()
    for wrong in ("best", DEFAULT):
        answer = command("segment", image, "--out", tmp_path / "m", "--model", wrong)
        assert (answer.code, answer.err) == (
            2,
            f"cygnet: no outline model '{wrong}'; there are fast, accurate, segment-1, segment-2\n",
        )


def test_the_command_and_the_library_take_the_same_model() -> None:
    assert inspect.signature(cygnet.cli.segment.segment).parameters["model"].default == PREFERRED


def test_quiet_says_nothing(photos: Path, tmp_path: Path, command: Callable[..., Answer]) -> None:
    assert command("segment", photos, "--out", tmp_path / "m", "-q", "--limit", 1) == (0, "", "")


def test_bad_images_never_stop_the_rest(photos: Path, tmp_path: Path, command: Callable[..., Answer]) -> None:
    bad, cut, *_ = sorted(photos.iterdir())
    bad.write_bytes(b"no image")
    cut.write_bytes(cut.read_bytes()[:2000])
    answer = command("segment", photos, "--out", tmp_path / "m")
    assert answer.code == 0
    assert answer.out.startswith("7 outlined")
    assert f"{bad.stem}: not a JPEG" in answer.err
    assert f"{cut.stem}: the file is cut short" in answer.err
    assert len(list((tmp_path / "m").glob("*.png"))) == 7


def test_nothing_outlined_is_exit_1(tmp_path: Path, command: Callable[..., Answer]) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.jpg").write_bytes(b"")
    answer = command("segment", tmp_path / "a", "--out", tmp_path / "m", "-q")
    assert answer.code == 1
    assert "none of 1 images could be outlined; x: the file is empty" in answer.err


def test_given_masks(simulated: Path, tmp_path: Path, command: Callable[..., Answer]) -> None:
    own = tmp_path / "own"
    own.mkdir()
    given = sorted((simulated / "masks").glob("*.png"))
    for path in given[1:]:
        (own / path.name).write_bytes(path.read_bytes())
    with Image.open(given[1]) as image:
        image.resize((100, 75)).save(own / given[1].name)
    out = tmp_path / "m"
    answer = command("segment", simulated / "images", "--masks", own, "--out", out, "--json")
    assert answer.code == 0
    first, second, *rest = json.loads(answer.out)["images"]
    assert first["problem"].endswith(f"add {first['image']}_segmentation.png")
    assert "100 x 75 pixels, but the image has 240 x 180" in second["problem"]
    for record, path in zip(rest, given[2:], strict=True):
        assert record["confidence"] is None
        assert pixels(out / record["mask"]) == pixels(path)


def test_interrupted_and_resumed(
    photos: Path, tmp_path: Path, command: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    from cygnet.triage import mask_files as module

    whole, out = tmp_path / "whole", tmp_path / "m"
    assert command("segment", photos, "--out", whole, "-q").code == 0
    written, count = module._written, 0

    def pull(*args: object) -> object:
        nonlocal count
        count += 1
        if count == 9:
            raise KeyboardInterrupt
        return written(*args)

    monkeypatch.setattr(module, "_written", pull)
    answer = command("segment", photos, "--out", out, "--workers", 1)
    assert answer.code == 130
    assert "interrupted after 8 of 9 images; nothing is lost" in answer.err
    assert NAME in names(out)
    assert "manifest.json" not in names(out)
    monkeypatch.setattr(module, "_written", written)
    refused = command("segment", photos, "--out", out)
    assert refused.code == 2
    assert "add --resume" in refused.err
    other = command("segment", photos, "--out", out, "--resume", "--overlay")
    assert other.code == 2
    assert "had other images, options" in other.err

    def once(*args: object) -> object:
        assert args[0].image == sorted(photos.iterdir())[8].stem
        return written(*args)

    monkeypatch.setattr(module, "_written", once)
    answer = command("segment", photos, "--out", out, "--resume")
    assert answer.code == 0
    assert "resuming: 8 of 9 images are done" in answer.err
    assert names(out) == names(whole)
    for name in names(out):
        assert (out / name).read_bytes() == (whole / name).read_bytes()


def test_a_line_cut_short_is_done_again(
    photos: Path, tmp_path: Path, command: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    from cygnet.triage.mask_journal import SegmentJournal

    monkeypatch.setattr(SegmentJournal, "discard", SegmentJournal.close)
    out = tmp_path / "m"
    assert command("segment", photos, "--out", out, "-q").code == 0
    journal = out / NAME
    journal.write_bytes(journal.read_bytes()[:-30])
    answer = command("segment", photos, "--out", out, "--resume")
    assert answer.code == 0
    assert "resuming: 8 of 9" in answer.err
    answer = command("segment", photos, "--out", out, "--resume")
    assert "resuming: 9 of 9" in answer.err


def test_masks_beside_images_are_not_images(photos: Path, command: Callable[..., Answer]) -> None:
    for _ in range(2):
        answer = command("segment", photos, "--out", photos)
        assert answer.out.startswith("9 outlined")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--masks", "gone"], "gone: no such folder; --masks names"),
        (["--limit", "0"], "--limit"),
    ],
)
def test_wrong_use(photos: Path, tmp_path: Path, command: Callable[..., Answer], change: list[str], words: str) -> None:
    answer = command("segment", photos, "--out", tmp_path / "m", *change)
    assert answer.code == 2
    assert words in answer.err


def test_names_that_would_collide(photos: Path, tmp_path: Path, command: Callable[..., Answer]) -> None:
    both = tmp_path / "both"
    for patient in ("a", "b"):
        (both / patient).mkdir(parents=True)
        (both / patient / "x.jpg").write_bytes(next(photos.iterdir()).read_bytes())
    answer = command("segment", both, "--out", tmp_path / "m")
    assert answer.code == 2
    assert "would both write x_segmentation.png" in answer.err


def test_a_table_without_patients_may_hold_many_people(
    photos: Path, tmp_path: Path, command: Callable[..., Answer]
) -> None:
    stems = sorted(p.name for p in photos.iterdir())[:3]
    rows = [
        f"{name},{sex},{age}" for name, sex, age in zip(stems, ("male", "female", "male"), (30, 60, 80), strict=True)
    ]
    table = tmp_path / "manifest.csv"
    table.write_text("\n".join(["file,sex,age", *rows]) + "\n")
    answer = command("segment", table, "--images", photos, "--out", tmp_path / "masks")
    assert answer.code == 0, answer.err
    assert answer.out.startswith("3 outlined")
