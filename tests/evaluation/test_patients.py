"""Comparison within patients, against scikit-learn, enumeration and the hypergeometric distribution."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom
from sklearn.metrics import roc_auc_score

from cygnet.evaluation.patients import by_patient, first_rank_chance, mean_over


def world(seed, patients=25, levels=4):
    rng = np.random.default_rng(seed)
    owner = rng.integers(0, patients, 300)
    labels = rng.random(300) < 0.12
    return np.round(rng.normal(size=300) * levels) / levels, labels, owner


def test_each_auc_is_that_of_scikit_learn():
    scores, labels, owner = world(1)
    found = by_patient(scores, labels, owner)
    assert found.patient.tolist() == sorted(set(owner[labels]))
    for patient, auc, n, m in zip(found.patient, found.auc, found.lesions, found.positives, strict=True):
        mine = owner == patient
        assert (n, m) == (mine.sum(), labels[mine].sum())
        assert auc == pytest.approx(roc_auc_score(labels[mine], scores[mine]), abs=1e-12)


small = st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=6).filter(
    lambda rows: any(y for _, y in rows)
)


@given(small)
def test_hits_and_ranks_by_enumeration(rows):
    scores, labels = (np.array(c) for c in zip(*rows, strict=True))
    n = len(rows)
    found = by_patient(scores, labels, np.full(n, 7))
    orders = [sorted(p, key=lambda i: -scores[i]) for p in permutations(range(n))]  # ties keep the random order
    for k in (1, 2, 3, 8):
        expected = np.mean([labels[order[:k]].any() for order in orders])
        assert found.hit(k)[0] == pytest.approx(expected)
        assert found.chance(k)[0] == pytest.approx(np.mean([labels[list(p[:k])].any() for p in permutations(range(n))]))
    top = scores[labels].max()
    shared = [i + 1 for i, s in enumerate(sorted(scores, reverse=True)) if s == top]
    assert found.first[0] == pytest.approx(np.mean(shared))
    firsts = [min(i for i in range(n) if labels[p[i]]) + 1 for p in permutations(range(n))]
    chance = first_rank_chance(found, 10)
    for r in range(1, 11):
        assert chance[r - 1] == pytest.approx(np.mean([f == r for f in firsts]))


def test_chance_is_hypergeometric():
    scores, labels, owner = world(2, patients=8)
    found = by_patient(scores, labels, owner)
    for k in (1, 3, 10):
        drawn = np.minimum(k, found.lesions)
        expected = 1 - hypergeom.pmf(0, found.lesions, found.positives, drawn)
        np.testing.assert_allclose(found.chance(k), expected, atol=1e-12)


def test_chance_of_first_ranks_adds_up_to_the_patients():
    found = by_patient(*world(3))
    assert first_rank_chance(found, 300).sum() == pytest.approx(len(found.patient))


def test_by_hand():
    # patient 4: melanoma tied with another at the top of three; patient 9: melanoma last of two; patient 5: none
    scores = np.array([0.8, 0.8, 0.1, 0.2, 0.6, 0.5])
    labels = np.array([1, 0, 0, 1, 0, 0], bool)
    found = by_patient(scores, labels, np.array([4, 4, 4, 9, 9, 5]))
    assert found.patient.tolist() == [4, 9]
    assert found.auc.tolist() == [0.75, 0.0]
    assert found.first.tolist() == [1.5, 2.0]
    assert found.hit(1).tolist() == [0.5, 0.0]
    assert found.hit(2).tolist() == [1.0, 1.0]
    assert found.chance(1).tolist() == pytest.approx([1 / 3, 1 / 2])


def test_a_patient_of_melanomas_only_has_no_auc_but_a_sure_hit():
    found = by_patient(np.array([0.2, 0.1]), np.array([True, True]), np.array([0, 0]))
    assert np.isnan(found.auc).all()
    assert found.hit(1).tolist() == [1.0]


def test_nobody_bears_a_melanoma():
    found = by_patient(np.array([0.2, 0.1]), np.zeros(2, bool), np.array([0, 1]))
    assert len(found.patient) == len(found.auc) == len(found.hit(1)) == len(found.chance(3)) == 0
    assert first_rank_chance(found, 3).tolist() == [0, 0, 0]


@given(st.integers(0, 50))
def test_blind_to_how_patients_differ(seed):
    scores, labels, owner = world(seed)
    shift = np.random.default_rng(seed + 1).integers(-5, 5, 25)[owner]
    one, other = by_patient(scores, labels, owner), by_patient(scores + shift, labels, owner)
    order = np.random.default_rng(seed).permutation(len(scores))
    mixed = by_patient(scores[order], labels[order], owner[order])
    for name in ("auc", "first", "lesions", "positives"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name))
        np.testing.assert_allclose(getattr(one, name), getattr(mixed, name))
    for k in (1, 3):
        np.testing.assert_allclose(one.hit(k), mixed.hit(k))


def test_mean_over_patients_drawn():
    values, patient = np.array([1.0, np.nan, 0.25]), np.array([0, 2, 3])
    counts = np.array([[1, 9, 1, 1], [2, 0, 5, 1], [0, 4, 1, 3], [0, 3, 1, 0]], np.float32)
    found = mean_over(values, patient, counts)
    np.testing.assert_allclose(found, [0.625, (2 + 0.25) / 3, 0.25, np.nan])
