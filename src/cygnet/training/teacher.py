"""What packaged models think of the training images, for another to learn from (distillation, Hinton et al. 2015)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cygnet.errors import InputError
from cygnet.models import LesionModel
from cygnet.models.registry import FOLDER, ModelFiles, find, names
from cygnet.models.views import VIEWS, views
from cygnet.schema.files import replacing
from cygnet.training import augment
from cygnet.training.sources import Sample

_BATCH = 32


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


def opinions_of(models: Sequence[str], samples: Sequence[Sample], out: Path) -> dict[str, NDArray[np.float32]]:
    """The mean probabilities that ``models`` give each training image, from four sides each: image id to (n_classes,).

    Kept in ``out/teachers.npz``, so that a run that goes on does not ask again.
    """
    files = [model_files(named) for named in models]
    asked = json.dumps([file.sha256 for file in files])
    training = [s for s in samples if s.split == "train"]
    path = out / "teachers.npz"
    if not path.exists() or str(np.load(path)["models"]) != asked:
        found = np.mean([_probabilities(LesionModel(file), training) for file in files], axis=0, dtype=np.float32)
        with replacing(path) as part, part.open("wb") as stream:
            np.savez(stream, models=asked, images=[s.image_id for s in training], probability=found)
    stored = np.load(path)
    return dict(zip(stored["images"].tolist(), stored["probability"], strict=True))


def _probabilities(model: LesionModel, samples: Sequence[Sample]) -> NDArray[np.float32]:
    rows = []
    for start in range(0, len(samples), _BATCH):
        pixels = np.stack(
            [augment.plain(augment.load(str(s.path), model.size), model.size) for s in samples[start : start + _BATCH]]
        )
        seen = [pixels] if model.views > 1 else views(pixels, VIEWS[-1])
        logits = np.mean([model.predict(view).logits for view in seen], axis=0)
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        rows.append(raised / raised.sum(axis=1, keepdims=True))
    return np.concatenate(rows).astype(np.float32)
