"""Sources that a network never met: runs with ``--hold-out``, judged on all images of the source; docs/held-out.md.

python studies/held_out.py --data ../shared/data --run runs/without-isic2017 --run runs/without-isic2020

Each run is also judged beside the shipped model on the source's test split, which that one has not seen either, though other images of the
source: what meeting the source is worth. Nothing is fitted or chosen here.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import looks
import numpy as np
from numpy.typing import NDArray
from truth import shortcut_table

from cygnet.evaluation import metrics
from cygnet.evaluation.entries import read_splits
from cygnet.evaluation.leaks import audit, fingerprints
from cygnet.models import LesionModel
from cygnet.models.registry import find
from cygnet.report.figures import write_figures
from cygnet.schema import ImageRecord
from cygnet.training.duplicates import without_leaks
from cygnet.training.sources import Sample, in_fold, read_sources
from cygnet.triage import Yardstick, examine

ROOT = Path(__file__).resolve().parent.parent
COMMAND = "python studies/held_out.py"
NAMES = {"ham10000": "HAM10000", "isic2017": "ISIC 2017", "isic2020": "ISIC 2020"}
Floats = NDArray[np.float64]


def main() -> None:
    """Judge every run and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, action="append", required=True)
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "held-out.md")
    args = parser.parse_args()
    text = "\n".join(sections(args.run, args.data))
    print(text)
    write_figures(args.page, COMMAND, text)


def sections(runs: Sequence[Path], data: Path) -> Iterator[str]:
    """The Markdown lines."""
    models = [LesionModel(find(card.stem, card.parent)) for run in runs for card in (run / "model").glob("*.json")]
    shipped = LesionModel()
    yield "| trained without | judged on | images | melanomas | melanoma AUC | keratosis AUC | refused by the gate |"
    yield "|---|---|--:|--:|---|---|--:|"
    for model in models:
        for source in model.card["training"]["hold_out"]:
            mine = [s for s in read_sources(data) if s.source == source]
            aucs, keratosis = judged(mine, model)
            yield (
                f"| {NAMES[source]} | all of {NAMES[source]} | {len(mine)} | {sum(s.melanoma for s in mine)} | "
                f"{looks.stated(aucs)} | {looks.stated(keratosis)} | {refused(mine, model):.1%} |"
            )
    yield "\nThe same images, neither of the two networks having seen them:\n"
    yield "| test split of | images | trained without it | `" + shipped.files.name + "`, trained with it | difference |"
    yield "|---|--:|---|---|---|"
    for model in models:
        held = model.card["training"]["hold_out"]
        fair, _ = without_leaks(in_fold(read_sources(data), 0))
        for source in NAMES:
            mine = [s for s in fair if s.source == source and s.split == "test"]
            without, with_ = (judged(mine, m)[0] for m in (model, shipped))
            name = NAMES[source] + (
                "" if source in held else f", as it is kept beside {', '.join(NAMES[h] for h in held)}"
            )
            yield f"| {name} | {len(mine)} | {looks.stated(without)} | {looks.stated(with_)} | {looks.moved(without, with_)} |"
    yield "\n## What gives a label away without the lesion\n"
    for source in ("isic2017", "isic2020"):
        entries, problems = read_splits([data / source])
        prints, unread = fingerprints(entries)
        yield f"### {NAMES[source]}"
        yield from shortcut_table(audit(entries, prints, [*problems, *unread], []))


def judged(samples: Sequence[Sample], model: LesionModel) -> tuple[Floats, Floats]:
    """AUC of melanoma, and of keratosis, each against the rest: the value and its replicates (NaN without such images)."""
    said = looks.answers(samples, looks.whole, model, Yardstick.from_model(model))
    weights = metrics.bootstrap_weights(np.array([s.group for s in samples]))
    return (
        looks.auc_replicates(said.melanoma, np.array([s.melanoma for s in samples]), weights),
        looks.auc_replicates(*looks.keratosis(samples, said.logits), weights),
    )


def refused(samples: Sequence[Sample], model: LesionModel) -> float:
    """The share of real dermoscopy that the gate of a model which never met the source refuses."""
    found = examine([ImageRecord(s.image_id, s.path, s.group, origin="study") for s in samples], model)
    return float(np.mean([e.look is None for e in found]))


if __name__ == "__main__":
    main()
