"""What a picture can be recognised by after it was renamed, re-encoded, scaled or turned. numpy and Pillow only.

Three marks of rising tolerance: a hash of the decoded pixels (the same picture in another container), a perceptual hash
in 8 orientations (re-encoded, scaled, turned, mirrored) and the correlation of small thumbnails, which confirms it.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from cygnet.errors import DecodeError
from cygnet.imaging.decode import FORMATS, MAX_PIXELS, flatten
from cygnet.imaging.reasons import Reason

#: Two hashes at most this many of their 63 bits apart may show the same photograph.
MAX_BITS: Final = 6
#: Thumbnails that correlate at least this well confirm it.
MIN_CORRELATION: Final = 0.96
#: Side in pixels of the thumbnails.
SIDE: Final = 32

#: Luminance table of Annex K.1 of ITU-T T.81 (1992), the one that libjpeg scales by its quality setting.
_ANNEX_K: Final = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    np.float64,
).ravel()


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprint:
    """One picture. ``pixels`` is the SHA-256 of its size and decoded RGB values; ``hashes`` (8,) uint64, one per
    orientation; ``thumbnail`` (32, 32, 3) uint8; ``width`` and ``height`` in pixels after orientation; ``n_bytes`` of the
    file; ``format`` as Pillow names it; ``jpeg_quality`` 1 to 100, NaN where the file is no JPEG.
    """

    pixels: str
    hashes: NDArray[np.uint64]
    thumbnail: NDArray[np.uint8]
    width: int
    height: int
    n_bytes: int
    format: str
    jpeg_quality: float


def fingerprint(path: Path) -> Fingerprint:
    """Read one file whole. Orientation (EXIF) is applied, a colour profile is not.

    Raises
    ------
    DecodeError
        If the file is missing, damaged, or larger than 64 megapixels.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise DecodeError(f"{path}: no such file", Reason.MISSING) from error
    except OSError as error:
        raise DecodeError(f"{path}: cannot be read ({error.strerror})", Reason.UNREADABLE) from error
    return fingerprint_of(data, path.name)


def fingerprint_of(data: bytes, name: str) -> Fingerprint:
    """:func:`fingerprint` of a file's content; ``name`` is for messages."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise DecodeError(f"{name}: {image.width} x {image.height} pixels are too many", Reason.TOO_LARGE)
            kind, quality = image.format or "", jpeg_quality(getattr(image, "quantization", None))
            flat = flatten(ImageOps.exif_transpose(image)).convert("RGB")
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise DecodeError(f"{name}: not an image that can be read", Reason.UNREADABLE) from error
    except DecodeError:
        raise
    except Exception as error:  # codecs raise many kinds for damaged files
        raise DecodeError(f"{name}: the file is damaged ({error})", Reason.UNREADABLE) from error
    small = np.asarray(flat.resize((SIDE, SIDE), Image.Resampling.BOX))
    digest = hashlib.sha256(f"{flat.width}x{flat.height}:".encode() + flat.tobytes()).hexdigest()
    hashes = perceptual_hashes(small)
    return Fingerprint(digest, hashes, small, flat.width, flat.height, len(data), kind, quality)


def quick_thumbnail(path: Path) -> NDArray[np.float64]:
    """(32, 32, 3) RGB, 0 to 255, as stored (EXIF not applied), from a JPEG decoded at the smallest scale that will do."""
    with Image.open(path) as image:
        image.draft("RGB", (2 * SIDE, 2 * SIDE))
        return np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX), np.float64)


def orient(pixels: NDArray[np.generic], turn: int) -> NDArray[np.generic]:
    """One of the 8 orientations of (h, w, ...): ``turn`` % 4 quarter turns anticlockwise; from 4 on also mirrored."""
    turned = np.rot90(pixels, turn % 4)
    return turned[:, ::-1] if turn > 3 else turned


def low_frequencies(grey: NDArray[np.floating]) -> NDArray[np.float64]:
    """The lowest 8 x 8 coefficients of the unnormalised two-dimensional DCT-II of a square (n, n) picture."""
    n = grey.shape[0]
    basis = 2 * np.cos(np.pi * np.outer(np.arange(8), 2 * np.arange(n) + 1) / (2 * n))
    return np.asarray(basis @ grey @ basis.T, np.float64)


def perceptual_hashes(thumbnail: NDArray[np.generic]) -> NDArray[np.uint64]:
    """(8,) hashes of a (32, 32, 3) thumbnail, one per orientation.

    Bit k says whether the k-th of the 63 lowest DCT coefficients without the constant exceeds their median (Zauner 2010).
    Turning a picture transposes the coefficients and flips signs, so that one transform serves all orientations.
    """
    low = low_frequencies(np.asarray(thumbnail, np.float64).mean(axis=2))
    alternate = (-1.0) ** np.arange(8)
    turned: list[NDArray[np.float64]] = [low]
    for _ in range(3):  # a quarter turn anticlockwise is a transposition, then upside down
        turned.append(turned[-1].T * alternate[:, None])
    turned += [t * alternate[None, :] for t in turned]
    # Coefficients that are equal but for rounding errors must not become bits by chance.
    flat = np.round(np.stack([t.ravel()[1:] for t in turned]), 6)
    bits = np.packbits(flat > np.median(flat, axis=1, keepdims=True), axis=1)
    return np.ascontiguousarray(bits).view(np.uint64)[:, 0]


def correlation(one: NDArray[np.generic], other: NDArray[np.generic]) -> float:
    """Pearson correlation of two (h, w, 3) thumbnails, each colour about its own mean: -1 to 1; 0 where one is flat."""
    a, b = np.asarray(one, np.float64), np.asarray(other, np.float64)
    a, b = a - a.mean(axis=(0, 1)), b - b.mean(axis=(0, 1))
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum() / norm) if norm else 0.0


def best_correlation(one: NDArray[np.generic], other: NDArray[np.generic]) -> float:
    """The highest ``correlation`` of ``one`` with any of the 8 orientations of ``other``."""
    return max(correlation(one, orient(other, turn)) for turn in range(8))


def jpeg_quality(tables: Mapping[int, Sequence[int]] | None) -> float:
    """The quality setting, 1 to 100, at which libjpeg would write this luminance table (natural or zigzag order).

    libjpeg scales Annex K by s = 5000 / q below 50 and 200 - 2 q from there (jcparam.c); the mean ratio of the table to
    Annex K gives s back. An estimate for other encoders' tables; NaN without tables.
    """
    if not tables or 0 not in tables or len(tables[0]) != 64:
        return float("nan")
    # Sums do not depend on the order of the entries. Entries clipped at 1 or 255 make this a little coarse.
    candidates = np.arange(1, 101)
    scale = np.where(candidates < 50, 5000 // candidates, 200 - 2 * candidates)
    sums = np.clip((_ANNEX_K[None, :] * scale[:, None] + 50) // 100, 1, 255).sum(axis=1)
    return float(candidates[np.abs(sums - sum(tables[0])).argmin()])
