"""What is no dermoscopy is told apart; real dermoscopy is not refused."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest

from cygnet.imaging import decode
from cygnet.models import LesionModel
from cygnet.models.lesion import Looks
from cygnet.simulate import simulate_patient
from cygnet.simulate.pictures import KINDS, picture

DATA = Path(os.environ.get("CYGNET_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))


def pixels(images, size: int) -> np.ndarray:
    made = []
    for image in images:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=90)
        made.append(decode(buffer.getvalue(), size).pixels)
    return np.stack(made)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"hand"}))
def test_pictures_of_other_things_are_noticed(kind: str, model: LesionModel) -> None:
    """On seeds that no table of the documentation shows."""
    found = model.predict(pixels([picture(kind, seed) for seed in range(100, 110)], model.size)).strangeness
    assert (found > 1).sum() >= 8


def test_some_hands_are_noticed(model: LesionModel) -> None:
    """A hand is skin: half of them pass, which is published."""
    found = model.predict(pixels([picture("hand", seed) for seed in range(100, 110)], model.size)).strangeness
    assert (found > 1).sum() >= 2


def test_simulated_lesions_are_taken_for_dermoscopy(model: LesionModel) -> None:
    from PIL import Image

    lesions = [x for seed in range(4) for x in simulate_patient(seed, n_lesions=5, size=(240, 180)).lesions]
    found = model.predict(pixels([Image.fromarray(x.image) for x in lesions], model.size)).strangeness
    assert (found < 1).all()


def test_the_nearest_source_counts() -> None:
    """Two sources of two numbers: spread 1 and 2 in the first, 1 in the second; distances by hand."""
    looks = Looks(
        np.array([[0, 0], [10, 0]], np.float32),
        np.array([[[1, 0], [0, 0.5]], [[1, 0], [0, 1]]], np.float32),
        2.0,
    )
    found = looks.strangeness(np.array([[0, 0], [3, 8], [10, 2]], np.float32))
    np.testing.assert_allclose(found, [0, np.sqrt((9 + 16) / 2) / 2, np.sqrt(4 / 2) / 2], rtol=1e-6)


@pytest.mark.realdata
@pytest.mark.skipif(not (DATA / "ham10000").is_dir(), reason=f"no real images in {DATA}; set CYGNET_DATA")
@pytest.mark.parametrize("source", ["ham10000", "isic2017"])
def test_real_dermoscopy_is_not_refused(source: str, model: LesionModel) -> None:
    """The first 400 test images of the sources that have as many; ISIC 2020's 116 are too few for a rate of 1 %."""
    pytest.importorskip("scipy", reason="training needs the [train] extra")
    from cygnet.training.sources import read_sources

    test = [s for s in read_sources(DATA) if s.source == source and s.split == "test"][:400]
    stacks = (test[i : i + 16] for i in range(0, len(test), 16))
    found = [
        model.predict(np.stack([decode(s.path.read_bytes(), model.size).pixels for s in part])).strangeness
        for part in stacks
    ]
    assert (np.concatenate(found) > 1).mean() < 0.01
