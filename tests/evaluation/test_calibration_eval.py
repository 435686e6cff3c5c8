"""Calibration slope and intercept, against statsmodels and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.optimize import brentq
from scipy.special import expit
from scipy.special import logit as scipy_logit
from sklearn.linear_model import LogisticRegression

from cygnet.evaluation.bootstrap import Resamples
from cygnet.evaluation.calibration import logit, one_step, scores_of_units, slope_and_intercept


def world(seed, n=500, slope=0.7, shift=-0.4, weighted=False):
    rng = np.random.default_rng(seed)
    p = expit(rng.normal(-1, 1.5, n))
    labels = rng.random(n) < expit(slope * scipy_logit(p) + shift)
    return p, labels, rng.uniform(0.2, 3, n) if weighted else None


def in_the_large(x, y, w):
    """Where the weighted residuals vanish with the slope at 1."""
    return brentq(lambda a: float((w * (y - expit(x + a))).sum()), -30, 30, xtol=1e-13)


def test_logit_is_scipys():
    p = np.array([1e-6, 0.2, 0.5, 0.999])
    np.testing.assert_allclose(logit(p), scipy_logit(p), rtol=1e-12)
    np.testing.assert_allclose(logit(np.array([0.0, 1.0])), scipy_logit([1e-9, 1 - 1e-9]), rtol=1e-7)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("slope, shift", [(1, 0), (0.3, 2), (3, -1), (-0.5, 0)])
def test_against_independent_fits(slope, shift, weighted):
    p, labels, w = world(5, slope=slope, shift=shift, weighted=weighted)
    found = slope_and_intercept(p, labels, w)
    x, weights = scipy_logit(p), np.ones(len(p)) if w is None else w
    family = sm.families.Binomial()
    fit = sm.GLM(labels.astype(float), sm.add_constant(x), family=family, freq_weights=weights).fit(tol=1e-13)
    assert found[0] == pytest.approx(fit.params[1], abs=1e-7)
    other = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000).fit(x[:, None], labels, sample_weight=weights)
    assert found[0] == pytest.approx(other.coef_[0, 0], abs=1e-4)
    assert found[1] == pytest.approx(in_the_large(x, labels, weights), abs=1e-8)


def test_weights_are_repetitions():
    p, labels, _ = world(7, n=200)
    counts = np.random.default_rng(1).integers(0, 4, 200)
    repeated = np.repeat(np.arange(200), counts)
    assert slope_and_intercept(p, labels, counts) == pytest.approx(slope_and_intercept(p[repeated], labels[repeated]))


def test_undefined():
    p = np.array([0.1, 0.2, 0.6, 0.9])
    for labels in ([0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 1, 1], [1, 1, 0, 0]):
        assert np.isnan(slope_and_intercept(p, np.array(labels, bool))).all(), labels
    assert np.isnan(slope_and_intercept(np.full(4, 0.3), np.array([0, 1, 0, 1], bool))).all()
    weights = np.array([1.0, 0, 1, 0])  # the rows that count hold one class each side
    assert np.isnan(slope_and_intercept(p, np.array([0, 1, 1, 0], bool), weights)).all()


def test_one_step_from_all_rows_stays_there():
    p, labels, w = world(3, weighted=True)
    fitted = slope_and_intercept(p, labels, w)
    slope, intercept = one_step(scores_of_units(p, labels, w, fitted).sum(axis=0)[None], fitted)
    assert (slope[0], intercept[0]) == pytest.approx(fitted, abs=1e-9)


def test_one_step_is_close_to_refits():
    p, labels, _ = world(9, n=2000)
    fitted = slope_and_intercept(p, labels)
    rows = scores_of_units(p, labels, np.ones(len(p)), fitted)
    counts = np.concatenate(list(Resamples(len(p), 100).blocks(100))).astype(float)
    slope, intercept = one_step(counts @ rows, fitted)
    refits = np.array([slope_and_intercept(p, labels, c) for c in counts])
    spread = refits.std(axis=0)
    assert np.abs(slope - refits[:, 0]).max() < 0.3 * spread[0]
    assert np.abs(intercept - refits[:, 1]).max() < 0.3 * spread[1]
    assert slope.std() == pytest.approx(spread[0], rel=0.05)
