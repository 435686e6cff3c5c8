"""Human votes beside the model, by hand and by brute force."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from cygnet.errors import InputError
from cygnet.evaluation.bootstrap import Resamples
from cygnet.evaluation.readers import anchor, melanoma_share
from cygnet.evaluation.study import Study
from cygnet.evaluation.table import prepare

NAMES = ("a", "b", "c", "d", "e", "f")
LABELS = np.array([1, 1, 0, 0, 0, 0], bool)
SCORES = np.array([0.9, 0.3, 0.5, 0.2, 0.1, 0.9])


def study():
    return Study(NAMES, LABELS, {"m": SCORES}, "image", np.arange(6))


def votes(names=NAMES[:5], melanoma=(8, 4, 2, 0, 1), readers=(10, 8, 8, 4, 10)):
    given = pl.DataFrame({"image": list(names), "melanoma": list(melanoma), "readers": list(readers)})
    return prepare(given, "votes.csv")


def test_shares():
    np.testing.assert_allclose(melanoma_share(study(), votes(), "v"), [0.8, 0.5, 0.25, 0, 0.1, np.nan])
    counts = prepare(pl.DataFrame({"image": ["b", "a", "c"], "MEL": [1, 3, 0], "NV": [3, 0, 0], "bcc": [0, 1, 0]}), "v")
    np.testing.assert_allclose(melanoma_share(study(), counts, "v"), [0.75, 0.25, *[np.nan] * 4])


def test_by_hand():
    found = anchor(study(), SCORES, votes(), "dermatologists", Resamples(6, 50))
    assert (found["name"], found["n"], found["positives"]) == ("dermatologists", 5, 2)
    assert found["average"]["sensitivity"]["value"] == pytest.approx((0.8 + 0.5) / 2)
    assert found["average"]["specificity"]["value"] == pytest.approx((0.75 + 1 + 0.9) / 3)
    # specificity 0.883: of three others none may be taken; above 0.5 is only the first melanoma
    assert found["model_sensitivity"]["value"] == 0.5
    assert found["model_minus_average_sensitivity"]["difference"] == pytest.approx(-0.15)
    assert found["pooled"]["auc"]["value"] == 1
    assert found["model_auc"]["value"] == pytest.approx(5 / 6)
    assert found["model_minus_pooled_auc"]["difference"] == pytest.approx(-1 / 6)
    assert found["pooled"]["roc"]["tpr"].min() == 1


def test_resamples_by_brute_force():
    rng = np.random.default_rng(3)
    n = 200
    labels, member = rng.random(n) < 0.3, rng.integers(0, 50, n)
    scores = np.round(rng.normal(size=n) + labels, 1)
    names = tuple(f"i{k}" for k in range(n))
    asked = rng.integers(1, 9, n)
    said = rng.binomial(asked, np.where(labels, 0.6, 0.2))
    made = Study(names, labels, {"m": scores}, "patient", member, patient=member)
    found = anchor(made, scores, votes(names, said, asked), "v", Resamples(50, 60))
    share = said / asked
    gaps, aucs = [], []
    for counts in Resamples(50, 60).blocks(60):
        for w in counts[:, member].astype(float):
            p, q = w * labels, w * ~labels
            sensitivity, specificity = (p @ share) / p.sum(), (q @ (1 - share)) / q.sum()
            reached = [0.0] + [
                p[scores >= t].sum() / p.sum()
                for t in set(scores)
                if 1 - q[scores >= t].sum() / q.sum() >= specificity - 1e-12
            ]
            gaps.append(max(reached) - sensitivity)
            aucs.append(roc_auc_score(labels, scores, sample_weight=w) - roc_auc_score(labels, share, sample_weight=w))
    for key, expected in (("model_minus_average_sensitivity", gaps), ("model_minus_pooled_auc", aucs)):
        assert (found[key]["low"], found[key]["high"]) == pytest.approx(tuple(np.percentile(expected, [2.5, 97.5])))


def test_wrong_tables():
    with pytest.raises(InputError, match="column of counts"):
        anchor(study(), SCORES, prepare(pl.DataFrame({"image": ["a"], "mel": [1]}), "v"), "v", Resamples(6, 20))
    with pytest.raises(InputError, match="only one class"):
        anchor(study(), SCORES, votes(["a", "b"], [1, 1], [2, 2]), "v", Resamples(6, 20))
    with pytest.raises(InputError, match="only one class"):
        anchor(study(), SCORES, votes(["x", "y"], [1, 1], [2, 2]), "v", Resamples(6, 20))
