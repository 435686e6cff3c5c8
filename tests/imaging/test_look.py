"""The look of pictures: by hand on flat and striped ones, and what must not matter."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cygnet.imaging.look import look
from cygnet.simulate.pictures import KINDS, picture


def flat(colour: tuple[int, int, int], size: int = 80) -> np.ndarray:
    return np.broadcast_to(np.array(colour, np.uint8), (1, size, size, 3)).copy()


def test_a_flat_picture() -> None:
    found = look(flat((119, 119, 119)))[0].astype(float)
    assert found.shape == (41,)
    np.testing.assert_allclose(found[:3], [50.03, 0, 0], atol=0.05)  # CIELAB of sRGB 119
    np.testing.assert_allclose(found[3:6], np.log(0.5), atol=1e-6)
    np.testing.assert_allclose(found[6:15], 0, atol=0.01)  # correlations and tails
    assert found[28] == 1, "every pixel is as its neighbour"
    np.testing.assert_allclose(found[[*range(29, 32), *range(35, 41)]], 0, atol=0.01)  # middle and rim, halves


def test_stripes_are_along_one_axis() -> None:
    stripes = flat((200, 200, 200))
    stripes[:, :, ::20] = stripes[:, :, 1::20] = 0
    across, down = (look(p)[0, 20] for p in (stripes, np.ascontiguousarray(stripes.transpose(0, 2, 1, 3))))
    assert across > 3
    np.testing.assert_allclose(down, -across, rtol=1e-5)


@settings(max_examples=15)
@given(st.integers(0, 2**31), st.sampled_from([40, 80, 160]))
def test_images_are_looked_at_one_by_one_and_all_is_finite(seed: int, size: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (3, size, size, 3), np.uint8)
    whole = look(pixels)
    assert np.isfinite(whole).all()
    np.testing.assert_allclose(look(pixels[::-1])[::-1], whole, rtol=1e-5, atol=1e-5)


def test_extremes_are_finite() -> None:
    assert all(np.isfinite(look(flat(c))).all() for c in ((0, 0, 0), (255, 255, 255), (255, 0, 0)))


def test_pictures_are_the_same_for_the_same_seed() -> None:
    for kind in KINDS:
        one, same, other = picture(kind, 1), picture(kind, 1), picture(kind, 2)
        assert (one.mode, one.size) == ("RGB", (480, 360))
        assert one.tobytes() == same.tobytes() != other.tobytes()
