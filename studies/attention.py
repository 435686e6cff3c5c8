"""Measure how much of the lesion model's attention lies in the lesion, and write the figures of docs/predict.md.

python studies/attention.py --data ../shared/data [--limit 100]

Test split only; ``--limit`` takes the first images of each source, to try things out. Nothing is fitted or chosen here.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cygnet.errors import ModelError
from cygnet.evaluation import metrics
from cygnet.imaging import decode
from cygnet.imaging.attention import share_inside
from cygnet.models import LesionModel
from cygnet.report.figures import write_figures
from cygnet.training.duplicates import without_leaks
from cygnet.training.package import data_hash
from cygnet.training.segment_masks import truth
from cygnet.training.sources import Sample, read_sources
from cygnet.triage.outlines import default_segmenter, draw

ROOT = Path(__file__).resolve().parent.parent
COMMAND = "python studies/attention.py"
BATCH = 16
UNITS = {"ham10000": "lesions", "isic2017": "images", "isic2020": "patients"}

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Looked:
    """Test images of one source; rows in the order of ``samples``.

    ``inside`` (n,) is the share of attention within the lesion, NaN where no place spoke for melanoma; ``area`` (n,) the
    lesion's share of the picture.
    """

    samples: list[Sample]
    inside: Floats
    area: Floats


def main() -> None:
    """Run every measurement and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "predict.md")
    args = parser.parse_args()
    model = LesionModel()
    if not model.explains:
        raise ModelError(f"{model.files.name}: this model does not say where it looked; there is nothing to measure")
    samples, _ = without_leaks(read_sources(args.data))
    if data_hash(samples) != model.card["data"]["sha256"]:
        print("warning: these data or splits are not those that the model was trained with")
    test = [s for s in samples if s.split == "test"]
    rows = [row for source in UNITS for row in figures(model, [s for s in test if s.source == source][: args.limit])]
    text = "\n".join([*head(model), *rows])
    write_figures(args.page, COMMAND, text)
    print(text)


def look(model: LesionModel, samples: Sequence[Sample], *, expert: bool) -> Looked:
    """Attention of every image against an expert's mask, or against the outline that ``cygnet segment`` draws; images
    without an outline are left out."""
    kept: list[Sample] = []
    inside: list[float] = []
    area: list[float] = []
    for start in range(0, len(samples), BATCH):
        batch = samples[start : start + BATCH]
        pixels = np.stack([decode(s.path.read_bytes(), model.size).pixels for s in batch])
        masks = [truth(s) for s in batch] if expert else list(draw(pixels, default_segmenter()).masks)
        for sample, mask, where in zip(batch, masks, model.attention(pixels), strict=True):
            if mask.any():
                kept.append(sample)
                inside.append(share_inside(where, mask))
                area.append(float(mask.mean()))
    return Looked(kept, np.array(inside), np.array(area))


def head(model: LesionModel) -> Iterator[str]:
    """What was measured."""
    yield f"Model `{model.files.name}`, sha256 `{model.files.sha256[:16]}`, on the test split. *Inside* is the share of what"
    yield "spoke for melanoma that lies in the lesion, *by chance* the lesion's share of the picture, which attention without aim"
    yield "would have, *times* the first over the second. Intervals are 95 %, from 2,000 bootstrap replicates over lesions (HAM10000),"
    yield "images (ISIC 2017) or patients (ISIC 2020). Images in which no place spoke for melanoma, or without an outline, are left out.\n"
    yield "| source | mask | images | n | inside | by chance | times |\n|---|---|---|--:|---|--:|---|"


def figures(model: LesionModel, samples: Sequence[Sample]) -> Iterator[str]:
    """The rows of one source: each kind of mask, and melanoma apart from the rest."""
    if not samples:
        return
    source = samples[0].source
    for expert in (True, False) if source == "ham10000" else (False,):
        found = look(model, samples, expert=expert)
        melanoma = np.array([s.melanoma for s in found.samples], bool)
        for name, chosen in (("melanoma", melanoma), ("others", ~melanoma)):
            yield row(source, "expert" if expert else "cygnet segment", name, found, chosen & ~np.isnan(found.inside))


def row(source: str, mask: str, name: str, found: Looked, chosen: NDArray[np.bool_]) -> str:
    """One line of the table."""
    n = int(chosen.sum())
    if not n:
        return f"| {source} | {mask} | {name} | 0 | | | |"
    inside, area = found.inside[chosen], found.area[chosen]
    groups = np.array([s.group for s, taken in zip(found.samples, chosen, strict=True) if taken])
    weights = metrics.bootstrap_weights(groups)
    within, chance = weights @ inside, weights @ area
    shares = within / weights.sum(1)
    return (
        f"| {source} | {mask} | {name} | {n} | {stated(inside.mean(), shares)} | {area.mean():.3f} | "
        f"{stated(inside.mean() / area.mean(), within / chance)} |"
    )


def stated(value: float, spread: Floats) -> str:
    """A value with its interval."""
    low, high = metrics.interval(spread)
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    main()
