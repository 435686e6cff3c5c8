"""Fingerprints: against scipy and Pillow, and what they must not notice."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
import scipy.fft
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cygnet.errors import DecodeError
from cygnet.imaging.fingerprint import (
    MAX_BITS,
    MIN_CORRELATION,
    best_correlation,
    correlation,
    fingerprint,
    jpeg_quality,
    low_frequencies,
    orient,
    perceptual_hashes,
    quick_thumbnail,
)

if TYPE_CHECKING:
    from pathlib import Path


def picture(seed: int, side: int = 32) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


def test_dct_is_that_of_scipy() -> None:
    grey = picture(1).mean(axis=2)
    assert np.allclose(low_frequencies(grey), scipy.fft.dctn(grey)[:8, :8])


@given(st.integers(0, 10_000))
def test_hashes_are_those_of_the_eight_turned_pictures(seed: int) -> None:
    pixels = picture(seed)
    expected = []
    for turn in range(8):
        low = scipy.fft.dctn(orient(pixels, turn).astype(float).mean(axis=2))[:8, :8].ravel()[1:]
        expected.append(np.packbits(low > np.median(low)).view(np.uint64)[0])
    assert perceptual_hashes(pixels).tolist() == expected


@given(st.integers(0, 10_000), st.integers(0, 7))
def test_a_turned_picture_has_the_same_eight_hashes(seed: int, turn: int) -> None:
    pixels = picture(seed)
    assert set(perceptual_hashes(pixels)) == set(perceptual_hashes(np.ascontiguousarray(orient(pixels, turn))))


@given(st.integers(0, 1000), st.integers(0, 7))
def test_correlation_finds_the_orientation(seed: int, turn: int) -> None:
    pixels = picture(seed)
    assert best_correlation(pixels, orient(pixels, turn)) == pytest.approx(1)
    assert correlation(pixels, 255 - pixels) == pytest.approx(-1)


def test_flat_pictures_have_no_marks() -> None:
    flat = np.full((32, 32, 3), 7, np.uint8)
    assert perceptual_hashes(flat).tolist() == [0] * 8
    assert correlation(flat, picture(1)) == 0.0


def test_the_eight_orientations_differ() -> None:
    pixels = picture(3)
    assert len({orient(pixels, turn).tobytes() for turn in range(8)}) == 8


@pytest.mark.parametrize("quality", [1, 10, 49, 50, 51, 75, 90, 95, 99, 100])
def test_quality_that_pillow_wrote(quality: int) -> None:
    buffer = io.BytesIO()
    Image.fromarray(picture(1, 64)).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as image:
        assert jpeg_quality(image.quantization) == pytest.approx(quality, abs=1)


def test_no_tables_no_quality() -> None:
    assert np.isnan(jpeg_quality(None))
    assert np.isnan(jpeg_quality({}))


def test_pixel_hash_by_hand(tmp_path: Path) -> None:
    pixels = picture(5)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(pixels).save(tmp_path / "b.bmp")
    one, other = fingerprint(tmp_path / "a.png"), fingerprint(tmp_path / "b.bmp")
    assert one.pixels == other.pixels == hashlib.sha256(b"32x32:" + pixels.tobytes()).hexdigest()
    assert (one.format, other.format, one.width, one.height) == ("PNG", "BMP", 32, 32)
    assert one.n_bytes == (tmp_path / "a.png").stat().st_size
    assert np.isnan(one.jpeg_quality)


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown a quarter turn clockwise
    Image.fromarray(np.ascontiguousarray(np.rot90(pixels))).save(tmp_path / "a.png", exif=exif)
    Image.fromarray(pixels).save(tmp_path / "b.png")
    one, other = fingerprint(tmp_path / "a.png"), fingerprint(tmp_path / "b.png")
    assert (one.width, one.height) == (60, 40)
    assert one.pixels == other.pixels


@pytest.mark.parametrize("change", ["quality", "scale", "turn", "mirror"])
def test_simulated_images_are_known_again(simulated: Path, tmp_path: Path, change: str) -> None:
    for file in sorted((simulated / "images").glob("*.jpg")):
        with Image.open(file) as image:
            copy = {
                "quality": image.copy(),
                "scale": image.resize((150, 113)),
                "turn": image.transpose(Image.Transpose.ROTATE_90),
                "mirror": image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
            }[change]
        copy.save(tmp_path / "copy.jpg", quality=70)
        one, other = fingerprint(file), fingerprint(tmp_path / "copy.jpg")
        assert one.pixels != other.pixels
        assert np.bitwise_count(one.hashes[0] ^ other.hashes).min() <= MAX_BITS
        assert best_correlation(one.thumbnail, other.thumbnail) >= MIN_CORRELATION


def test_quick_thumbnail_resembles_the_whole_one(simulated: Path) -> None:
    file = min((simulated / "images").glob("*.jpg"))
    assert correlation(quick_thumbnail(file), fingerprint(file).thumbnail) > 0.995


@pytest.mark.parametrize(("data", "words"), [(b"", "not an image"), (b"text", "not an image"), (None, "no such file")])
def test_bad_files(tmp_path: Path, data: bytes | None, words: str) -> None:
    path = tmp_path / "bad.jpg"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(DecodeError, match=words):
        fingerprint(path)


def test_cut_file(simulated: Path, tmp_path: Path) -> None:
    whole = min((simulated / "images").glob("*.jpg")).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DecodeError, match="cut.jpg: the file is damaged"):
        fingerprint(tmp_path / "cut.jpg")
