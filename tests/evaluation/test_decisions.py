"""Decision curves, against the package of the method's authors."""

from __future__ import annotations

import numpy as np
import pytest

from cygnet.evaluation.decisions import avoided, net_benefit

dcurves = pytest.importorskip("dcurves")


def counts(p, labels, thresholds):
    chosen = p[None] >= thresholds[:, None]
    return (chosen & labels).sum(axis=1).astype(float), (chosen & ~labels).sum(axis=1).astype(float)


@pytest.mark.parametrize("seed, prevalence", [(0, 0.3), (1, 0.05)])
def test_against_dcurves(seed, prevalence):
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(seed)
    labels = rng.random(700) < prevalence
    p = 1 / (1 + np.exp(-(rng.normal(-2, 1, 700) + 1.5 * labels)))
    thresholds = np.array([0.01, 0.05, 0.1, 0.2, 0.37])
    table = pandas.DataFrame({"y": labels.astype(int), "p": p})
    expected = dcurves.dca(table, "y", ["p"], thresholds=thresholds)
    ours = expected[expected["model"] == "p"].sort_values("threshold")
    everyone = expected[expected["model"] == "all"].sort_values("threshold")
    benefit = net_benefit(*counts(p, labels, thresholds), 700, thresholds)
    of_all = net_benefit(np.full(5, float(labels.sum())), np.full(5, float((~labels).sum())), 700, thresholds)
    np.testing.assert_allclose(benefit, ours["net_benefit"], atol=1e-12)
    np.testing.assert_allclose(of_all, everyone["net_benefit"], atol=1e-12)
    np.testing.assert_allclose(avoided(benefit, of_all, thresholds), 100 * ours["net_intervention_avoided"], atol=1e-9)


def test_by_hand():
    # 8 of 10 melanomas and 20 of 90 others at a threshold of 1 in 5: 20 others cost as much as 5 melanomas
    t = np.array([0.2])
    benefit = net_benefit(np.array([8.0]), np.array([20.0]), 100, t)
    assert benefit.tolist() == pytest.approx([(8 - 5) / 100])
    of_all = net_benefit(np.array([10.0]), np.array([90.0]), 100, t)
    assert of_all.tolist() == pytest.approx([(10 - 22.5) / 100])
    assert avoided(benefit, of_all, t).tolist() == pytest.approx([100 * 0.155 * 4])
