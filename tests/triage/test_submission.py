"""Probabilities to the columns of each challenge, by hand; priors by Bayes' rule."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cygnet.errors import InputError, TableError
from cygnet.schema import DIAGNOSES, ImageRecord
from cygnet.triage.calibration import Calibration, melanoma_logit
from cygnet.triage.features import Seen
from cygnet.triage.submission import HAM10000, Answers, Prior, Task, refuse_twice, settled

PLAIN = Calibration(slope=1.0, intercept=0.0, temperature=1.0, prevalence=1 / 7)
RECORD = ImageRecord("ISIC_1", Path("ISIC_1.jpg"), "p")


def seen(strangeness: float = 0.5, **logits: float) -> Seen:
    return Seen(RECORD, np.array([logits.get(d, 0.0) for d in DIAGNOSES], np.float32), strangeness)


def answers(task: str, prior: Prior = Prior.STATED, prevalence: float = 1 / 7) -> Answers:
    return Answers(Task(task), PLAIN, prior, prevalence)


def test_columns_are_those_of_the_challenges() -> None:
    assert ",".join(Task.ISIC2018.columns) == "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC"
    assert ",".join(Task.ISIC2019.columns) == "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK"
    assert ",".join(Task.ISIC2020.columns) == "image_name,target"
    assert ",".join(Task.ISIC2024.columns) == "isic_id,target"


def test_each_diagnosis_lands_in_its_column() -> None:
    here = {"akiec": "AKIEC", "bcc": "BCC", "bkl": "BKL", "df": "DF", "mel": "MEL", "nv": "NV", "vasc": "VASC"}
    for name, column in here.items():
        for task in ("isic2018", "isic2019"):
            made = answers(task)
            row = dict(zip(made.task.columns[1:], made.row(seen(**{name: 30.0})), strict=True))
            wanted = "AK" if (task, column) == ("isic2019", "AKIEC") else column
            assert max(row, key=row.__getitem__) == wanted
            assert row[wanted] > 0.999
            assert sum(row.values()) == pytest.approx(1)


def test_targets_are_melanoma_and_malignant() -> None:
    """Softmax of logits 0 but for two of log 3: melanoma and basal cell carcinoma 3/11 each, where melanoma's is calibrated."""
    one = seen(mel=math.log(3), bcc=math.log(3))
    odds = 3 / 8  # melanoma against 3 + 5 * 1
    p = odds / (1 + odds)
    assert answers("isic2020").row(one) == [pytest.approx(p, abs=1e-6)]
    assert answers("isic2024").row(one) == [pytest.approx(p + (1 - p) * 3 / 8, abs=1e-6)]
    assert answers("isic2024").row(seen(akiec=30.0))[0] < 1e-6  # not certain to be malignant


def test_prevalence_shifts_the_odds() -> None:
    one = seen(mel=1.0)
    low, high = (answers("isic2020", prevalence=p).row(one)[0] for p in (0.02, 0.5))
    assert (high / (1 - high)) / (low / (1 - low)) == pytest.approx((0.5 / 0.5) / (0.02 / 0.98), rel=1e-4)


def test_priors_follow_bayes() -> None:
    """Logits 0, drawn in training by the square root of their number: the likelihood of c is 1 / sqrt(n_c)."""
    n = np.array([HAM10000[d] for d in DIAGNOSES], float)
    other = np.array([d != "mel" for d in DIAGNOSES])
    columns = {"akiec": "AKIEC", "bcc": "BCC", "bkl": "BKL", "df": "DF", "nv": "NV", "vasc": "VASC"}
    assert n.sum() == 10015
    for prior, weight in ((Prior.UNIFORM, n**-0.5), (Prior.TRAINING, n**0.5), (Prior.STATED, n**0)):
        made = answers("isic2018", prior)
        row = dict(zip(made.task.columns[1:], made.row(seen()), strict=True))
        shares = np.where(other, weight, 0) / weight[other].sum() * (1 - row["MEL"])
        for k, name in enumerate(DIAGNOSES):
            if name != "mel":
                assert row[columns[name]] == pytest.approx(shares[k], abs=1e-8)
    assert answers("isic2018", Prior.UNIFORM, 0.02).melanoma == pytest.approx(1 / 7)
    assert answers("isic2018", Prior.TRAINING, 0.02).melanoma == pytest.approx(1113 / 10015)


@given(st.lists(st.floats(-40, 40), min_size=7, max_size=7), st.sampled_from(list(Task)), st.sampled_from(list(Prior)))
@settings(max_examples=60, deadline=None)
def test_rows_are_probabilities(logits: list[float], task: Task, prior: Prior) -> None:
    made = Answers(task, Calibration(0.8, -2.0, 1.3, 0.02), prior, 0.02)
    row = made.row(Seen(RECORD, np.array(logits, np.float32), 0.2))
    assert len(row) == len(task.columns) - 1
    assert all(0 <= v <= 1 for v in row)
    if task.several:
        assert sum(row) == pytest.approx(1, abs=1e-6)
    if task is Task.ISIC2020 and prior is Prior.STATED:
        z = melanoma_logit(np.array([logits], np.float32), made.calibration, 0.02)[0]
        assert row[0] == pytest.approx(1 / (1 + math.exp(-z)), abs=1e-8)


def test_images_that_could_not_be_read() -> None:
    broken = Seen(RECORD, None, float("nan"), "the file is empty")
    row = dict(zip(Task.ISIC2018.columns[1:], answers("isic2018", prevalence=0.02).row(broken), strict=True))
    assert row["MEL"] == 0.02
    assert row["NV"] == pytest.approx(0.98 * 6705 / (10015 - 1113))
    assert sum(row.values()) == pytest.approx(1)
    row = dict(zip(Task.ISIC2019.columns[1:], answers("isic2019").row(broken), strict=True))
    assert row == {**dict.fromkeys(Task.ISIC2019.columns[1:-1], 0.0), "UNK": 1.0}
    assert answers("isic2020", prevalence=0.03).row(broken) == [0.03]
    assert answers("isic2024", prevalence=0.02).row(broken) == [pytest.approx(0.02 + 0.98 * 514 / (10015 - 1113))]


def test_no_dermoscopy_is_unknown_in_2019_only() -> None:
    odd = seen(strangeness=1.01, nv=9.0)
    assert answers("isic2019").row(odd)[-1] == 1
    assert answers("isic2018").row(odd)[1] > 0.99


def test_what_may_be_asked_for() -> None:
    assert settled(Task.ISIC2018, None, None, 0.02) == (Prior.UNIFORM, 0.02)
    assert settled(Task.ISIC2018, None, 0.1, 0.02) == (Prior.STATED, 0.1)
    assert settled(Task.ISIC2019, Prior.TRAINING, None, 0.02) == (Prior.TRAINING, 0.02)
    assert settled(Task.ISIC2020, None, None, 0.02) == (Prior.STATED, 0.02)
    for task, prior, prevalence, words in (
        (Task.ISIC2020, Prior.UNIFORM, None, "asks for one target; say --prevalence"),
        (Task.ISIC2018, Prior.UNIFORM, 0.1, "already says how common melanoma is"),
        (Task.ISIC2018, None, 1.0, "give a share between 0 and 1"),
        (Task.ISIC2018, None, float("nan"), "give a share between 0 and 1"),
    ):
        with pytest.raises(InputError, match=words):
            settled(task, prior, prevalence, 0.02)


def test_names_occur_once() -> None:
    records = [ImageRecord("a", Path(f"{k}/a.jpg"), str(k)) for k in range(2)]
    refuse_twice(records[:1], Task.ISIC2020)
    with pytest.raises(TableError, match=r"1/a.jpg and 0/a.jpg are both called a\nisic2020 takes one row per image"):
        refuse_twice(records, Task.ISIC2020)
