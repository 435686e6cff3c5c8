"""Mask files and outlines drawn on pictures."""

from __future__ import annotations

import io

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cygnet.imaging.overlay import outlined
from cygnet.imaging.png import mask_png


@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 30))
def test_pillow_reads_what_was_written(seed: int, height: int, width: int) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < 0.5
    with Image.open(io.BytesIO(mask_png(mask))) as image:
        assert (image.format, image.mode) == ("PNG", "L")
        assert np.array_equal(np.asarray(image), mask * 255)


def test_a_part_of_a_larger_array() -> None:
    mask = np.random.default_rng(1).random((40, 40)) < 0.5
    with Image.open(io.BytesIO(mask_png(mask[3:20:2, 5:30]))) as image:
        assert np.array_equal(np.asarray(image) > 0, mask[3:20:2, 5:30])


def test_only_the_outline_is_painted() -> None:
    mask = np.zeros((60, 80), bool)
    mask[20:40, 30:60] = True
    before = Image.new("RGB", (80, 60), (200, 150, 130))
    changed = (np.asarray(outlined(before, mask)) != np.asarray(before)).any(axis=2)
    assert changed[19:22, 30:60].all()
    assert changed[20:40, 29:32].all()
    assert not changed[24:36, 34:56].any()
    assert not changed[:16].any()
    assert not changed[:, 64:].any()


def test_the_rim_of_the_picture_is_no_outline() -> None:
    picture = Image.new("RGB", (30, 30), (200, 150, 130))
    for mask in (np.ones((30, 30), bool), np.zeros((30, 30), bool)):
        assert np.array_equal(np.asarray(outlined(picture, mask)), np.asarray(picture))
