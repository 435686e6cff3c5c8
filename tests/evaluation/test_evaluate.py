"""A whole evaluation, every replicate against loops that really repeat the rows."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, balanced_accuracy_score, confusion_matrix, roc_auc_score

from cygnet.evaluation import definitions, delong
from cygnet.evaluation.bootstrap import Resamples
from cygnet.evaluation.evaluate import Plan, comparisons, evaluate, plain
from cygnet.evaluation.judge import judge
from cygnet.evaluation.study import Study

N, PATIENTS, THRESHOLD = 600, 80, 0.2


def made_up(seed=1, **changed):
    rng = np.random.default_rng(seed)
    member = np.r_[np.arange(PATIENTS), rng.integers(0, PATIENTS, N - PATIENTS)]
    labels = rng.random(N) < 0.15
    scores = np.round(1 / (1 + np.exp(-(rng.normal(-2, 1, N) + 1.5 * labels))), 3)
    names = tuple(f"i{k}" for k in range(N))
    return replace(Study(names, labels, {"model": scores}, "patient", member, patient=member), **changed)


@pytest.fixture(scope="module")
def study():
    return made_up()


@pytest.fixture(scope="module")
def judged(study):
    return judge(study, study.scores["model"], Resamples(PATIENTS, 30), threshold=THRESHOLD)


def repeated(study):
    """Labels, scores and original row numbers of each resample, rows really repeated."""
    for counts in Resamples(PATIENTS, 30).blocks(7):
        for drawn in counts:
            rows = np.repeat(np.arange(N), drawn.astype(int)[study.member])
            yield study.labels[rows], study.scores["model"][rows], rows


def test_ranking_replicates(study, judged):
    lowest = 0.5 * 0.2**2
    expected = [
        (
            roc_auc_score(y, s),
            average_precision_score(y, s),
            lowest + (0.2 - lowest) / 0.5 * (roc_auc_score(~y, -s, max_fpr=0.2) - 0.5),
        )
        for y, s, _ in repeated(study)
    ]
    for k, name in enumerate(("auc", "average_precision", "pauc")):
        np.testing.assert_allclose(judged.metrics[name].replicates, np.array(expected)[:, k], atol=1e-9)


def groups_of_equal_size(scores):
    """Ten groups cut at the scores in the middle of whose row each tenth falls; equal scores stay together."""
    ordered = sorted(scores)
    cuts = sorted(
        {next(s for i, s in enumerate(ordered) if (i + 0.5) / len(ordered) >= d / 10 - 1e-12) for d in range(1, 10)}
    )
    return np.array([sum(s >= c for c in cuts) for s in scores])


def test_probability_replicates(study, judged):
    bins = groups_of_equal_size(study.scores["model"])
    odds = THRESHOLD / (1 - THRESHOLD)
    for i, (y, s, rows) in enumerate(repeated(study)):
        chosen = s >= THRESHOLD
        true, false = (chosen & y).sum(), (chosen & ~y).sum()
        mine = bins[rows]
        expected = {
            "brier": np.mean((s - y) ** 2),
            "ece": sum((mine == b).mean() * abs(s[mine == b].mean() - y[mine == b].mean()) for b in set(mine)),
            "sensitivity": true / y.sum(),
            "specificity": 1 - false / (~y).sum(),
            "balanced_accuracy": balanced_accuracy_score(y, chosen),
            "number_needed_to_biopsy": chosen.sum() / true,
            "net_benefit": true / len(y) - false / len(y) * odds,
        }
        for name, value in expected.items():
            assert judged.metrics[name].replicates[i] == pytest.approx(value, abs=1e-9), name


def test_values_are_those_of_all_rows(study, judged):
    assert judged.metrics["auc"].value == pytest.approx(roc_auc_score(study.labels, study.scores["model"]))
    assert judged.metrics["brier"].value == pytest.approx(np.mean((study.scores["model"] - study.labels) ** 2))


def test_weights_count_rows_again(study):
    weights = np.random.default_rng(3).integers(0, 3, N).astype(float)
    rows = np.repeat(np.arange(N), weights.astype(int))
    again = replace(
        study,
        images=tuple(study.images[i] for i in rows),
        labels=study.labels[rows],
        member=study.member[rows],
        patient=None,
        scores={"model": study.scores["model"][rows]},
    )
    one, other = (
        judge(s, s.scores["model"], Resamples(PATIENTS, 20), threshold=THRESHOLD).metrics
        for s in (replace(study, weights=weights), again)
    )
    for name in other:
        if name == "ece":  # groups are cut in the middle of a row's weight
            continue
        assert one[name].value == pytest.approx(other[name].value, abs=1e-9), name
        np.testing.assert_allclose(one[name].replicates, other[name].replicates, atol=1e-7, err_msg=name)


def test_a_model_with_itself_and_another(study):
    scores = study.scores["model"]
    worse = np.random.default_rng(2).random(N)
    found = evaluate(replace(study, scores={"a": scores, "b": scores.copy(), "c": worse}), Plan(100))
    same, other = found["comparisons"]
    for name, d in same["metrics"].items():
        assert (d["difference"], d["low"], d["high"], d["p"], d["p_adjusted"]) == (0, 0, 0, 1, 1), name
    auc = other["metrics"]["auc"]
    assert auc["difference"] == pytest.approx(roc_auc_score(study.labels, scores) - roc_auc_score(study.labels, worse))
    assert 0 < auc["low"] < auc["difference"] < auc["high"]
    assert auc["p_adjusted"] == pytest.approx(2 * auc["p"])
    assert comparisons({"a": judge(study, scores, Resamples(PATIENTS, 5))}, 0.95) == []


def test_every_metric_is_defined_and_json_safe(study):
    ticks = []
    found = evaluate(study, Plan(100, threshold=THRESHOLD), ticks.append)
    assert sum(ticks) == 100
    (model,) = found["models"]
    assert set(model["metrics"]) == set(found["definitions"]) <= set(definitions.ALL)
    assert {"auc", "hit_at_3", "ece", "net_benefit"} <= set(model["metrics"])
    read = json.loads(json.dumps(plain(found), allow_nan=False))
    assert (read["n"], read["units"], read["positives"]) == (N, PATIENTS, int(study.labels.sum()))
    for name, m in model["metrics"].items():
        low, high = definitions.ALL[name].range
        assert m["low"] <= m["value"] <= m["high"] or name in ("ece", "brier"), name
        assert (low is None or m["low"] >= low - 1e-12) and (high is None or m["high"] <= high + 1e-12), name


@pytest.mark.parametrize("scale, ranked", [(3, False), (1, True)])
def test_no_probabilities(study, scale, ranked):
    other = replace(study, scores={"model": study.scores["model"] * scale - (scale > 1)}, ranked=ranked)
    (model,) = evaluate(other, Plan(100))["models"]
    assert model["metrics"]["auc"]["value"] == pytest.approx(roc_auc_score(study.labels, study.scores["model"]))
    for name in definitions.PROBABILITY:
        assert math.isnan(model["metrics"][name]["value"])
        assert "no probabilities" in model["metrics"][name]["note"]
    assert {"roc", "precision_recall"} <= set(model["curves"]) and "decision" not in model["curves"]


@pytest.mark.parametrize("label", [True, False])
def test_one_class(study, label):
    (model,) = evaluate(replace(study, labels=np.full(N, label)), Plan(100))["models"]
    for name in ("auc", "pauc", "average_precision", "calibration_slope", "within_patient_auc", "balanced_accuracy"):
        assert math.isnan(model["metrics"][name]["value"]), name
        assert model["metrics"][name]["note"], name


def test_few_melanomas_few_scores_high_threshold(study):
    """Resamples without a melanoma, groups that hold nothing, nothing taken out: undefined in silence."""
    labels = np.zeros(N, bool)
    labels[:2] = True
    scores = np.where(np.arange(N) % 2, 0.1, 0.3)
    other = replace(study, labels=labels, scores={"model": scores})
    (model,) = evaluate(other, Plan(200, threshold=0.9))["models"]
    assert model["metrics"]["number_needed_to_biopsy"]["note"] == "no melanoma at or above the threshold"
    assert model["metrics"]["auc"]["value"] == pytest.approx(roc_auc_score(labels, scores))
    assert len(model["curves"]["reliability"]) == 2
    json.dumps(plain(model), allow_nan=False)


def test_independent_rows_have_delong(study):
    alone = replace(study, unit="image", member=np.arange(N), patient=None)
    found = evaluate(alone, Plan(100))
    stated = found["models"][0]["delong"]["auc"]
    assert (stated["value"], stated["low"], stated["high"]) == delong.interval(study.scores["model"], study.labels)
    assert "within_patient_auc" not in found["models"][0]["metrics"]
    assert any("no patients" in line for line in found["limits"])


def test_multiclass(study):
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 4, N)
    p = rng.random((N, 5))
    p[np.arange(N), truth] += 0.5
    classes = ("mel", "nv", "bcc", "df", "vasc")  # nobody has the last
    found = evaluate(replace(study, classes=classes, diagnosis=truth, diagnoses={"model": p}), Plan(50))
    (model,) = found["multiclass"]["models"]
    assert "UserWarning" not in str(model)
    guess = p.argmax(axis=1)
    np.testing.assert_array_equal(model["confusion"]["counts"], confusion_matrix(truth, guess, labels=range(5)))
    recall = [(guess[truth == k] == k).mean() for k in range(4)]
    assert model["balanced_accuracy"]["value"] == pytest.approx(np.mean(recall))
    replicates = []
    for counts in Resamples(PATIENTS, 50).blocks(9):
        for drawn in counts:
            rows = np.repeat(np.arange(N), drawn.astype(int)[study.member])
            replicates.append(np.mean([(guess[rows][truth[rows] == k] == k).mean() for k in range(4)]))
    low, high = np.percentile(replicates, [2.5, 97.5])
    assert (model["balanced_accuracy"]["low"], model["balanced_accuracy"]["high"]) == pytest.approx((low, high))
    for k, d in enumerate(model["diagnoses"][:4]):
        assert d["auc"]["value"] == pytest.approx(roc_auc_score(truth == k, p[:, k]))
        assert d["sensitivity"]["value"] == pytest.approx(recall[k])
    assert math.isnan(model["diagnoses"][4]["auc"]["value"]) and model["diagnoses"][4]["n"] == 0


def test_plain():
    given = {1: np.array([1.0, np.nan]), "b": (np.float32(0.5), np.inf, "c"), "d": [True, None, np.int64(3)]}
    assert plain(given) == {"1": [1.0, None], "b": [0.5, None, "c"], "d": [True, None, 3]}
