"""What the quality gate and the measurements look at: pixels, their colours on a coarse grid, and the lesion's mask.

Images come in stacks: on grids this small, the calls cost more than the arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cygnet.imaging.coarse import outline
from cygnet.imaging.colour import to_lab
from cygnet.imaging.surround import surround

Floats = NDArray[np.float32]

#: Cells of the coarse grid on a side.
GRID: Final = 40
#: Cells' worth of lesion from which on a lesion was found: about a thousandth of the image.
_LEAST: Final = 1.5


@dataclass(frozen=True, slots=True)
class Scene:
    """n images squashed to squares, with their lesions.

    ``pixels`` (n, s, s, 3) uint8 sRGB; ``lab`` (n, 40, 40, 3) float32 CIELAB; ``field`` (n, 40, 40) bool where there is
    picture and not the black or white surround of a round field; ``mask`` (n, g, g) float32 share of lesion in [0, 1] and
    ``cover`` (n, 40, 40) the same on the coarse grid; ``found`` (n,) bool whether there is any lesion.
    """

    pixels: NDArray[np.uint8]
    lab: Floats
    field: NDArray[np.bool_]
    mask: Floats
    cover: Floats
    found: NDArray[np.bool_]


def scene(pixels: NDArray[np.uint8], masks: NDArray[np.bool_] | Floats | None = None) -> Scene:
    """The scene of images (n, s, s, 3) uint8, s a multiple of 40.

    ``masks`` (n, g, g), g a multiple of 40, hold the lesions: bool, or the share of each place that is lesion in [0, 1].
    Without masks, the coarse outline stands in.

    Raises
    ------
    ValueError
        If a side is not a multiple of 40 or the masks are not as many as the images.
    """
    step, odd = divmod(pixels.shape[1], GRID)
    if odd:
        raise ValueError(f"images of {pixels.shape[1]} px; the side must be a multiple of {GRID}")
    lab = to_lab(np.stack([np.asarray(Image.fromarray(image).reduce(step)) for image in pixels]))
    field = ~surround(lab[..., 0])
    mask = outline(lab, field) if masks is None else np.asarray(masks, np.float32)
    if mask.shape[0] != len(pixels) or mask.shape[1] != mask.shape[2] or mask.shape[1] % GRID:
        raise ValueError(f"masks {mask.shape}; one square mask per image is needed, with a side that {GRID} divides")
    cover = _on_grid(mask)
    return Scene(pixels, lab, field, mask, cover, cover.sum((1, 2)) >= _LEAST)


def _on_grid(mask: Floats) -> Floats:
    """Means over the cells of the coarse grid: (n, 40, 40)."""
    n, side, _ = mask.shape
    step = side // GRID
    if step == 1:
        return mask
    bands = mask.reshape(n, GRID, step, side).sum(2)
    total = bands[:, :, ::step].copy()
    for k in range(1, step):
        total += bands[:, :, k::step]
    return np.asarray(total * np.float32(1 / step**2))
