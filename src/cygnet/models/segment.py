"""The segmentation network at work: pixels to the probability of "lesion" on a grid, in ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygnet.errors import InputError
from cygnet.models.registry import SEGMENTER, ModelFiles, find
from cygnet.models.session import open_session
from cygnet.models.views import OUTLINE_VIEWS, back, mean, views


class SegmentModel:
    """A loaded segmentation model. Safe to call from several threads at once.

    ``size`` is the side of the square input in pixels, ``grid`` that of the output; ``threshold`` the probability from
    which a place is lesion, chosen on the calibration split; ``views`` how many mirror images and turns an answer is the
    mean of, 1, 2, 4 or 8, at as many times the network's cost, by default as many as its card says; ``card`` its model card.

    Raises
    ------
    InputError
        If there is no such number of views.
    """

    def __init__(self, files: ModelFiles | None = None, *, threads: int = 1, views: int | None = None) -> None:
        self.files = files or find(SEGMENTER)
        self.card = self.files.card
        self.views = int(self.card["input"].get("views", 1)) if views is None else views
        if self.views not in OUTLINE_VIEWS:
            raise InputError(f"{self.views} views: give one of {', '.join(map(str, OUTLINE_VIEWS))}")
        self.size = int(self.card["input"]["size"])
        self.grid = int(self.card["output"]["grid"])
        self.threshold = float(self.card["output"]["threshold"])
        self._session = open_session(self.files.network, threads)

    def predict(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probability of "lesion", (n, grid, grid) float32 in [0, 1], of (n, size, size, 3) uint8 sRGB images, each
        squashed to the square."""
        return mean([back(self._seen(seen), k) for k, seen in enumerate(views(pixels, self.views))])

    def _seen(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        outputs: list[Any] = self._session.run(["probability"], {"pixels": pixels})
        return np.asarray(outputs[0], np.float32)
