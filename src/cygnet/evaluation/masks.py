"""Overlap of segmentation masks, as ISIC scores it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def jaccard(predicted: Mask, truth: Mask) -> float:
    """Intersection over union of two bool masks of one shape, in [0, 1], higher is better; NaN if both are empty."""
    union = int((predicted | truth).sum())
    return float((predicted & truth).sum() / union) if union else float("nan")


def dice(predicted: Mask, truth: Mask) -> float:
    """Twice the intersection over the sum of areas, in [0, 1], higher is better; NaN if both are empty (Dice 1945)."""
    total = int(predicted.sum()) + int(truth.sum())
    return float(2 * (predicted & truth).sum() / total) if total else float("nan")


def threshold_jaccard(predicted: Mask, truth: Mask, least: float = 0.65) -> float:
    """The Jaccard index, or 0 where it is below ``least``: an outline that bad has failed (ISIC 2018 Task 1)."""
    value = jaccard(predicted, truth)
    return 0.0 if value < least else value
