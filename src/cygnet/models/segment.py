"""The segmentation network at work: pixels to the probability of "lesion" on a grid, in ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygnet.models.registry import SEGMENTER, ModelFiles, find
from cygnet.models.session import open_session


class SegmentModel:
    """A loaded segmentation model. Safe to call from several threads at once.

    ``size`` is the side of the square input in pixels, ``grid`` that of the output; ``threshold`` the probability from
    which a place is lesion, chosen on the calibration split; ``card`` its model card.
    """

    def __init__(self, files: ModelFiles | None = None, *, threads: int = 1) -> None:
        self.files = files or find(SEGMENTER)
        self.card = self.files.card
        self.size = int(self.card["input"]["size"])
        self.grid = int(self.card["output"]["grid"])
        self.threshold = float(self.card["output"]["threshold"])
        self._session = open_session(self.files.network, threads)

    def predict(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probability of "lesion", (n, grid, grid) float32 in [0, 1], of (n, size, size, 3) uint8 sRGB images, each
        squashed to the square."""
        outputs: list[Any] = self._session.run(["probability"], {"pixels": pixels})
        return np.asarray(outputs[0], np.float32)
