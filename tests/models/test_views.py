"""Mirror images of a lesion are judged together."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.errors import InputError
from cygnet.models import LesionModel, SegmentModel
from cygnet.models.registry import find
from cygnet.models.views import back, enlarged, views
from cygnet.simulate import simulate_lesion


@given(st.sampled_from([1, 2, 4, 8]), st.integers(0, 2**32 - 1))
def test_maps_lie_over_the_image_again(number: int, seed: int) -> None:
    images = np.random.default_rng(seed).random((2, 3, 5))
    seen = list(views(images, number))
    assert len(seen) == number
    assert all(np.array_equal(back(view, k), images) for k, view in enumerate(seen))
    assert len({view.tobytes() for view in seen}) == number


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    side = int(find().card["input"]["size"])
    return np.random.default_rng(1).integers(0, 256, (3, side, side, 3), np.uint8)


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


def test_half_of_the_views_show_the_middle(pixels: np.ndarray) -> None:
    """The image and its half-turn whole; the mirror image and the one upside down of the middle alone."""
    files = find()
    card = json.loads(json.dumps(dict(files.card)))
    card["input"] |= {"views": 4, "middle": 0.8}
    one, both = LesionModel(files), LesionModel(replace(files, card=card))
    near = np.random.default_rng(2).integers(0, 256, pixels.shape, np.uint8)
    shown = [pixels, near[:, :, ::-1], near[:, ::-1], pixels[:, ::-1, ::-1]]
    each = [one.predict(np.ascontiguousarray(p)) for p in shown]
    got = both.predict(pixels, near=near)
    np.testing.assert_allclose(got.logits, np.mean([e.logits for e in each], axis=0), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(both.logits(pixels, near=near), got.logits)
    # What is seen, and where, is said of the whole image.
    embeddings = [e.embedding for e in (each[0], each[3])]
    np.testing.assert_allclose(got.embedding, np.mean(embeddings, axis=0), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(both.predict(pixels).embedding, got.embedding)
    np.testing.assert_array_equal(both.features(pixels), (one.features(pixels) + one.features(shown[3])) / 2)
    maps = [e.attention for e in each]
    assert maps[0] is not None
    assert maps[3] is not None
    assert got.attention is not None
    np.testing.assert_allclose(got.attention, (maps[0] + maps[3][:, ::-1, ::-1]) / 2, rtol=1e-5, atol=1e-5)
    # One view is the image, whatever the middle shows; and what is not handed over is enlarged.
    np.testing.assert_array_equal(both.logits(pixels, 1, near), one.logits(pixels))
    np.testing.assert_array_equal(both.logits(pixels), both.logits(pixels, near=enlarged(pixels, 0.8)))
    assert np.abs(both.logits(pixels) - got.logits).max() > 0.01


def test_the_middle_is_enlarged() -> None:
    side = 100
    ramp = np.broadcast_to(np.linspace(0, 200, side)[:, None, None], (side, side, 3))
    image = np.rint(ramp).astype(np.uint8)[None]
    half = enlarged(image, 0.5)[0, :, 0, 0].astype(float)
    np.testing.assert_allclose(half, np.interp(np.arange(side) / 2 + 24.75, np.arange(side), ramp[:, 0, 0]), atol=1.5)
    np.testing.assert_array_equal(enlarged(image, 1.0), image)


def test_an_outline_of_eight_views_lies_as_the_image_lies() -> None:
    image = simulate_lesion(3, size=(160, 160)).image
    one, eight = SegmentModel(), SegmentModel(views=8)
    upright = eight.predict(image[None])[0]
    # Every way in which the square can lie, named by turns, not by the mirrors that the code uses.
    lain = [np.rot90(side, k) for side in (image, image[:, ::-1]) for k in range(4)]
    each = [one.predict(np.ascontiguousarray(p)[None])[0] for p in lain]
    laid_back = [np.rot90(e, -k) for e, k in zip(each, [0, 1, 2, 3] * 2, strict=True)]
    laid_back[4:] = [e[:, ::-1] for e in laid_back[4:]]
    np.testing.assert_allclose(upright, np.mean(laid_back, axis=0), atol=1e-5)
    turned = eight.predict(np.ascontiguousarray(np.rot90(image))[None])[0]
    np.testing.assert_allclose(turned, np.rot90(upright), atol=1e-5)


def test_no_other_number_of_views() -> None:
    with pytest.raises(InputError, match="3 views: give one of 1, 2, 4, 8"):
        SegmentModel(views=3)
