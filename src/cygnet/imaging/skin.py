"""Which places speak for the colour of a lesion, and which for the skin around it."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

#: The ring of skin, in radii of the lesion's ellipse: clear of a blurred border, near enough for the same light.
INNER: Final = 1.2
OUTER: Final = 1.8
#: Share of the places seen that a ring must hold to speak for the skin.
_ENOUGH: Final = 0.01


def within(cover: Floats, seen: NDArray[np.bool_]) -> Floats:
    """Weight of each place as lesion, (n, h, w) in [0, 1]: places half outside do not count, unless there are no others.

    ``cover`` (n, h, w) share of lesion; ``seen`` (n, h, w) where there is picture and no artefact.
    """
    inner = np.maximum(2 * cover - 1, 0) * seen
    small = inner.sum((1, 2)) < 4
    if small.any():
        inner[small] = cover[small] * seen[small]
    return np.asarray(inner)


def around(radius: Floats, cover: Floats, seen: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.bool_]]:
    """Weight of each place as skin around the lesion, (n, h, w) in [0, 1], and whether there is any skin, (n,).

    ``radius`` (n, h, w) from the lesion's centre in radii of its ellipse; ``cover`` (n, h, w) share of lesion; ``seen``
    (n, h, w) where there is picture and no artefact. Where the ring is outside the picture, all skin in it counts.
    """
    bare = np.maximum(1 - 2 * cover, 0) * seen
    ring = bare * ((radius >= INNER) & (radius <= OUTER))
    places = _ENOUGH * radius[0].size
    thin = ring.sum((1, 2)) < places
    if thin.any():
        ring[thin] = bare[thin]
    return ring, ring.sum((1, 2)) >= places
