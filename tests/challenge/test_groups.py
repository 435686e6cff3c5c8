"""The headline metric by subgroup, worked out by hand: also where a class is missing, rare, or everything is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cygnet.challenge.groups import by_group
from cygnet.challenge.scoring import Answer
from cygnet.challenge.segmentation import Counts
from cygnet.challenge.store.views import by_subgroup
from cygnet.challenge.tasks import made
from cygnet.challenge.truth import Truth

CLASSES = ("MEL", "NV", "BCC")


def truth_of(classes: str, sex: str, headline: str = "balanced_accuracy") -> Truth:
    """``classes`` a letter for the class of each image (M, N, B), ``sex`` a letter for its sex (m, f, or - where unknown)."""
    n = len(classes)
    labels = np.array([[c == name[0] for name in CLASSES] for c in classes])
    words = np.array([{"m": "male", "f": "female", "-": ""}[s] for s in sex], dtype=object)
    task = made("three", {"kind": "classification", "classes": list(CLASSES), "headline": headline})
    return Truth(task, tuple(f"I{k}" for k in range(n)), labels, np.arange(n), attributes={"sex": words})


def says(classes: str) -> Answer:
    """An answer that is sure of the class of each letter."""
    return Answer(values=np.array([[float(c == name[0]) for name in CLASSES] for c in classes]))


def groups_of(truth: Truth, answer: Answer) -> dict[str, dict[str, Any]]:
    headline = by_group(truth, answer)[0]
    assert (headline["variable"], headline["metric"]) == ("sex", truth.task.headline)
    return {g["group"]: g for g in headline["groups"]}


def test_balanced_accuracy_where_a_class_is_missing() -> None:
    # men: 10 MEL (8 found), 10 NV (9 found), no BCC; women: 5 MEL (all), 10 NV (5), 5 BCC (1 found)
    truth = truth_of("M" * 10 + "N" * 10 + "M" * 5 + "N" * 10 + "B" * 5, "m" * 20 + "f" * 20)
    found = groups_of(truth, says("MMMMMMMMNN" + "NNNNNNNNNB" + "MMMMM" + "NNNNNMMMMM" + "BMMMM"))
    assert found["male"]["value"] == pytest.approx((8 / 10 + 9 / 10) / 2)
    assert found["male"]["without"] == ["BCC"]
    assert found["female"]["value"] == pytest.approx((5 / 5 + 5 / 10 + 1 / 5) / 3)
    assert "without" not in found["female"]
    for one in found.values():
        assert one["n"] == 20 and one["low"] <= one["value"] <= one["high"]


def test_a_rare_class_does_not_count_but_may_be_what_others_are_mistaken_for() -> None:
    truth = truth_of("M" * 10 + "N" * 10 + "B" * 4, "f" * 24)
    found = groups_of(truth, says("B" * 5 + "M" * 5 + "N" * 10 + "B" * 4))
    assert found["female"]["value"] == pytest.approx((5 / 10 + 1) / 2)
    assert (found["female"]["without"], found["female"]["n"]) == (["BCC"], 24)


def test_groups_that_are_too_small_are_counted_not_judged() -> None:
    truth = truth_of("M" * 10 + "N" * 9 + "N" * 30 + "-" * 2, "m" * 19 + "f" * 30 + "-" * 2)
    found = groups_of(truth, says("M" * 51))
    assert {g: (one["n"], "value" in one) for g, one in found.items()} == {"male": (19, False), "female": (30, False)}
    assert by_group(truth, says("M" * 51))[0]["unknown"] == 2


def test_mean_auc_counts_the_classes_that_a_group_has_enough_of() -> None:
    # 20 MEL, 20 NV, 3 BCC: the AUC of MEL is 1, that of NV 0, that of BCC is left out
    truth = truth_of("M" * 20 + "N" * 20 + "B" * 3, "f" * 43, "auc")
    found = groups_of(truth, Answer(values=np.where(np.arange(43)[:, None] < 20, 0.9, np.array([[0.1, 0.5, 0.5]]))))
    assert found["female"]["without"] == ["BCC"]
    assert found["female"]["value"] == pytest.approx((1 + 3 / 46) / 2)  # NV: 20 MEL above, 3 BCC level, of 23


def test_the_auc_of_melanoma_stands_beside_another_headline() -> None:
    truth = truth_of("M" * 25 + "N" * 25, "f" * 50)
    beside = by_group(truth, says("M" * 25 + "N" * 25))[1]
    assert (beside["metric"], beside["title"], beside["groups"][0]["value"]) == ("auc", "AUC of melanoma", 1.0)


def test_masks() -> None:
    task = made("outlines", {"kind": "segmentation"})
    ids = tuple(f"I{k}" for k in range(45))
    sex = np.array(["male"] * 20 + ["female"] * 20 + [""] * 5, dtype=object)
    truth = Truth(task, ids, np.zeros((45, 0), bool), np.arange(45), files=dict.fromkeys(ids), attributes={"sex": sex})
    pixels = np.array([[30, 10, 10, 50] if k < 20 else [10, 0, 0, 90] for k in range(45)])  # TP, FP, FN, TN
    found = groups_of(truth, Answer(counts=Counts(tuple((name, "") for name in ids), pixels)))
    assert found["male"]["value"] == pytest.approx(30 / 50)
    assert found["female"]["value"] == 1


def test_tables_of_teams_whose_runs_know_different_groups() -> None:
    truth = truth_of("M" * 10 + "N" * 10, "f" * 20)
    rows = [
        {"team": "a", "subgroups": by_group(truth, says("M" * 20))},
        {"team": "b", "subgroups": []},  # scored before the truth had attributes
        {"team": "c", "subgroups": by_group(truth, says("M" * 10 + "N" * 10))[:1]},
    ]
    headline, auc = by_subgroup(rows)
    assert [row["team"] for row in headline["rows"]] == ["a", "c"] and [row["team"] for row in auc["rows"]] == ["a"]
    assert [row["cells"][0]["value"] for row in headline["rows"]] == [0.5, 1.0]
    assert (headline["title"], headline["groups"][0]["group"]) == ("Balanced accuracy", "female")
