"""An image seen from several sides: a lesion has no up, down, left or right, so their mean is a better judgement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

#: How many views there may be: the image; with its mirror image; with both of them upside down as well.
VIEWS: Final = (1, 2, 4)
#: Outlines may also take those four with rows and columns exchanged, which are all the ways in which a square can lie.
OUTLINE_VIEWS: Final = (*VIEWS, 8)
_MIRRORS: Final = ((), (2,), (1,), (1, 2))


def views(pixels: NDArray[Any], number: int) -> Iterator[NDArray[Any]]:
    """The first ``number`` of the eight views of images (n, h, w, ...), itself first."""
    for view in range(number):
        seen = pixels if view < len(_MIRRORS) else pixels.swapaxes(1, 2)
        yield np.ascontiguousarray(np.flip(seen, _MIRRORS[view % len(_MIRRORS)])) if view else pixels


def back(maps: NDArray[Any], view: int) -> NDArray[Any]:
    """Maps (n, h, w) of what was seen in a view, numbered from 0, as they lie over the image itself."""
    upright = np.flip(maps, _MIRRORS[view % len(_MIRRORS)])
    return upright if view < len(_MIRRORS) else upright.swapaxes(1, 2)


def mean(answers: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The mean of one answer of each view."""
    return answers[0] if len(answers) == 1 else np.asarray(np.mean(answers, axis=0, dtype=np.float32), np.float32)
