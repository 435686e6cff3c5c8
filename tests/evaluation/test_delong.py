"""DeLong's variance, against its definition written out and against the bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, rankdata
from sklearn.metrics import roc_auc_score

from cygnet.evaluation import bootstrap, curve, delong
from cygnet.evaluation.bootstrap import Resamples
from cygnet.evaluation.curve import Ladder


def components(scores, labels):
    """Structural components of DeLong et al. (1988), equations 4 and 5, pair by pair."""
    positive, negative = scores[labels], scores[~labels]
    psi = np.array([[1.0 if x > y else 0.5 if x == y else 0.0 for y in negative] for x in positive])
    return psi.mean(axis=1), psi.mean(axis=0)


def written_out(many, labels):
    parts = [components(s, labels) for s in many]
    n, m = int(labels.sum()), int((~labels).sum())
    theta = np.array([v.mean() for v, _ in parts])
    covariance = np.empty((len(many), len(many)))
    for r, (v10, v01) in enumerate(parts):
        for s, (u10, u01) in enumerate(parts):
            s10 = ((v10 - theta[r]) * (u10 - theta[s])).sum() / (n - 1)
            s01 = ((v01 - theta[r]) * (u01 - theta[s])).sum() / (m - 1)
            covariance[r, s] = s10 / n + s01 / m
    return theta, covariance


def world(seed, n=80, levels=3):
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < 0.4
    skill = rng.normal(size=n) + labels
    return np.round((skill + rng.normal(size=(3, n))) * levels) / levels, labels


@given(st.lists(st.integers(-3, 3), max_size=30))
def test_midranks_are_scipys(values):
    np.testing.assert_array_equal(delong.midranks(np.array(values, float)), rankdata(values))


@pytest.mark.parametrize("seed, levels", [(0, 1), (1, 3), (2, 1e6)])
def test_against_the_definition(seed, levels):
    scores, labels = world(seed, levels=levels)
    theta, expected = written_out(scores, labels)
    values, covariance = delong.covariance(scores, labels)
    np.testing.assert_allclose(values, theta, atol=1e-12)
    np.testing.assert_allclose(values, [roc_auc_score(labels, s) for s in scores], atol=1e-12)
    np.testing.assert_allclose(covariance, expected, atol=1e-14)
    value, low, high = delong.interval(scores[0], labels)
    half = norm.ppf(0.975) * np.sqrt(expected[0, 0])
    assert (value, low, high) == pytest.approx((theta[0], theta[0] - half, min(1, theta[0] + half)))
    difference, p = delong.compare(scores[0], scores[1], labels)
    sd = np.sqrt(expected[0, 0] + expected[1, 1] - 2 * expected[0, 1])
    assert difference == pytest.approx(theta[0] - theta[1])
    assert p == pytest.approx(2 * norm.sf(abs(difference) / sd))


def test_a_model_with_itself():
    scores, labels = world(4)
    assert delong.compare(scores[0], scores[0], labels) == (0.0, 1.0)


def test_undefined_with_too_few():
    scores = np.array([0.1, 0.5, 0.7])
    for labels in ([1, 0, 0], [1, 1, 0], [0, 0, 0]):
        assert np.isnan(delong.interval(scores, np.array(labels, bool))).all()
        assert np.isnan(delong.compare(scores, -scores, np.array(labels, bool))).all()


def test_perfect_scores_stay_within_bounds():
    assert delong.interval(np.array([0.1, 0.2, 0.8, 0.9]), np.array([0, 0, 1, 1], bool)) == (1, 1, 1)


def test_agrees_with_the_bootstrap_of_independent_rows():
    scores, labels = world(6, n=600)
    ladder = Ladder.build(scores[0], labels, np.arange(600))
    drawn = np.concatenate([curve.auc(ladder.climb(c)) for c in Resamples(600, 2000).blocks(64)])
    assert delong.interval(scores[0], labels)[1:] == pytest.approx(bootstrap.interval(drawn), abs=0.004)
