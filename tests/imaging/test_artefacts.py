"""Artefacts on simulated patients, who know exactly what was laid over their images, and on drawn ink."""

from __future__ import annotations

import time

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage

from cygnet.errors import InputError
from cygnet.imaging import Artefacts, artefacts
from cygnet.imaging.artefacts import SIDE
from cygnet.imaging.lines import blobs, closed, grown, long_runs, opened, thin_dark
from cygnet.simulate import SimulatedLesion, simulate_patient

Seen = list[tuple[SimulatedLesion, Artefacts]]
#: Masks of the simulator by the name of ours.
TRUTH = {"hair": "hair", "ruler": "ruler", "bubbles": "bubbles", "surround": "dark field"}


@pytest.fixture(scope="module")
def seen() -> Seen:
    lesions = [lesion for seed in range(10) for lesion in simulate_patient(seed, n_lesions=4).lesions]
    return [(lesion, artefacts(lesion.image)) for lesion in lesions]


def true_mask(lesion: SimulatedLesion, name: str, shape: tuple[int, int]) -> np.ndarray:
    drawn = Image.fromarray(lesion.artefact_masks[TRUTH[name]])
    return np.asarray(drawn.resize(shape[::-1], Image.Resampling.NEAREST))


@pytest.mark.parametrize(
    ("name", "precision", "recall"),
    [("hair", 0.9, 0.85), ("ruler", 0.9, 0.95), ("bubbles", 0.8, 0.35), ("surround", 0.99, 0.88)],
)
def test_precision_and_recall(seen: Seen, name: str, precision: float, recall: float) -> None:
    hit = wrong = missed = 0
    for lesion, found in seen:
        if TRUTH[name] in lesion.artefact_masks:
            mask = found.masks[name]
            truth = true_mask(lesion, name, mask.shape)
            hit += int((mask & grown(truth)).sum())
            wrong += int((mask & ~grown(truth, 2)).sum())
            missed += int((truth & ~mask).sum())
    assert hit > 500
    assert hit / (hit + wrong) >= precision
    assert hit / (hit + missed) >= recall


def test_flags(seen: Seen) -> None:
    """Where nothing was laid nothing is flagged; what was laid is flagged unless there is next to nothing of it."""
    for name, laid in TRUTH.items():
        clean = [name in found.flags for lesion, found in seen if laid not in lesion.artefacts]
        there = [name in found.flags for lesion, found in seen if laid in lesion.artefacts]
        assert np.mean(clean) <= 0.02, name
        assert np.mean(there) >= {"hair": 0.8, "ruler": 0.95, "bubbles": 0.2, "surround": 0.95}[name], name
    plain = [(x, f) for x, f in seen if "dark field" not in x.artefacts]
    assert np.mean(["vignette" in f.flags for x, f in plain if "vignette" in x.artefacts]) >= 0.8
    assert np.mean(["vignette" in f.flags for x, f in plain if "vignette" not in x.artefacts]) <= 0.05
    assert not any("ink" in f.flags for _, f in seen)


def test_the_scale_is_exact_or_none(seen: Seen) -> None:
    scales = [(lesion.mm_per_px, found.mm_per_pixel) for lesion, found in seen]
    assert sum(true is not None for true, _ in scales) >= 3
    for true, found in scales:
        assert (true is None) == (found is None)
        if true is not None:
            assert found == pytest.approx(true, rel=0.01)


@pytest.mark.parametrize("degrees", [-25, 8, 60])
def test_a_slanted_ruler_is_read_at_any_size(degrees: float) -> None:
    canvas = Image.new("RGB", (1200, 1200), (205, 165, 150))
    pen = ImageDraw.Draw(canvas)
    for k in range(14):  # 60 pixels a millimetre
        pen.line([(200 + 60 * k, 560), (200 + 60 * k, 640 if k % 5 else 680)], fill=(40, 35, 30), width=4)
    image = canvas.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=(205, 165, 150))
    found = artefacts(np.asarray(image))
    assert found.mm_per_pixel == pytest.approx(1 / 60, rel=0.01)
    assert "ruler" in found.flags


def test_uneven_lines_are_no_ruler() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        canvas = Image.new("RGB", (512, 384), (205, 165, 150))
        pen = ImageDraw.Draw(canvas)
        for x in np.cumsum(rng.uniform(14, 60, 14)):
            pen.line([(x, 40), (x, 60)], fill=(40, 35, 30), width=2)
        assert artefacts(np.asarray(canvas)).mm_per_pixel is None


@pytest.mark.parametrize("colour", [(90, 60, 160), (70, 80, 190), (60, 140, 100)])
def test_ink_beside_the_lesion_is_found_and_a_blue_lesion_is_not_ink(colour: tuple[int, int, int]) -> None:
    image = Image.new("RGB", (600, 450), (210, 170, 155))
    pen = ImageDraw.Draw(image)
    truth = Image.new("1", image.size)
    pen.ellipse((250, 170, 350, 280), fill=(70, 80, 140))  # a blue nevus
    for draw, fill in ((pen, colour), (ImageDraw.Draw(truth), 1)):
        draw.line([(30, 400), (120, 330), (180, 430)], fill=fill, width=14)
        draw.line([(500, 30), (560, 120)], fill=fill, width=14)
    noisy = np.asarray(image.filter(ImageFilter.GaussianBlur(1.5)), np.float64)
    noisy += np.random.default_rng(1).normal(0, 4, noisy.shape)
    found = artefacts(np.clip(noisy, 0, 255).astype(np.uint8))
    ink = np.asarray(truth.resize(found.ink.shape[::-1]))
    assert "ink" in found.flags
    assert (found.ink & ink).sum() >= 0.85 * ink.sum()
    assert (found.ink & ~grown(ink, 3)).sum() <= 0.01 * found.ink.sum()


def test_plain_skin_has_nothing() -> None:
    for colour in ((210, 170, 155), (90, 60, 50), (255, 255, 255), (0, 0, 0)):
        found = artefacts(np.full((150, 200, 3), colour, np.uint8))
        assert set(found.flags) <= {"surround"}
        assert found.mm_per_pixel is None
        assert found.ignore.shape == (SIDE * 3 // 4, SIDE)


@pytest.mark.parametrize("size", [(8, 8), (40, 900), (1500, 2000), (384, 512)])
def test_any_size(size: tuple[int, int]) -> None:
    found = artefacts(np.random.default_rng(0).integers(0, 255, (*size, 3)).astype(np.uint8))
    assert max(found.ignore.shape) == SIDE
    assert all(0 <= share <= 1 for share in found.shares.values())
    assert np.array_equal(found.ignore, np.logical_or.reduce(list(found.masks.values())))


def test_quick(seen: Seen) -> None:
    started = time.thread_time()
    for lesion, _ in seen[:10]:
        artefacts(lesion.image)
    assert (time.thread_time() - started) / 10 < 0.1  # about 0.015 on a quiet core


@pytest.mark.parametrize("pixels", [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3)), np.zeros((2, 9, 3), np.uint8)])
def test_wrong_input_is_named(pixels: np.ndarray) -> None:
    with pytest.raises(InputError, match="give .height, width, 3. uint8"):
        artefacts(pixels)


def test_morphology_as_scipy_computes_it() -> None:
    grey = np.random.default_rng(0).integers(0, 255, (40, 50)).astype(np.uint8)
    inner = (slice(12, -12), slice(12, -12))  # scipy treats the image's edge in another way
    for way, footprint in (
        ((0, 1), np.ones((1, 7), bool)),
        ((1, 0), np.ones((7, 1), bool)),
        ((1, 1), np.eye(5, dtype=bool)),
        ((1, -1), np.eye(5, dtype=bool)[::-1]),
    ):
        assert np.array_equal(
            closed(grey, way, 7)[inner], ndimage.grey_closing(grey, footprint=footprint, mode="mirror")[inner]
        )
        assert np.array_equal(
            opened(grey, way, 7)[inner], ndimage.grey_opening(grey, footprint=footprint, mode="mirror")[inner]
        )
    mask = grey > 90
    assert np.array_equal(grown(mask), ndimage.binary_dilation(mask, np.ones((3, 3))))
    assert np.array_equal(blobs(mask, 3)[inner], ndimage.binary_opening(mask, np.ones((3, 3)))[inner])


def test_lines_by_hand() -> None:
    grey = np.full((60, 60), 200, np.uint8)
    grey[30, 5:55] = 50  # a hair, one pixel thick
    grey[8:14, 20:40] = 50  # a patch, six pixels thick
    thin = thin_dark(grey, 4)
    assert (thin[30, 5:55] == 150).all()
    assert (thin[8:14, 24:36] == 0).all()
    assert long_runs(grey < 100, 40)[30, 5:55].all()
    assert not long_runs(grey < 100, 40)[8:14].any()
