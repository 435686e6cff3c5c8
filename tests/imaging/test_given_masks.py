"""Masks made by others: what is taken, and what is refused for which reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageFilter

from cygnet.errors import InputError
from cygnet.imaging.given_masks import find_mask, read_mask

if TYPE_CHECKING:
    from pathlib import Path

W, H = 60, 40
TRUE = np.zeros((H, W), bool)
TRUE[10:30, 20:45] = True
GREY = TRUE.astype(np.uint8) * 255
SOFT = np.asarray(Image.fromarray(GREY).filter(ImageFilter.GaussianBlur(0.7)))


@pytest.mark.parametrize(
    "values",
    [
        TRUE,
        GREY,
        TRUE.astype(np.uint8),
        TRUE.astype(np.int64),
        TRUE.astype(np.float32),
        TRUE.astype(np.uint16) * 65535,
        np.repeat(GREY[..., None], 3, axis=2),
        GREY[..., None],
        SOFT,
        SOFT / 255,
    ],
    ids=["bool", "255", "1", "int64", "float", "16 bit", "three equal", "one channel", "soft", "soft float"],
)
def test_certain_arrays(values: np.ndarray) -> None:
    assert np.array_equal(read_mask(values, W, H), TRUE)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16"])
def test_certain_files(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.png"
    image = Image.fromarray(TRUE.astype(np.uint16) * 65535) if mode == "I;16" else Image.fromarray(GREY).convert(mode)
    image.save(path)
    assert np.array_equal(read_mask(path, W, H), TRUE)


def test_a_compressed_mask(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(GREY).save(path, quality=90)
    assert (read_mask(path, W, H) != TRUE).mean() < 0.01


def test_empty_and_full_are_certain() -> None:
    assert not read_mask(np.zeros((H, W), np.uint8), W, H).any()
    assert read_mask(np.full((H, W), 255, np.uint8), W, H).all()


RAMP = np.tile(np.linspace(0, 255, W).astype(np.uint8), (H, 1))
COLOUR = np.stack([GREY, GREY, RAMP], axis=2)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (GREY[:, :50], r"50 x 40 pixels, but the image has 60 x 40; give a mask"),
        (GREY.T, r"40 x 60 pixels, but the image has 60 x 40; it is turned"),
        (COLOUR, r"a colour picture \(\d+\.\d\d% of its pixels are not grey\)"),
        (RAMP, r"\d\d% of its pixels are neither 0 nor 255, as in a photograph"),
        (TRUE * np.uint8(128), r"values from 0 to 128; lesion must be 255 \(or 1\)"),
        (TRUE * np.uint8(3), "values from 0 to 3; lesion must be 255"),
        (TRUE * np.int16(-1), "values from -1 to 0"),
        (np.full((H, W), np.nan), "no numbers"),
        (TRUE.astype(str), "no numbers"),
        (255 - GREY, "turned inside out"),
        (np.zeros((H, W, 4), np.uint8), r"shape \(40, 60, 4\)"),
        (np.zeros((0, 0), np.uint8), r"shape \(0, 0\)"),
    ],
)
def test_uncertain_arrays(values: np.ndarray, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_mask(values, W, H)


def test_a_blurred_blob_is_no_mask() -> None:
    blob = np.asarray(Image.fromarray(GREY).filter(ImageFilter.GaussianBlur(6)))
    scaled = (blob * (255 / blob.max())).astype(np.uint8)
    with pytest.raises(InputError, match="neither 0 nor 255"):
        read_mask(scaled, W, H)


@pytest.mark.parametrize(
    ("data", "words"), [(b"", r"a\.png: the file is empty"), (b"no image", "not an image"), (None, "cannot be read")]
)
def test_files_that_are_no_masks(tmp_path: Path, data: bytes | None, words: str) -> None:
    path = tmp_path / "a.png"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(InputError, match=words):
        read_mask(path, W, H)


def test_a_file_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 2, (H, W), np.uint8) * 255).save(path)
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(InputError, match=r"a\.png: cannot be read"):
        read_mask(path, W, H)


def test_transparency_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.dstack([GREY, GREY, GREY, GREY])).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="partly transparent"):
        read_mask(tmp_path / "a.png", W, H)


def test_names(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no mask for ISIC_1; add ISIC_1_segmentation\.png"):
        find_mask(tmp_path, "ISIC_1")
    for name in ("ISIC_1.png", "ISIC_1_mask.tif", "ISIC_1_segmentation.png"):  # the later the better
        (tmp_path / name).touch()
        assert find_mask(tmp_path, "ISIC_1").name == name
