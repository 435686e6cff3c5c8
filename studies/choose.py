"""Which of two models to ship, by the calibration split alone: the first beside each of the others, paired.

    python studies/choose.py --data ../shared/data --model lesion-1 --model runs/H/model/lesion.json

AUC of melanoma and mean log loss of the known diagnosis, by source and, for HAM10000, on the sharp centre squares too, which is how the official test images
of 2018 are judged. With some seventy melanomas an AUC says little, while every image says something about the loss: a model is better if its loss
is lower beyond noise somewhere and nothing is worse beyond noise. Each model's temperature is fitted to the split, one number. The test split is not looked
at, unless the choice is made and ``--afterwards`` asks whether it comes again there.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
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
SHARP = "ham10000, sharp squares"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--model", action="append", required=True, help="a packaged model, or the card of one; repeated"
    )
    parser.add_argument("--afterwards", action="store_true", help="on the test split, of a choice that is made")
    args = parser.parse_args()
    samples, _ = without_leaks(read_sources(args.data))
    held = [s for s in samples if s.split == ("test" if args.afterwards else "calibration")]
    cases = {name: [s for s in held if s.source == name] for name in sorted({s.source for s in held})}
    cases |= {SHARP: [s for s in held if s.sharp_path is not None]}
    print(
        f"| images | model | melanoma AUC | minus {args.model[0]} | log loss | minus {args.model[0]} |\n|---|---|---|---|---|---|"
    )
    first: dict[str, tuple[Floats, Floats]] = {}
    for name in args.model:
        model = LesionModel(model_files(name))
        for case, found in judged(cases, model).items():
            apart = [looks.moved(x, y) for x, y in zip(found, first[case], strict=True)] if case in first else ["", ""]
            first.setdefault(case, found)
            values = [looks.stated(x) for x in found]
            print(
                f"| {case}, {len(cases[case])} | {name} | {values[0]} | {apart[0]} | {values[1]} | {apart[1]} |",
                flush=True,
            )


def judged(cases: Mapping[str, Sequence[Sample]], model: LesionModel) -> dict[str, tuple[Floats, Floats]]:
    """AUC and log loss of each case, with their bootstrap replicates: (1 + replicates,) each."""
    yardstick = Yardstick.from_model(model)
    said = {
        case: looks.answers(some, looks.square if case == SHARP else looks.whole, model, yardstick)
        for case, some in cases.items()
    }

    def losses(case: str, temperature: float) -> Floats:
        targets, known = (np.array(part) for part in zip(*map(label_masks, cases[case]), strict=True))
        z = np.where(known, said[case].logits.astype(np.float64) / temperature, -np.inf)
        return np.asarray(np.logaddexp.reduce(z, axis=1) - np.logaddexp.reduce(np.where(targets, z, -np.inf), axis=1))

    def whole(temperature: float) -> float:
        return float(np.concatenate([losses(case, temperature) for case in cases]).mean())

    best = float(minimize_scalar(whole, bounds=(0.2, 5.0), method="bounded").x)
    found = {}
    for case, some in cases.items():
        weights = metrics.bootstrap_weights(np.array([s.group for s in some]))
        loss = losses(case, best)
        aucs = looks.auc_replicates(said[case].melanoma, np.array([s.melanoma for s in some]), weights)
        found[case] = aucs, np.array([loss.mean(), *(weights @ loss / weights.sum(axis=1))])
    return found


if __name__ == "__main__":
    main()
