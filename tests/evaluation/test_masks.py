"""Overlap of masks, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, jaccard_score

from cygnet.evaluation.masks import dice, jaccard, threshold_jaccard

pixels = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40).filter(
    lambda rows: any(a or b for a, b in rows)
)


@given(pixels)
def test_against_scikit_learn(rows):
    predicted, truth = (np.array(c).reshape(1, -1) for c in zip(*rows, strict=True))
    expected = jaccard_score(truth.ravel(), predicted.ravel(), zero_division=0.0)
    assert jaccard(predicted, truth) == pytest.approx(expected)
    assert dice(predicted, truth) == pytest.approx(f1_score(truth.ravel(), predicted.ravel(), zero_division=0.0))
    assert threshold_jaccard(predicted, truth) == pytest.approx(expected if expected >= 0.65 else 0)


def test_the_threshold_itself_passes():
    truth = np.ones((4, 5), bool)
    thirteen, twelve = np.zeros((4, 5), bool), np.zeros((4, 5), bool)
    thirteen.flat[:13], twelve.flat[:12] = True, True
    assert threshold_jaccard(thirteen, truth) == 13 / 20
    assert threshold_jaccard(twelve, truth) == 0
    assert threshold_jaccard(twelve, truth, least=0.6) == 0.6


def test_two_empty_masks_are_undefined():
    nothing = np.zeros((3, 3), bool)
    assert all(np.isnan(f(nothing, nothing)) for f in (jaccard, dice, threshold_jaccard))
    assert jaccard(nothing, ~nothing) == dice(nothing, ~nothing) == 0
