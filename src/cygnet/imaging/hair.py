"""Dark hair over a lesion."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cygnet.imaging.lines import WAYS, blobs, closed, darkened, grown, long_runs, opened

Bools = NDArray[np.bool_]

#: All lengths are pixels of an image of about 512 x 384. A hair keeps its darkness along this length,
_ALONG: Final = 26
#: is no wider than this,
_THIN: Final = 11
#: shows at least one straight run of this,
_RUN: Final = 36
#: and is followed, fading, for this many pixels from there.
_FOLLOW: Final = 14
#: Steps of red out of 255 that a hair is darker than what is beside it, where it is sure and where it is followed.
_SURE: Final = 16
_FAINT: Final = 9
#: What is darker than this share of the skin is lesion, whose texture needs twice the contrast to be told from hair.
_LESION: Final = 0.8
#: Squares of line-like texture that no hair is wide enough for.
_BLOB: Final = 13
_LEAST: Final = 22


def hair(red: NDArray[np.uint8], away: Bools) -> Bools:
    """Where dark hair lies: (h, w) bool.

    ``red`` (h, w) is the red channel, in which pigment and vessels contrast least with skin; ``away`` (h, w) where no hair is
    looked for. The bottom hat of DullRazor (Lee et al. 1997), but only what keeps its darkness along the line across which it
    is thin, has a long straight run and is no patch of texture: a pigment network is thin and dark as well. Hair lighter
    than the skin is not found.
    """
    lesion = red < _LESION * float(np.percentile(red[::4, ::4], 75))
    lesion = closed(lesion.view(np.uint8), (0, 1), _THIN).view(np.bool_)
    least_faint, least_sure = (np.where(lesion, np.uint8(2 * t), np.uint8(t)) for t in (_FAINT, _SURE))
    wide = darkened(red)
    faint, runs = np.zeros(red.shape, bool), np.zeros(red.shape, bool)
    for i, way in enumerate(WAYS):
        across = closed(red, WAYS[(i + 4) % 8], _THIN)
        line = across - np.minimum(np.maximum(closed(wide, way, _ALONG), red), across)
        faint |= line > least_faint
        sure = (line > least_sure) & ~away
        if np.count_nonzero(sure) >= _RUN // 2:
            runs |= opened(grown(sure).view(np.uint8), way, _RUN).view(np.bool_)
    if not runs.any():
        return runs
    free = faint & ~away & ~grown(blobs(grown(faint), _BLOB), 2)
    found = runs & free
    for _ in range(_FOLLOW):
        found = grown(found) & free
    return long_runs(grown(found), _LEAST)
