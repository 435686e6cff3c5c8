"""HAM10000's lesion masks: the files, and a store of all of them at the images' size.

Decoding a mask of 600 x 450 pixels costs more than everything else that is done to a training image, so they are reduced
once, by averaging, and kept in one file that the workers map into memory.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cygnet.errors import InputError
from cygnet.training.sources import Sample

#: Masks are kept at one third of their side, which is the side of the images.
_STEP = 3
#: The horizontal part of a 4:3 photograph that its square rendering shows: pixels 75 to 525 of 600.
_SQUARE = (0.125, 0.875)


def mask_path(sample: Sample) -> Path:
    """Where the mask of a HAM10000 image is."""
    return sample.path.parents[1] / "masks" / f"{sample.image_id}_segmentation.png"


def truth(sample: Sample) -> NDArray[np.bool_]:
    """The mask of an image at its own size: (h, w) bool.

    Raises
    ------
    InputError
        If it is missing.
    """
    path = mask_path(sample)
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("L")) > 127
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: no such mask; restore the file or remove {sample.image_id} from the manifest"
        ) from error


class MaskStore:
    """Masks of samples, in their order: (n, h, w) uint8, the share of lesion in a pixel as shares of 255."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._masks = np.load(path, mmap_mode="r")

    def __reduce__(self) -> tuple[type[MaskStore], tuple[Path]]:
        return MaskStore, (self._path,)

    @classmethod
    def build(cls, samples: Sequence[Sample], folder: Path) -> MaskStore:
        """The store of these samples' masks in ``folder``, made unless it is there."""
        names = hashlib.sha256("\n".join(s.image_id for s in samples).encode()).hexdigest()[:12]
        path = folder / f"masks-{names}.npy"
        if not path.exists():
            with ThreadPoolExecutor(2) as pool:
                masks = np.stack([*pool.map(_reduced, samples)])
            part = folder / f"masks-{names}.part.npy"
            np.save(part, masks)
            os.replace(part, path)
        return cls(path)

    def whole(self, index: int) -> Image.Image:
        """The mask of the 4:3 image."""
        return Image.fromarray(self._masks[index])

    def square(self, index: int) -> Image.Image:
        """The mask of the centre square."""
        mask = self._masks[index]
        left, right = (round(share * mask.shape[1]) for share in _SQUARE)
        return Image.fromarray(mask[:, left:right])


def _reduced(sample: Sample) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(truth(sample).astype(np.uint8) * 255).reduce(_STEP))
