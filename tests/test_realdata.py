"""The shipped model on real images: skipped, with a message, where they are absent."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from cygnet.evaluation.metrics import auc, weighted_auc
from cygnet.models import LesionModel
from cygnet.schema import DIAGNOSES, ImageRecord
from cygnet.triage import Examined, Options, Yardstick, assess, examine, provenance_of
from cygnet.triage.calibration import margin

DATA = Path(os.environ.get("CYGNET_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not (DATA / "ham10000").is_dir(), reason=f"no real images in {DATA}; set CYGNET_DATA"),
]


@pytest.fixture(scope="module")
def held() -> tuple[list[Examined], np.ndarray, LesionModel]:
    """300 lesions' first images of the HAM10000 test split: all melanomas and the first nevi by id."""
    from cygnet.training.sources import read_sources

    test = [s for s in read_sources(DATA) if s.source == "ham10000" and s.split == "test"]
    first = list({s.group: s for s in reversed(test)}.values())
    melanomas = [s for s in first if s.melanoma]
    nevi = [s for s in first if s.targets == {"nv"}][: 300 - len(melanomas)]
    chosen = [*melanomas, *nevi]
    model = LesionModel()
    records = [ImageRecord(s.image_id, s.path, "made-up patient") for s in chosen]
    return list(examine(records, model)), np.array([s.melanoma for s in chosen]), model


def test_the_model_tells_melanoma_from_nevus(held) -> None:
    seen, melanoma, _ = held
    keep = np.array([e.look is not None for e in seen])
    assert keep.mean() > 0.97
    logits = np.stack([e.look.logits for e in seen if e.look is not None])
    assert auc(margin(logits), melanoma[keep]) > 0.85


def _place(lesion: Examined, siblings: list[Examined], model: LesionModel):
    options = Options()
    found = assess([lesion, *siblings], Yardstick.from_model(model), options, provenance_of(model, options))
    return next(x for x in found.lesions if x.lesion_id == lesion.record.image)


def _unit(e: Examined) -> np.ndarray:
    return e.look.embedding / np.linalg.norm(e.look.embedding)


def test_siblings_move_a_melanoma_as_promised(held) -> None:
    """Made-up patients of real lesions: the same melanoma among nevi that resemble each other, and among its like."""
    seen, melanoma, model = held
    seen_mel = [e for e, m in zip(seen, melanoma, strict=True) if m and e.look is not None]
    nevi = [e for e, m in zip(seen, melanoma, strict=True) if not m and e.look is not None]
    higher = []
    for k, lesion in enumerate(seen_mel[:30]):
        centre = _unit(nevi[3 * k])
        benign = sorted(nevi, key=lambda e: -float(_unit(e) @ centre))[:14]
        like = sorted((e for e in seen_mel if e is not lesion), key=lambda e: -float(_unit(e) @ _unit(lesion)))[:14]
        higher.append(_place(lesion, benign, model).score >= _place(lesion, like, model).score)
    assert np.mean(higher) > 0.9


@pytest.mark.parametrize("n", [1, 2, 3, 8, 100])
def test_defined_for_every_number_of_lesions_and_in_any_order(held, n: int) -> None:
    seen, _, model = held
    members = [e for e in seen if e.look is not None][-n:]
    options = Options()
    judge = lambda images: assess(images, Yardstick.from_model(model), options, provenance_of(model, options))  # noqa: E731
    forward, backward = judge(members), judge(members[::-1])
    assert forward == backward or n == 1  # NaN of a lone lesion is unequal to itself
    assert [x.rank for x in forward.lesions] == list(range(1, n + 1))
    assert all(set(x.p_diagnosis) == set(DIAGNOSES) for x in forward.lesions)
    if n < 8:
        assert all(x.score == pytest.approx(x.p_melanoma) for x in forward.lesions)


def test_weighted_auc_agrees_with_scikit_learn() -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    scores, labels, weights = rng.integers(0, 9, 60) / 9, rng.random(60) < 0.3, rng.integers(0, 4, (5, 60))
    expected = [roc_auc_score(labels, scores, sample_weight=w) for w in weights]
    np.testing.assert_allclose(weighted_auc(scores, labels, weights.astype(float)), expected, rtol=1e-12)
