"""Is the test split an easy fifth? Networks that each left out a third of the training split, judged on that third and on the test split.

    python studies/folds.py --data DATA --model runs/part-1/model/part-1.json --model ... --model ...

The models are those of ``cygnet train lesion --without-part 1/3``, ``2/3`` and ``3/3``; writes the figures of docs/training.md. Nothing is fitted or chosen here.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import looks
import numpy as np
from numpy.typing import NDArray

from cygnet.evaluation import metrics
from cygnet.models import LesionModel
from cygnet.report.figures import write_figures
from cygnet.schema import DIAGNOSES
from cygnet.training.duplicates import without_leaks
from cygnet.training.sources import Part, Sample, read_sources
from cygnet.training.teacher import model_files, parts
from cygnet.triage import Yardstick

PAGE = Path(__file__).resolve().parent.parent / "docs" / "training.md"
COMMAND = "python studies/folds.py"
SOURCES = {"ham10000": "HAM10000", "isic2017": "ISIC 2017", "isic2020": "ISIC 2020"}
Floats = NDArray[np.float64]


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", action="append", required=True, help="the card of a model; once for each part")
    args = parser.parse_args()
    left_out = [part for part in parts(args.model) if part is not None]
    if len(left_out) < len(args.model):
        parser.error("a model among them was made with every part: give those of --without-part")
    samples, _ = without_leaks(read_sources(args.data))
    text = "\n".join(table(samples, [LesionModel(model_files(name)) for name in args.model], left_out))
    write_figures(PAGE, COMMAND, text)
    print(text)


def table(samples: Sequence[Sample], models: Sequence[LesionModel], left_out: Sequence[Part]) -> Iterator[str]:
    """A row a source and metric: on the parts, each judged by the network that left it out, on the test split, and the difference."""
    yield "| images | metric | left-out parts of the training split | images, melanomas | test split | images, melanomas | difference |"
    yield "|---|---|---|--:|---|--:|---|"
    for source, name in SOURCES.items():
        mine = [s for s in samples if s.source == source]
        training = [s for s in mine if s.split == "train"]
        apart = [[s for s in training if part.holds(s.group)] for part in left_out]
        test = [s for s in mine if s.split == "test"]
        # Other resamples for other lesions, the same for the same ones.
        seen = [
            judged(part, model, seed) for seed, (part, model) in enumerate(zip(apart, models, strict=True), start=2)
        ]
        unseen = [judged(test, model, 1) for model in models]
        for metric in seen[0]:
            parts_, test_ = (np.mean([found[metric] for found in where], axis=0) for where in (seen, unseen))
            whole = [s for part in apart for s in part]
            cells = [looks.stated(parts_), size(whole), looks.stated(test_), size(test), looks.moved(test_, parts_)]
            yield f"| {name} | {metric} | {' | '.join(cells)} |"


def size(samples: Sequence[Sample]) -> str:
    """Images and melanomas."""
    return f"{len(samples):,}, {sum(s.melanoma for s in samples)}"


def judged(samples: Sequence[Sample], model: LesionModel, seed: int) -> dict[str, Floats]:
    """Melanoma AUC and, where all seven diagnoses are known, balanced accuracy: the value and 500 resamples of lesions or patients."""
    yardstick = Yardstick.from_model(model)
    said = looks.answers(samples, looks.whole, model, yardstick)
    weights = metrics.bootstrap_weights(np.array([s.group for s in samples]), replicates=500, seed=seed)
    found = {"melanoma AUC": looks.auc_replicates(said.melanoma, np.array([s.melanoma for s in samples]), weights)}
    if all(len(s.known) == len(DIAGNOSES) for s in samples):
        truth = np.array([DIAGNOSES.index(min(s.targets)) for s in samples])
        guess = looks.submitted(said.logits, yardstick)
        found["balanced accuracy"] = looks.balanced_replicates(truth, guess, weights)
    return found


if __name__ == "__main__":
    main()
