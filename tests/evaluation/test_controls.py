"""Context controls: what must change nothing, and worlds in which context matters or does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cygnet.errors import InputError
from cygnet.evaluation.bootstrap import Resamples
from cygnet.evaluation.controls import _strangers, controls, log_odds, metadata_score, with_siblings
from cygnet.evaluation.study import Study


def made_up(odd, seed=1, patients=150, lesions=14):
    """Patients whose lesions share a level; a melanoma stands out among them (``odd``), or is suspicious anywhere."""
    rng = np.random.default_rng(seed)
    member = np.repeat(np.arange(patients), lesions)
    n = len(member)
    labels = np.zeros(n, bool)
    labels[np.arange(0, n, lesions) + rng.integers(0, lesions, patients)] = True
    level = rng.normal(0, 2 if odd else 0, patients)[member]
    evidence = level - 3 + (rng.normal(0, 0.4, n) + 2 * labels if odd else rng.normal(0, 1, n) + labels)
    scores = 1 / (1 + np.exp(-evidence))
    age = np.where(rng.random(n) < 0.1, "", (30 + 40 * labels + rng.integers(0, 20, n)).astype(str)).astype(object)
    attributes = {"age": age, "sex": rng.choice(["male", "female", ""], n).astype(object)}
    names = tuple(f"i{k}" for k in range(n))
    return Study(names, labels, {"m": scores}, "patient", member, patient=member, attributes=attributes)


def test_order_and_names_of_patients_change_nothing():
    study = made_up(odd=True, patients=30)
    evidence = log_odds(study.scores["m"])
    before = with_siblings(evidence, study.patient, None)
    rng = np.random.default_rng(2)
    order = rng.permutation(len(evidence))
    np.testing.assert_allclose(with_siblings(evidence[order], study.patient[order], None), before[order], atol=1e-12)
    renamed = rng.permutation(30)[study.patient]
    np.testing.assert_allclose(with_siblings(evidence, renamed, None), before, atol=1e-12)
    assert np.abs(before - evidence).max() > 0.1


def test_where_context_matters():
    study = made_up(odd=True)
    found = controls(study, study.scores["m"], Resamples(study.units, 300))
    for other in ("true_minus_shuffled", "true_minus_none"):
        auc = found[other]["auc"]
        assert auc["low"] > 0.005, other
        assert auc["low"] < auc["difference"] < auc["high"]


def test_where_context_is_nothing():
    """Lesions of a patient are no more alike than those of strangers: the shuffled siblings serve as well."""
    study = made_up(odd=False)
    auc = controls(study, study.scores["m"], Resamples(study.units, 300))["true_minus_shuffled"]["auc"]
    assert auc["low"] <= 0 <= auc["high"] or abs(auc["difference"]) < 0.003
    assert abs(auc["difference"]) < 0.01


def test_each_model_of_the_controls():
    study = made_up(odd=True, patients=40)
    ticks = []
    found = controls(study, study.scores["m"], Resamples(40, 100), tick=ticks.append)
    models = {m["name"]: m["metrics"] for m in found["models"]}
    assert sum(ticks) == 100 * (found["shuffles"] + 4)
    none, count = models["no siblings"], models["lesion count alone (fewer scores higher)"]
    assert none["auc"]["value"] == pytest.approx(roc_auc_score(study.labels, study.scores["m"]))
    assert [count["within_patient_auc"][k] for k in ("value", "low", "high")] == [0.5, 0.5, 0.5]
    assert count["auc"]["value"] == 0.5  # everyone has 14
    (metadata,) = (m for name, m in models.items() if name.startswith("metadata"))
    assert metadata["auc"]["value"] > 0.9  # age was planted
    true, none_ = models["true siblings"]["auc"]["value"], none["auc"]["value"]
    assert found["true_minus_none"]["auc"]["difference"] == pytest.approx(true - none_)


def test_lesion_count_alone_knows_who_has_many():
    study = made_up(odd=True, patients=6, lesions=3)
    fewer = study.only(np.arange(18) != np.flatnonzero(~study.labels)[0])  # one patient has two now
    found = controls(fewer, fewer.scores["m"], Resamples(fewer.units, 100))
    (count,) = (m["metrics"] for m in found["models"] if m["name"].startswith("lesion count"))
    sizes = np.bincount(fewer.patient)[fewer.patient]
    assert count["auc"]["value"] == pytest.approx(roc_auc_score(fewer.labels, -sizes))


def test_metadata_are_judged_out_of_fold():
    study = made_up(odd=True, patients=40)
    before = metadata_score(study)
    for patient in (0, 17):
        mine = study.member == patient
        other = metadata_score(replace(study, labels=study.labels ^ mine))
        np.testing.assert_array_equal(other[mine], before[mine])
        assert (other[~mine] != before[~mine]).any()


def test_scores_of_another_kind():
    values = np.array([-3.0, 0, 1, 2, 30])  # median 1, absolute deviations 4 1 0 1 29, their median 1
    np.testing.assert_allclose(log_odds(values), (values - 1) / 1.4826)
    np.testing.assert_allclose(log_odds(np.array([0.5, 0.2])), np.log([1, 0.25]), atol=1e-12)


def test_needs_patients():
    study = made_up(odd=True, patients=5)
    for wrong in (replace(study, patient=None), replace(study, unit="image", member=np.arange(70))):
        with pytest.raises(InputError, match="patient_id"):
            controls(wrong, study.scores["m"], Resamples(5, 100))
    with pytest.raises(InputError, match="two patients"):
        controls(study.only(study.member == 0), study.scores["m"][study.member == 0], Resamples(1, 100))


def test_strangers_are_no_siblings():
    drawn = _strangers(np.arange(20.0), 5, 9, np.random.default_rng(1))
    assert drawn.shape == (4, 3)
    many = {v for seed in range(100) for v in _strangers(np.arange(20.0), 5, 9, np.random.default_rng(seed)).flat}
    assert many == set(range(20)) - set(range(5, 9))
