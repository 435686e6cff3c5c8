"""The shipped segmentation model on simulated lesions, whose masks are exact."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cygnet.errors import ModelError
from cygnet.models import ModelFiles, SegmentModel, find
from cygnet.models.registry import FOLDER, SEGMENTER
from cygnet.simulate import simulate_lesion

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@pytest.fixture(scope="module")
def segmenter() -> SegmentModel:
    return SegmentModel()


@pytest.fixture(scope="module")
def pixels(segmenter: SegmentModel) -> NDArray[np.uint8]:
    return np.stack([simulate_lesion(s, size=(segmenter.size, segmenter.size)).image for s in (1, 2, 3)])


def test_it_is_small_and_has_no_statistics() -> None:
    files = find(SEGMENTER)
    assert files.network.stat().st_size < 10_000_000
    assert not files.statistics.exists()
    assert "not a medical device" in files.card["intended_use"].lower()


def test_shapes(segmenter: SegmentModel, pixels: NDArray[np.uint8]) -> None:
    found = segmenter.predict(pixels)
    assert found.shape == (3, segmenter.grid, segmenter.grid)
    assert found.dtype == np.float32
    assert 0 <= found.min() < 0.1
    assert 0.9 < found.max() <= 1


def test_a_batch_is_its_images_one_by_one(segmenter: SegmentModel, pixels: NDArray[np.uint8]) -> None:
    together = segmenter.predict(pixels)
    for i in range(3):
        assert segmenter.predict(pixels[i : i + 1])[0] == pytest.approx(together[i], abs=1e-4)


def test_several_threads_get_the_same(segmenter: SegmentModel, pixels: NDArray[np.uint8]) -> None:
    expected = segmenter.predict(pixels)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: segmenter.predict(pixels), range(6)):
            assert np.array_equal(found, expected)


def test_a_file_that_cannot_be_loaded(tmp_path: Path) -> None:
    (tmp_path / "none.onnx").write_bytes(b"no network at all")
    files = ModelFiles("none", tmp_path / "none.onnx", FOLDER, find(SEGMENTER).card)
    with pytest.raises(ModelError, match=r"none\.onnx: cannot be loaded"):
        SegmentModel(files)
