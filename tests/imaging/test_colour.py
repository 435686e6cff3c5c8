"""CIELAB, the six colours, the typology angle: against scikit-image and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.color import deltaE_cie76, rgb2lab

from cygnet.imaging.colour import (
    COLOURS,
    LIGHT_SKIN,
    colour_count,
    colour_shares,
    difference,
    mean_colour,
    skin_tone,
    to_lab,
    typology_angle,
    variety,
)

SKIN = np.array([[68.0, *LIGHT_SKIN]], np.float32)


def test_cielab_as_scikit_image_computes_it() -> None:
    grid = np.stack(np.meshgrid(*[np.arange(0, 256, 15, dtype=np.uint8)] * 3), -1).reshape(1, -1, 3)
    assert np.abs(to_lab(grid) - rgb2lab(grid)).max() < 0.5
    dark = np.arange(40, dtype=np.uint8)[None, :, None].repeat(3, 2)
    assert np.abs(to_lab(dark) - rgb2lab(dark)).max() < 0.05


def test_difference_as_scikit_image_computes_it() -> None:
    one, other = np.random.default_rng(0).uniform(-60, 90, (2, 50, 3)).astype(np.float32)
    assert difference(one, other) == pytest.approx(deltaE_cie76(one, other), rel=1e-5)


@pytest.mark.parametrize(
    ("light", "yellow", "ita", "tone"),
    [
        (70, 20, 45.0, "light"),
        (50, 15, 0.0, "brown"),
        (70, 10, math.degrees(math.atan(2)), "very light"),
        (60, 17.3205, 30.0, "intermediate"),
        (54.663, 10, 25.0, "tan"),
        (40, 10, -45.0, "dark"),
    ],
)
def test_typology_angle_by_hand(light: float, yellow: float, ita: float, tone: str) -> None:
    (found,) = typology_angle(np.array([[light, 9, yellow]], np.float32))
    assert found == pytest.approx(ita, abs=0.01)
    assert skin_tone(float(found)) == tone


@pytest.mark.parametrize("yellow", [0.0, -3.0])
def test_bluish_skin_has_no_typology_angle(yellow: float) -> None:
    (found,) = typology_angle(np.array([[70, 9, yellow]], np.float32))
    assert math.isnan(found)
    assert skin_tone(float(found)) == ""


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        ((80, 4, 6), "white"),
        ((50, 30, 18), "red"),
        ((55, 16, 26), "light brown"),
        ((30, 14, 20), "dark brown"),
        ((40, 4, 2), "blue-grey"),
        ((12, 2, 1), "black"),
        ((68, 12, 16), ""),
        ((66, 13, 17), ""),
    ],
)
@pytest.mark.parametrize("cast", [(0, 0), (14, -18), (-6, 8)])
def test_each_colour_is_named_under_any_white_balance(
    colour: tuple[int, int, int], name: str, cast: tuple[int, int]
) -> None:
    shift = np.array([0, *cast], np.float32)
    lab = (np.array(colour, np.float32) + shift).reshape(1, 1, 3)
    (shares,) = colour_shares(lab, np.ones((1, 1), np.float32), SKIN + shift)
    assert dict(zip(COLOURS, shares.tolist(), strict=True)) == {c: float(c == name) for c in COLOURS}


def test_count_by_hand() -> None:
    # Two colours of 5 % or more count whole, one of 2 % two fifths.
    assert colour_count(np.array([[0.5, 0.02, 0.05, 0, 0, 0]], np.float32)) == pytest.approx([2.4])


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1))
def test_shares_never_exceed_the_lesion(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lab = np.stack([rng.uniform(0, 100, (2, 30)), *rng.uniform(-50, 60, (2, 2, 30))], -1).astype(np.float32)
    weight = rng.random((2, 30)).astype(np.float32) * (rng.random((2, 30)) < 0.7)
    skin = rng.uniform(0, 80, (2, 3)).astype(np.float32)
    shares = colour_shares(lab, weight, skin)
    assert (shares >= 0).all()
    assert (shares.sum(1) <= 1 + 1e-5).all()
    assert ((colour_count(shares) >= 0) & (colour_count(shares) <= 6)).all()


def test_variety_of_two_colours_is_half_their_distance() -> None:
    lab = np.array([[[50, 0, 0], [50, 30, 40]]], np.float32)
    weight = np.ones((1, 2), np.float32)
    assert variety(lab, weight, mean_colour(lab, weight)) == pytest.approx([25])


def test_no_weight_is_zero_and_no_warning() -> None:
    lab, none = np.ones((1, 4, 3), np.float32), np.zeros((1, 4), np.float32)
    assert mean_colour(lab, none).tolist() == [[0, 0, 0]]
    assert variety(lab, none, np.zeros((1, 3), np.float32)).tolist() == [0]
    assert colour_shares(lab, none, SKIN).sum() == 0
