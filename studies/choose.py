"""Which of two models to ship, by the calibration split alone: the first beside each of the others, paired.

    python studies/choose.py --data ../shared/data --model lesion-1 --model runs/H/model/lesion.json

AUC of melanoma and mean log loss of the known diagnosis, by source and as the mean of the sources. With some seventy melanomas an AUC says little,
while every image says something about the loss: a model is better if its loss is lower beyond noise and its AUC not lower. Each model's
temperature is fitted to the split, one number. The test split is not looked at.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import looks
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from cygnet.evaluation import metrics
from cygnet.models import LesionModel
from cygnet.training.duplicates import without_leaks
from cygnet.training.lesion import label_masks
from cygnet.training.sources import Sample, read_sources
from cygnet.training.teacher import model_files
from cygnet.triage import Yardstick

Floats = NDArray[np.float64]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--model", action="append", required=True, help="a packaged model, or the card of one; repeated"
    )
    args = parser.parse_args()
    samples, _ = without_leaks(read_sources(args.data))
    held = [s for s in samples if s.split == "calibration"]
    names = sorted({s.source for s in held})
    print(
        f"| model | measure | {' | '.join(names)} | mean | mean minus {args.model[0]} |\n|---|---|"
        + "--:|" * (len(names) + 2)
    )
    first: dict[str, Floats] = {}
    for name in args.model:
        model = LesionModel(model_files(name))
        for measure, values in judged(held, names, model).items():
            mean = values.mean(axis=0)
            apart = looks.moved(mean, first[measure]) if measure in first else ""
            first.setdefault(measure, mean)
            print(
                f"| {name} | {measure} | {' | '.join(f'{v:.3f}' for v in [*values[:, 0], mean[0]])} | {apart} |",
                flush=True,
            )


def judged(held: Sequence[Sample], names: Sequence[str], model: LesionModel) -> dict[str, Floats]:
    """AUC and log loss of each source, with their bootstrap replicates: (sources, 1 + replicates) each."""
    said = looks.answers(held, looks.whole, model, Yardstick.from_model(model))
    masks = [label_masks(s) for s in held]
    targets, known = (np.array([pair[k] for pair in masks]) for k in (0, 1))

    def losses(temperature: float) -> Floats:
        z = np.where(known, said.logits.astype(np.float64) / temperature, -np.inf)
        return np.asarray(np.logaddexp.reduce(z, axis=1) - np.logaddexp.reduce(np.where(targets, z, -np.inf), axis=1))

    best = minimize_scalar(lambda t: losses(t).mean(), bounds=(0.2, 5.0), method="bounded").x
    loss, y = losses(float(best)), np.array([s.melanoma for s in held])
    aucs, means = [], []
    for name in names:
        mine = np.array([s.source == name for s in held])
        weights = metrics.bootstrap_weights(np.array([s.group for s in held])[mine])
        aucs.append(looks.auc_replicates(said.melanoma[mine], y[mine], weights))
        means.append(np.array([loss[mine].mean(), *(weights @ loss[mine] / weights.sum(axis=1))]))
    return {"melanoma AUC": np.array(aucs), "log loss": np.array(means)}


if __name__ == "__main__":
    main()
