"""Masks made by others: taken where their meaning is certain, refused with the reason where it is not."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from cygnet.errors import InputError
from cygnet.imaging.decode import MAX_PIXELS

Mask = NDArray[np.bool_]

_SUFFIXES: Final = (".png", ".bmp", ".tif", ".tiff", ".jpg", ".jpeg", ".webp")
_ENDINGS: Final = ("_segmentation", "_Segmentation", "_mask", "")
#: What stands for "lesion" when it is the highest value: bool or label, 8 bits, 16 bits.
_TOPS: Final = (1, 255, 65535)
#: Values within this share of the range from its ends are as good as the ends.
_NEAR: Final = 0.06
#: Largest share of the picture, and of the lesion, that may lie between the ends as a soft edge.
_SOFT, _SOFT_OF_LESION = 0.1, 0.5


def find_mask(folder: Path, image: str) -> Path:
    """The mask of ``image`` in ``folder``: image_segmentation.png, image_mask.png or image.png, or another format.

    Raises
    ------
    InputError
        If there is none.
    """
    names = (f"{image}{ending}{suffix}" for ending in _ENDINGS for suffix in _SUFFIXES)
    found = next((folder / name for name in names if (folder / name).is_file()), None)
    if found is None:
        raise InputError(f"{folder}: no mask for {image}; add {image}_segmentation.png")
    return found


def read_mask(source: Path | NDArray[Any], width: int, height: int) -> Mask:
    """A given mask as (height, width) bool, true where there is lesion.

    ``source`` is a file or an array (h, w) or (h, w, 3). Values 0 and 1, 0 and 255, 0 and 65535, false and true, 0.0 to
    1.0 are accepted, also with soft edges, in one channel or three equal ones. ``width`` and ``height`` are the image's
    after EXIF orientation.

    Raises
    ------
    InputError
        If the meaning is not certain; the message says why and what would do.
    """
    name = str(source) if isinstance(source, Path) else "mask"
    values = _one_channel(_opened(source) if isinstance(source, Path) else np.asarray(source), name)
    _check_size(values, width, height, name)
    mask = _two_valued(values, name)
    if not mask.all() and _rim(mask).all():
        raise InputError(
            f"{name}: lesion all around the rim and none within, as in a mask turned inside out; "
            "255 stands for lesion, 0 for skin: invert it"
        )
    return mask


def mask_values(data: bytes, name: str) -> NDArray[Any]:
    """The values (h, w) of a mask file, as they stand there; three equal channels count as one.

    Raises
    ------
    InputError
        If it is no picture, or has colours or transparency; ``name`` stands for it in the message.
    """
    return _one_channel(_decoded(data, name), name)


def _opened(path: Path) -> NDArray[Any]:
    try:
        return _decoded(path.read_bytes(), str(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error}); save the mask again as an 8-bit PNG") from error


def _decoded(data: bytes, name: str) -> NDArray[Any]:
    if not data:
        raise InputError(f"{name}: the file is empty (0 bytes); copy the mask again")
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(f"{name}: {image.width} x {image.height} pixels are too many for a mask")
            if image.mode in ("1", "L", "I", "F", "RGB") or image.mode.startswith("I;"):
                return np.asarray(image)
            return _flat(image, name)
    except UnidentifiedImageError as error:
        raise InputError(f"{name}: not an image; save the mask as an 8-bit PNG of 0 and 255") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{name}: cannot be read ({error}); save the mask again as an 8-bit PNG") from error


def _flat(image: Image.Image, name: str) -> NDArray[Any]:
    """Palette colours, and what is left of an image whose transparency hides nothing."""
    rgba = np.asarray(image.convert("RGBA"))
    if (rgba[..., 3] < 255).any():
        raise InputError(f"{name}: partly transparent, so its meaning is unclear; save it as 8-bit grey, 0 and 255")
    return rgba[..., :3]


def _one_channel(values: NDArray[Any], name: str) -> NDArray[Any]:
    if values.ndim == 3 and values.shape[2] == 3:
        differing = (values != values[..., :1]).any(axis=2).mean()
        if differing:
            raise InputError(
                f"{name}: a colour picture ({max(differing, 0.0001):.2%} of its pixels are not grey); "
                "a mask has one value a pixel, 0 for skin and 255 for lesion"
            )
        values = values[..., 0]
    elif values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.ndim != 2 or not values.size:
        raise InputError(f"{name}: an array of shape {values.shape}; a mask is (height, width)")
    return values


def _check_size(values: NDArray[Any], width: int, height: int, name: str) -> None:
    high, wide = values.shape
    if (wide, high) == (width, height):
        return
    turned = (
        "; it is turned: masks lie as the image is shown, after its EXIF orientation"
        if (
            wide,
            high,
        )
        == (height, width)
        else ""
    )
    raise InputError(
        f"{name}: {wide} x {high} pixels, but the image has {width} x {height}{turned}; give a mask of the image's size"
    )


def _two_valued(values: NDArray[Any], name: str) -> Mask:
    if values.dtype == np.bool_:
        return values
    if values.dtype.kind not in "uif" or not np.isfinite(values).all():
        raise InputError(f"{name}: values of type {values.dtype} that are no numbers; use 0 and 255")
    low, high = values.min(), values.max()
    if low < 0 or (high > 0 and not _is_top(high, values.dtype.kind == "f")):
        raise InputError(
            f"{name}: values from {low:g} to {high:g}; lesion must be 255 (or 1), skin 0, and nothing above"
        )
    if high == 0:
        return np.zeros(values.shape, np.bool_)
    top = 1.0 if high <= 1 else 255.0 if high <= 255 else 65535.0
    share = values / top
    between = (share > _NEAR) & (share < 1 - _NEAR)
    soft = float(between.mean())
    if soft > _SOFT or between.sum() > _SOFT_OF_LESION * (share > _NEAR).sum():
        raise InputError(
            f"{name}: {soft:.0%} of its pixels are neither 0 nor {top:g}, as in a photograph or a probability map; "
            "cut it at the level that you mean and save 0 and 255"
        )
    return np.asarray(share >= 0.5)


def _is_top(high: Any, real: bool) -> bool:
    """Whether the highest value is one that stands for lesion; compressed files come a little short of it."""
    if real:
        return bool(1 - _NEAR <= high <= 1 or high in _TOPS)
    return any(high <= top and high >= (1 - _NEAR) * top for top in _TOPS)


def _rim(mask: Mask) -> NDArray[np.bool_]:
    return np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
