"""The quality gate on simulated photographs, spoilt on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageFilter

from cygnet.imaging import RETAKE, Finding, Reason, framing, inspect, scene
from cygnet.imaging.quality import focus
from cygnet.simulate import SimulatedLesion, simulate_lesion

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZE = 160


def square(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(image).resize((SIZE, SIZE), Image.Resampling.BILINEAR))


def blurred(image: NDArray[np.uint8], radius: float) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius)))


def findings(image: NDArray[np.uint8]) -> tuple[Finding, ...]:
    return inspect(scene(square(image)[None]))[0]


def sharpness(image: NDArray[np.uint8]) -> float:
    return float(focus(scene(square(image)[None]))[0])


@pytest.fixture(scope="module")
def lesions() -> list[NDArray[np.uint8]]:
    return [simulate_lesion(seed, size=(320, 240)).image for seed in range(8)]


def test_sharp_images_pass(lesions: list[NDArray[np.uint8]]) -> None:
    assert [f for image in lesions for f in findings(image) if f.refuses] == []
    # What is wrong with an image is never invented: most have not even a note.
    assert sum(not findings(image) for image in lesions) >= 6


def test_blurred_images_are_refused(lesions: list[NDArray[np.uint8]]) -> None:
    for image in lesions:
        (finding,) = findings(blurred(image, 8))
        assert finding.code == Reason.BLURRED
        assert finding.refuses
        assert finding.retake == RETAKE[Reason.BLURRED]


def test_sharpness_falls_with_blur(lesions: list[NDArray[np.uint8]]) -> None:
    for image in lesions:
        steps = [sharpness(blurred(image, radius)) for radius in (0, 2, 4, 8)]
        assert steps == sorted(steps, reverse=True)


def test_sharpness_hardly_depends_on_contrast(lesions: list[NDArray[np.uint8]]) -> None:
    image = lesions[0].astype(np.float64)
    softer = (0.6 * (image - 128) + 128).round().astype(np.uint8)
    assert sharpness(softer) == pytest.approx(sharpness(lesions[0]), rel=0.25)


def test_black_is_too_dark_and_white_too_bright(lesions: list[NDArray[np.uint8]]) -> None:
    for image, code in [
        (np.zeros((240, 320, 3), np.uint8), Reason.TOO_DARK),
        ((lesions[0] // 20).astype(np.uint8), Reason.TOO_DARK),
        (np.full((240, 320, 3), 252, np.uint8), Reason.TOO_BRIGHT),
    ]:
        assert (code, True) in {(f.code, f.refuses) for f in findings(image)}


def test_pure_white_is_refused() -> None:
    codes = {f.code for f in findings(np.full((240, 320, 3), 255, np.uint8)) if f.refuses}
    assert Reason.TOO_BRIGHT in codes
    assert Reason.TOO_DARK not in codes


def test_a_flat_image_is_refused_as_blurred() -> None:
    flat = np.full((240, 320, 3), (190, 150, 130), np.uint8)
    assert [f.code for f in findings(flat) if f.refuses] == [Reason.BLURRED]


def test_a_picture_without_colour_is_refused(lesions: list[NDArray[np.uint8]]) -> None:
    for image in lesions:
        grey = np.asarray(Image.fromarray(image).convert("L").convert("RGB"))
        assert (Reason.NOT_DERMOSCOPY, True) in {(f.code, f.refuses) for f in findings(grey)}
        assert Reason.NOT_DERMOSCOPY not in {f.code for f in findings(image)}


def cut(lesion: SimulatedLesion, rows: slice, columns: slice) -> tuple[Finding, ...]:
    """Findings on a part of a simulated photograph, with its exact mask."""
    image, mask = lesion.image[rows, columns], lesion.mask[rows, columns]
    soft = Image.fromarray(np.ascontiguousarray(mask).view(np.uint8) * 255).resize((SIZE, SIZE), Image.Resampling.BOX)
    return inspect(scene(square(np.ascontiguousarray(image))[None], np.asarray(soft, np.float32)[None] / 255))[0]


@pytest.mark.parametrize("seed", range(1, 7))
def test_a_lesion_that_leaves_the_frame_is_noted(seed: int) -> None:
    drawn = simulate_lesion(seed, odd=seed % 2 == 0, size=(480, 360))
    x, y = (round(v) for v in drawn.measurements.centroid_xy)
    whole = slice(None)
    for rows, columns in (
        (whole, slice(x, None)),
        (whole, slice(0, x)),
        (slice(y, None), whole),
        (slice(0, y), whole),
        (slice(y, None), slice(x, None)),
    ):
        (finding,) = [f for f in cut(drawn, rows, columns) if f.code == Reason.CUT_OFF]
        assert not finding.refuses
        assert "of its border is the edge of the image" in finding.message
    assert Reason.CUT_OFF not in {f.code for f in cut(drawn, whole, whole)}


def test_a_lesion_inside_the_frame_is_not_called_cut_off(lesions: list[NDArray[np.uint8]]) -> None:
    assert not any(f.code == Reason.CUT_OFF for image in lesions for f in findings(image))


def test_share_of_the_border_on_the_edge_by_hand() -> None:
    # A disc of radius r cut through its middle: 2r of 2r + pi r are edge.
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    half = np.hypot(x - SIZE / 2, y) <= 50
    found = framing(np.stack([half, half.T, np.hypot(x - 80, y - 80) <= 50, half & False]))
    assert found.on_edge == pytest.approx([2 / (2 + np.pi), 2 / (2 + np.pi), 0, 0], abs=0.03)
    side = SIZE - 2 * round(0.12 * SIZE)  # corners are left out
    assert found.edges[0] == pytest.approx([100 / side, 0, 0, 0], abs=0.03)
    assert found.edges[1] == pytest.approx([0, 0, 0, 100 / side], abs=0.03)
    assert not found.edges[2:].any()


def test_shaded_corners_are_no_lesion_cut_off() -> None:
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE - 0.5
    corners = np.hypot(x, y) > 0.64
    assert framing((corners | (np.hypot(x, y) < 0.2))[None]).on_edge[0] == 0


def test_focus_is_that_of_the_lesion(lesions: list[NDArray[np.uint8]]) -> None:
    """Half the image is blurred: sharp under a mask of one half, blurred under one of the other."""
    mixed = lesions[0].copy()
    mixed[:, 160:] = blurred(lesions[0], 8)[:, 160:]
    left = np.zeros((1, SIZE, SIZE), bool)
    left[:, 20:140, 10:70] = True
    pixels = square(mixed)[None]
    assert focus(scene(pixels, left))[0] > 2 * focus(scene(pixels, left[:, :, ::-1]))[0]


def test_every_reason_says_what_to_do() -> None:
    assert set(RETAKE) == set(Reason)
    assert all(len(words.split()) >= 4 for words in RETAKE.values())
