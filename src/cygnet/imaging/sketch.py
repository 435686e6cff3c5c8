"""A few numbers of a thumbnail that bound how well it can correlate with another one, so that most need not be looked at.

With both thumbnails centred and at length 1, their correlation is the product of their low frequencies plus that of the rest, and
the latter is at most the product of the two rests' lengths (Cauchy-Schwarz).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cygnet.imaging.fingerprint import SIDE

#: Frequencies kept along each side. At 6, one in a hundred pairs with near hashes is left to be looked at.
_KEPT: Final = 6
_COLOURS: Final = 3
#: Numbers in a sketch: the frequencies of each colour, then the length of the rest.
LENGTH: Final = _COLOURS * _KEPT**2 + 1
#: What rounding two sketches to half precision can change of their product: 2^-11 of each part of either.
_ROUNDING: Final = 0.002


def _basis() -> NDArray[np.float64]:
    """The lowest vectors of the orthonormal DCT-II, (_KEPT, SIDE)."""
    waves = np.cos(np.pi * np.outer(np.arange(_KEPT), 2 * np.arange(SIDE) + 1) / (2 * SIDE))
    return np.asarray(waves / np.linalg.norm(waves, axis=1, keepdims=True), np.float64)


_BASIS: Final = _basis()


def sketch_of(thumbnail: NDArray[np.generic]) -> NDArray[np.float16]:
    """The (109,) sketch of a (32, 32, 3) thumbnail; zeros where it is flat."""
    values = np.asarray(thumbnail, np.float64)
    values = values - values.mean(axis=(0, 1))
    length = float(np.linalg.norm(values))
    if not length:
        return np.zeros(LENGTH, np.float16)
    low = np.einsum("ai,ijc,bj->abc", _BASIS, values / length, _BASIS).ravel()
    rest = np.sqrt(max(0.0, 1.0 - float(low @ low)))
    return np.append(low, rest).astype(np.float16)


def correlation_bounds(sketch: NDArray[np.float16], others: NDArray[np.float16]) -> NDArray[np.float64]:
    """(n,) numbers that the best correlation of a thumbnail with each of n others, (n, 109), in any orientation cannot exceed."""
    low = sketch[:-1].astype(np.float64).reshape(_KEPT, _KEPT, _COLOURS)
    alternate = (-1.0) ** np.arange(_KEPT)
    turned = [low]
    for _ in range(3):  # a quarter turn anticlockwise is a transposition, then upside down
        turned.append(turned[-1].transpose(1, 0, 2) * alternate[:, None, None])
    turned += [t * alternate[None, :, None] for t in turned]
    against = others.astype(np.float64)
    products = against[:, :-1] @ np.stack(turned).reshape(len(turned), -1).T
    return np.asarray(products.max(axis=1) + float(sketch[-1]) * against[:, -1] + _ROUNDING, np.float64)
