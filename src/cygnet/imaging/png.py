"""Masks as PNG files, written quickly.

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


def mask_png(mask: NDArray[np.bool_]) -> bytes:
    """The PNG file of a mask (h, w) bool: 8 bits, grey, 0 and 255 (W3C PNG, third edition)."""
    height, width = mask.shape
    rows = np.empty((height, width + 1), np.uint8)
    rows[:, 0] = _UP
    values = mask.view(np.uint8)
    # 255 is -1 in 8 bits: the difference of the rows, negated.
    rows[0, 1:] = -values[:1]
    np.subtract(values[:-1], values[1:], out=rows[1:, 1:])
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return _SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(rows.data, 1)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
