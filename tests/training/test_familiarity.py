"""How much the looks of a picture count when it is asked whether it is dermoscopy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch", reason="training needs the [train] extra")

from cygnet.schema import DIAGNOSES
from cygnet.training.package import _RIDGE, _SHARES, Features, fit_looks, look_share, refused_unseen
from cygnet.training.sources import Sample

KINDS = 5
Floats = NDArray[np.float32]


def features(sources: dict[str, float], each: int, seed: int) -> Features:
    """``each`` images of every source, whose looks scatter around the stated number."""
    rng = np.random.default_rng(seed)
    samples = [
        Sample(
            f"{name}{k}",
            Path(f"{name}{k}.jpg"),
            None,
            name,
            f"{name}:{k}",
            "nv",
            frozenset({"nv"}),
            frozenset(DIAGNOSES),
            False,
            "train",
        )
        for name in sources
        for k in range(each)
    ]
    looks = np.concatenate([rng.normal(centre, 1, (each, KINDS)) for centre in sources.values()]).astype(np.float32)
    empty = np.zeros((len(samples), 1), np.float32)
    return Features(samples, empty, empty, empty, looks)


def sets(sources: dict[str, float]) -> tuple[Features, Features, list[Floats]]:
    """Training, calibration, and distances of their embeddings, spread evenly within every source."""
    train, calibration = features(sources, 1500, 1), features(sources, 1000, 2)
    rng = np.random.default_rng(3)
    even = [[rng.permutation(np.linspace(0, 5, n)) for _ in sources] for n in (1500, 1000)]
    return train, calibration, [np.concatenate(one).astype(np.float32) for one in even]


def test_a_source_is_judged_by_what_the_others_look_like() -> None:
    """The rate of one source beside a calculation from the definitions."""
    train, calibration, inside = sets({"a": 0.0, "b": 0.6, "c": 3.0})
    found = refused_unseen(train, calibration, inside, 0.95)
    kept = {name: train.looks[[s.source == name for s in train.samples]].astype(np.float64) for name in "ab"}
    pooled = np.concatenate(list(kept.values()))

    def far(looks: Floats) -> NDArray[np.float64]:
        each = []
        for rows in kept.values():
            spread = np.cov(rows.T, bias=True) + _RIDGE * np.diag(pooled.var(axis=0))
            offset = looks - rows.mean(axis=0)
            each.append(np.sqrt(np.einsum("ij,jk,ik->i", offset, np.linalg.inv(spread), offset)))
        return np.min(each, axis=0)

    where = [np.array([s.source for s in f.samples]) for f in (train, calibration)]
    rest = [f.looks[of != "c"] for f, of in zip((train, calibration), where, strict=True)]
    of = np.concatenate([w[w != "c"] for w in where])
    unit = max(np.quantile(far(np.concatenate(rest))[of == name], 0.95) for name in "ab")
    whole = np.hypot(inside[1], far(calibration.looks) / unit)
    limit = max(np.quantile(whole[where[1] == name], 0.995) for name in "ab")
    own = np.concatenate(
        [
            np.hypot(d, far(f.looks) / unit)[w == "c"]
            for f, d, w in zip((train, calibration), inside, where, strict=True)
        ]
    )
    assert found["c"] == pytest.approx(float(np.mean(own > limit)), abs=2 / len(own))
    assert found["c"] > 5 * max(found["a"], found["b"])
    assert set(found) == {"a", "b", "c"}


def test_looks_count_as_much_as_no_source_suffers_from() -> None:
    train, calibration, inside = sets({"a": 0.0, "b": 0.0, "c": 0.8})
    share = look_share(train, calibration, inside)
    worst = [max(refused_unseen(train, calibration, inside, s).values()) for s in _SHARES]
    assert _SHARES[0] < share < _SHARES[-1]
    assert share == next(s for s, rate in zip(_SHARES, worst, strict=True) if rate < 0.01)
    units = [fit_looks(train, calibration, s).unit for s in _SHARES]
    assert units == sorted(units)


@pytest.mark.parametrize("sources", [{"a": 0.0}, {"a": 0.0, "b": 9.0}], ids=["one source", "nothing alike"])
def test_where_nothing_can_tell_looks_count_least(sources: dict[str, float]) -> None:
    assert look_share(*sets(sources)) == _SHARES[-1]
