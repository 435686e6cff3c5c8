"""What ``cygnet segment --flags --measure`` lists."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cygnet.simulate import simulate_patient

PATIENT = simulate_patient(0, n_lesions=8)


@pytest.fixture
def given(tmp_path: Path) -> tuple[Path, Path]:
    images, masks = tmp_path / "images", tmp_path / "masks"
    images.mkdir()
    masks.mkdir()
    for lesion in PATIENT.lesions:
        Image.fromarray(lesion.image).save(images / f"{lesion.image_id}.png")
        Image.fromarray(lesion.mask.astype(np.uint8) * 255).save(masks / f"{lesion.image_id}_segmentation.png")
    return images, masks


def listed(out: Path) -> dict[str, dict]:
    return {r["image"]: r for r in json.loads((out / "manifest.json").read_text())["images"]}


def test_measurements_are_the_simulators(given, tmp_path, command):
    images, masks = given
    out = tmp_path / "out"
    assert command("segment", images, "--out", out, "--masks", masks, "--measure", "--quiet").code == 0
    rows = {r["image"]: r for r in csv.DictReader((out / "segmentation.csv").read_text().splitlines())}
    for lesion in PATIENT.lesions:
        made = listed(out)[lesion.image_id]
        exact, width = lesion.measurements, lesion.mask.shape[1]
        assert made["area_share"] == pytest.approx(exact.area_share, abs=1e-5)
        if made["measurements"]["unit"] == "image widths":
            assert made["measurements"]["area"] == pytest.approx(exact.area_px / width**2, rel=0.03)
            assert made["measurements"]["major_axis"] == pytest.approx(exact.major_axis_px / width, rel=0.03)
        else:
            assert made["measurements"]["scale"] == "ruler"
            assert lesion.mm_per_px == pytest.approx(made["artefacts"]["mm_per_pixel"], rel=0.01)
        assert float(rows[lesion.image_id]["area"]) == made["measurements"]["area"]
        assert float(rows[lesion.image_id]["area_share"]) == made["area_share"]


def test_a_stated_scale_counts_in_millimetres_of_the_file(given, tmp_path, command):
    images, masks = given
    out, lesion = tmp_path / "out", PATIENT.lesions[0]
    large = Image.fromarray(lesion.image).resize((lesion.mask.shape[1] * 3, lesion.mask.shape[0] * 3))
    large.save(images / f"{lesion.image_id}.png")
    mask = Image.fromarray(lesion.mask.astype(np.uint8) * 255).resize(large.size, Image.Resampling.NEAREST)
    mask.save(masks / f"{lesion.image_id}_segmentation.png")
    assert (
        command("segment", images, "--out", out, "--masks", masks, "--measure", "--mm-per-pixel", "0.01", "-q").code
        == 0
    )
    found = listed(out)[lesion.image_id]["measurements"]
    assert (found["unit"], found["scale"]) == ("mm", "stated")
    assert found["major_axis"] == pytest.approx(3 * lesion.measurements.major_axis_px * 0.01, rel=0.03)


def test_flags_alone_measure_nothing(given, tmp_path, command):
    images, masks = given
    out = tmp_path / "out"
    assert command("segment", images, "--out", out, "--masks", masks, "--flags", "-q").code == 0
    for lesion in PATIENT.lesions:
        made = listed(out)[lesion.image_id]
        assert made["measurements"] is None
        assert set(made["artefacts"]["shares"]) == {"hair", "ruler", "ink", "bubbles", "surround"}
        if "hair" not in lesion.artefacts:
            assert "hair" not in made["artefacts"]["flags"]
        elif lesion.artefact_masks["hair"].mean() > 0.01:
            assert "hair" in made["artefacts"]["flags"]


def test_a_scale_without_measuring_is_refused(given, tmp_path, command):
    images, _ = given
    answer = command("segment", images, "--out", tmp_path / "out", "--mm-per-pixel", "0.01")
    assert answer.code == 2
    assert "--measure" in answer.err
