"""Leave-self-out medians and spreads against leaving out for real."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import median_abs_deviation

from cygnet.context.robust import medians_without_self, shrunk, spreads_without_self, z_without_self

quick = settings(max_examples=80, deadline=None, derandomize=True)
tied = st.lists(st.integers(-4, 4).map(float), min_size=2, max_size=24)
free = st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=2, max_size=24)


@quick
@given(tied | free)
def test_medians_and_spreads_as_by_deleting(values: list[float]) -> None:
    array = np.array(values)
    others = [np.delete(array, i) for i in range(len(array))]
    medians = medians_without_self(array)
    assert medians == pytest.approx([np.median(o) for o in others], rel=1e-12, abs=1e-9)
    spreads = spreads_without_self(array, medians)
    assert spreads == pytest.approx([1.4826 * median_abs_deviation(o) for o in others], rel=1e-9, abs=1e-8)


def test_one_value_has_no_siblings() -> None:
    one = np.array([3.0])
    assert np.isnan(medians_without_self(one)).all()
    assert np.isnan(spreads_without_self(one, medians_without_self(one))).all()
    assert np.isnan(z_without_self(one, 1.0)).all()


def test_z_by_hand() -> None:
    # Without the 10: median 2.5, MAD 1, SD 1.4826; four siblings count as much as the population's SD of 2.
    z = z_without_self(np.array([1.0, 2.0, 3.0, 4.0, 10.0]), 2.0)
    spread = math.sqrt((4 * 1.4826**2 + 4 * 2.0**2) / 8 * (1 + 1 / 4))
    assert z[4] == pytest.approx((10 - 2.5) / spread)
    # Without the 3: 1 2 4 10, median 3, so that 3 departs by nothing.
    assert z[2] == 0


def test_identical_siblings_make_no_difference_infinite() -> None:
    z = z_without_self(np.array([0.0] * 8 + [1.0]), 1.0)
    assert z[8] == pytest.approx(1 / math.sqrt(4 / 12 * (1 + 1 / 8)))
    assert (z[:8] == 0).all()


@quick
@given(st.integers(0, 10_000), st.floats(0.01, 10), st.floats(0.01, 10))
def test_shrinkage_lies_between_own_and_prior(siblings: int, own: float, prior: float) -> None:
    widening = math.sqrt(1 + 1 / max(siblings, 1))
    found = float(shrunk(np.array([own]), float(siblings), prior)[0]) / widening
    assert min(own, prior) * (1 - 1e-9) <= found <= max(own, prior) * (1 + 1e-9)
    if siblings == 0:
        assert found == pytest.approx(prior)
    if siblings == 10_000:
        assert found == pytest.approx(own, abs=0.05 * max(own, prior) + 20 * prior**2 / 10_000 / own)


@quick
@given(tied, st.floats(0.1, 3))
def test_the_most_extreme_stays_most_extreme(values: list[float], prior: float) -> None:
    array = np.array(values)
    z = z_without_self(array, prior)
    assert np.isfinite(z).all()
    assert z[array.argmax()] >= 0 >= z[array.argmin()]
    assert z_without_self(-array, prior) == pytest.approx(-z)
