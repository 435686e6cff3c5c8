"""Resamples, intervals and p values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from cygnet.evaluation.bootstrap import Resamples, holm, interval, p_value

chances = st.lists(st.floats(0, 1), min_size=1, max_size=12)
finite = st.floats(-10, 10, allow_nan=False)


@given(st.integers(1, 30), st.integers(1, 40), st.integers(0, 5), st.integers(1, 50))
def test_draws_do_not_depend_on_the_block(units, replicates, seed, size):
    resamples = Resamples(units, replicates, seed)
    blocks = list(resamples.blocks(size))
    assert all(len(b) <= size for b in blocks)
    counts = np.concatenate(blocks)
    assert counts.shape == (replicates, units)
    assert (counts.sum(axis=1) == units).all()
    np.testing.assert_array_equal(counts, np.concatenate(list(resamples.blocks(replicates))))


def test_seeds_differ_and_draws_are_uniform():
    one, other = (np.concatenate(list(Resamples(50, 2000, s).blocks(64))) for s in (1, 2))
    assert (one != other).any()
    assert one.mean(axis=0) == pytest.approx(1, abs=0.12)  # 5 SD of a mean of 2,000 Poisson(1) counts
    assert one.var() == pytest.approx(1 - 1 / 50, abs=0.03)


@given(st.lists(finite, min_size=1, max_size=40), st.sampled_from([0.5, 0.9, 0.95]))
def test_interval_is_numpys(values, level):
    low, high = interval(np.array([*values, np.nan]), level)
    assert (low, high) == pytest.approx(tuple(np.percentile(values, [50 * (1 - level), 50 * (1 + level)])))
    assert low <= high


def test_interval_of_nothing():
    assert np.isnan(interval(np.full(5, np.nan))).all()
    assert np.isnan(p_value(np.full(5, np.nan)))


def test_p_value_by_hand():
    assert p_value(np.array([1.0] * 99)) == pytest.approx(2 / 100)
    assert p_value(np.array([1.0] * 97 + [-1.0, 0.0])) == pytest.approx(2 * 3 / 100)
    assert p_value(np.zeros(10)) == 1


@given(st.lists(finite, min_size=1, max_size=40))
def test_p_value_properties(values):
    d = np.array(values)
    assert 0 < p_value(d) <= 1
    assert p_value(d) == p_value(-d) == p_value(np.r_[d, np.nan])
    assert p_value(np.full(len(d), 3.0)) == pytest.approx(min(1, 2 / (len(d) + 1)))


def test_holm_by_hand():
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    nan = float("nan")
    assert holm([nan, 0.5, 0.2])[1:] == pytest.approx([0.5, 0.4])
    assert np.isnan(holm([nan, 0.5])[0])
    assert holm([]) == []


@settings(max_examples=20)  # statsmodels takes a tenth of a second and more for each
@given(chances)
def test_holm_is_that_of_statsmodels(p):
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1].tolist(), abs=1e-12)
