import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.draw import disk, ellipse
from skimage.measure import points_in_poly

from cygnet.imaging.contour import contour


def test_nothing_has_no_outline():
    assert contour(np.zeros((8, 8), bool)).shape == (0, 2)


def test_one_pixel_is_walked_around_clockwise():
    mask = np.zeros((4, 4), bool)
    mask[1, 2] = True
    line = contour(mask, 4)
    assert np.allclose(line.mean(0), (2.5 / 4, 1.5 / 4))
    x, y = line.T
    assert (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() > 0  # clockwise where y points down


def test_a_disc_has_its_circle():
    mask = np.zeros((80, 80), bool)
    mask[disk((40, 30), 20)] = True
    line = contour(mask, 64) * 80 - 0.5
    radius = np.hypot(line[:, 0] - 30, line[:, 1] - 40)
    assert np.abs(radius - 20).max() < 1.0
    steps = np.hypot(*np.diff(line, axis=0).T)
    assert steps.std() < 0.02 * steps.mean() + 0.05


def test_pixels_that_touch_at_a_corner_are_one_region():
    mask = np.zeros((4, 4), bool)
    mask[1, 1] = mask[2, 2] = True
    line = contour(mask, 32) * 4
    assert line[:, 0].min() < 1.5 and line[:, 0].max() > 2.5


@settings(deadline=None, max_examples=30)
@given(st.integers(10, 30), st.integers(10, 30), st.integers(5, 18), st.integers(5, 18))
def test_the_outline_encloses_the_region(row, column, high, wide):
    mask = np.zeros((64, 48), bool)
    mask[ellipse(row + 10, column, high, wide, shape=mask.shape)] = True
    inside = points_in_poly(np.argwhere(mask.T | True)[:, :] + 0.5, contour(mask, 128) * (48, 64))
    found = inside.reshape(48, 64).T
    assert (found & mask).sum() / (found | mask).sum() == pytest.approx(1, abs=0.06)
