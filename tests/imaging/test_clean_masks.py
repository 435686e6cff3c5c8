"""From probabilities to one outline: disks whose area is known, on every size of picture."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.measure import euler_number, label

from cygnet.imaging.masks import MaskFlag, clean, enlarge

G = 80


def disk(x: float, y: float, radius: float, softness: float = 1.0, g: int = G) -> NDArray[np.float32]:
    """Probability 1/2 on a circle, in grid points with the origin at the picture's corner."""
    row, column = np.mgrid[:g, :g] + 0.5
    distance = np.hypot(column - x, row - y) - radius
    return (1 / (1 + np.exp(np.clip(distance / softness, -60, 60)))).astype(np.float32)


def flags(*grids: NDArray[np.float32]) -> list[tuple[str, ...]]:
    found = clean(np.stack(grids))
    return [found.flags(i) for i in range(len(grids))]


def test_flags_of_a_stack() -> None:
    ring = disk(40, 40, 20) - disk(40, 40, 8)
    assert flags(
        disk(40, 40, 15),
        np.zeros((G, G), np.float32),
        disk(3, 40, 12),
        np.maximum(disk(25, 40, 10), disk(60, 40, 10)),
        np.maximum(disk(40, 40, 20), disk(70, 70, 4)),
        ring,
    ) == [
        (),
        (MaskFlag.NONE_FOUND,),
        (MaskFlag.TOUCHES_BORDER,),
        (MaskFlag.SEVERAL,),
        (),
        (),
    ]


def test_the_central_one_of_two_is_kept() -> None:
    near, far = disk(44, 38, 9), disk(68, 66, 11)
    found = clean(np.maximum(near, far)[None])
    assert found.several[0]
    assert np.array_equal(found.masks[0], near >= 0.5)


def test_a_large_one_beats_a_speck_in_the_middle() -> None:
    large, speck = disk(22, 40, 16), disk(42, 40, 2)
    found = clean(np.maximum(large, speck)[None])
    assert np.array_equal(found.masks[0], large >= 0.5)
    assert not found.several[0]


def test_specks_are_no_lesion() -> None:
    grid = np.zeros((1, G, G), np.float32)
    grid[0, 40, 40:44] = 1
    assert clean(grid).flags(0) == (MaskFlag.NONE_FOUND,)


def test_holes_are_filled() -> None:
    whole = disk(40, 40, 20)
    assert np.array_equal(clean((whole - disk(42, 40, 8))[None]).masks[0], whole >= 0.5)


def test_a_stack_is_its_images_one_by_one() -> None:
    rng = np.random.default_rng(5)
    stack = np.stack([rng.random((G, G), np.float32) ** 3, disk(40, 40, 12), disk(9, 9, 12), 0 * disk(1, 1, 1)])
    together = clean(stack)
    for i in range(len(stack)):
        alone = clean(stack[i : i + 1])
        assert np.array_equal(alone.masks[0], together.masks[i])
        assert alone.flags(0) == together.flags(i)
        assert alone.confidence[0] == together.confidence[i]


def test_confidence_by_hand() -> None:
    # Inside: 100 pixels of 0.8; outside: 20 pixels of 0.2. 80 / (100 + 4).
    grid = np.zeros((G, G), np.float32)
    grid[30:40, 30:40] = 0.8
    grid[60:64, 60:65] = 0.2
    empty = np.full((G, G), 0.3, np.float32)
    assert clean(np.stack([grid, empty])).confidence == pytest.approx([80 / 104, 0.7])


@pytest.mark.parametrize(("width", "height"), [(600, 450), (97, 131), (80, 80), (3001, 1999)])
@pytest.mark.parametrize("radius", [6, 15, 30])
def test_area_and_place_at_full_size(width: int, height: int, radius: float) -> None:
    grid = disk(38, 43, radius)
    full = enlarge(grid, clean(grid[None]).masks[0], width, height)
    assert full.shape == (height, width)
    assert full.mean() == pytest.approx(math.pi * radius**2 / G**2, rel=0.02)
    rows, columns = np.nonzero(full)
    assert (columns.mean() + 0.5) / width == pytest.approx(38 / G, abs=0.004)
    assert (rows.mean() + 0.5) / height == pytest.approx(43 / G, abs=0.004)


def test_bands_leave_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    grid = disk(38, 43, 22)
    mask = clean(grid[None]).masks[0]
    whole = enlarge(grid, mask, 600, 450)
    monkeypatch.setattr("cygnet.imaging.masks._BAND", 7)
    assert np.array_equal(enlarge(grid, mask, 600, 450), whole)


def test_a_lesion_over_the_whole_picture() -> None:
    grid = np.ones((G, G), np.float32)
    assert enlarge(grid, clean(grid[None]).masks[0], 123, 45).all()


def test_the_threshold_moves_the_edge() -> None:
    grid = disk(40, 40, 20, softness=3)
    areas = [enlarge(grid, clean(grid[None], t).masks[0], 400, 400, t).mean() for t in (0.3, 0.5, 0.7)]
    # The logistic edge is at radius + softness * log(1 / t - 1).
    for area, t in zip(areas, (0.3, 0.5, 0.7), strict=True):
        assert area == pytest.approx(math.pi * (20 + 3 * math.log(1 / t - 1)) ** 2 / G**2, rel=0.01)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(20, 300), st.integers(20, 300), st.floats(0.2, 0.8))
def test_always_one_region_without_holes(seed: int, width: int, height: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    small = rng.random((10, 10), np.float32)
    grid = np.kron(small, np.ones((4, 4), np.float32)) * rng.uniform(0.5, 1, (40, 40)).astype(np.float32)
    mask = clean(grid[None], threshold).masks[0]
    full = enlarge(grid, mask, width, height, threshold)
    for made in (mask, full):
        assert label(made, connectivity=2).max() <= 1
        if made.any():
            assert euler_number(np.pad(made, 1), 2) == 1


@settings(max_examples=20, deadline=None)
@given(st.floats(20, 60), st.floats(20, 60), st.floats(5, 18))
def test_turning_the_probabilities_turns_the_mask(x: float, y: float, radius: float) -> None:
    grid = disk(x, y, radius)
    full = enlarge(grid, clean(grid[None]).masks[0], 160, 160)
    turned = np.ascontiguousarray(np.rot90(grid))
    assert (enlarge(turned, clean(turned[None]).masks[0], 160, 160) != np.rot90(full)).mean() < 1e-3
