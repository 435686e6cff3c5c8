"""Mirror images of a lesion are judged together."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.models import LesionModel
from cygnet.models.registry import find
from cygnet.models.views import back, views


@given(st.sampled_from([1, 2, 4]), st.integers(0, 2**32 - 1))
def test_maps_lie_over_the_image_again(number: int, seed: int) -> None:
    images = np.random.default_rng(seed).random((2, 3, 5))
    seen = list(views(images, number))
    assert len(seen) == number
    assert all(np.array_equal(back(view, k), images) for k, view in enumerate(seen))
    assert len({view.tobytes() for view in seen}) == number


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (3, 160, 160, 3), np.uint8)


def test_the_answer_is_the_mean_of_the_views(pixels: np.ndarray) -> None:
    files = find()
    card = json.loads(json.dumps(dict(files.card)))
    card["input"]["views"] = 4
    one, four = LesionModel(files), LesionModel(replace(files, card=card))
    assert (one.views, four.views) == (1, 4)
    mirrored = [pixels, pixels[:, :, ::-1], pixels[:, ::-1], pixels[:, ::-1, ::-1]]
    each = [one.predict(np.ascontiguousarray(p)) for p in mirrored]
    got = four.predict(pixels)
    np.testing.assert_allclose(got.logits, np.mean([e.logits for e in each], axis=0), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(got.embedding, np.mean([e.embedding for e in each], axis=0), rtol=1e-5, atol=1e-5)
    # Whichever way round the picture was taken, the answer is the same.
    turned = four.predict(np.ascontiguousarray(pixels[:, ::-1]))
    np.testing.assert_allclose(turned.logits, got.logits, rtol=1e-5, atol=1e-5)
