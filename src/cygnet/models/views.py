"""An image seen from several sides: a lesion has no up, down, left or right, so their mean is a better judgement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: How many views there may be: the image; with its mirror image; with both of them upside down as well.
VIEWS: Final = (1, 2, 4)
#: Outlines may also take those four with rows and columns exchanged, which are all the ways in which a square can lie.
OUTLINE_VIEWS: Final = (*VIEWS, 8)
_MIRRORS: Final = ((), (2,), (1,), (1, 2))
#: Views of which a lesion network may be shown the middle alone; the image itself, and that turned by half, stay whole.
CLOSE: Final = frozenset({1, 2})


def views(pixels: NDArray[Any], number: int) -> Iterator[NDArray[Any]]:
    """The first ``number`` of the eight views of images (n, h, w, ...), itself first."""
    for view in range(number):
        yield _laid(pixels, view)


def close_views(pixels: NDArray[Any], near: NDArray[Any] | None, number: int) -> Iterator[NDArray[Any]]:
    """As ``views``, those of ``CLOSE`` of ``near``, the middle of the same images, where that is given."""
    for view in range(number):
        yield _laid(pixels if near is None or view not in CLOSE else near, view)


def whole(number: int, middle: float) -> list[int]:
    """Which of ``number`` views show the whole image, where half show the ``middle`` alone unless that is 0."""
    return [view for view in range(number) if not (middle and view in CLOSE)]


def enlarged(pixels: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    """The middle of images (n, side, side, 3), ``share`` in (0, 1] of each side, at the same size again."""
    side = pixels.shape[1]
    box = (side * (1 - share) / 2,) * 2 + (side * (1 + share) / 2,) * 2
    shown = [Image.fromarray(p).resize((side, side), Image.Resampling.BILINEAR, box) for p in pixels]
    return np.stack([np.asarray(image) for image in shown])


def _laid(pixels: NDArray[Any], view: int) -> NDArray[Any]:
    seen = pixels if view < len(_MIRRORS) else pixels.swapaxes(1, 2)
    return np.ascontiguousarray(np.flip(seen, _MIRRORS[view % len(_MIRRORS)])) if view else pixels


def back(maps: NDArray[Any], view: int) -> NDArray[Any]:
    """Maps (n, h, w) of what was seen in a view, numbered from 0, as they lie over the image itself."""
    upright = np.flip(maps, _MIRRORS[view % len(_MIRRORS)])
    return upright if view < len(_MIRRORS) else upright.swapaxes(1, 2)


def mean(answers: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The mean of one answer of each view."""
    return answers[0] if len(answers) == 1 else np.asarray(np.mean(answers, axis=0, dtype=np.float32), np.float32)
