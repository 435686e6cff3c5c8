"""Boards: order, ties, rank intervals and what probing costs, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.challenge.board import Entry, Score, rows, widening


def entry(team: str, value: float | None, drawn: list[float], probes: int = 1) -> Entry:
    return Entry(Score(value, np.array(drawn, np.float32)), probes, {"team": team})


def test_order_equal_values_and_undefined_last() -> None:
    made = rows(
        [
            entry("none", None, [float("nan")] * 4),
            entry("b", 0.5, [0.5] * 4),
            entry("a", 0.5, [0.5] * 4),
            entry("best", 0.9, [0.9] * 4),
        ]
    )
    assert [(r["team"], r["rank"]) for r in made] == [("best", 1), ("a", 2), ("b", 2), ("none", None)]
    assert [r["tied"] for r in made] == [False, True, True, False]
    assert made[2]["above"]["difference"] == 0
    assert made[3]["rank_low"] is None and made[3]["above"] is None


def test_rank_intervals_by_hand() -> None:
    # a leads in 90 of 100 resamples, b in the others; c is always third
    a = [0.8] * 90 + [0.6] * 10
    made = rows([entry("a", 0.8, a), entry("b", 0.7, [0.7] * 100), entry("c", 0.1, [0.1] * 100)])
    assert [(r["rank_low"], r["rank_high"]) for r in made] == [(1, 2), (1, 2), (3, 3)]
    # p of a against b: twice (10 + 1) / 101; of b against c: twice 1 / 101; Holm doubles the smaller one
    assert made[1]["above"]["p"] == pytest.approx(22 / 101)
    assert made[2]["above"]["p_adjusted"] == pytest.approx(4 / 101)
    assert [r["tied"] for r in made] == [False, True, False]


def test_probing_widens_by_normal_quantiles() -> None:
    assert widening(1) == 1
    assert widening(2) == pytest.approx(2.241402727604947 / 1.959963984540054)
    (made,) = rows([entry("a", 0.8, list(np.linspace(0.7, 0.9, 101)), probes=2)])
    assert made["low"] == pytest.approx(0.705, abs=1e-6)
    assert made["probed_low"] == pytest.approx(0.8 - 0.095 * widening(2), abs=1e-6)


def test_digits_are_cut_where_asked() -> None:
    made = rows([entry("a", 0.123456, [0.1, 0.2]), entry("b", 0.1, [0.1, 0.1])], 4)
    assert made[0]["value"] == 0.1235
    assert made[1]["above"]["difference"] == round(0.1 - 0.123456, 4)


@given(st.integers(0, 2**32 - 1))
def test_invariants(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 9))
    values = np.round(rng.random(n), 1)
    entries = [entry(f"t{k}", float(v), list(np.round(v + rng.normal(0, 0.1, 50), 1))) for k, v in enumerate(values)]
    made = rows(entries)
    again = rows(entries[::-1])
    assert made == again  # the order they come in does not matter
    assert [r["value"] for r in made] == sorted((r["value"] for r in made), reverse=True)
    for r in made:
        assert 1 <= r["rank_low"] <= r["rank_high"] <= n
        assert r["rank"] == 1 + sum(v > r["value"] for v in values)
    assert not made[0]["tied"]


def test_empty() -> None:
    assert rows([]) == []
