"""Scores equal those of isic-challenge-scoring 5.8.0, by its own committed answers and by the package where it runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from cygnet.challenge.packed import Source
from cygnet.challenge.scoring import Score, read_answer, score_answer
from cygnet.challenge.tasks import made, task
from cygnet.challenge.truth import truth_of

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "studies"))
import scoring_parity as peer

#: Metrics that the package calls 1.0 where nothing can be said.
FREE = ("sensitivity", "specificity", "dice", "ppv", "npv")


def ours(case: dict) -> Score:
    """Our score, ranked by the metric that the package was asked for."""
    wanted = task(case["task"])
    if case["metric"] == "auc" and wanted.headline != "auc":
        wanted = made(wanted.name, {**wanted.as_json(), "headline": "auc"})
    truth = truth_of(wanted, Path(case["truth"]))
    return score_answer(truth, read_answer(truth, Source.of(Path(case["submission"]))))


def compare(case: dict, theirs: dict) -> None:
    found = ours(case)
    where = f"{case['task']} {case['metric']}"
    wanted = theirs["overall"]
    if found.task.headline == "jaccard":  # the package ranks every segmentation by the threshold Jaccard of 2018
        wanted = theirs["macro_average"]["jaccard"]
    assert found.overall == pytest.approx(wanted, abs=1e-12), where
    if theirs.get("validation") is not None and found.task.headline != "jaccard":
        assert found.validation == pytest.approx(theirs["validation"], abs=1e-12), where
    for metric, row in theirs.get("per_category", {}).items():
        for name, value in row.items():
            mine = found.metrics["per_category"][metric][name]
            if mine != mine:
                assert metric in FREE and value == 1.0, (where, metric, name)
            else:
                assert mine == pytest.approx(value, abs=1e-12), (where, metric, name)
    free = {name.split(".")[0] for name in found.metrics.get("undefined", {})}
    for metric, value in theirs.get("macro_average", {}).items():
        if metric not in free:
            assert found.metrics["macro_average"][metric] == pytest.approx(value, abs=1e-12), (where, metric)
    if "aggregate" in theirs and len(found.task.classes) > 1:
        value = theirs["aggregate"]["balanced_accuracy"]
        assert found.metrics["aggregate"]["balanced_accuracy"] == pytest.approx(value, abs=1e-12)
    for name in {*found.task.classes, "micro_average"} & set(theirs):
        assert found.metrics[name] == pytest.approx(theirs[name], abs=1e-12), (where, name)


def test_equal_to_the_committed_answers(tmp_path: Path) -> None:
    cases = peer.lay_out(tmp_path)
    theirs = json.loads(peer.OUT.read_text(encoding="utf-8"))["answers"]
    assert len(theirs) == len(cases) == 18
    for case, answer in zip(cases, theirs, strict=True):
        compare(case, answer)


def test_equal_to_the_package_itself(tmp_path: Path) -> None:
    python = peer.interpreter()
    if python is None:
        pytest.skip("no Python 3.13 with isic-challenge-scoring; name one in CYGNET_SCORING_PYTHON")
    cases = peer.lay_out(tmp_path)
    for case, answer in zip(cases, peer.ask(python, cases), strict=True):
        compare(case, answer)
