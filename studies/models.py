"""One table of lesion models: single and joined, one view and four, on the test split; accuracy beside size and speed.

python studies/models.py --data ../shared/data [--model NAME_OR_CARD ...] [--page docs/models.md]

Nothing is fitted or chosen here.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import looks
import numpy as np

from cygnet.evaluation import metrics
from cygnet.models import LesionModel
from cygnet.models.registry import ModelFiles
from cygnet.report.figures import write_figures
from cygnet.schema import DIAGNOSES
from cygnet.training.duplicates import without_leaks
from cygnet.training.sources import Sample, read_sources
from cygnet.training.teacher import model_files
from cygnet.triage import Yardstick
from cygnet.triage.calibration import probabilities

ROOT = Path(__file__).resolve().parent.parent
COMMAND = "python studies/models.py"
_MEL = DIAGNOSES.index("mel")


def main() -> None:
    """Measure every model, with one view and with four, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", action="append", help="a packaged model, or the card of one; may be repeated")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "models.md")
    args = parser.parse_args()
    samples, _ = without_leaks(read_sources(args.data))
    test = [s for s in samples if s.split == "test"]
    text = "\n".join(table([model_files(m) for m in args.model or ("lesion-1", "accurate-1")], test))
    print(text)
    write_figures(args.page, COMMAND, text)


def table(models: Sequence[ModelFiles], test: Sequence[Sample]) -> Iterator[str]:
    """The Markdown lines."""
    yield "| model | views | HAM10000 AUC | balanced accuracy | ECE | 2017 AUC | 2020 AUC | MB | ms/image, one core |"
    yield "|---|--:|---|---|--:|---|---|--:|--:|"
    by = {name: [s for s in test if s.source == name] for name in ("ham10000", "isic2017", "isic2020")}
    for files in models:
        for number in (1, 4):
            card = {**files.card, "input": {**files.card["input"], "views": number}}
            model = LesionModel(replace(files, card=card))
            yardstick = Yardstick.from_model(model)
            cells = {name: judged(some, model, yardstick) for name, some in by.items()}
            auc, balanced, ece = cells["ham10000"]
            yield (
                f"| {files.name} | {number} | {auc} | {balanced} | {ece:.3f} | {cells['isic2017'][0]} | {cells['isic2020'][0]} | "
                f"{files.network.stat().st_size / 1e6:.1f} | {milliseconds(model):.1f} |"
            )


def judged(samples: Sequence[Sample], model: LesionModel, yardstick: Yardstick) -> tuple[str, str, float]:
    """Melanoma AUC; balanced accuracy as ``cygnet predict`` submits it; ECE of melanoma at the images' own prevalence."""
    said = looks.answers(samples, looks.whole, model, yardstick)
    y = np.array([s.melanoma for s in samples])
    weights = metrics.bootstrap_weights(np.array([s.group for s in samples]))
    aucs = looks.auc_replicates(said.melanoma, y, weights)
    p = probabilities(said.logits, yardstick.calibration, float(y.mean()))[:, _MEL]
    ece = metrics.expected_calibration_error(p, y)
    if not all(len(s.known) == len(DIAGNOSES) for s in samples):
        return looks.stated(aucs), "", ece
    truth = np.array([DIAGNOSES.index(min(s.targets)) for s in samples])
    guess = looks.submitted(said.logits, yardstick)
    hits = np.array([metrics.balanced_accuracy(truth, guess, w) for w in (None, *weights[:500])])
    return looks.stated(aucs), looks.stated(hits), ece


def milliseconds(model: LesionModel, batch: int = 16, times: int = 6) -> float:
    """The best of a few timings of a batch, each image."""
    pixels = np.random.default_rng(0).integers(0, 256, (batch, model.size, model.size, 3), np.uint8)
    model.predict(pixels)
    found = []
    for _ in range(times):
        began = time.perf_counter()
        model.predict(pixels)
        found.append((time.perf_counter() - began) / batch * 1000)
    return min(found)


if __name__ == "__main__":
    main()
