"""The vector that lesions are compared by: the same definitions as one lesion's measurements, on stacks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from drawn import LESION, SIDE, Bools, Pixels, X, Y, ellipse, painted
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from cygnet.imaging import MEASUREMENTS, measure, measure_stack, scene
from cygnet.simulate import SimulatedLesion, simulate_lesion

NAMES = tuple(name for name, _, _ in MEASUREMENTS)


def named(image: Pixels, mask: Bools, aspect: float = 1.0) -> dict[str, float]:
    (values,) = measure_stack(scene(image[None], mask[None]), np.array([aspect]))
    assert values.shape == (len(NAMES),)
    assert values.dtype == np.float32
    return dict(zip(NAMES, values.tolist(), strict=True))


def squashed(lesion: SimulatedLesion) -> tuple[Pixels, NDArray[np.float32]]:
    size = (SIDE, SIDE)
    soft = Image.fromarray(lesion.mask.view(np.uint8) * 255).resize(size, Image.Resampling.BOX)
    image = Image.fromarray(lesion.image).resize(size, Image.Resampling.BOX)
    return np.asarray(image), np.asarray(soft, np.float32) / 255


def test_both_faces_agree() -> None:
    """The squashed square at network size against the photograph."""
    lesions = [simulate_lesion(seed, odd=seed % 2 == 1) for seed in range(8)]
    small = [squashed(lesion) for lesion in lesions]
    seen = scene(np.stack([s[0] for s in small]), np.stack([s[1] for s in small]))
    found = measure_stack(seen, np.full(len(lesions), 600 / 450))
    for values, lesion in zip(found, lesions, strict=True):
        one = dict(zip(NAMES, values.tolist(), strict=True))
        full = measure(lesion.image, lesion.mask)
        assert one["size"] == pytest.approx(full.equivalent_diameter, rel=0.01)
        assert one["darkness"] == pytest.approx(full.darkness, rel=0.1)
        assert one["redness"] == pytest.approx(full.redness, abs=1.5)
        assert one["blueness"] == pytest.approx(full.blueness, abs=1.5)
        assert one["colour_variety"] == pytest.approx(full.colour_variety, rel=0.3)  # of cells, which are means
        assert abs(one["colours"] - full.colour_count) <= 1.3  # what is under 5 % counts in part
        assert one["asymmetry"] == pytest.approx(full.asymmetry, abs=0.02)
        assert one["border_irregularity"] == pytest.approx(full.border_irregularity, abs=0.12)
        assert one["elongation"] == pytest.approx(math.log(full.major_axis / full.minor_axis), abs=0.03)


@pytest.mark.parametrize("ratio", [1.0, 1.5, 3.0])
@pytest.mark.parametrize("degrees", [0, 30, 90, 135])
def test_elongation_is_the_logarithm_of_the_axes_ratio(ratio: float, degrees: int) -> None:
    mask = ellipse(0.3, 0.3 / ratio, math.radians(degrees))
    assert named(painted(mask), mask)["elongation"] == pytest.approx(math.log(ratio), abs=0.02)


def test_the_aspect_is_put_back() -> None:
    # A disc of a 320 x 240 photograph, squashed to a square: an ellipse, narrower across.
    mask = ellipse(0.3 * 3 / 4, 0.3)
    found = named(painted(mask), mask, 320 / 240)
    assert found["elongation"] == pytest.approx(0, abs=0.02)
    assert found["size"] == pytest.approx(2 * 0.3 * 240 / 320, rel=0.01)
    assert named(painted(mask), mask)["elongation"] == pytest.approx(math.log(4 / 3), abs=0.02)


def test_darker_redder_bluer() -> None:
    disc = ellipse(0.25, 0.25)
    one = lambda colour: named(painted(disc, colour), disc)  # noqa: E731
    assert one((60, 40, 30))["darkness"] > one((140, 100, 80))["darkness"] > 0
    assert one((190, 60, 60))["redness"] > one(LESION)["redness"]
    assert one((60, 70, 120))["blueness"] > one(LESION)["blueness"]


def test_two_colours_are_more_than_one() -> None:
    disc = ellipse(0.25, 0.25)
    image = painted(disc)
    plain = named(image, disc)
    image[disc & (X > 0)] = (40, 50, 90)
    assert plain["colours"] == pytest.approx(1, abs=0.5)
    assert 2 <= named(image, disc)["colours"] < 3  # cells on the border mix lesion and skin
    assert named(image, disc)["colour_variety"] > 3 * plain["colour_variety"]


def test_a_triangle_folds_on_two_thirds_across() -> None:
    height, half = 0.7, 0.15
    top = -2 * height / 3
    inside = (height / 3 >= Y) & (top <= Y) & (np.abs(X) <= half * (Y - top) / height)
    assert named(painted(inside), inside)["asymmetry"] == pytest.approx((0 + 1 / 3) / 2, abs=0.02)


def test_no_lesion_is_zeros_and_flagged() -> None:
    disc = ellipse(0.2, 0.2)
    images, masks = np.stack([painted(disc)] * 3), np.stack([disc, disc & False, disc])
    seen = scene(images, masks)
    assert seen.found.tolist() == [True, False, True]
    found = measure_stack(seen, np.ones(3))
    assert found[1].tolist() == [0] * len(NAMES)
    assert found[0] == pytest.approx(found[2])
    assert (found[0, :2] > 0).all()


@pytest.mark.parametrize("value", [0, 3, 128, 255])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_featureless_images_have_finite_measurements(value: int, share: float) -> None:
    image = np.full((1, SIDE, SIDE, 3), value, np.uint8)
    for masks in (None, np.full((1, SIDE, SIDE), share, np.float32), np.full((1, 40, 40), share > 0.5)):
        assert np.isfinite(measure_stack(scene(image, masks), np.array([1.3]))).all()


blobs = st.builds(
    ellipse, st.floats(0.1, 0.3), st.floats(0.1, 0.3), st.floats(0, math.pi), st.floats(-0.1, 0.1), st.floats(-0.1, 0.1)
)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(blobs, blobs, st.sampled_from(["turn", "left-right", "top-bottom", "transpose"]))
def test_turned_and_mirrored_images_measure_the_same(one: Bools, other: Bools, how: str) -> None:
    image, mask = painted(one | other), one | other
    image[other] = (90, 60, 70)
    moved = {
        "turn": lambda a: a[::-1, ::-1],
        "left-right": lambda a: a[:, ::-1],
        "top-bottom": lambda a: a[::-1],
        "transpose": lambda a: a.swapaxes(0, 1),
    }[how]
    before = named(image, mask)
    after = named(np.ascontiguousarray(moved(image)), np.ascontiguousarray(moved(mask)))
    for name, value in before.items():
        # Asymmetry is read at samples along the axes, which a rounding error can move by a pixel.
        tolerance = 0.02 if name == "asymmetry" else 2e-3 * max(1, abs(value))
        assert after[name] == pytest.approx(value, abs=tolerance), name


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.integers(1, 80), st.booleans())
def test_ranges_on_any_image(seed: int, spread: int, given_mask: bool) -> None:
    rng = np.random.default_rng(seed)
    blocks = rng.integers(128 - spread, 128 + spread, (8, 8, 3)).astype(np.uint8)
    masks = (rng.random((1, 40, 40)) * rng.choice([0.4, 1])).astype(np.float32) if given_mask else None
    seen = scene(blocks.repeat(20, 0).repeat(20, 1)[None], masks)
    found = dict(zip(NAMES, measure_stack(seen, np.array([4 / 3]))[0].tolist(), strict=True))
    assert all(math.isfinite(v) for v in found.values())
    assert ((seen.cover >= 0) & (seen.cover <= 1)).all()
    assert 0 <= found["size"] <= 1
    assert 0 <= found["asymmetry"] <= 1
    assert 0 <= found["colours"] <= 6
    assert min(found["colour_variety"], found["elongation"]) >= 0


def test_a_stack_is_its_images_one_by_one() -> None:
    rng = np.random.default_rng(3)
    masks = [ellipse(*rng.uniform(0.1, 0.3, 2), *rng.uniform(-0.2, 0.2, 3)) for _ in range(5)]
    images = [painted(mask) for mask in masks]
    images[2][:, :9] = 0  # a dark side
    images.append(np.zeros_like(images[0]))
    masks.append(masks[0])
    aspect = rng.uniform(0.7, 1.6, len(images))
    together = measure_stack(scene(np.stack(images), np.stack(masks)), aspect)
    alone = [measure_stack(scene(i[None], m[None]), a[None]) for i, m, a in zip(images, masks, aspect, strict=True)]
    assert together == pytest.approx(np.concatenate(alone), abs=1e-3)


@pytest.mark.parametrize("shape", [(2, 160, 160), (1, 50, 50), (1, 40, 80)])
def test_masks_that_do_not_fit(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="one square mask per image"):
        scene(np.zeros((1, SIDE, SIDE, 3), np.uint8), np.zeros(shape, bool))


def test_images_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="multiple of 40"):
        scene(np.zeros((1, 150, 150, 3), np.uint8))


def test_the_outline_stands_in_for_a_mask() -> None:
    """Without masks: the coarse outline finds a plain lesion, and not the surround of a round field."""
    image = painted(ellipse(0.2, 0.2))
    image[X**2 + Y**2 > 0.48**2] = (3, 3, 3)
    seen = scene(image[None])
    grid = (np.arange(40) + 0.5) / 40 - 0.5
    radius = np.hypot(grid[:, None], grid[None, :])
    assert seen.found.all()
    assert not seen.field[0][radius > 0.55].any()
    assert seen.field[0][radius < 0.42].all()
    assert not seen.mask[0][~seen.field[0]].any()
    assert seen.mask[0][radius < 0.15].min() > 0.9
    assert measure_stack(seen, np.ones(1))[0, NAMES.index("darkness")] > 20
