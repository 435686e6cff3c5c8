"""Nearest siblings, isolation and families against brute force."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from cygnet.context import likeness
from cygnet.context.likeness import families, isolation_z, nearest, unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

quick = settings(max_examples=60, deadline=None, derandomize=True)
CENTRE, SPREAD = 0.9, 0.3


def cloud(seed: int, n: int, d: int = 6) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(n, d)) + 0.7


def chords(embedding: NDArray[np.float64]) -> NDArray[np.float64]:
    rows = embedding / np.linalg.norm(embedding, axis=1, keepdims=True)
    return np.asarray(cdist(rows, rows))


def isolation_by_leaving_out(embedding: NDArray[np.float64]) -> list[float]:
    n = len(embedding)
    distance = chords(embedding)
    z = []
    for i in range(n):
        own = np.sort(np.delete(distance[i], i))[:3].mean()
        yardstick = [np.sort(np.delete(distance[j], [i, j]))[:3].mean() for j in range(n) if j != i and n > 2]
        k = len(yardstick)
        median = float(np.median(yardstick)) if k else 0.0
        mad = 1.4826 * float(np.median(np.abs(np.array(yardstick) - median))) if k else 0.0
        centre = (k * median + 4 * CENTRE) / (k + 4)
        spread = math.sqrt((k * mad**2 + 4 * SPREAD**2) / (k + 4) * (1 + 1 / max(k, 1)))
        z.append((own - centre) / spread)
    return z


def test_unit_rows() -> None:
    rows = unit(np.array([[3.0, 4.0], [0.0, 0.0], [-2.0, 0.0]]))
    assert rows == pytest.approx(np.array([[0.6, 0.8], [0, 0], [-1, 0]]))


@quick
@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_nearest_as_by_sorting_all(seed: int, n: int) -> None:
    embedding = cloud(seed, n)
    found = nearest(embedding)
    m = min(4, n - 1)
    assert found.index.shape == found.distance.shape == (n, m)
    distance = chords(embedding)
    for i in range(n):
        others = np.sort(np.delete(distance[i], i))[:m]
        assert found.distance[i] == pytest.approx(others, abs=1e-3)
        assert i not in found.index[i]
        assert len(set(found.index[i])) == m
        assert distance[i, found.index[i]] == pytest.approx(others, abs=1e-3)


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    embedding = cloud(5, 40)
    whole = nearest(embedding)
    z = isolation_z(whole, CENTRE, SPREAD)
    monkeypatch.setattr(likeness, "_BLOCK", 7)
    parts = nearest(embedding)
    assert np.array_equal(parts.index, whole.index)
    assert parts.distance == pytest.approx(whole.distance, abs=1e-6)
    assert isolation_z(parts, CENTRE, SPREAD) == pytest.approx(z, abs=1e-5)


@quick
@given(st.integers(0, 2**32 - 1), st.integers(2, 12))
def test_isolation_as_by_leaving_the_lesion_out(seed: int, n: int) -> None:
    embedding = cloud(seed, n)
    assert isolation_z(nearest(embedding), CENTRE, SPREAD) == pytest.approx(
        isolation_by_leaving_out(embedding), abs=5e-3
    )


def test_isolation_of_one_lesion_is_unknown() -> None:
    assert np.isnan(isolation_z(nearest(cloud(1, 1)), CENTRE, SPREAD)).all()


def test_isolation_of_two_is_against_the_population() -> None:
    # At right angles the distance is sqrt 2; one sibling widens the spread by sqrt 2.
    z = isolation_z(nearest(np.eye(2)), CENTRE, SPREAD)
    assert z == pytest.approx([(math.sqrt(2) - CENTRE) / (SPREAD * math.sqrt(2))] * 2)


def test_near_duplicates_form_families_and_outliers_stand_alone() -> None:
    rng = np.random.default_rng(3)
    centres = np.eye(8)
    rows = [centres[k] + rng.normal(0, 0.01, 8) for k in (0, 0, 0, 1, 1, 2, 3)]
    family = families(nearest(np.array(rows)), 0.3)
    assert family[0] == family[1] == family[2] != -1
    assert family[3] == family[4] not in (-1, family[0])
    assert family[5] == family[6] == -1


def test_families_need_each_other() -> None:
    # The last is near the tight six but none of their four nearest: being close one way is not enough.
    angles = np.array([0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.4])
    family = families(nearest(np.stack([np.cos(angles), np.sin(angles)], 1)), 0.5)
    assert len(set(family[:6])) == 1
    assert family[0] != -1
    assert family[6] == -1


def test_no_family_when_nothing_is_close() -> None:
    assert (families(nearest(np.eye(5)), 0.5) == -1).all()
    assert (families(nearest(np.eye(1)), 0.5) == -1).all()
