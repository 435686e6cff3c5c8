"""Searching by parts and bounding by sketches never lose what comparing everything finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cygnet.imaging import hash_search
from cygnet.imaging.fingerprint import best_correlation, orient
from cygnet.imaging.hash_search import HashSearch, compare_all
from cygnet.imaging.sketch import LENGTH, correlation_bounds, sketch_of


def test_by_hand() -> None:
    base = 0x0123_4567_89AB_CDEF
    seven, six = base ^ 0x7F, base ^ 0x3F
    across = base ^ 0x8001_8001_0003_0000  # two bits in each of three parts
    search = HashSearch()
    search.add(np.array([seven, six, base, 0, across], np.uint64))
    search._make_lists()
    assert search.near(np.array([base], np.uint64)).tolist() == [1, 2, 4]
    assert HashSearch().near(np.array([base], np.uint64)).tolist() == []


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 400), st.integers(0, 12), st.integers(1, 40))
def test_as_by_comparing_all(seed: int, number: int, flips: int, unlisted: int) -> None:
    """Crowds of hashes around a few, grown in steps, so that some are in lists and some are not."""
    rng = np.random.default_rng(seed)
    centres = rng.integers(0, 2**63, 5, dtype=np.uint64)
    hashes = centres[rng.integers(0, 5, number)]
    for _ in range(flips):
        hashes = hashes ^ (np.uint64(1) << rng.integers(0, 63, number).astype(np.uint64))
    turned = np.concatenate([centres, rng.integers(0, 2**63, 3, dtype=np.uint64)])
    search = HashSearch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hash_search, "_UNLISTED", unlisted)
        for some in np.array_split(hashes, 4):
            search.add(some)
            assert search.near(turned).tolist() == compare_all(turned, search.hashes).tolist()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 60), st.integers(0, 7))
def test_no_pair_correlates_beyond_its_bound(seed: int, noise: float, turn: int) -> None:
    rng = np.random.default_rng(seed)
    one = rng.integers(0, 256, (4, 4, 3)).repeat(8, 0).repeat(8, 1)
    others = [orient(np.clip(one + rng.normal(0, noise, one.shape), 0, 255), turn), rng.integers(0, 256, one.shape)]
    bounds = correlation_bounds(sketch_of(one), np.stack([sketch_of(o) for o in others]))
    assert all(bound >= best_correlation(one, other) for bound, other in zip(bounds, others, strict=True))


def test_a_bound_is_close_for_smooth_pictures_and_a_flat_one_agrees_with_nothing() -> None:
    y, x = np.mgrid[0:32, 0:32] / 31
    wave = np.stack([np.cos(np.pi * x), np.cos(np.pi * y), x * y], axis=2)
    other = np.stack([np.cos(np.pi * x), np.cos(2 * np.pi * y), x * y], axis=2)
    flat = np.full((32, 32, 3), 9)
    bounds = correlation_bounds(sketch_of(wave), np.stack([sketch_of(p) for p in (wave[::-1], other, flat)]))
    assert bounds[0] == pytest.approx(1, abs=0.004)
    assert bounds[1] == pytest.approx(best_correlation(wave, other), abs=0.02)
    assert bounds[2] == pytest.approx(0.0, abs=0.003)
    assert sketch_of(flat).tolist() == [0.0] * LENGTH
