"""Masks and tints as PNG files, written quickly.

A mask's rows mostly repeat the row above. Pillow tries several filters on each row and lets zlib search for matches;
subtracting the row above throughout, and packing with least effort, gives the same size in a fraction of the time.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_UP: Final = 2
_GREY: Final = 0
_RGB_ALPHA: Final = 6


def mask_png(mask: NDArray[np.bool_]) -> bytes:
    """The PNG file of a mask (h, w) bool: 8 bits, grey, 0 and 255 (W3C PNG, third edition)."""
    height, width = mask.shape
    rows = np.empty((height, width + 1), np.uint8)
    rows[:, 0] = _UP
    values = mask.view(np.uint8)
    # 255 is -1 in 8 bits: the difference of the rows, negated.
    rows[0, 1:] = -values[:1]
    np.subtract(values[:-1], values[1:], out=rows[1:, 1:])
    return _file(width, height, _GREY, zlib.compress(rows.data, 1))


def tint_png(opacity: NDArray[np.uint8], colour: tuple[int, int, int]) -> bytes:
    """The PNG file of one colour, as strong in each place as ``opacity`` (h, w) says: 8 bits, RGB with alpha."""
    height, width = opacity.shape
    rows = np.zeros((height, width + 1, 4), np.uint8)
    rows[:, 1:, :3], rows[:, 1:, 3] = colour, opacity
    data = rows.reshape(height, -1)[:, 3:]  # one byte before each row: no filter
    return _file(width, height, _RGB_ALPHA, zlib.compress(data.tobytes(), 9))


def _file(width: int, height: int, kind: int, data: bytes) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    return _SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
