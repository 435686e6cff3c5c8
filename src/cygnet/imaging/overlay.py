"""A lesion's outline drawn on its picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Mask = NDArray[np.bool_]

#: A light line between dark ones, so that it shows on every skin.
_LINE, _EDGE = (255, 230, 60), (20, 20, 20)


def outlined(picture: Image.Image, mask: Mask) -> Image.Image:
    """``picture`` (RGB) with the border of ``mask`` (h, w) drawn on it; the mask has the picture's size."""
    pixels = np.array(picture)
    half = max(1, round(max(mask.shape) / 500))
    inner, outer = _shrunk(mask, half), ~_shrunk(~mask, half)
    dark = ~_shrunk(~outer, half) & ~_shrunk(inner, half)
    pixels[dark] = _EDGE
    pixels[outer & ~inner] = _LINE
    return Image.fromarray(pixels)


def _shrunk(mask: Mask, steps: int) -> Mask:
    """The mask less ``steps`` pixels of its border; the picture's rim is no border."""
    for _ in range(steps):
        wide = np.pad(mask, 1, mode="edge")
        mask = wide[1:-1, 1:-1] & wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]
    return mask
