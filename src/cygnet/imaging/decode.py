"""Bytes of an image file to the pixels that everything else works on.

A photograph of 24 megapixels is never decoded whole: JPEGs are read at the smallest of the codec's scales (1/1 to 1/8)
that still covers the wanted size.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, UnidentifiedImageError

from cygnet.errors import DecodeError
from cygnet.imaging.reasons import Reason

#: Formats that are tried; anything else is refused as unreadable.
FORMATS: Final = ("JPEG", "PNG", "TIFF", "BMP", "WEBP")
#: Pixels above which a file is refused unread. A larger limit would let one small file take gigabytes.
MAX_PIXELS: Final = 64_000_000
#: JPEGs are decoded scaled, so that they may be larger.
MAX_JPEG_PIXELS: Final = 150_000_000
MIN_SIDE: Final = 96

# Pillow warns of large images by its own limit; ours are checked below, before any pixel is read.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

_TURNS: Final = {
    2: (Image.Transpose.FLIP_LEFT_RIGHT,),
    3: (Image.Transpose.ROTATE_180,),
    4: (Image.Transpose.FLIP_TOP_BOTTOM,),
    5: (Image.Transpose.TRANSPOSE,),
    6: (Image.Transpose.ROTATE_270,),
    7: (Image.Transpose.TRANSVERSE,),
    8: (Image.Transpose.ROTATE_90,),
}


@dataclass(frozen=True, slots=True)
class Decoded:
    """``pixels`` (size, size, 3) uint8 sRGB, the whole image squashed to a square; ``width`` and ``height`` of the file
    in pixels after orientation; ``thumbnail`` JPEG bytes, ``picture`` (h, w, 3) uint8 sRGB with the original aspect and
    ``near`` (size, size, 3) uint8 sRGB, a square from the middle, if they were asked for.
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int
    thumbnail: bytes | None = None
    picture: NDArray[np.uint8] | None = None
    near: NDArray[np.uint8] | None = None

    @property
    def aspect(self) -> float:
        """Width over height of the photograph."""
        return self.width / self.height


def middles(images: Sequence[Decoded]) -> NDArray[np.uint8] | None:
    """What images show in their middle, as a stack (n, size, size, 3); None where nothing was cut out."""
    cut = [image.near for image in images if image.near is not None]
    return np.stack(cut) if cut else None


def decode(
    data: bytes, size: int, *, thumbnail: int = 0, picture: int = 0, middle: float = 0, min_side: int = MIN_SIDE
) -> Decoded:
    """The image in ``data`` as ``size`` x ``size`` sRGB pixels.

    Orientation (EXIF) and colour profile (ICC) are applied; transparency is laid on white; grey, palette, CMYK and 16-bit
    images become 8-bit RGB. ``thumbnail`` is the longer side in pixels of a JPEG to make beside it, ``picture`` that of
    pixels to keep with their aspect, ``middle`` in (0, 1] the share of the shorter side that a square from the middle has, 0
    for none; ``min_side`` the least that the shorter side may have.

    Raises
    ------
    DecodeError
        With code unreadable, truncated, too_large or too_small.
    """
    if not data:
        raise DecodeError("the file is empty (0 bytes)", Reason.TRUNCATED)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return squash(image, size, thumbnail=thumbnail, picture=picture, middle=middle, min_side=min_side)
    except DecodeError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DecodeError("far more pixels than any dermatoscope takes", Reason.TOO_LARGE) from error
    except UnidentifiedImageError as error:
        raise DecodeError("not a JPEG, PNG, TIFF, BMP or WebP image", Reason.UNREADABLE) from error
    except MemoryError as error:
        raise DecodeError("needs more memory than there is", Reason.TOO_LARGE) from error
    except Exception as error:  # the codecs raise many kinds for damaged files, all of which mean the same here
        cut = "truncated" in str(error).lower() or isinstance(error, EOFError)
        code, words = (Reason.TRUNCATED, "the file is cut short") if cut else (Reason.UNREADABLE, "the file is damaged")
        raise DecodeError(f"{words} ({error})", code) from error


def squash(
    image: Image.Image,
    size: int,
    *,
    thumbnail: int = 0,
    picture: int = 0,
    middle: float = 0,
    min_side: int = MIN_SIDE,
) -> Decoded:
    """An opened image as ``decode`` gives it.

    Raises
    ------
    DecodeError
        With code too_large or too_small. Damaged files raise whatever their codec does.
    """
    width, height = image.size
    limit = MAX_JPEG_PIXELS if image.format in ("JPEG", "MPO") else MAX_PIXELS
    if width * height > limit:
        raise DecodeError(
            f"{width} x {height} pixels, more than the limit of {limit / 1e6:.0f} megapixels", Reason.TOO_LARGE
        )
    if min(width, height) < min_side:
        raise DecodeError(
            f"{width} x {height} pixels; at least {min_side} on the shorter side are needed", Reason.TOO_SMALL
        )
    profile = image.info.get("icc_profile")
    # Pillow turns TIFFs itself when it loads them.
    turn = () if image.format == "TIFF" else _TURNS.get(image.getexif().get(0x0112, 1), ())
    wanted = max(size, thumbnail, picture)
    image.draft(None, (wanted, wanted))
    flat = flatten(image)
    if image.format == "TIFF":
        width, height = flat.size

    def square(box: tuple[float, float, float, float] | None = None) -> NDArray[np.uint8]:
        small = _to_srgb(flat.resize((size, size), Image.Resampling.BILINEAR, box, reducing_gap=2.0), profile)
        for step in turn:
            small = small.transpose(step)
        return np.asarray(small)

    jpeg = _jpeg(_upright(flat, width, height, thumbnail, profile, turn)) if thumbnail else None
    kept = np.asarray(_upright(flat, width, height, picture, profile, turn)) if picture else None
    if turn and turn[0] in _SWAPPING:
        width, height = height, width
    return Decoded(square(), width, height, jpeg, kept, square(_middle(flat.size, middle)) if middle else None)


def _middle(of: tuple[int, int], share: float) -> tuple[float, float, float, float]:
    """The square in the middle of an image (width, height) that has ``share`` of its shorter side."""
    x, y, half = of[0] / 2, of[1] / 2, min(of) * share / 2
    return x - half, y - half, x + half, y + half


_SWAPPING: Final = {
    Image.Transpose.TRANSPOSE,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
    Image.Transpose.ROTATE_270,
}


def flatten(image: Image.Image) -> Image.Image:
    """An opened image, loaded, as RGB, CMYK or L with 8 bits and no transparency."""
    if image.mode in ("RGB", "CMYK", "L"):
        image.load()
        if "transparency" not in image.info:
            return image
    if image.mode.startswith(("I", "F")):
        return _from_deep_grey(image)
    if image.mode in ("RGBA", "LA", "PA", "P", "RGBa", "La") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _from_deep_grey(image: Image.Image) -> Image.Image:
    """Grey of more than 8 bits to 8: by the full 16-bit range, or by 8 where no value needs more."""
    values = np.asarray(image).astype(np.float32)
    top = 255.0 if values.max(initial=0) <= 255 else 65535.0
    return Image.fromarray(np.clip(values * (255.0 / top) + 0.5, 0, 255).astype(np.uint8))


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    transform = _transform(profile, image.mode) if profile else None
    if transform is not None:
        converted = ImageCms.applyTransform(image, transform)
        if converted is not None:
            return converted
    return image if image.mode == "RGB" else image.convert("RGB")


@lru_cache(maxsize=32)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The colour transform to sRGB; None for sRGB itself and for profiles that are damaged or do not fit the mode."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(source).lower():
            return None
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None


def _upright(
    flat: Image.Image,
    width: int,
    height: int,
    side: int,
    profile: bytes | None,
    turn: tuple[Image.Transpose, ...],
) -> Image.Image:
    """The image at its own aspect, the longer side at most ``side``."""
    scale = min(1.0, side / max(width, height))
    target = (max(1, round(width * scale)), max(1, round(height * scale)))
    picture = _to_srgb(flat.resize(target, Image.Resampling.BILINEAR, reducing_gap=2.0), profile)
    for step in turn:
        picture = picture.transpose(step)
    return picture


def _jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=82, comment=b"")  # Pillow would take over the file's, whatever it says
    return buffer.getvalue()
