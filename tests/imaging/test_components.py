"""Regions against scikit-image's labelling, on random stacks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import euler_number, label

from cygnet.imaging.components import regions


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(1, 4), st.integers(1, 13), st.integers(1, 13)),
    st.floats(0, 1),
    st.booleans(),
)
def test_regions_are_those_of_scikit_image(
    seed: int, shape: tuple[int, int, int], share: float, diagonal: bool
) -> None:
    masks = np.random.default_rng(seed).random(shape) < share
    found = regions(masks, diagonal=diagonal)
    assert np.array_equal(found.draw(np.ones(len(found.home), bool)), masks)
    rims = found.on_rim()
    for i, mask in enumerate(masks):
        labels = label(mask, connectivity=2 if diagonal else 1)
        mine = np.flatnonzero(found.home == i)
        assert len(mine) == labels.max()
        for k in mine:
            one = found.draw(np.arange(len(found.home)) == k)
            assert one.sum() == one[i].sum() == found.area[k]
            name = labels[one[i]][0]
            assert np.array_equal(labels == name, one[i])
            rim = one[i].copy()
            rim[1:-1, 1:-1] = False
            assert rims[k] == rim.any()
            if diagonal:
                assert found.holes[k] == 1 - euler_number(one[i], 2)


def test_nothing_has_no_regions() -> None:
    found = regions(np.zeros((2, 5, 4), bool))
    assert len(found.home) == 0
    assert found.draw(np.zeros(0, bool)).shape == (2, 5, 4)


@pytest.mark.parametrize(("diagonal", "count"), [(True, 1), (False, 2)])
def test_corners_touch_only_diagonally(diagonal: bool, count: int) -> None:
    assert len(regions(np.eye(2, dtype=bool)[None], diagonal=diagonal).home) == count
    assert len(regions(np.eye(2, dtype=bool)[None, ::-1], diagonal=diagonal).home) == count
