"""One image to the outline of its lesion: the library's ``segment``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cygnet.errors import DecodeError, InputError
from cygnet.imaging import Decoded, decode
from cygnet.imaging.decode import squash
from cygnet.imaging.given_masks import read_mask
from cygnet.imaging.masks import Cleaned, MaskFlag, clean, enlarge
from cygnet.imaging.png import mask_png
from cygnet.models import SegmentModel, find_outliner

#: Side of the grid on which a given mask is looked at for its flags.
_LOOK = 160


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """The outline of an image's lesion.

    ``mask`` (height, width) bool, true in the lesion, at the image's own size after EXIF orientation. ``confidence`` in
    [0, 1], higher is surer: the Jaccard index that the network expects between its mask and an expert's; for a picture
    without lesion, 1 less the highest probability in it; NaN for a mask that was given. ``flags``: none_found,
    touches_border, several (the central one is outlined). ``probability`` (g, g) float32 in [0, 1] is the network's answer
    over the whole image, None for a given mask. ``model`` and ``model_sha256`` say who drew it.
    """

    mask: NDArray[np.bool_]
    confidence: float
    flags: tuple[MaskFlag, ...]
    probability: NDArray[np.float32] | None
    model: str
    model_sha256: str

    @property
    def found(self) -> bool:
        """Whether there is a lesion."""
        return MaskFlag.NONE_FOUND not in self.flags

    @property
    def area(self) -> float:
        """The lesion's share of the picture, in [0, 1]."""
        return float(self.mask.mean())

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the mask as an 8-bit PNG of 0 and 255; returns where."""
        target = Path(path)
        part = target.with_name(f"{target.name}.part")
        part.write_bytes(mask_png(self.mask))
        os.replace(part, target)
        return target


def segment(
    image: str | os.PathLike[str] | bytes | Image.Image | NDArray[Any], model: SegmentModel | None = None
) -> Segmentation:
    """Outline the lesion in one dermoscopic image.

    Parameters
    ----------
    image
        A file, its bytes, a Pillow image, or sRGB pixels (height, width, 3) uint8.
    model
        The outline model; by default the accurate one that comes with the package.

    Raises
    ------
    cygnet.errors.InputError
        If there is no such file, or an array is no picture.
    cygnet.errors.DecodeError
        If the image cannot be read, is too large, or is under 96 pixels wide or high.
    """
    model = model or _default()
    opened = _opened(image, model.size)
    return outline_images([opened], model)[0]


def outline_images(images: Sequence[Decoded], model: SegmentModel) -> list[Segmentation]:
    """The outlines of images that were decoded to ``model.size``."""
    if not images:
        return []
    probability = model.predict(np.stack([image.pixels for image in images]))
    cleaned = clean(probability, model.threshold)
    return [_full(image, cleaned, probability, i, model) for i, image in enumerate(images)]


def given(source: Path | NDArray[Any], width: int, height: int) -> Segmentation:
    """A mask made by others as a segmentation; ``width`` and ``height`` are the image's after EXIF orientation.

    It is taken as it is, several regions and holes included.

    Raises
    ------
    InputError
        If its meaning is not certain.
    """
    mask = read_mask(source, width, height)
    small = Image.fromarray(mask.astype(np.float32)).resize((_LOOK, _LOOK), Image.Resampling.BILINEAR)
    flags = clean(np.asarray(small)[None]).flags(0) if mask.any() else (MaskFlag.NONE_FOUND,)
    return Segmentation(mask, float("nan"), flags, None, "given", "")


def _full(
    image: Decoded, cleaned: Cleaned, probability: NDArray[np.float32], i: int, model: SegmentModel
) -> Segmentation:
    return Segmentation(
        mask=enlarge(probability[i], cleaned.masks[i], image.width, image.height, model.threshold),
        confidence=round(float(cleaned.confidence[i]), 4),
        flags=cleaned.flags(i),
        probability=probability[i],
        model=model.files.name,
        model_sha256=model.files.sha256,
    )


def _opened(image: str | os.PathLike[str] | bytes | Image.Image | NDArray[Any], size: int) -> Decoded:
    if isinstance(image, bytes):
        return decode(image, size)
    if isinstance(image, Image.Image):
        return squash(image.copy(), size)
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise InputError(
                f"an array of shape {image.shape} and type {image.dtype}; give (height, width, 3) uint8 sRGB"
            )
        return squash(Image.fromarray(image), size)
    path = Path(image)
    try:
        return decode(path.read_bytes(), size)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except DecodeError as error:
        raise DecodeError(f"{path}: {error}", error.code) from error


@lru_cache(maxsize=1)
def _default() -> SegmentModel:
    return SegmentModel(find_outliner())
