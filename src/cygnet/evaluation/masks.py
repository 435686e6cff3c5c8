"""Overlap of segmentation masks, as ISIC scores it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

#: Below this Jaccard index an outline has failed (ISIC 2018 Task 1).
LEAST = 0.65


class Overlap(NamedTuple):
    """Pixels of a mask and its truth: lesion in both (``tp``), only in the mask (``fp``), only in the truth (``fn``), in none."""

    tp: int
    fp: int
    fn: int
    tn: int


def overlap(predicted: Mask, truth: Mask) -> Overlap:
    """Count the pixels of two bool masks of one shape."""
    both = int(np.count_nonzero(predicted & truth))
    said, true = int(np.count_nonzero(predicted)), int(np.count_nonzero(truth))
    return Overlap(both, said - both, true - both, truth.size - said - true + both)


def jaccard(predicted: Mask, truth: Mask) -> float:
    """Intersection over union of two bool masks of one shape, in [0, 1], higher is better; NaN if both are empty."""
    o = overlap(predicted, truth)
    return o.tp / union if (union := o.tp + o.fp + o.fn) else float("nan")


def dice(predicted: Mask, truth: Mask) -> float:
    """Twice the intersection over the sum of areas, in [0, 1], higher is better; NaN if both are empty (Dice 1945)."""
    o = overlap(predicted, truth)
    return 2 * o.tp / total if (total := 2 * o.tp + o.fp + o.fn) else float("nan")


def threshold_jaccard(predicted: Mask, truth: Mask, least: float = LEAST) -> float:
    """The Jaccard index, or 0 where it is below ``least``: an outline that bad has failed (ISIC 2018 Task 1)."""
    value = jaccard(predicted, truth)
    return 0.0 if value < least else value
