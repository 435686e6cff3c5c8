"""Fused scores, the guard, ranks and the words for a deviation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cygnet.context import MIN_LESIONS, Deviation, describe, fuse, rank, sentence
from cygnet.context.reasons import superlative
from cygnet.imaging import MEASUREMENTS

if TYPE_CHECKING:
    from random import Random

quick = settings(max_examples=80, deadline=None, derandomize=True)
probabilities = st.floats(1e-6, 1 - 1e-6)
lesions = st.integers(MIN_LESIONS, 30).flatmap(
    lambda n: st.tuples(
        st.lists(probabilities, min_size=n, max_size=n).map(np.array),
        st.lists(st.floats(0, 1), min_size=n, max_size=n).map(np.array),
    )
)


def test_fused_by_hand() -> None:
    # At p = 0.5 the log odds are 1.5 (oddness - 0.15).
    odd = np.array([1.0, 0.15, 0.0, 0.5, 0.5, 0.5, 0.5, math.nan])
    score, guarded = fuse(np.full(8, 0.5), odd, guard=0.9)
    expected = [1 / (1 + math.exp(-1.275)), 0.5, 1 / (1 + math.exp(0.225)), *[1 / (1 + math.exp(-0.525))] * 4, 0.5]
    assert score == pytest.approx(expected)
    assert not guarded.any()


def test_the_guard_by_hand() -> None:
    p = np.array([0.05, 0.05, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2])
    score, guarded = fuse(p, np.array([0.0, 1.0, 0.0, 1.0, 0, 0, 0, 0]), guard=0.1)
    assert score[0] < 0.05 < score[1]
    assert score[2] == pytest.approx(0.2)
    assert score[3] > 0.2
    assert guarded.tolist() == [False, False, True, False, True, True, True, True]


@quick
@given(lesions, st.floats(0, 1))
def test_context_never_lowers_above_the_guard(both: tuple[np.ndarray, np.ndarray], guard: float) -> None:
    p, odd = both
    score, guarded = fuse(p, odd, guard)
    above = p >= guard
    assert (score[above] >= p[above] * (1 - 1e-9)).all()
    assert ((score > 0) & (score < 1)).all()
    assert (score[guarded] == pytest.approx(p[guarded])) or not guarded.any()
    assert (above | ~guarded).all()
    assert (score[odd > 0.16] > p[odd > 0.16]).all()
    assert (score[~above & (odd < 0.14)] < p[~above & (odd < 0.14)]).all()


@quick
@given(st.lists(probabilities, min_size=1, max_size=MIN_LESIONS - 1), st.floats(0, 1), st.floats(0, 1))
def test_few_lesions_keep_their_probability(p: list[float], odd: float, guard: float) -> None:
    score, guarded = fuse(np.array(p), np.full(len(p), odd), guard)
    assert score.tolist() == p
    assert not guarded.any()


@quick
@given(lesions, st.floats(0, 2), st.floats(0, 1))
def test_ranks_order_the_scores_and_lie_in_their_interval(
    both: tuple[np.ndarray, np.ndarray], noise: float, guard: float
) -> None:
    found = rank(*both, guard=guard, noise=noise)
    n = len(both[0])
    assert sorted(found.rank) == list(range(1, n + 1))
    assert (np.diff(found.score[np.argsort(found.rank)]) <= 0).all()
    assert (found.low >= 1).all()
    assert (found.high <= n).all()
    assert (found.low <= found.rank).all()
    assert (found.rank <= found.high).all()


def test_equal_scores_are_ordered_by_probability() -> None:
    found = rank(np.array([0.2, 0.3, 0.1]), np.full(3, math.nan), guard=0.5, noise=0.5)
    assert found.rank.tolist() == [2, 1, 3]
    assert found.score.tolist() == [0.2, 0.3, 0.1]


def test_lesions_far_apart_have_certain_ranks() -> None:
    p = 1 / (1 + np.exp(-np.arange(-12.0, 12.0, 3)))
    found = rank(p, np.full(8, 0.15), guard=1.0, noise=0.1)
    assert found.rank.tolist() == [8, 7, 6, 5, 4, 3, 2, 1]
    assert found.low.tolist() == found.high.tolist() == found.rank.tolist()


def test_rank_intervals_as_sampled() -> None:
    # The same by drawing: each other lesion's photograph comes out afresh, its own moved by 1.2816 SD.
    rng = np.random.default_rng(0)
    logit, noise = rng.normal(-2, 1, 20), 0.7
    found = rank(1 / (1 + np.exp(-logit)), np.full(20, 0.15), guard=1.0, noise=noise)
    for i in range(20):
        others = np.delete(logit, i) + rng.normal(0, noise, (4000, 19))
        for side, value in [("low", logit[i] + 1.2816 * noise), ("high", logit[i] - 1.2816 * noise)]:
            expected = 1 + (others > value).sum(axis=1).mean()
            assert abs(getattr(found, side)[i] - expected) < 0.8


@quick
@given(lesions, st.randoms())
def test_order_does_not_matter(both: tuple[np.ndarray, np.ndarray], random: Random) -> None:
    p, odd = both
    order = list(range(len(p)))
    random.shuffle(order)
    one, other = rank(p, odd, 0.5, 0.7), rank(p[order], odd[order], 0.5, 0.7)
    assert np.array_equal(one.score[order], other.score)
    if len(set(one.score)) == len(p):
        assert np.array_equal(one.rank[order], other.rank)


def test_words_of_a_deviation() -> None:
    up = describe("darkness", "darker", "lighter", 2.64, 13, 1, 14)
    assert up.words == "darker than 13 of 14 siblings (+2.6 robust SD)"
    assert up.beyond == 13
    down = describe("darkness", "darker", "lighter", -1.71, 2, 11, 14)
    assert down.words == "lighter than 11 of 14 siblings (-1.7 robust SD)"
    assert (down.feature, down.beyond, down.siblings) == ("darkness", 11, 14)


@pytest.mark.parametrize(
    ("higher", "lower", "z", "below", "above", "words"),
    [
        ("larger", "smaller", 3.1, 13, 0, "largest of 14 lesions (+3.1 robust SD)"),
        ("larger", "smaller", -2.2, 0, 13, "smallest of 14 lesions (-2.2 robust SD)"),
        ("more colours", "fewer colours", -1.5, 0, 13, "fewest colours of 14 lesions (-1.5 robust SD)"),
        ("redder", "less red", -1.5, 0, 13, "least red of 14 lesions (-1.5 robust SD)"),
        ("larger", "smaller", 3.1, 12, 0, "larger than 12 of 13 siblings (+3.1 robust SD)"),
    ],
)
def test_the_extreme_of_all_is_named_as_such(
    higher: str, lower: str, z: float, below: int, above: int, words: str
) -> None:
    assert describe("x", higher, lower, z, below, above, 13).words == words
    local = words.replace("lesions", "lesions of the same site").replace("siblings", "siblings of the same site")
    assert describe("x", higher, lower, z, below, above, 13, same_site=True).words == local


def test_no_superlative_of_two() -> None:
    assert describe("x", "larger", "smaller", 1.0, 1, 0, 1).words == "larger than 1 of 1 siblings (+1.0 robust SD)"


def test_every_measurement_has_a_superlative() -> None:
    made = {superlative(word) for _, higher, lower in MEASUREMENTS for word in (higher, lower)}
    assert {"largest", "reddest", "bluest", "roundest", "least blue", "most irregular in its border"} <= made
    assert len(made) == 2 * len(MEASUREMENTS)
    with pytest.raises(ValueError, match="does not begin with a comparative"):
        superlative("round")


def test_sentence_of_notable_deviations() -> None:
    made = [Deviation(c, z, 1, 2, c) for c, z in [("a", 1.6), ("b", -3.0), ("c", 1.49), ("d", 2.0), ("e", -1.5)]]
    assert sentence(made) == "b; d; a"
    assert sentence(made, most=1) == "b"
    assert sentence(made, most=9) == "b; d; a; e"
    assert sentence([made[2]]) == sentence([]) == "resembles the patient's other lesions"
