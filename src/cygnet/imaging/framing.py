"""Whether the lesion lies whole in the picture, judged from its mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cygnet.imaging.shape import perimeter

#: Share of a side at each end that is left out: a dermatoscope's shading, which a mask may take for lesion, is there.
_CORNER: Final = 0.12


@dataclass(frozen=True, slots=True)
class Framing:
    """``on_edge`` (n,) share of the lesion's border that is the edge of the image, in [0, 1], 0 for an empty mask;
    ``edges`` (n, 4) share of the top, right, bottom and left edge, corners left out, that is lesion, in [0, 1]."""

    on_edge: NDArray[np.float32]
    edges: NDArray[np.float32]


def framing(masks: NDArray[np.bool_] | NDArray[np.floating]) -> Framing:
    """How the lesions of square masks (n, g, g) lie in their images; membership from 0.5 on is lesion.

    Masks of squashed images may be given as they are: squashing changes the share a little, not whether there is one.
    """
    lesion = masks if masks.dtype == np.bool_ else masks >= 0.5
    side = lesion.shape[1]
    rim, corner = max(1, side // 80), round(_CORNER * side)
    middle = slice(corner, side - corner)
    sides = (
        lesion[:, :rim, middle].any(1),
        lesion[:, middle, -rim:].any(2),
        lesion[:, -rim:, middle].any(1),
        lesion[:, middle, :rim].any(2),
    )
    contact = np.stack([edge.sum(1) for edge in sides], 1).astype(np.float32)
    touching = contact.sum(1)
    border = np.zeros(len(lesion))
    near = touching > 0  # most lesions are clear of the edge, and need no perimeter
    if near.any():
        one = np.ones(int(near.sum()))
        border[near] = perimeter(lesion[near], one, one)
    share = np.clip(touching / np.maximum(border, 1), 0, 1)
    return Framing(share.astype(np.float32), contact / np.float32(side - 2 * corner))
