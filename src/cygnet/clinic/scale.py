"""How many millimetres a pixel is, where that is known: from a table, a DICOM header, or a ruler in the picture. And the bar that shows it."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image

from cygnet.archive.views import upright
from cygnet.errors import InputError
from cygnet.imaging.artefacts import SIDE, artefacts
from cygnet.imaging.decode import FORMATS

#: Millimetres a pixel that a photograph of skin may have: a microscope's to a picture of half a body.
PLAUSIBLE: Final = (0.0005, 2.0)
#: A smaller picture shows no ticks.
_SMALLEST: Final = 64
#: Lengths of bars in millimetres, and the share of the picture's width that one may take.
_LENGTHS: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
_SHARE: Final = 0.3


@dataclass(frozen=True, slots=True)
class Bar:
    """A scale bar: its length in millimetres and in pixels of the picture."""

    mm: float
    pixels: float


def stated_scale(text: str) -> float:
    """Millimetres a pixel as a table states them.

    Raises
    ------
    InputError
        If it is no number, or none that a photograph of skin could have.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not PLAUSIBLE[0] <= value <= PLAUSIBLE[1]:
        raise InputError(
            f"mm_per_pixel {text!r} is no scale; write millimetres per pixel, {PLAUSIBLE[0]} to {PLAUSIBLE[1]}, as 0.02"
        )
    return value


def ruler_scale(picture: bytes) -> float | None:
    """Millimetres a pixel by a dermatoscope's ruler in a JPEG or PNG, whose ticks are taken to be 1 mm apart; None unless it is certain."""
    with Image.open(io.BytesIO(picture), formats=FORMATS) as opened:
        whole = max(opened.size)
        if min(opened.size) < _SMALLEST:
            return None
        opened.draft("RGB", (SIDE, SIDE))  # a JPEG needs not be decoded in full
        pixels = np.asarray(upright(opened).convert("RGB"))
    found = artefacts(pixels).mm_per_pixel
    scale = None if found is None else found * max(pixels.shape[:2]) / whole
    return scale if scale is not None and PLAUSIBLE[0] <= scale <= PLAUSIBLE[1] else None


def bar(mm_per_pixel: float | None, width: int) -> Bar | None:
    """The longest bar of a round length that takes at most three tenths of a picture ``width`` pixels wide; None without a scale."""
    if mm_per_pixel is None or width <= 0:
        return None
    fitting = [mm for mm in _LENGTHS if mm / mm_per_pixel <= _SHARE * width]
    return Bar(fitting[-1], fitting[-1] / mm_per_pixel) if fitting else None


__all__ = ["PLAUSIBLE", "Bar", "bar", "ruler_scale", "stated_scale"]
