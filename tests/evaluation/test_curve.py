"""Metrics of threshold curves for many resamples, against scikit-learn and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from cygnet.evaluation import curve
from cygnet.evaluation.bootstrap import Resamples
from cygnet.evaluation.curve import Ladder

GRID = np.array([0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0])


def published_pauc(labels, scores, w):
    """The ISIC 2024 metric as its notebook defines it, with weights."""
    lowest = 0.5 * 0.2**2
    partial = roc_auc_score(1 - labels, -scores, max_fpr=0.2, sample_weight=w)
    return lowest + (0.2 - lowest) / (1 - 0.5) * (partial - 0.5)


def every_metric(climb):
    made = {"auc": curve.auc(climb), "pauc": curve.pauc(climb), "ap": curve.average_precision(climb)}
    for share in (0.5, 0.8, 0.9):
        made |= {
            f"sensitivity {share}": curve.sensitivity_at(climb, share),
            f"specificity {share}": curve.specificity_at(climb, share),
            f"review {share}": curve.review_at(climb, share),
        }
    return made | {"roc": curve.roc_on(climb, GRID), "precision": curve.precision_on(climb, GRID[1:])}


def points(labels, scores, w):
    """(thresholds, true and false weights) of every threshold, the highest first; first one above all scores."""
    made = [(0.0, 0.0)]
    for t in sorted(set(scores), reverse=True):
        made.append((w[(scores >= t) & labels].sum(), w[(scores >= t) & ~labels].sum()))
    return np.array(made)


def world(seed, n=120, units=30, levels=None):
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < 0.3
    scores = rng.normal(size=n) + labels
    if levels:
        scores = np.round(scores * levels) / levels
    return scores, labels, rng.integers(0, units, n)


@pytest.mark.parametrize("levels", [None, 1, 4])
@pytest.mark.parametrize("weighted", [False, True])
def test_every_replicate_is_that_of_scikit_learn(levels, weighted):
    scores, labels, unit = world(3, levels=levels)
    weights = np.random.default_rng(4).uniform(0.2, 3, len(scores)) if weighted else None
    ladder = Ladder.build(scores, labels, unit, weights)
    seen = 0
    for counts in Resamples(30, 40, seed=2).blocks(16):
        climb = ladder.climb(counts)
        found = [curve.auc(climb), curve.average_precision(climb), curve.pauc(climb)]
        for i, drawn in enumerate(counts):
            w = drawn[unit] * (1 if weights is None else weights)
            expected = [
                roc_auc_score(labels, scores, sample_weight=w),
                average_precision_score(labels, scores, sample_weight=w),
                published_pauc(labels.astype(int), scores, w),
            ]
            np.testing.assert_allclose([f[i] for f in found], expected, atol=1e-9)
            seen += 1
    assert seen == 40


def test_by_hand():
    # melanomas 0.9 and 0.5, others 0.7, 0.5 (a tie), 0.1 and 0.1
    scores, labels = np.array([0.9, 0.5, 0.7, 0.5, 0.1, 0.1]), np.array([1, 1, 0, 0, 0, 0], bool)
    climb = Ladder.build(scores, labels, np.arange(6)).climb(np.ones((1, 6)))
    assert curve.auc(climb)[0] == pytest.approx((4 + 2.5) / 8)  # 0.9 beats 4; 0.5 beats 2 and ties one
    assert curve.average_precision(climb)[0] == pytest.approx((1 + 2 / 4) / 2)
    # ROC points (0, 0), (0, 1/2), (1/4, 1/2), (1/2, 1), (1, 1); above 0.8 it crosses at 1/4 + 1/4 * 0.6 = 0.4
    assert curve.pauc(climb)[0] == pytest.approx(0.2 * (1 - (0.4 + 0.5) / 2))
    assert [curve.sensitivity_at(climb, s)[0] for s in (1.0, 0.75, 0.74, 0.5, 0.0)] == [0.5, 0.5, 0.5, 1, 1]
    assert [curve.specificity_at(climb, s)[0] for s in (0.1, 0.5, 0.51, 1.0)] == [1, 1, 0.5, 0.5]
    assert [curve.review_at(climb, s)[0] for s in (0.5, 0.8)] == [1, 2]
    assert curve.roc_on(climb, np.array([0, 0.25, 0.5, 1]))[0].tolist() == [0.5, 0.5, 1, 1]
    assert curve.precision_on(climb, np.array([0.5, 0.6, 1]))[0].tolist() == [1, 0.5, 0.5]


rows = st.lists(st.tuples(st.integers(0, 6), st.booleans(), st.integers(0, 3)), min_size=2, max_size=25).filter(
    lambda r: any(y and w for _, y, w in r) and any(not y and w for _, y, w in r)
)


@given(rows, st.sampled_from([0.0, 0.2, 0.5, 0.8, 0.9, 0.95, 1.0]))
def test_operating_points_by_brute_force(made, share):
    scores, labels, counts = (np.array(c) for c in zip(*made, strict=True))
    w = counts.astype(float)
    climb = Ladder.build(scores, labels, np.arange(len(w))).climb(counts[None].astype(np.float32))
    all_points = points(labels, scores, w)
    p, n = w[labels].sum(), w[~labels].sum()
    best = max(t / p for t, f in all_points if 1 - f / n >= share - 1e-9)
    assert curve.sensitivity_at(climb, share)[0] == pytest.approx(best)
    if share > 0:
        t, f = next((t, f) for t, f in all_points if t / p >= share - 1e-9)
        assert curve.specificity_at(climb, share)[0] == pytest.approx(1 - f / n)
        assert curve.review_at(climb, share)[0] == pytest.approx((t + f) / t)
        assert curve.precision_on(climb, np.array([share]))[0, 0] == pytest.approx(t / (t + f))
    reached = max(t / p for t, f in all_points if f / n <= share + 1e-9)
    assert curve.roc_on(climb, np.array([share]))[0, 0] == pytest.approx(reached)


@given(rows, st.randoms(use_true_random=False))
def test_what_changes_nothing(made, random):
    scores, labels, counts = (np.array(c) for c in zip(*made, strict=True))
    n = len(made)
    whole = np.ones((1, n), np.float32)
    before = every_metric(Ladder.build(scores, labels, np.arange(n)).climb(counts[None].astype(np.float32)))
    order = np.array(random.sample(range(n), n))
    repeated = np.repeat(np.arange(n), counts)
    for what, after in {
        "monotone": Ladder.build(np.exp(scores / 3.0) - 5, labels, np.arange(n)).climb(counts[None]),
        "permuted": Ladder.build(scores[order], labels[order], order).climb(counts[None]),
        "weights": Ladder.build(scores, labels, np.arange(n), counts.astype(float)).climb(whole),
        "repeated": Ladder.build(scores[repeated], labels[repeated], np.arange(len(repeated))).climb(
            np.ones((1, len(repeated)), np.float32)
        ),
    }.items():
        for name, values in every_metric(after).items():
            np.testing.assert_allclose(values, before[name], atol=1e-12, err_msg=f"{what}: {name}")


@given(rows)
def test_within_bounds(made):
    scores, labels, counts = (np.array(c) for c in zip(*made, strict=True))
    found = every_metric(Ladder.build(scores, labels, np.arange(len(made))).climb(counts[None]))
    slack = 1e-12
    assert 0 <= found["auc"][0] <= 1 + slack
    assert -slack <= found["pauc"][0] <= 0.2 + slack
    assert 0 < found["ap"][0] <= 1 + slack
    assert (np.diff(found["roc"][0]) >= 0).all() and found["roc"][0, -1] == pytest.approx(1)
    assert all(found[f"review {s}"][0] >= 1 for s in (0.5, 0.8, 0.9))


def test_reversed_scores_mirror_the_auc():
    scores, labels, unit = world(8, levels=2)
    counts = np.ones((1, 30), np.float32)
    there, back = (curve.auc(Ladder.build(s, labels, unit).climb(counts))[0] for s in (scores, -scores))
    assert there + back == pytest.approx(1)


@pytest.mark.parametrize("missing", [True, False])
def test_undefined_without_one_class(missing):
    """A resample that drew no positives, or no negatives, has no curve; nothing warns."""
    scores, labels = np.array([0.9, 0.8, 0.3, 0.1]), np.array([0, 1, 0, 1], bool)
    counts = np.where(labels == missing, 0, 1)[None].astype(np.float32)
    found = every_metric(Ladder.build(scores, labels, np.arange(4)).climb(counts))
    undefined = [k for k in found if not (k == "ap" or k.startswith(("review", "precision")))] if not missing else found
    for name in undefined:
        assert np.isnan(found[name]).all(), name


def test_undefined_when_the_rows_hold_one_class():
    for label in (True, False):
        ladder = Ladder.build(np.array([0.1, 0.2]), np.full(2, label), np.arange(2))
        assert np.isnan(curve.auc(ladder.climb(np.ones((3, 2))))).tolist() == [True] * 3
