"""CIELAB, the coarse outline and its measurements, against drawn shapes of known size."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2lab

from cygnet.imaging import MEASUREMENTS, measure, outline, to_lab
from cygnet.imaging.coarse import border_share

SIDE = 160
SKIN, LESION = (220, 180, 160), (110, 70, 50)
Pixels = NDArray[np.uint8]
AXIS = (np.arange(SIDE) + 0.5) / SIDE - 0.5
Y, X = AXIS[:, None], AXIS[None, :]


def drawn(inside: NDArray[np.bool_], lesion: tuple[int, int, int] = LESION) -> Pixels:
    image = np.empty((SIDE, SIDE, 3), np.uint8)
    image[:] = SKIN
    image[inside] = lesion
    return image


def ellipse(a: float, b: float, angle: float = 0.0, x: float = 0.0, y: float = 0.0) -> NDArray[np.bool_]:
    u = (X - x) * math.cos(angle) + (Y - y) * math.sin(angle)
    v = -(X - x) * math.sin(angle) + (Y - y) * math.cos(angle)
    return (u / a) ** 2 + (v / b) ** 2 <= 1


def photographed(image: Pixels, seed: int = 0) -> Pixels:
    """With the soft edges and the grain of a photograph."""
    soft = gaussian_filter(image.astype(np.float64), (3, 3, 0))
    return np.clip(soft + np.random.default_rng(seed).normal(0, 6, soft.shape), 0, 255).astype(np.uint8)


def named(image: Pixels, aspect: float = 1.0) -> dict[str, float]:
    (values,) = measure(outline(image[None]), np.array([aspect]))
    assert values.shape == (len(MEASUREMENTS),)
    assert values.dtype == np.float32
    return dict(zip((name for name, _, _ in MEASUREMENTS), values.tolist(), strict=True))


def lab(colour: tuple[int, int, int]) -> NDArray[np.float64]:
    return np.asarray(rgb2lab(np.array([[colour]], np.uint8))[0, 0])


def test_cielab_as_scikit_image_computes_it() -> None:
    grid = np.stack(np.meshgrid(*[np.arange(0, 256, 15, dtype=np.uint8)] * 3), -1).reshape(1, -1, 3)
    assert np.abs(to_lab(grid) - rgb2lab(grid)).max() < 0.5
    dark = np.arange(40, dtype=np.uint8)[None, :, None].repeat(3, 2)
    assert np.abs(to_lab(dark) - rgb2lab(dark)).max() < 0.05


def test_a_disc() -> None:
    found = named(drawn(ellipse(0.25, 0.25)))
    assert found["size"] == pytest.approx(math.sqrt(math.pi * 0.25**2), abs=0.03)
    skin, lesion = lab(SKIN), lab(LESION)
    assert found["darkness"] == pytest.approx(skin[0] - lesion[0], abs=5)
    assert found["redness"] == pytest.approx(lesion[1] - skin[1], abs=1)
    assert found["blueness"] == pytest.approx(skin[2] - lesion[2], abs=1)
    assert found["asymmetry"] < 0.06
    assert found["elongation"] == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("ratio", [1.5, 2.0, 3.0])
@pytest.mark.parametrize("degrees", [0, 30, 90, 135])
def test_elongation_is_the_logarithm_of_the_axes_ratio(ratio: float, degrees: int) -> None:
    # The soft membership of a coarse outline rounds it off a little, never more than a quarter.
    found = named(photographed(drawn(ellipse(0.3, 0.3 / ratio, math.radians(degrees)))))
    assert 0.75 * math.log(ratio) < found["elongation"] < 1.05 * math.log(ratio)


def test_elongation_of_a_hard_edged_ellipse_does_not_depend_on_its_angle() -> None:
    found = [named(drawn(ellipse(0.3, 0.15, math.radians(d))))["elongation"] for d in (0, 30, 60, 90)]
    assert max(found) - min(found) < 0.1


def test_the_aspect_is_put_back() -> None:
    # A disc of a 320 x 240 photograph, squashed to a square: an ellipse, narrower across.
    squashed = drawn(ellipse(0.3 * 3 / 4, 0.3))
    assert named(squashed, 320 / 240)["elongation"] == pytest.approx(0, abs=0.05)
    assert named(squashed, 1.0)["elongation"] == pytest.approx(math.log(4 / 3), abs=0.05)


def test_larger_lesions_are_larger() -> None:
    sizes = [named(drawn(ellipse(r, r)))["size"] for r in (0.08, 0.12, 0.18, 0.24, 0.3)]
    assert sizes == sorted(sizes)
    assert sizes[-1] > 2 * sizes[0]


def test_darker_redder_bluer() -> None:
    disc = ellipse(0.25, 0.25)
    assert named(drawn(disc, (60, 40, 30)))["darkness"] > named(drawn(disc, (140, 100, 80)))["darkness"] > 0
    assert named(drawn(disc, (190, 60, 60)))["redness"] > named(drawn(disc, LESION))["redness"]
    assert named(drawn(disc, (60, 70, 120)))["blueness"] > named(drawn(disc, LESION))["blueness"]


def test_variety_of_two_colours_is_half_their_distance() -> None:
    one, other = (110, 70, 50), (60, 40, 90)
    image = drawn(ellipse(0.25, 0.25), one)
    image[ellipse(0.25, 0.25) & (X > 0)] = other
    expected = float(np.linalg.norm(lab(one) - lab(other))) / 2
    assert named(image)["colour_variety"] == pytest.approx(expected, rel=0.2)
    assert named(drawn(ellipse(0.25, 0.25), one))["colour_variety"] < expected / 2


def test_a_triangle_is_a_third_asymmetric() -> None:
    # Turned by 180 degrees about its centroid, a triangle shares two thirds of its area with itself.
    height = 0.5
    top = -2 * height / 3
    inside = (height / 3 >= Y) & (np.abs(X) <= (Y - top) / math.sqrt(3))
    assert named(drawn(inside))["asymmetry"] == pytest.approx(1 / 3, abs=0.08)


def test_a_round_field_is_told_from_skin_and_lesion() -> None:
    image = drawn(ellipse(0.2, 0.2))
    image[X**2 + Y**2 > 0.48**2] = (3, 3, 3)
    coarse = outline(image[None])
    (mask,), (field,) = coarse.mask, coarse.field
    grid = (np.arange(40) + 0.5) / 40 - 0.5
    radius = np.hypot(grid[:, None], grid[None, :])
    assert not field[radius > 0.55].any()
    assert field[radius < 0.42].all()
    assert not mask[~field].any()
    assert measure(coarse, np.ones(1))[0, 1] > 20
    assert mask[radius < 0.15].min() > 0.9


def test_the_rim_that_a_lesion_covers() -> None:
    assert border_share(outline(drawn(ellipse(0.2, 0.2))[None]))[0] < 0.05


@pytest.mark.parametrize("value", [0, 3, 128, 255])
def test_featureless_images_have_finite_measurements(value: int) -> None:
    coarse = outline(np.full((1, SIDE, SIDE, 3), value, np.uint8))
    found = measure(coarse, np.array([1.3]))
    assert np.isfinite(found).all()
    if value in (0, 255):
        assert not coarse.field.any()


blobs = st.builds(
    ellipse,
    st.floats(0.1, 0.3),
    st.floats(0.1, 0.3),
    st.floats(0, math.pi),
    st.floats(-0.1, 0.1),
    st.floats(-0.1, 0.1),
)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(blobs, blobs, st.sampled_from(["turn", "left-right", "top-bottom", "transpose"]))
def test_turned_and_mirrored_images_measure_the_same(
    one: NDArray[np.bool_], other: NDArray[np.bool_], how: str
) -> None:
    image = drawn(one | other)
    image[other] = (90, 60, 70)
    moved = {
        "turn": image[::-1, ::-1],
        "left-right": image[:, ::-1],
        "top-bottom": image[::-1],
        "transpose": image.transpose(1, 0, 2),
    }[how]
    before, after = named(image), named(np.ascontiguousarray(moved))
    for name, value in before.items():
        # Asymmetry turns about a whole number of half cells, which a rounding error can move by one.
        tolerance = 0.06 if name == "asymmetry" else 2e-3 * max(1, abs(value))
        assert after[name] == pytest.approx(value, abs=tolerance), name


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.integers(1, 80))
def test_ranges_on_any_image(seed: int, spread: int) -> None:
    rng = np.random.default_rng(seed)
    blocks = rng.integers(128 - spread, 128 + spread, (8, 8, 3)).astype(np.uint8)
    coarse = outline(blocks.repeat(20, 0).repeat(20, 1)[None])
    (found,) = measure(coarse, np.array([4 / 3]))
    assert np.isfinite(found).all()
    assert ((coarse.mask >= 0) & (coarse.mask <= 1)).all()
    assert 0 <= found[0] <= 1
    assert 0 <= found[5] <= 1
    assert found[4] >= 0
    assert found[6] >= 0
    assert 0 <= border_share(coarse)[0] <= 1


def test_a_stack_is_its_images_one_by_one() -> None:
    rng = np.random.default_rng(3)
    images = [photographed(drawn(ellipse(*rng.uniform(0.1, 0.3, 2), *rng.uniform(-0.2, 0.2, 3))), k) for k in range(5)]
    images[2][:, :9] = 0  # a dark side
    images.append(np.zeros_like(images[0]))
    aspect = rng.uniform(0.7, 1.6, len(images))
    together = outline(np.stack(images))
    assert measure(together, aspect) == pytest.approx(
        np.concatenate([measure(outline(i[None]), a[None]) for i, a in zip(images, aspect, strict=True)]), abs=1e-4
    )
    shares = [border_share(outline(i[None]))[0] for i in images]
    assert border_share(together) == pytest.approx(np.array(shares), abs=1e-6)
