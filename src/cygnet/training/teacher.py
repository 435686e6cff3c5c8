"""Packaged models as teachers: what they think of the very pixels that the trained network sees (Hinton et al. 2015).

They are asked anew about every augmented and mixed image (Beyer et al. 2022, doi:10.1109/CVPR52688.2022.01065): what a model thinks of an
image that it was trained on itself is hardly more than the label. A model made with a part of the training split left out is asked about
images of that part only: the models of all parts together judge every image as one that they have not met (folds distilled into one network).
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
from cygnet.schema import DIAGNOSES
from cygnet.training.sources import Part, Sample


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


def parts(named: Sequence[str]) -> list[Part | None]:
    """What part of the training split each model, named as in ``model_files``, was made without; None for those made with all.

    Raises
    ------
    InputError
        If there is no such model.
    """
    texts = [str(model_files(name).card["training"].get("without_part", "")) for name in named]
    return [Part.read(text) if text else None for text in texts]


def asked(sample: Sample, left_out: Sequence[Part | None]) -> NDArray[np.bool_]:
    """Which teachers are asked about a sample, (teachers,): those made without its part, and those made with all parts."""
    return np.array([part is None or part.holds(sample.group) for part in left_out], bool)


def refuse_unasked(samples: Sequence[Sample], left_out: Sequence[Part | None]) -> None:
    """Refuse teachers, if there are any, of which none is asked about some of the samples.

    Raises
    ------
    InputError
        Saying how many.
    """
    alone = sum(not asked(s, left_out).any() for s in samples)
    if alone and left_out:
        there = ", ".join(f"{part.number}/{part.of}" for part in left_out if part)
        raise InputError(
            f"no teacher may be asked about {alone} of {len(samples)} training images, which all of them were trained on; "
            f"they left out the parts {there}: name a --teacher for each of the other parts"
        )


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

    def __call__(self, pixels: Tensor, whom: Tensor) -> Tensor:
        """Probabilities of the diagnoses, (n, 7) float32, of images (n, side, side, 3) in 0 to 255, of any side and type.

        The mean of the log probabilities of the models that are asked, (n, models) bool, at least one for each image; each of one
        view: a run shows its images from every side anyway.
        """
        count = torch.get_num_threads()
        answers = self._pool.map(self._thought, pixels.cpu().chunk(count), whom.cpu().chunk(count))
        return torch.cat(list(answers)).to(pixels.device)

    def _thought(self, pixels: Tensor, whom: Tensor) -> Tensor:
        said = torch.zeros(len(pixels), len(DIAGNOSES))
        for model, mine in zip(self._models, whom.T, strict=True):
            if mine.any():
                logits = model.logits(_fitting(pixels[mine], model.size), views=1)
                said[mine] += functional.log_softmax(torch.from_numpy(logits), dim=1)
        return torch.softmax(said / whom.sum(dim=1, keepdim=True), dim=1)


def _fitting(pixels: Tensor, size: int) -> NDArray[np.uint8]:
    """The images at ``size`` x ``size``, as a packaged model takes them."""
    images = pixels.float()
    if images.shape[1] != size:
        planes = images.permute(0, 3, 1, 2)
        images = functional.interpolate(planes, (size, size), mode="bilinear", antialias=True).permute(0, 2, 3, 1)
    return images.round().clamp(0, 255).to(torch.uint8).contiguous().numpy()
