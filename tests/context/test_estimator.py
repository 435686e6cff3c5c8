"""The classifier in real scikit-learn pipelines."""

from __future__ import annotations

import doctest

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict, cross_val_score

from cygnet.context import METHODS, ContextClassifier, estimator
from cygnet.errors import InputError


def table(seed: int = 0, patients: int = 40, measures: int = 4) -> tuple[NDArray, NDArray, NDArray]:
    """Columns patient, score and measurements, labels, patients: the malignant lesion departs in its measurements."""
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(patients), 12)
    labels = np.tile(np.arange(12) == 0, patients) & (rng.random(len(owner)) < 0.9)
    own = rng.normal(size=(patients, measures))[owner]
    measured = own + rng.normal(0, 0.3, own.shape) + 1.5 * labels[:, None]
    score = 1 / (1 + np.exp(3 - 1.0 * labels - rng.normal(size=len(owner))))
    return np.column_stack([owner, score, measured]), labels.astype(int), owner


def test_three_lines_and_it_helps() -> None:
    x, y, patients = table()
    context = ContextClassifier().fit(x[:, 1:], y, groups=patients)
    p = context.predict_proba(x[:, 1:], groups=patients)
    assert p.shape == (len(y), 2)
    assert p.sum(axis=1) == pytest.approx(1)
    assert context.weight_ > 1.5


def test_cross_validation_and_clone_with_real_scikit_learn() -> None:
    x, y, patients = table()
    model = ContextClassifier(patient=0, score=1)
    assert is_classifier(model)
    again = clone(model)
    assert again is not model
    assert again.get_params() == model.get_params()
    folds = GroupKFold(5)
    p = cross_val_predict(model, x, y, groups=patients, cv=folds, method="predict_proba")[:, 1]
    aucs = cross_val_score(model, x, y, groups=patients, cv=folds, scoring="roc_auc")
    assert p.min() > 0
    assert aucs.mean() > 0.8
    search = GridSearchCV(model, {"method": list(METHODS)}, cv=folds, scoring="roc_auc").fit(x, y, groups=patients)
    assert search.best_params_["method"] in METHODS


def test_true_patients_beat_shuffled_ones() -> None:
    from sklearn.metrics import roc_auc_score

    x, y, patients = table(1)
    wrong = np.random.default_rng(0).permutation(patients)
    true, false = (
        roc_auc_score(y, ContextClassifier().fit(x[:, 1:], y, groups=g).predict_proba(x[:, 1:], groups=g)[:, 1])
        for g in (patients, wrong)
    )
    assert true > false + 0.02


def test_frames_with_names_and_embeddings() -> None:
    x, y, patients = table()
    frame = pl.DataFrame(x[:, 1:], schema=["p", "e1", "e2", "e3", "size"])
    frame = frame.with_columns(who=pl.Series([f"P{k}" for k in patients]))
    model = ContextClassifier(score="p", patient="who", embedding=("e1", "e2", "e3"), method="stack").fit(frame, y)
    assert set(model.predict(frame)) <= {0, 1}
    assert model.predict_proba(frame)[:, 1].max() <= 1


def test_without_labels_the_stated_weight() -> None:
    x, _, patients = table()
    assert ContextClassifier().fit(x[:, 1:], groups=patients).weight_ == 1.5


def test_a_weight_never_turns_the_promise_round() -> None:
    x, y, patients = table()
    assert ContextClassifier().fit(x[:, 1:], 1 - y, groups=patients).weight_ >= 0


def test_each_patient_with_one_lesion_keeps_its_scores() -> None:
    x, y, _ = table()
    alone = np.arange(len(y))
    p = ContextClassifier().fit(x[:, 1:], y, groups=alone).predict_proba(x[:, 1:], groups=alone)[:, 1]
    assert np.array_equal(p, x[:, 1])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda x, y, g: ContextClassifier().fit(x[:, 1:], y), "whose lesions"),
        (lambda x, y, g: ContextClassifier().fit(x[:, 1:], y, groups=g[:5]), "names 5 patients for 480 rows"),
        (lambda x, y, g: ContextClassifier().fit(x[:, 2:], y, groups=g), "outside 0 to 1"),
        (lambda x, y, g: ContextClassifier().fit(x[:, 1:], y * 0, groups=g), "two classes"),
        (lambda x, y, g: ContextClassifier(score="p").fit(x, y, groups=g), "no column 'p'"),
        (lambda x, y, g: ContextClassifier(method="magic").fit(x[:, 1:], y, groups=g), "no context method 'magic'"),
        (lambda x, y, g: ContextClassifier().predict_proba(x[:, 1:], groups=g), "not fitted"),
        (lambda x, y, g: ContextClassifier(method="lof").fit(x[:, 1:2], y, groups=g), "compares looks"),
        (lambda x, y, g: ContextClassifier().fit(x[:, 1:] * np.nan, y, groups=g), "outside 0 to 1"),
        (lambda x, y, g: ContextClassifier().fit(x[:, 1], y, groups=g), "1 dimensions"),
        (lambda x, y, g: ContextClassifier().set_params(wings=2), "no parameter 'wings'"),
    ],
)
def test_wrong_use(make, words: str) -> None:
    with pytest.raises(InputError, match=words):
        make(*table())


def test_the_example_of_the_docstring() -> None:
    assert doctest.testmod(estimator).failed == 0
