"""Shares of attention by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cygnet.imaging.attention import coverage, share_inside


def test_by_hand() -> None:
    mask = np.zeros((4, 4), bool)
    mask[:2, :2] = True
    mask[3, 3] = True
    assert coverage(mask, 2).tolist() == [[1, 0], [0, 0.25]]
    assert share_inside(np.array([[3.0, -9.0], [1.0, 4.0]]), mask) == pytest.approx((3 + 0.25 * 4) / 8)


def test_nothing_speaks() -> None:
    assert math.isnan(share_inside(-np.ones((7, 7)), np.ones((30, 40), bool)))
    assert math.isnan(share_inside(np.zeros((7, 7)), np.ones((30, 40), bool)))


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(10, 60), st.integers(10, 60), st.integers(0, 2**31))
def test_even_attention_has_the_share_of_the_area(grid: int, height: int, width: int, seed: int) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < 0.3
    assert share_inside(np.full((grid, grid), 2.5), mask) == pytest.approx(mask.mean(), abs=1e-9)
    assert share_inside(np.random.default_rng(seed).random((grid, grid)), np.ones_like(mask)) == pytest.approx(1)
