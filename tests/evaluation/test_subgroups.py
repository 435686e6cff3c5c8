"""Metrics by group of patients, by hand and against scikit-learn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cygnet.errors import InputError
from cygnet.evaluation.bootstrap import Resamples
from cygnet.evaluation.study import Study
from cygnet.evaluation.subgroups import by_group, groups


def made_up(**attributes):
    n = len(next(iter(attributes.values()))) if attributes else 4
    given = {k: np.array(v, dtype=object) for k, v in attributes.items()}
    labels = np.arange(n) % 2 == 0
    names = tuple(f"i{k}" for k in range(n))
    return Study(names, labels, {}, "image", np.arange(n), attributes=given)


def test_bands_at_their_edges():
    ages = ["0", "29.9", "30", "49", "50", "69", "70", "95", "", "old"]
    assert groups(made_up(age=ages))["age"].tolist() == [
        *["under 30"] * 2, *["30 to 49"] * 2, *["50 to 69"] * 2, *["70 and over"] * 2, "", "",
    ]  # fmt: skip


def test_tones_at_their_edges():
    angles = ["60", "55", "54.9", "41", "28", "27", "10", "9.9", "-30", "-30.1", "-90", ""]
    tones = groups(made_up(ita=angles))["skin tone (ITA)"].tolist()
    assert tones == [
        "very light", "very light", "light", "light", "intermediate", "tan", "tan", "brown", "brown", "dark", "dark", "",
    ]  # fmt: skip


def world():
    rng = np.random.default_rng(4)
    study = made_up(sex=(["female"] * 100 + ["male"] * 96 + [""] * 4), skin_tone=["I"] * 150 + ["VI"] * 50)
    study = replace(study, member=rng.integers(0, 60, 200), labels=np.arange(200) % 5 < 2, unit="patient")
    scores = rng.normal(size=200) + study.labels * np.where(np.arange(200) < 100, 2, 1)
    return study, scores


def test_against_scikit_learn():
    study, scores = world()
    resamples = Resamples(60, 50)
    sex, tone = by_group(study, scores, resamples)
    assert (sex["variable"], sex["unknown"], tone["variable"]) == ("sex", 4, "skin tone")
    female, male = sex["groups"]
    mine, others = slice(0, 100), slice(100, 196)
    y = study.labels
    assert (female["group"], female["n"], female["positives"]) == ("female", 100, 40)
    assert female["value"] == pytest.approx(roc_auc_score(y[mine], scores[mine]))
    assert male["value"] == pytest.approx(roc_auc_score(y[others], scores[others]))
    assert female["value"] > male["value"]
    assert (female["gap"], female["gap_low"], female["gap_high"]) == (0, 0, 0)
    assert male["gap"] == pytest.approx(male["value"] - female["value"])
    gaps = []
    for counts in resamples.blocks(50):
        for w in counts[:, study.member]:
            a, b = (roc_auc_score(y[g], scores[g], sample_weight=w[g]) for g in (others, mine))
            gaps.append(a - b)
    assert (male["gap_low"], male["gap_high"]) == pytest.approx(tuple(np.percentile(gaps, [2.5, 97.5])))


def test_too_few():
    study, scores = world()
    sex, tone = by_group(study, scores, Resamples(60, 20), least=25)
    light, dark = tone["groups"]
    assert (dark["n"], dark["positives"], dark["note"]) == (50, 20, "too few (under 25)")
    assert "value" not in dark and light["gap"] == 0
    assert by_group(study, scores, Resamples(60, 20), least=20)[1]["groups"][1]["value"] > 0
    nobody = by_group(study, scores, Resamples(60, 20), least=200)[0]
    assert all("value" not in g for g in nobody["groups"])


def test_the_fewest_reviews_are_the_best():
    study, scores = world()
    sex, _ = by_group(study, scores, Resamples(60, 20), metric="review_per_melanoma_at_80")
    gaps = [g["gap"] for g in sex["groups"]]
    assert min(gaps) == 0 < max(gaps)


def test_groups_stand_in_their_order():
    ages = ["75", "20", "55", "35"] * 3
    study = made_up(age=ages)
    found = by_group(study, np.linspace(0, 1, 12), Resamples(12, 20), least=1)
    assert [g["group"] for g in found[0]["groups"]] == ["under 30", "30 to 49", "50 to 69", "70 and over"]


def test_wrong_use():
    study, scores = world()
    with pytest.raises(InputError, match="no metric 'f1'"):
        by_group(study, scores, Resamples(60, 20), metric="f1")
    with pytest.raises(InputError, match="no column to divide by"):
        by_group(made_up(), np.zeros(4), Resamples(4, 20))
