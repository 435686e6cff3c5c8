"""The learned context network: what it learns from, that it learns, and that the file says what torch says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from cygnet.context import Cohort
from cygnet.evaluation.metrics import auc
from cygnet.models.context import ContextNetwork
from cygnet.schema.diagnoses import DIAGNOSES
from cygnet.training.context import ContextConfig, as_if_unseen, batch, examples, fit, ranking_loss, to_onnx
from cygnet.training.context_sources import Case, Seen, fold_of
from cygnet.training.made_up import LEVELS, STRANGERS, Stock, join, make
from cygnet.training.set_network import SetNetwork
from cygnet.training.sources import Sample

if TYPE_CHECKING:
    from pathlib import Path

    from cygnet.training.context import Example

ALL = frozenset(DIAGNOSES)


def case(patients: int = 30, size: int = 9) -> Case:
    """Patients with one stranger each, whose look and not whose score tells it."""
    rng = np.random.default_rng(0)
    owner = np.repeat(np.arange(patients), size)
    odd = np.tile(np.arange(size) == 0, patients)
    look = (
        rng.normal(size=(patients, 6))[owner] + rng.normal(0, 0.3, (len(owner), 6)) + odd[:, None] * rng.normal(0, 1, 6)
    )
    cohort = Cohort.build(
        owner, rng.normal(-4, 1, len(owner)), embedding=look, age=rng.uniform(20, 80, patients)[owner]
    )
    n = len(owner)
    return Case(cohort, odd, owner % 5, np.zeros((n, 0)), np.ones(n, bool), owner)


@pytest.fixture(scope="module")
def made() -> list[Example]:
    return examples(case(), 32, np.random.default_rng(0))


def test_examples_are_patients_with_both(made: list[Example]) -> None:
    assert len(made) == 30
    assert all(e.labels.sum() == 1 for e in made)
    assert {e.fold for e in made} == set(range(5))
    thin = examples(case(size=20), 8, np.random.default_rng(0))
    assert {len(e.labels) for e in thin} == {8}
    assert all(e.labels.any() for e in thin)
    assert all(e.pairs.shape == (8, 8, 2) for e in thin)


def test_padding_changes_nothing(made: list[Example]) -> None:
    torch.manual_seed(0)
    network = SetNetwork().eval()
    short = examples(case(size=5), 32, np.random.default_rng(0))[:2]
    alone, beside = batch(short), batch([*short, made[0]])
    with torch.inference_mode():
        one, other = (
            network(*(g[k] for k in ("lesions", "sites", "pairs", "patients", "mask"))) for g in (alone, beside)
        )
    assert torch.allclose(one, other[:2, :5], atol=1e-5)


def test_it_learns(made: list[Example]) -> None:
    config = ContextConfig(steps=25, batch=16, learning_rate=5e-3)
    losses: list[float] = []
    network = fit(made, config, losses.append)
    assert len(losses) == 25
    torch.manual_seed(config.seed)
    with torch.inference_mode():
        before, after = (float(ranking_loss(n, batch(made))) for n in (SetNetwork().eval(), network))
    assert after < before - 0.01


def test_the_file_says_what_torch_says(made: list[Example], tmp_path: Path) -> None:
    torch.manual_seed(3)
    network = SetNetwork().eval()
    loaded = ContextNetwork(to_onnx(network, tmp_path / "n.onnx"))
    for e in (made[0], examples(case(size=3), 32, np.random.default_rng(1))[0]):
        given = batch([e])
        arrays = [given[k] for k in ("lesions", "sites", "pairs", "patients")]
        with torch.inference_mode():
            expected = network(*arrays).numpy()
        found = loaded(*(a.numpy() for a in arrays))
        assert found == pytest.approx(expected, abs=1e-5)
        assert (np.abs(found) <= 1).all()
    one = [np.zeros(shape, np.float32) for shape in ((1, 1, 7), (1, 1, 1, 2), (1, 3))]
    assert loaded(one[0], np.zeros((1, 1), np.int64), one[1], one[2]).shape == (1, 1)
    assert (tmp_path / "n.onnx").stat().st_size < 400_000


def shelf(tmp_path: Path, n: int = 120) -> Stock:
    rng = np.random.default_rng(0)
    melanoma = np.arange(n) % 6 == 0
    samples = [
        Sample(
            f"I{k}", tmp_path, None, "ham10000", f"L{k}", "", frozenset({"mel" if m else "nv"}), ALL, bool(m), "train"
        )
        for k, m in enumerate(melanoma)
    ]
    seen = Seen(
        rng.normal(-4, 1, n) + 3 * melanoma, rng.normal(size=(n, 5)).astype(np.float32), rng.normal(size=(n, 3))
    )
    return Stock(samples, seen, rng.normal(size=(n, 4)))


@pytest.mark.parametrize("stranger", STRANGERS)
@pytest.mark.parametrize("level", [level for level, _ in LEVELS])
def test_made_up_patients_have_one_stranger(tmp_path: Path, level: str, stranger: str) -> None:
    stock = shelf(tmp_path)
    made = make(stock, level, stranger, np.random.default_rng(1))
    kinds = np.array([s.melanoma for s in stock.samples])[made.rows]
    for patient in np.unique(made.patient):
        mine = made.patient == patient
        assert mine.sum() == 16
        assert made.stranger[mine].sum() == 1
        assert len(set(made.rows[mine])) == 16
        assert not kinds[mine & ~made.stranger].any()
        assert kinds[mine & made.stranger].all() == (stranger == "melanoma")
    assert len(np.unique(join([made, made]).patient)) == 2 * len(np.unique(made.patient))


def test_siblings_alike_are_nearer_than_loosely_alike(tmp_path: Path) -> None:
    stock = shelf(tmp_path)

    def spread(level: str) -> float:
        made = make(stock, level, "melanoma", np.random.default_rng(1), repeats=3)
        inside = [stock.likeness[made.rows[(made.patient == p) & ~made.stranger]] for p in np.unique(made.patient)]
        return float(np.mean([rows.std(axis=0).mean() for rows in inside]))

    assert spread("alike") < spread("disguised")


def test_training_scores_are_made_as_bad_as_unseen_ones(tmp_path: Path) -> None:
    stock = shelf(tmp_path, 1200)
    labels = np.array([s.melanoma for s in stock.samples])
    assert auc(stock.seen.logit, labels) > 0.95
    assert auc(as_if_unseen(stock, 0.85, np.random.default_rng(0)).seen.logit, labels) == pytest.approx(0.85, abs=0.01)


def test_folds_are_of_patients() -> None:
    assert fold_of("IP_1") == fold_of("IP_1")
    assert {fold_of(f"IP_{k}") for k in range(100)} == set(range(5))
