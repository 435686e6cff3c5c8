"""Four mirror images, or two of them with the middle alone: the same network asked both ways, paired.

    python studies/middle.py --data DATA --model runs/part-1/model/part-1.json --model ... --model ... [--page docs/training.md]

Models of ``cygnet train lesion --without-part`` are asked about the training images that they left out, taken together; any other,
by default the accurate one, about the calibration split. The test split is not looked at: this is what ``middle`` was chosen by.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import looks
import numpy as np
from numpy.typing import NDArray

from cygnet.evaluation import metrics
from cygnet.models.registry import ALIASES, ModelFiles
from cygnet.report.figures import write_figures
from cygnet.schema import DIAGNOSES
from cygnet.training.duplicates import without_leaks
from cygnet.training.sources import Sample, read_sources
from cygnet.training.teacher import model_files, parts
from cygnet.triage import Yardstick

PAGE = Path(__file__).resolve().parent.parent / "docs" / "training.md"
COMMAND = "python studies/middle.py"
SHARE = 0.8
Floats = NDArray[np.float64]
Asked = Sequence[tuple[ModelFiles, Sequence[Sample]]]


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", action="append", default=[], help="the card of a model; once for each part")
    parser.add_argument("--page", type=Path, default=PAGE)
    args = parser.parse_args()
    if args.model and None in parts(args.model):
        parser.error("a model among them was made with every part: give those of --without-part")
    samples, _ = without_leaks(read_sources(args.data))
    text = "\n".join(table(samples, args.model))
    write_figures(args.page, COMMAND, text)
    print(text)


def table(samples: Sequence[Sample], named: Sequence[str]) -> Iterator[str]:
    """A row for each kind of image: both ways of asking, and the second less the first."""
    yield "| images | images, melanomas | melanoma AUC: four whole | two whole, two of the middle | difference | balanced accuracy: four whole | two and two | difference |"
    yield "|---|--:|---|---|---|---|---|---|"
    left_out = [part for part in (parts(named) if named else []) if part is not None]
    apart = [
        (model_files(name), [s for s in samples if s.split == "train" and part.holds(s.group)])
        for name, part in zip(named, left_out, strict=True)
    ]
    accurate = model_files(ALIASES["accurate"])
    held = [(accurate, [s for s in samples if s.split == "calibration"])]
    for words, asked in (("left out", apart), (f"calibration split, {accurate.name}", held)):
        if asked:
            yield from rows(words, asked)


def rows(words: str, asked: Asked) -> Iterator[str]:
    """Every kind of image that some models are asked about."""
    kinds = {
        "HAM10000, whole": ("ham10000", looks.whole),
        "HAM10000, sharp squares": ("ham10000", looks.square),
        "ISIC 2017": ("isic2017", looks.whole),
        "ISIC 2020": ("isic2020", looks.whole),
    }
    for kind, (source, rendering) in kinds.items():
        mine = [
            (files, [s for s in some if s.source == source and (rendering is not looks.square or s.sharp_path)])
            for files, some in asked
        ]
        four, both = (judged(mine, rendering, middle) for middle in (0, SHARE))
        every = [s for _, some in mine for s in some]
        cells = [
            cell
            for a, b in zip(four, both, strict=True)
            for cell in (looks.stated(a), looks.stated(b), looks.moved(b, a))
        ]
        yield f"| {kind}; {words} | {len(every):,}, {sum(s.melanoma for s in every)} | {' | '.join(cells)} |"


def judged(asked: Asked, rendering: looks.Rendering, middle: float) -> tuple[Floats, Floats]:
    """Melanoma AUC and balanced accuracy of models, each on its own images, asked four times: the value and 500 resamples."""
    melanoma, guess = [], []
    for files, some in asked:
        model = looks.asked(files, 4, middle)
        yardstick = Yardstick.from_model(model)
        said = looks.answers(some, rendering, model, yardstick)
        melanoma.append(said.melanoma)
        guess.append(looks.submitted(said.logits, yardstick))
    every = [s for _, some in asked for s in some]
    weights = metrics.bootstrap_weights(np.array([s.group for s in every]), replicates=500)
    aucs = looks.auc_replicates(np.concatenate(melanoma), np.array([s.melanoma for s in every]), weights)
    if not all(len(s.known) == len(DIAGNOSES) for s in every):
        return aucs, np.full(501, np.nan)
    truth = np.array([DIAGNOSES.index(min(s.targets)) for s in every])
    return aucs, looks.balanced_replicates(truth, np.concatenate(guess), weights)


if __name__ == "__main__":
    main()
