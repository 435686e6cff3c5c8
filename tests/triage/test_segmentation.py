"""``cygnet.segment``: whatever the image comes as, the outline is the same and lies where the lesion is."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import cygnet
from cygnet.errors import DecodeError, InputError
from cygnet.evaluation.masks import jaccard
from cygnet.imaging.masks import MaskFlag
from cygnet.simulate import simulate_lesion, simulate_patient
from cygnet.triage.segmentation import given

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

LESION = simulate_lesion(4, size=(400, 300))


def png(pixels: NDArray[np.uint8], **how: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", **how)
    return buffer.getvalue()


def test_however_the_image_comes(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(LESION.image))
    expected = cygnet.segment(path)
    assert expected.mask.shape == (300, 400)
    assert expected.found
    assert 0 < expected.confidence <= 1
    for image in (str(path), path.read_bytes(), Image.fromarray(LESION.image), LESION.image):
        found = cygnet.segment(image)
        assert np.array_equal(found.mask, expected.mask)
        assert (found.confidence, found.flags) == (expected.confidence, expected.flags)


def test_it_lies_where_the_lesion_is() -> None:
    """Experts draw small lesions a little wider than the simulator's exact edge, and so does the network."""
    lesions = [x for seed in (0, 1) for x in simulate_patient(seed, n_lesions=4).lesions]
    overlaps = [jaccard(cygnet.segment(x.image).mask, x.mask) for x in lesions]
    assert min(overlaps) > 0.55
    assert np.mean(overlaps) > 0.75


def test_squashed_and_large_pictures() -> None:
    """The same picture in another shape has the same outline in that shape."""
    mask = cygnet.segment(LESION.image).mask
    for size in ((256, 256), (2400, 1800)):
        picture = Image.fromarray(LESION.image).resize(size, Image.Resampling.BICUBIC)
        scaled = np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
        found = cygnet.segment(picture)
        assert found.mask.shape == size[::-1]
        assert jaccard(found.mask, scaled) > 0.93


def test_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by a quarter, clockwise
    found = cygnet.segment(png(LESION.image, exif=exif))
    upright = cygnet.segment(np.ascontiguousarray(np.rot90(LESION.image, -1)))
    assert found.mask.shape == (400, 300)
    assert jaccard(found.mask, upright.mask) > 0.98


def test_plain_skin_has_no_lesion() -> None:
    noise = np.random.default_rng(0).normal(0, 3, (240, 320, 1))
    skin = np.clip(np.array([205, 160, 140]) + noise, 0, 255).astype(np.uint8)
    found = cygnet.segment(skin)
    assert found.flags == (MaskFlag.NONE_FOUND,)
    assert not found.found
    assert not found.mask.any()


def test_save(tmp_path: Path) -> None:
    found = cygnet.segment(LESION.image)
    with Image.open(found.save(tmp_path / "m.png")) as image:
        assert np.array_equal(np.asarray(image), found.mask * 255)
    assert [p.name for p in tmp_path.iterdir()] == ["m.png"]
    assert found.area == pytest.approx(found.mask.sum() / 120_000)


@pytest.mark.parametrize(
    "array", [LESION.mask, LESION.image.astype(float), LESION.image[..., :2], np.zeros((2, 2, 2, 3), np.uint8)]
)
def test_arrays_that_are_no_picture(array: NDArray[np.generic]) -> None:
    with pytest.raises(InputError, match=r"give \(height, width, 3\) uint8"):
        cygnet.segment(array)


def test_files_that_are_no_picture(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.jpg: cannot be read"):
        cygnet.segment(tmp_path / "gone.jpg")
    (tmp_path / "bad.jpg").write_bytes(b"bad")
    with pytest.raises(DecodeError, match=r"bad\.jpg: not a JPEG"):
        cygnet.segment(tmp_path / "bad.jpg")
    with pytest.raises(DecodeError, match="at least 96"):
        cygnet.segment(LESION.image[:40, :40])


def test_given_masks_are_kept_as_they_are() -> None:
    two = np.zeros((100, 200), np.uint8)
    two[20:60, 0:50] = two[30:70, 120:170] = 255
    found = given(two, 200, 100)
    assert np.array_equal(found.mask, two > 0)
    assert MaskFlag.SEVERAL in found.flags
    assert math.isnan(found.confidence)
    assert given(0 * two, 200, 100).flags == (MaskFlag.NONE_FOUND,)
    assert given(two * (np.arange(200) < 100), 200, 100).flags == (MaskFlag.TOUCHES_BORDER,)
