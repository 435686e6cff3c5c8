"""The configuration for the full ISIC 2019 and 2020 sets, end to end on a few simulated lesions laid out as those sets are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the [train] extra")
pytest.importorskip("efficientnet_lite_pytorch", reason="training needs the [train] extra")

from cygnet.models import LesionModel
from cygnet.models.registry import find
from cygnet.schema import DIAGNOSES
from cygnet.simulate import write_patients
from cygnet.training.sources import split_of

if TYPE_CHECKING:
    from conftest import Answer

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
CLASSES = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK")
LABELS_2020 = ("melanoma", "nevus", "unknown", "seborrheic keratosis")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def groups(source: str, letter: str, split: str) -> Iterator[str]:
    """Lesions or patients whose names put them into a split."""
    return (f"{letter}{k}" for k in count() if split_of(f"{source}:{letter}{k}") == split)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 images with the files, columns and labels of the official downloads."""
    place = tmp_path_factory.mktemp("isic")
    made = write_patients(tmp_path_factory.mktemp("made"), n_patients=4, seed=2, n_lesions=10, size=(160, 120))
    photos = iter(sorted((made / "images").iterdir()))
    inputs, jpegs = place / "ISIC_2019_Training_Input", place / "ISIC_2020_Training_JPEG" / "train"
    inputs.mkdir()
    jpegs.mkdir(parents=True)
    truth, meta = ["image," + ",".join(CLASSES)], ["image,age_approx,anatom_site_general,lesion_id,sex"]
    for split, labels in (
        ("calibration", ("NV", "NV", "NV", "NV", "NV", "MEL", "BKL")),
        ("train", ("NV", "NV", "NV", "NV", "NV", "MEL", "MEL", "MEL", "BKL", "BCC", "AK", "DF", "VASC", "SCC", "UNK")),
        ("test", ("NV", "MEL")),
    ):
        for label, lesion in zip(labels, groups("isic2019", "L", split), strict=False):
            name = f"ISIC_00{len(truth):05}"
            (inputs / f"{name}.jpg").write_bytes(next(photos).read_bytes())
            truth.append(f"{name}," + ",".join(str(float(label == c)) for c in CLASSES))
            meta.append(f"{name},50,anterior torso,{lesion},male")
    rows = [
        "image_name,patient_id,lesion_id,sex,age_approx,anatom_site_general_challenge,diagnosis,benign_malignant,target"
    ]
    for split, number in (("calibration", 4), ("train", 8), ("test", 2)):
        patient = next(groups("isic2020", "IP_", split))
        for k in range(number):
            name, label = f"ISIC_20{len(rows):05}", LABELS_2020[k % 4]
            (jpegs / f"{name}.jpg").write_bytes(next(photos).read_bytes())
            bad = int(label == "melanoma")
            rows.append(f"{name},{patient},IL_{len(rows)},female,45,torso,{label},{('benign', 'malignant')[bad]},{bad}")
    for file, lines in (
        ("ISIC_2019_Training_GroundTruth", truth),
        ("ISIC_2019_Training_Metadata", meta),
        ("ISIC_2020_Training_GroundTruth_v2", rows),
    ):
        (place / f"{file}.csv").write_text("\n".join(lines) + "\n")
    return place


def arguments(data: Path, out: Path) -> list[object]:
    small = ("--epochs", 2, "--draws", 16, "--batch", 8, "--sizes", "64,80", "--from-scratch", "--workers", 0)
    return [
        "train",
        "lesion",
        "--config",
        "isic2019-2020-fast",
        "--data",
        data,
        "--out",
        out,
        *small,
        "--device",
        "cpu",
    ]


def test_from_the_official_files_to_a_model(data: Path, tmp_path: Path, command: Callable[..., Answer]) -> None:
    out = tmp_path / "run"
    answer = command(*arguments(data, out))
    assert answer.code == 0, answer.err
    assert "36 images; 0 left out as repeats of judged images; on cpu" in answer.err, "SCC and UNK teach nothing"
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [(e["epoch"], e["size"]) for e in log] == [(1, 64), (2, 80)]
    assert set(log[0]["calibration_auc"]) == {"isic2019", "isic2020"}
    assert {p.name for p in out.iterdir()} >= {"run.png", "run.svg", "checkpoint.pt", "checkpoint.previous.pt"}
    files = find("lesion", out / "model")
    assert [(d["source"], d["split"], d["images"]) for d in files.card["data"]["images"]] == [
        ("isic2019", "calibration", 7), ("isic2019", "test", 2), ("isic2019", "train", 13),
        ("isic2020", "calibration", 4), ("isic2020", "test", 2), ("isic2020", "train", 8),
    ]  # fmt: skip
    assert files.card["sources"][0] == "isic2019: ISIC_2019_Training_GroundTruth.csv, labels as in 2019"
    found = LesionModel(files).predict(np.random.default_rng(0).integers(0, 256, (2, 80, 80, 3), np.uint8))
    assert found.logits.shape == (2, len(DIAGNOSES))
    assert np.isfinite(found.logits).all()
    assert (found.strangeness > 1).all(), "noise is no dermoscopy"


def test_a_folder_with_missing_files_is_told_whole(data: Path, tmp_path: Path, command: Callable[..., Answer]) -> None:
    table = data / "ISIC_2020_Training_GroundTruth_v2.csv"
    whole = table.read_text()
    try:
        table.write_text(whole + "".join(f"ISIC_99{k},P,L,male,1,torso,nevus,benign,0\n" for k in range(7)))
        answer = command(*arguments(data, tmp_path / "run"))
    finally:
        table.write_text(whole)
    assert answer.code == 2
    assert "7 problems:" in answer.err
    assert "ISIC_990: listed in ISIC_2020_Training_GroundTruth_v2.csv row 16 but not there" in answer.err
    listed = (tmp_path / "run" / "problems.txt").read_text().splitlines()
    assert [f"ISIC_99{k}:" in line for k, line in enumerate(listed)] == [True] * 7


def test_a_calibration_split_that_is_too_small_is_told_before(
    data: Path, tmp_path: Path, command: Callable[..., Answer]
) -> None:
    config = tmp_path / "own.toml"
    config.write_text(
        '[[source]]\nname = "isic2020"\ncsv = "ISIC_2020_Training_GroundTruth_v2.csv"\n'
        'images = "ISIC_2020_Training_JPEG/train"\nlabels = "2020"\n'
    )
    answer = command("train", "lesion", "--config", config, "--data", data, "--out", tmp_path / "run")
    assert answer.code == 2
    assert "the calibration split has 1 nevi and 1 melanomas of 4 images" in answer.err
