"""The ugly-duckling sign: what must hold for any patient."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cygnet.context import Comparison, Reference, compare, fuse
from cygnet.context.compare import oddness
from cygnet.context.robust import z_without_self

if TYPE_CHECKING:
    from random import Random

REFERENCE = Reference(1.7, (0.14, 10.0, 5.0), 0.9, 0.34, 0.6, 0.7)
quick = settings(max_examples=50, deadline=None, derandomize=True)
Floats = NDArray[np.float64]


def patient(seed: int, n: int, *, d: int = 8) -> tuple[Floats, Floats, Floats]:
    rng = np.random.default_rng(seed)
    measurements = rng.normal([0.4, 20, 3], [0.1, 8, 4], (n, 3))
    return rng.normal(0.5, 1, (n, d)), rng.normal(-3, 1.5, n), measurements


def lookalikes(rng: np.random.Generator, direction: Floats, n: int, noise: float = 0.08) -> Floats:
    return np.asarray(direction + rng.normal(0, noise, (n, len(direction))))


def run(embedding: Floats, logit: Floats, measurements: Floats, sites: list[str | None] | None = None) -> Comparison:
    return compare(embedding, logit, measurements, sites or [None] * len(logit), REFERENCE)


def test_oddness_by_hand() -> None:
    # 1/2 2^2 + 1/4 2^2 + 1/4 2^2 = 2^2: a departure of 2 SD in everything is 0.5.
    two = np.full(1, 2.0)
    assert oddness(two, two, np.array([[2.0, -2.0]])) == pytest.approx([0.5])
    # Looking more alike and scoring lower than the siblings is no departure.
    assert oddness(-two, -two, np.zeros((1, 2))) == pytest.approx([0.0])
    # 4 SD in looks alone: 8; 1 - 2^(-8/4).
    assert oddness(2 * two, 0 * two, np.zeros((1, 2))) == pytest.approx([0.75])
    # Beyond 6 SD nothing grows.
    assert oddness(3 * two, two, two[:, None]) == pytest.approx(oddness(50 * two, two, two[:, None]))


@quick
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.sampled_from(["sites", "none"]), st.randoms())
def test_order_does_not_matter_at_all(seed: int, n: int, named: str, random: Random) -> None:
    embedding, logit, measurements = patient(seed, n)
    names = ["posterior torso", "torso", None]
    sites: list[str | None] = [names[i] for i in np.random.default_rng(seed).choice(3, n, p=[0.6, 0.3, 0.1])]
    if named == "none":
        sites = [None] * n
    order = list(range(n))
    random.shuffle(order)
    one = run(embedding, logit, measurements, sites)
    other = run(embedding[order], logit[order], measurements[order], [sites[i] for i in order])
    for field in dataclasses.fields(Comparison):
        before, after = getattr(one, field.name)[order], getattr(other, field.name)
        if field.name == "nearest":
            after = np.array(order)[after]
        assert np.array_equal(before, after, equal_nan=before.dtype.kind == "f"), field.name


@pytest.mark.parametrize("n", [1, 2, 3, 8, 100])
def test_any_number_of_lesions(n: int) -> None:
    found = run(*patient(4, n))
    assert found.z_measurements.shape == (n, 3)
    for field in dataclasses.fields(Comparison):
        values = getattr(found, field.name)
        assert len(values) == n
        if n > 1:
            assert np.isfinite(values).all(), field.name
    if n == 1:
        assert np.isnan(found.oddness).all()
        assert found.nearest.tolist() == [-1]
        assert found.family.tolist() == [-1]
    else:
        assert ((found.oddness >= 0) & (found.oddness <= 1)).all()
        assert (found.nearest != np.arange(n)).all()
    assert (found.siblings == n - 1).all()
    assert not found.same_site.any()


def test_identical_lesions_are_not_odd() -> None:
    found = run(np.ones((10, 4)), np.full(10, -2.0), np.ones((10, 3)))
    assert found.oddness == pytest.approx(np.zeros(10))
    assert len(set(found.family)) <= 3


def test_counts_of_smaller_and_larger_siblings() -> None:
    embedding, logit, measurements = patient(9, 12)
    measurements = measurements.round(1)
    found = run(embedding, logit, measurements)
    assert np.array_equal(found.below, (measurements[None] < measurements[:, None]).sum(axis=1))
    assert np.array_equal(found.above, (measurements[None] > measurements[:, None]).sum(axis=1))


@pytest.mark.parametrize("seed", range(6))
def test_swapped_siblings(seed: int) -> None:
    rng = np.random.default_rng(seed)
    directions = np.linalg.qr(rng.normal(size=(16, 16)))[0]
    lesion, calm = directions[0], directions[1]
    logit_of_it, measured = 0.0, np.array([0.6, 40.0, 8.0])
    among = {}
    for name, direction, logit, middle in [
        ("benign", calm, -4.0, [0.4, 20.0, 3.0]),
        ("alike", lesion, 0.0, [0.6, 40.0, 8.0]),
    ]:
        siblings = lookalikes(rng, direction, 11)
        logits = np.append(rng.normal(logit, 0.5, 11), logit_of_it)
        values = np.vstack([rng.normal(middle, [0.05, 3, 1.5], (11, 3)), measured])
        found = run(np.vstack([siblings, lesion]), logits, values)
        score, _ = fuse(1 / (1 + np.exp(-logits)), found.oddness, guard=0.9)
        among[name] = (found.oddness[-1], score[-1])
    assert among["benign"][0] > 0.6 > 0.3 > among["alike"][0]
    assert among["benign"][1] > 0.5 > among["alike"][1]


@pytest.mark.parametrize("siblings", [4, 8, 15, 30])
@pytest.mark.parametrize("kind", ["elsewhere", "beside it"])
def test_an_extreme_lesion_does_not_hide_another(siblings: int, kind: str) -> None:
    rng = np.random.default_rng(siblings)
    axes = np.eye(12)
    embedding = np.vstack([lookalikes(rng, axes[0], siblings), axes[1], axes[2] if kind == "elsewhere" else -axes[0]])
    logit = np.append(rng.normal(-4, 0.6, siblings), [-0.5, 30.0])
    measured = np.vstack([rng.normal([0.4, 20, 3], [0.05, 3, 1], (siblings, 3)), [0.7, 40, 9], [9.0, 900, 500]])
    both = run(embedding, logit, measured).oddness
    without = run(embedding[:-1], logit[:-1], measured[:-1]).oddness
    assert without[-1] > 0.5
    assert both[-2] >= 0.5 * without[-1]
    assert both[-1] > 0.9


@pytest.mark.parametrize(("placed", "local"), [(8, False), (9, True), (12, True)])
def test_enough_siblings_of_the_same_site_are_the_yardstick(placed: int, *, local: bool) -> None:
    embedding, logit, measurements = patient(placed, placed + 5)
    sites: list[str | None] = ["posterior torso"] * placed + ["torso", "torso", None, "head/neck", None]
    found = run(embedding, logit, measurements, sites)
    assert found.same_site.tolist() == [local] * placed + [False] * 5
    assert found.siblings.tolist() == [placed - 1 if local else placed + 4] * placed + [placed + 4] * 5
    everyone = z_without_self(logit, REFERENCE.logit_spread)
    of_site = z_without_self(logit[:placed], REFERENCE.logit_spread)
    assert found.z_score[:placed] == pytest.approx(of_site if local else everyone[:placed])
    assert found.z_score[placed:] == pytest.approx(everyone[placed:])
    if local:
        column = measurements[:placed, 1]
        assert found.below[:placed, 1].tolist() == [(column < v).sum() for v in column]


def test_one_site_for_all_is_no_site() -> None:
    embedding, logit, measurements = patient(1, 12)
    named, unnamed = run(embedding, logit, measurements, ["torso"] * 12), run(embedding, logit, measurements)
    assert not named.same_site.any()
    assert np.array_equal(named.oddness, unnamed.oddness)


@pytest.mark.parametrize("which", range(3))
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite(which: int, value: float) -> None:
    arrays = patient(2, 5)
    arrays[which].flat[3] = value
    with pytest.raises(ValueError, match="finite"):
        run(*arrays)


def test_lengths_that_differ() -> None:
    embedding, logit, measurements = patient(2, 5)
    for arguments in [
        (embedding[:4], logit, measurements, [None] * 5),
        (embedding, logit, measurements[:4], [None] * 5),
        (embedding, logit, measurements, [None] * 4),
    ]:
        with pytest.raises(ValueError, match="one entry per lesion"):
            compare(*arguments, REFERENCE)


def test_near_duplicates_name_each_other_as_nearest() -> None:
    rng = np.random.default_rng(0)
    embedding = np.vstack([np.eye(10)[:6], np.eye(10)[2] + rng.normal(0, 0.01, 10)])
    found = run(embedding, rng.normal(-3, 1, 7), rng.normal(size=(7, 3)))
    assert found.nearest[2] == 6
    assert found.nearest[6] == 2
    assert found.nearest_distance[2] < 0.1
    assert found.family[2] == found.family[6] != -1
    assert (np.delete(found.family, [2, 6]) == -1).all()
