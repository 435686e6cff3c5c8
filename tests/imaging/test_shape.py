"""Shape against scikit-image's regionprops, formulas and hand-made figures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from drawn import AXIS, SIDE, X, Y, ellipse
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import perimeter_crofton, regionprops

from cygnet.imaging.hull import hull, hull_area, largest_diameter
from cygnet.imaging.shape import border_irregularity, ellipse_perimeter, ellipse_radius, folded, moments, perimeter
from cygnet.simulate import simulate_lesion

ONE = np.ones(1)
masks = st.builds(
    lambda seed, odd: simulate_lesion(seed, odd=odd, size=(200, 150)).mask, st.integers(0, 10_000), st.booleans()
)
some = settings(max_examples=25, deadline=None, derandomize=True)


@some
@given(masks)
def test_moments_and_hull_as_regionprops(mask: np.ndarray) -> None:
    (region,) = regionprops(mask.astype(np.uint8))
    found = moments(mask[None].astype(np.float32), ONE, ONE)
    assert found.area[0] == region.area
    assert found.major[0] == pytest.approx(region.axis_major_length, rel=1e-4)
    assert found.minor[0] == pytest.approx(region.axis_minor_length, rel=1e-4)
    row, column = region.centroid
    assert (found.y[0] + 74.5, found.x[0] + 99.5) == pytest.approx((row, column), abs=1e-3)
    # scikit-image's orientation is from the rows' axis to the major axis, ours from the columns' axis.
    apart = (found.angle[0] - (math.pi / 2 - region.orientation)) % math.pi
    assert min(apart, math.pi - apart) < 0.01 or region.eccentricity < 0.3
    corners = hull(mask)
    assert largest_diameter(corners) == pytest.approx(region.feret_diameter_max, abs=1)
    assert region.area / hull_area(corners) == pytest.approx(region.solidity, abs=0.03)


@some
@given(masks)
def test_perimeter_lies_by_scikit_images(mask: np.ndarray) -> None:
    (found,) = perimeter(mask[None], ONE, ONE)
    assert found == pytest.approx(perimeter_crofton(mask, directions=4), rel=0.03)


@pytest.mark.parametrize(("a", "b"), [(0.3, 0.3), (0.3, 0.2), (0.4, 0.12)])
@pytest.mark.parametrize("degrees", [0, 17, 45, 100])
@pytest.mark.parametrize("aspect", [1.0, 4 / 3, 0.6])
def test_an_ellipse_on_pixels_of_any_shape(a: float, b: float, degrees: int, aspect: float) -> None:
    """Drawn on an image ``aspect`` wide and 1 high that was squashed to a square."""
    angle = math.radians(degrees)
    wide = X * aspect
    u, v = wide * math.cos(angle) + Y * math.sin(angle), Y * math.cos(angle) - wide * math.sin(angle)
    scale = min(1.0, aspect)
    a, b = a * scale, b * scale
    mask = np.asarray((u / a) ** 2 + (v / b) ** 2 <= 1)
    dy, dx = np.array([1 / SIDE]), np.array([aspect / SIDE])
    found = moments(mask[None].astype(np.float32), dy, dx)
    assert found.area[0] == pytest.approx(math.pi * a * b, rel=0.02)
    assert (found.major[0], found.minor[0]) == pytest.approx((2 * a, 2 * b), rel=0.02)
    length = perimeter(mask[None], dy, dx)
    assert length[0] == pytest.approx(float(ellipse_perimeter(np.array(2 * a), np.array(2 * b))), rel=0.025)
    assert border_irregularity(length, found)[0] == pytest.approx(0, abs=0.03)
    assert folded(mask[None].astype(np.float32), found, dy, dx)[0] == pytest.approx([0, 0], abs=0.04)
    radius = ellipse_radius(found, dy, dx, (SIDE, SIDE))[0]
    assert radius[mask].max() == pytest.approx(1, abs=0.06)
    assert radius[~mask].min() == pytest.approx(1, abs=0.06)


def test_an_isosceles_triangle_folded_by_hand() -> None:
    # Folded along its axis of symmetry it falls on itself; across, through its centroid, two thirds of it do.
    height, half = 0.7, 0.15
    top = -2 * height / 3
    inside = (height / 3 >= Y) & (top <= Y) & (np.abs(X) <= half * (Y - top) / height)
    found = moments(inside[None].astype(np.float32), ONE / SIDE, ONE / SIDE)
    assert abs(math.sin(found.angle[0])) == pytest.approx(1, abs=0.01)
    assert folded(inside[None].astype(np.float32), found, ONE / SIDE, ONE / SIDE, 200)[0] == pytest.approx(
        [0, 1 / 3], abs=0.02
    )


def test_a_notched_border_is_more_irregular_than_a_smooth_one() -> None:
    angle, radius = np.arctan2(Y, X), np.hypot(X, Y)
    values = []
    for depth in (0.0, 0.1, 0.2, 0.3):
        mask = radius <= 0.3 * (1 + depth * np.cos(9 * angle))
        found = moments(mask[None].astype(np.float32), ONE / SIDE, ONE / SIDE)
        values.append(float(border_irregularity(perimeter(mask[None], ONE / SIDE, ONE / SIDE), found)[0]))
    assert values[0] == pytest.approx(0, abs=0.02)
    assert values == sorted(values)
    assert values[-1] > 0.5


def test_square_by_hand() -> None:
    mask = np.zeros((40, 40), bool)
    mask[10:30, 5:35] = True
    corners = hull(mask)
    assert largest_diameter(corners) == pytest.approx(math.hypot(30, 19), abs=0.8)
    assert hull_area(corners) == pytest.approx(600, rel=0.01)


def test_empty_and_single_pixel() -> None:
    empty = np.zeros((1, 9, 9), np.float32)
    found = moments(empty, ONE, ONE)
    assert found.area.tolist() == [0]
    assert np.isfinite([*found.major, *found.minor, *found.angle]).all()
    assert perimeter(empty > 0, ONE, ONE).tolist() == [0]
    assert folded(empty, found, ONE, ONE).tolist() == [[0, 0]]
    assert border_irregularity(np.zeros(1), found).tolist() == [0]
    assert math.isnan(largest_diameter(hull(empty[0] > 0)))
    empty[0, 4, 4] = 1
    one = moments(empty, ONE, ONE)
    assert (one.major[0], one.minor[0]) == (1, 1)


def test_a_stack_is_its_masks_one_by_one() -> None:
    stack = np.stack([ellipse(0.1 + k / 20, 0.1, k, x=k / 40) for k in range(5)])
    soft, size = stack.astype(np.float32), np.linspace(0.5, 2, 5)
    together, lengths = moments(soft, size, ONE.repeat(5)), perimeter(stack, size, ONE.repeat(5))
    folds = folded(soft, together, size, ONE.repeat(5))
    for k in range(5):
        alone = moments(soft[k : k + 1], size[k : k + 1], ONE)
        assert alone.major[0] == pytest.approx(together.major[k])
        assert perimeter(stack[k : k + 1], size[k : k + 1], ONE)[0] == pytest.approx(lengths[k])
        assert folded(soft[k : k + 1], alone, size[k : k + 1], ONE)[0] == pytest.approx(folds[k], abs=0.02)
    assert len(AXIS) == SIDE
