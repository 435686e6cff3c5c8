"""Measurements of one lesion: the simulator's exact values, stability, units, and what is undefined."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import time

import numpy as np
import pytest
from drawn import LESION, SKIN, large_ellipse, painted
from PIL import Image

from cygnet.errors import InputError
from cygnet.imaging import Measurements, artefacts, measure
from cygnet.imaging.colour import COLOURS, PRESENT, to_lab
from cygnet.simulate import SimulatedLesion, simulate_lesion

LENGTHS = ("perimeter", "major_axis", "minor_axis", "equivalent_diameter", "maximum_diameter")
STABLE = (*LENGTHS, "area", "lightness", "contrast", "darkness", "colour_variety")


@pytest.fixture(scope="module")
def lesions() -> list[SimulatedLesion]:
    return [simulate_lesion(seed, odd=seed % 2 == 1) for seed in range(8)]


def test_the_simulators_exact_values(lesions: list[SimulatedLesion]) -> None:
    for lesion in lesions:
        found, exact = measure(lesion.image, lesion.mask), lesion.measurements
        width = lesion.mask.shape[1]
        assert found.unit == "image widths"
        assert found.area_share == pytest.approx(exact.area_share, rel=1e-6)
        assert found.area * width**2 == pytest.approx(exact.area_px, rel=0.03)
        assert found.major_axis * width == pytest.approx(exact.major_axis_px, rel=0.03)
        assert found.minor_axis * width == pytest.approx(exact.minor_axis_px, rel=0.03)
        assert found.eccentricity == pytest.approx(exact.eccentricity, abs=0.02)
        # The drawn contour has teeth finer than a pixel, which no mask holds.
        assert 0.95 * exact.perimeter_px < found.perimeter * width < 1.01 * exact.perimeter_px


@pytest.mark.parametrize("size", [(1200, 900), (300, 225)])
def test_exact_at_other_sizes(size: tuple[int, int]) -> None:
    lesion = simulate_lesion(3, odd=True, size=size)
    found, exact = measure(lesion.image, lesion.mask), lesion.measurements
    assert found.area * size[0] ** 2 == pytest.approx(exact.area_px, rel=0.03)
    assert found.major_axis * size[0] == pytest.approx(exact.major_axis_px, rel=0.03)
    assert found.minor_axis * size[0] == pytest.approx(exact.minor_axis_px, rel=0.03)


def assert_alike(one: Measurements, other: Measurements, scale: float = 1.0) -> None:
    """Within 5 %; shares, whose own value may be near 0, within 0.02 or, of one colour, 0.1."""
    for name in STABLE:
        power = 2 if name == "area" else 1 if name in LENGTHS else 0
        least = 0.2 if name == "colour_variety" else 0  # Delta E, far from seen
        assert getattr(other, name) * scale**power == pytest.approx(getattr(one, name), rel=0.05, abs=least), name
    for name in ("asymmetry", "solidity"):
        assert getattr(other, name) == pytest.approx(getattr(one, name), rel=0.05, abs=0.02), name
    assert 1 + other.border_irregularity == pytest.approx(1 + one.border_irregularity, rel=0.05)
    for name in ("redness", "blueness"):
        assert getattr(other, name) == pytest.approx(getattr(one, name), rel=0.05, abs=0.6), name
    for name in ("blue_white_share", "red_share"):  # a colour near a limit moves as a whole
        assert getattr(other, name) == pytest.approx(getattr(one, name), abs=0.1), name


@pytest.mark.parametrize("how", ["left-right", "top-bottom", "quarter", "half"])
def test_stable_under_flips_and_quarter_turns(lesions: list[SimulatedLesion], how: str) -> None:
    turn = {
        "left-right": lambda a: a[:, ::-1],
        "top-bottom": lambda a: a[::-1],
        "quarter": np.rot90,
        "half": lambda a: np.rot90(a, 2),
    }[how]
    for lesion in lesions:
        moved = measure(np.ascontiguousarray(turn(lesion.image)), np.ascontiguousarray(turn(lesion.mask)))
        # Lengths are shares of the width, which a quarter turn exchanges for the height.
        assert_alike(measure(lesion.image, lesion.mask), moved, scale=0.75 if how == "quarter" else 1.0)


@pytest.mark.parametrize("degrees", [10, 30, 45, 77])
def test_stable_under_any_rotation(degrees: int) -> None:
    for seed in range(3):
        lesion = simulate_lesion(seed, size=(600, 600))
        image = Image.fromarray(lesion.image).rotate(degrees, Image.Resampling.BICUBIC, fillcolor=(200, 160, 150))
        soft = Image.fromarray(lesion.mask.view(np.uint8) * 255).rotate(degrees, Image.Resampling.BILINEAR)
        moved = measure(np.asarray(image), np.asarray(soft) > 127)
        assert_alike(measure(lesion.image, lesion.mask), moved)


@pytest.mark.parametrize("quality", [60, 75, 95])
def test_stable_under_jpeg(lesions: list[SimulatedLesion], quality: int) -> None:
    for lesion in lesions:
        buffer = io.BytesIO()
        Image.fromarray(lesion.image).save(buffer, "JPEG", quality=quality)
        assert_alike(measure(lesion.image, lesion.mask), measure(np.asarray(Image.open(buffer)), lesion.mask))


def test_colours_of_a_painted_lesion() -> None:
    mask = large_ellipse(300, 400, 80, 60, 0.4)
    found = measure(painted(mask), mask)
    lesion, skin = (to_lab(np.array([[c]], np.uint8))[0, 0] for c in (LESION, SKIN))
    assert found.lightness == pytest.approx(float(lesion[0]), abs=0.5)
    assert found.contrast == pytest.approx(float(np.linalg.norm(lesion - skin)), abs=0.5)
    assert found.darkness == pytest.approx(float(skin[0] - lesion[0]), abs=0.5)
    assert found.redness == pytest.approx(float(lesion[1] - skin[1]), abs=0.5)
    assert found.blueness == pytest.approx(float(skin[2] - lesion[2]), abs=0.5)
    assert found.colour_variety < 1.5
    assert found.skin_ita == pytest.approx(math.degrees(math.atan2(skin[0] - 50, skin[2])), abs=0.5)
    assert found.colours == ("dark brown",)
    assert found.colour_count == 1
    assert found.undefined == {}


def test_a_melanoma_like_lesion_has_more_colours_than_a_nevus() -> None:
    pairs = [
        (measure(o.image, o.mask), measure(n.image, n.mask))
        for o, n in ((simulate_lesion(seed, odd=True), simulate_lesion(seed)) for seed in range(6))
    ]
    assert np.mean([odd.colour_count > nevus.colour_count for odd, nevus in pairs]) >= 0.6
    assert np.mean([odd.colour_variety > nevus.colour_variety for odd, nevus in pairs]) >= 0.8
    assert np.mean([odd.blue_white_share >= nevus.blue_white_share for odd, nevus in pairs]) >= 0.9


def test_colours_and_their_shares_agree(lesions: list[SimulatedLesion]) -> None:
    for lesion in lesions:
        found = measure(lesion.image, lesion.mask)
        assert found.colours == tuple(c for c, s in zip(COLOURS, found.shares, strict=True) if s >= PRESENT)
        assert found.colour_count == len(found.colours)


def test_millimetres() -> None:
    # Half axes of 100 and 60 px at 0.05 mm: 10 mm and 6 mm; an ellipse's area is pi a b.
    mask = large_ellipse(400, 500, 100, 60, 0.7)
    found = measure(painted(mask), mask, mm_per_pixel=0.05)
    assert (found.unit, found.mm_per_pixel) == ("mm", 0.05)
    assert (found.major_axis, found.minor_axis) == pytest.approx((10, 6), rel=0.01)
    assert found.area == pytest.approx(math.pi * 5 * 3, rel=0.01)
    assert found.maximum_diameter == pytest.approx(10, rel=0.02)
    assert found.equivalent_diameter == pytest.approx(2 * math.sqrt(15), rel=0.01)
    relative = measure(painted(mask), mask)
    assert relative.major_axis == pytest.approx(200 / 500, rel=0.01)
    assert relative.asymmetry == pytest.approx(found.asymmetry)
    assert relative.compactness == pytest.approx(found.compactness)


def test_a_large_photograph_is_quick_and_the_same() -> None:
    mask = large_ellipse(3000, 4500, 1125, 675, 0.3)
    image = painted(mask)
    started = time.thread_time()
    found = measure(image, mask)
    assert time.thread_time() - started < 1
    small = large_ellipse(400, 600, 150, 90, 0.3)
    assert_alike(measure(painted(small), small), found)


def test_artefacts_are_ignored() -> None:
    mask = large_ellipse(300, 400, 80, 60, 0.4)
    clean = painted(mask)
    haired, hairs = clean.copy(), np.zeros(mask.shape, bool)
    hairs[:, 100:320:16] = hairs[:, 101:320:16] = True
    haired[hairs] = (70, 45, 40)
    exact, spoilt = measure(clean, mask), measure(haired, mask)
    mended = measure(haired, mask, ignore=hairs)
    assert spoilt.colour_variety > 3 * exact.colour_variety
    assert mended.colour_variety == pytest.approx(exact.colour_variety, abs=0.2)
    assert mended.darkness == pytest.approx(exact.darkness, abs=0.2)
    assert mended.colours == exact.colours
    assert mended.area == exact.area
    smaller = measure(haired, mask, ignore=artefacts(haired).ignore)  # another size, stretched
    assert smaller.colour_variety < 0.5 * spoilt.colour_variety


def test_an_empty_mask_says_so() -> None:
    image = np.zeros((40, 50, 3), np.uint8)
    found = measure(image, np.zeros((40, 50), bool))
    numbers = [f.name for f in dataclasses.fields(found) if f.type == "float"]
    assert all(math.isnan(getattr(found, name)) for name in numbers)
    assert set(numbers) - {"mm_per_pixel"} <= set(found.undefined)
    assert set(found.undefined.values()) == {"the mask is empty: no lesion"}
    assert "mm_per_pixel" not in found.undefined
    assert json.loads(json.dumps(found.record(), allow_nan=False))["area"] is None


def test_no_skin_in_sight() -> None:
    image = painted(np.ones((60, 80), bool))
    found = measure(image, np.ones((60, 80), bool))
    assert found.area_share == 1
    assert math.isnan(found.contrast)
    assert found.undefined["contrast"] == "no skin in sight around the lesion"
    assert found.lightness > 0
    assert "lightness" not in found.undefined


def test_a_lesion_under_artefacts() -> None:
    mask = large_ellipse(100, 100, 30, 20, 0)
    found = measure(painted(mask), mask, ignore=np.ones((100, 100), bool))
    assert math.isnan(found.lightness)
    assert found.undefined["lightness"] == "artefacts cover the lesion"
    assert found.area > 0


def test_bluish_skin_has_no_typology_angle() -> None:
    mask = large_ellipse(100, 100, 30, 20, 0)
    found = measure(painted(mask, skin=(190, 180, 210)), mask)
    assert math.isnan(found.skin_ita)
    assert "white balance" in found.undefined["skin_ita"]
    assert found.skin_tone == ""


def test_one_pixel() -> None:
    mask = np.zeros((64, 64), bool)
    mask[30, 30] = True
    found = measure(painted(mask), mask)
    assert found.area == pytest.approx(1 / 64**2)
    assert all(v is None or math.isfinite(v) for v in found.record().values() if isinstance(v, float))


@pytest.mark.parametrize(
    ("pixels", "mask", "more", "says"),
    [
        (np.zeros((9, 9), np.uint8), np.zeros((9, 9), bool), {}, "give .height, width, 3. uint8"),
        (np.zeros((9, 9, 3)), np.zeros((9, 9), bool), {}, "float64"),
        (np.zeros((9, 9, 3), np.uint8), np.zeros((9, 8), bool), {}, "as large as the image"),
        (np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9), np.uint8), {}, "mask is .9, 9. uint8"),
        (np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9), bool), {"mm_per_pixel": 0.0}, "mm_per_pixel is 0.0"),
        (np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9), bool), {"mm_per_pixel": math.nan}, "mm_per_pixel is nan"),
        (np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9), bool), {"ignore": np.zeros((9, 9))}, "ignore is"),
    ],
)
def test_wrong_input_is_named(pixels: np.ndarray, mask: np.ndarray, more: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        measure(pixels, mask, **more)
