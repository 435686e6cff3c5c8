"""One table of lesion models: single and joined, in floats and in fewer bits, one view and four, whole or in part of the middle, on
the test split; accuracy beside size and speed. And what the joined model makes of the sources' looks swapped.

python studies/models.py --data ../shared/data [--model NAME_OR_CARD ...] [--run RUN ...] [--page docs/models.md]

``--run`` names the folder of a training run, which holds its network in 32-bit floats and in every way in which it might have been stored; of two or
more, their mean in floats is measured as well. Nothing is fitted or chosen here.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import looks
import numpy as np

from cygnet.evaluation import metrics
from cygnet.models import LesionModel
from cygnet.models.registry import ALIASES, ModelFiles, find
from cygnet.models.stored import read_network
from cygnet.report.figures import END, start, write_figures
from cygnet.schema import DIAGNOSES
from cygnet.training.duplicates import without_leaks
from cygnet.training.sources import Sample, read_sources
from cygnet.training.teacher import model_files
from cygnet.training.together import together
from cygnet.triage import Yardstick
from cygnet.triage.calibration import probabilities

ROOT = Path(__file__).resolve().parent.parent
COMMAND = "python studies/models.py"
_MEL = DIAGNOSES.index("mel")


#: The files of a training run, and how the network is stored in them.
STORED = {
    "float32": "32-bit floats",
    "float16": "16-bit weights",
    "late8": "8 bits in the second half",
    "int8": "8 bits throughout",
}
#: Ways of asking: views, the share that half of them show of the middle, and what to call it.
ASKED = ((1, 0.0, "1"), (4, 0.0, "4"), (4, 0.8, "4, two of the middle"))


def main() -> None:
    """Measure every model in each way of asking, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", action="append", help="a packaged model, or the card of one; may be repeated")
    parser.add_argument(
        "--run", type=Path, action="append", default=[], help="folder of a training run; may be repeated"
    )
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "models.md")
    parser.add_argument(
        "--speeds",
        action="store_true",
        help="measure speeds alone, on a machine with nothing else to do; all else stays",
    )
    args = parser.parse_args()
    shipped = [model_files(m) for m in args.model or ALIASES.values()]
    with tempfile.TemporaryDirectory() as folder:
        rows = [(files.name, files) for files in shipped] + [*_versions(args.run, Path(folder))]
        if args.speeds:
            write_figures(args.page, COMMAND, timed(rows, args.page.read_text(encoding="utf-8")))
            return
        samples, _ = without_leaks(read_sources(args.data))
        test = [s for s in samples if s.split == "test"]
        lines = [*table(rows, test), ""]
    careful = LesionModel(shipped[-1])
    lines += [
        f"### `{careful.files.name}` and the look of the sources\n",
        *looks.table(test, careful, Yardstick.from_model(careful)),
    ]
    text = "\n".join(lines)
    print(text)
    write_figures(args.page, COMMAND, text)


def _versions(runs: Sequence[Path], folder: Path) -> Iterator[tuple[str, ModelFiles]]:
    """Every way in which the networks of training runs were stored, under the cards of what was packaged of them."""
    whole = []
    for run in runs:
        card = next((run / "model").glob("*.json"))
        files = find(card.stem, card.parent)
        for name, words in STORED.items():
            yield f"{run.name}, {words}", replace(files, network=run / f"{name}.onnx")
        whole.append(replace(files, network=run / "float32.onnx"))
    if len(whole) > 1:
        joined = together([files.network for files in whole], folder / "together.onnx")
        yield f"{' and '.join(run.name for run in runs)}, 32-bit floats", replace(whole[0], network=joined)


def table(models: Sequence[tuple[str, ModelFiles]], test: Sequence[Sample]) -> Iterator[str]:
    """The Markdown lines of models and what they are called."""
    yield "| model | views | HAM10000 AUC | balanced accuracy | ECE | 2017 AUC | 2020 AUC | MB | images/s, one core |"
    yield "|---|---|---|---|--:|---|---|--:|--:|"
    by = {name: [s for s in test if s.source == name] for name in ("ham10000", "isic2017", "isic2020")}
    for name, files in models:
        for model, words in ways(files):
            yardstick = Yardstick.from_model(model)
            cells = {source: judged(some, model, yardstick) for source, some in by.items()}
            auc, balanced, ece = cells["ham10000"]
            yield (
                f"| {name} | {words} | {auc} | {balanced} | {ece:.3f} | {cells['isic2017'][0]} | {cells['isic2020'][0]} | "
                f"{len(read_network(files.network)) / 1e6:.1f} | {1000 / milliseconds(model):.0f} |"
            )


def ways(files: ModelFiles) -> Iterator[tuple[LesionModel, str]]:
    """A model in each way of asking it."""
    for number, middle, words in ASKED:
        yield looks.asked(files, number, middle), words


def timed(models: Sequence[tuple[str, ModelFiles]], page: str) -> str:
    """The figures that ``page`` has, with new speeds."""
    speeds = {
        (name, words): f"{1000 / milliseconds(model):.0f}" for name, files in models for model, words in ways(files)
    }
    lines = page.partition(start(COMMAND))[2].partition(END)[0].splitlines()
    for i, line in enumerate(lines):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if (at := tuple(cells[:2])) in speeds:
            lines[i] = f"| {' | '.join([*cells[:-1], speeds.pop(at)])} |"
    if speeds:
        raise SystemExit(f"no row of {', '.join(next(iter(speeds)))}: measure without --speeds first")
    return "\n".join(lines)


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
    return looks.stated(aucs), looks.stated(looks.balanced_replicates(truth, guess, weights[:500])), ece


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
