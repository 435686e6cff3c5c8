"""The black or white surround of a round field of view."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

#: Lightness L* beyond which a tone that reaches the rim is the surround of a round field, not skin.
BLACK: Final = 12.0
WHITE: Final = 98.0


def surround(light: NDArray[np.float32], black: float = BLACK, white: float = WHITE) -> NDArray[np.bool_]:
    """Where (n, h, w) lightness L* is so extreme, without a break, up to the image's edge."""
    dark, bright = np.split(_reaching(np.concatenate([light < black, light > white])), 2)
    return np.asarray(dark | bright)


def _reaching(extreme: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where an extreme tone reaches the image's edge along its row or its column."""
    if not extreme.any():
        return extreme
    reach = np.minimum.accumulate
    rows = reach(extreme, axis=2) | reach(extreme[:, :, ::-1], axis=2)[:, :, ::-1]
    columns = reach(extreme, axis=1) | reach(extreme[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(rows | columns)
