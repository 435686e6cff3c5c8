"""Learning from what packaged models think of the training images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="training needs the [train] extra")

from cygnet.errors import InputError
from cygnet.models import LesionModel
from cygnet.schema import DIAGNOSES
from cygnet.training.lesion import opinions
from cygnet.training.sources import Sample
from cygnet.training.teacher import model_files, opinions_of

N = len(DIAGNOSES)


def sample(path: Path, known: frozenset[str] = frozenset(DIAGNOSES)) -> Sample:
    return Sample(
        path.stem, path, None, "ham10000", f"ham10000:{path.stem}", "nv", frozenset({"nv"}), known, False, "train"
    )


def test_teachers_and_votes_share_a_label() -> None:
    thought = np.array([0.1, 0.2, 0.3, 0.0, 0.2, 0.1, 0.1], np.float32)
    full = opinions(sample(Path("a.jpg")), 0.3, thought, 0.5)
    np.testing.assert_allclose(full, thought / 2, atol=1e-7)
    voted = replace(sample(Path("a.jpg")), votes=(0, 0, 0, 0, 0, 97, 0))
    both = opinions(voted, 0.3, thought, 0.5)
    assert both.sum() == pytest.approx(0.291 + (1 - 0.291) / 2, abs=1e-6)
    assert opinions(voted, 0.3, None, 0.5).sum() == pytest.approx(0.291, abs=1e-6)


def test_a_teacher_is_heard_only_on_what_the_source_knows() -> None:
    thought = np.full(N, 1 / N, np.float32)
    said = opinions(sample(Path("a.jpg"), frozenset({"nv", "mel"})), 0.0, thought, 0.6)
    known = [DIAGNOSES.index("mel"), DIAGNOSES.index("nv")]
    assert said[known].tolist() == pytest.approx([0.3, 0.3])
    assert said.sum() == pytest.approx(0.6)


def test_thoughts_are_the_mean_over_four_sides_and_kept(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    files = []
    for k in range(3):
        files.append(tmp_path / f"{k}.png")
        Image.fromarray(rng.integers(0, 256, (160, 160, 3), np.uint8)).save(files[-1])
    samples = [sample(f) for f in files]
    samples.append(replace(samples[0], image_id="held", split="test"))
    found = opinions_of(("lesion-1",), samples, tmp_path / "run")
    assert sorted(found) == ["0", "1", "2"]
    pixels = np.stack([np.asarray(Image.open(f)) for f in files])
    model = LesionModel()
    sides = [pixels, pixels[:, :, ::-1], pixels[:, ::-1], pixels[:, ::-1, ::-1]]
    logits = np.mean([model.predict(np.ascontiguousarray(s)).logits for s in sides], axis=0)
    expected = torch.softmax(torch.from_numpy(logits), dim=1).numpy()
    np.testing.assert_allclose(np.stack([found[str(k)] for k in range(3)]), expected, atol=1e-5)
    files[0].unlink()
    assert sorted(opinions_of(("lesion-1",), samples, tmp_path / "run")) == ["0", "1", "2"]


def test_an_unknown_teacher_is_named() -> None:
    with pytest.raises(InputError, match=r"lesion-99: no such model; name one of .*lesion-1"):
        model_files("lesion-99")
