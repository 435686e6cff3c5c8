"""Artefacts and ABCD measurements of one outlined image, as ``cygnet segment`` lists them."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cygnet.imaging import Artefacts, measure

#: Longer side in pixels of the picture that is looked at.
LOOKED_AT: Final = 1024


def artefact_record(found: Artefacts, shrunk: float) -> dict[str, Any]:
    """``flags``, the ``shares`` of the image in [0, 1], and ``vignette`` in L*; ``mm_per_pixel`` of the image file by its
    ruler, None without one. ``shrunk``, at most 1, is the picture's width over the file's."""
    scale = found.mm_per_pixel
    return {
        "flags": list(found.flags),
        "shares": {name: round(share, 5) for name, share in found.shares.items()},
        "vignette": None if math.isnan(found.vignette) else round(found.vignette, 2),
        "mm_per_pixel": None if scale is None else round(scale * shrunk, 6),
    }


def measured(
    picture: NDArray[np.uint8], mask: NDArray[np.bool_], found: Artefacts, mm_per_pixel: float | None
) -> dict[str, Any]:
    """The measurements of a lesion as ``Measurements.record`` gives them, and where the ``scale`` is from.

    ``picture`` (h, w, 3) may be smaller than ``mask``; ``mm_per_pixel`` is the mask's scale as the caller states it, which
    counts before a ruler's. Artefacts are ignored.
    """
    height, width = picture.shape[:2]
    small = np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST), np.bool_)
    stated = None if mm_per_pixel is None else mm_per_pixel * mask.shape[1] / width
    scale = found.mm_per_pixel if stated is None else stated
    record = measure(picture, small, ignore=found.ignore, mm_per_pixel=scale).record()
    source = "stated" if stated is not None else "ruler" if scale is not None else "none"
    plain = {name: round(value, 5) if isinstance(value, float) else value for name, value in record.items()}
    plain["shares"] = {name: value if value is None else round(value, 4) for name, value in record["shares"].items()}
    return {"scale": source, **plain}
