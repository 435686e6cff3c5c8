"""Packaged models as teachers: what they think of the very pixels that the trained network sees (Hinton et al. 2015).

They are asked anew about every augmented and mixed image (Beyer et al. 2022, doi:10.1109/CVPR52688.2022.01065): what a model thinks of an
image that it was trained on itself is hardly more than the label.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cygnet.errors import InputError
from cygnet.models import LesionModel
from cygnet.models.registry import FOLDER, ModelFiles, find, names


def model_files(named: str) -> ModelFiles:
    """A packaged model by its name, or by the path of its card (``runs/x/model/name.json``).

    Raises
    ------
    InputError
        If there is no such model.
    """
    path = Path(named)
    if path.suffix == ".json" and path.is_file():
        return find(path.stem, path.parent)
    if named not in names():
        raise InputError(f"{named}: no such model; name one of {', '.join(names(FOLDER))}, or the card (.json) of one")
    return find(named)


class Teachers:
    """Packaged models, named as in ``model_files``, that answer together, on as many threads as torch takes.

    Raises
    ------
    InputError
        If there is no such model.
    """

    def __init__(self, named: Sequence[str]) -> None:
        self._models = [LesionModel(model_files(name)) for name in named]
        # Threads of our own: those of ONNX Runtime would go on spinning into the step of training that follows.
        self._pool = ThreadPoolExecutor(torch.get_num_threads())

    def __call__(self, pixels: Tensor) -> Tensor:
        """Probabilities of the diagnoses, (n, 7) float32, of images (n, side, side, 3) in 0 to 255, of any side and type.

        The mean of the models' log probabilities, each of one view: a run shows its images from every side anyway.
        """
        parts = self._pool.map(self._thought, pixels.cpu().chunk(torch.get_num_threads()))
        return torch.cat(list(parts)).to(pixels.device)

    def _thought(self, pixels: Tensor) -> Tensor:
        logits = [model.logits(_fitting(pixels, model.size), views=1) for model in self._models]
        mean = np.mean([functional.log_softmax(torch.from_numpy(one), dim=1).numpy() for one in logits], axis=0)
        return torch.softmax(torch.from_numpy(mean), dim=1)


def _fitting(pixels: Tensor, size: int) -> NDArray[np.uint8]:
    """The images at ``size`` x ``size``, as a packaged model takes them."""
    images = pixels.float()
    if images.shape[1] != size:
        planes = images.permute(0, 3, 1, 2)
        images = functional.interpolate(planes, (size, size), mode="bilinear", antialias=True).permute(0, 2, 3, 1)
    return images.round().clamp(0, 255).to(torch.uint8).contiguous().numpy()
