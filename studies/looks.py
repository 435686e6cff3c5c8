"""Does the network judge the lesion or the look of its source? The same test images in other renderings.

Called by ``studies/results.py``. Nothing is fitted or chosen here.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from cygnet.evaluation import metrics
from cygnet.imaging import decode, middles
from cygnet.models import LesionModel
from cygnet.models.registry import ModelFiles
from cygnet.schema import DIAGNOSES
from cygnet.training.sources import Sample
from cygnet.triage import Yardstick
from cygnet.triage.calibration import melanoma_logit, probabilities
from cygnet.triage.submission import HAM10000

Floats = NDArray[np.float64]
Rendering = Callable[[Sample], bytes]
_BATCH = 16


@dataclass(frozen=True, slots=True)
class Answers:
    """What the network says of images in one rendering: (n, 7) logits, and the melanoma logit (n,)."""

    logits: NDArray[np.float32]
    melanoma: Floats


def whole(sample: Sample) -> bytes:
    """The file as it is."""
    return sample.path.read_bytes()


def square(sample: Sample) -> bytes:
    """The sharp centre square at 224 px, as the official test images of 2018 are judged."""
    assert sample.sharp_path is not None
    return sample.sharp_path.read_bytes()


def poor(of: Rendering, side: int = 150) -> Rendering:
    """That rendering at ``side`` pixels and JPEG quality 60."""

    def rendered(sample: Sample) -> bytes:
        image = Image.open(io.BytesIO(of(sample))).convert("RGB")
        image.thumbnail((side, side), Image.Resampling.BICUBIC)
        return jpeg(image, 60)

    return rendered


def sharpened(sample: Sample) -> bytes:
    """The middle of the picture, nine tenths of each side, sharpened."""
    image = Image.open(sample.path).convert("RGB")
    across, down = image.width // 20, image.height // 20
    image = image.crop((across, down, image.width - across, image.height - down))
    return jpeg(image.filter(ImageFilter.UnsharpMask(1.5, 100, 0)), 95)


def jpeg(image: Image.Image, quality: int) -> bytes:
    """The file that a picture would be."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def sections(test: Sequence[Sample], model: LesionModel, yardstick: Yardstick) -> Iterator[str]:
    """The table."""
    yield "## The look of the sources swapped\n"
    yield "The same test images, rendered otherwise: a network that had learnt the sources' sharpness, crop and compression would judge them"
    yield "differently. Differences are paired, and to the first row of the same images; balanced accuracy with all diagnoses taken to be"
    yield "equally common, as `cygnet predict` submits them.\n"
    yield from table(test, model, yardstick)
    yield ""


def table(test: Sequence[Sample], model: LesionModel, yardstick: Yardstick) -> Iterator[str]:
    """Its lines."""
    yield "| images | rendering | melanoma AUC | difference | balanced accuracy | difference |\n|---|---|---|---|---|---|"
    both = [s for s in test if s.sharp_path is not None]
    by_source = {name: [s for s in test if s.source == name] for name in ("isic2017", "isic2020")}
    yield from _table(
        "HAM10000 with a sharp version",
        both,
        {
            "whole, 200 x 150": whole,
            "centre square, 224 px, sharp": square,
            "that at 150 px, JPEG 60": poor(square),
            "whole at 150 px, JPEG 60": poor(whole),
        },
        model,
        yardstick,
    )
    for name, samples in by_source.items():
        renderings = {"as it is": whole, "middle, sharpened": sharpened, "at 150 px, JPEG 60": poor(whole)}
        yield from _table(
            {"isic2017": "ISIC 2017", "isic2020": "ISIC 2020"}[name], samples, renderings, model, yardstick
        )


def asked(files: ModelFiles, views: int, middle: float) -> LesionModel:
    """A model asked otherwise than it ships: about so many views, of which half show so much of the middle (0: none does)."""
    card = {**files.card, "input": {**files.card["input"], "views": views, "middle": middle}}
    return LesionModel(replace(files, card=card))


def answers(samples: Sequence[Sample], rendering: Rendering, model: LesionModel, yardstick: Yardstick) -> Answers:
    """The network's answers, without the quality gate."""
    found = []
    for start in range(0, len(samples), _BATCH):
        images = [decode(rendering(s), model.size, middle=model.middle) for s in samples[start : start + _BATCH]]
        found.append(model.logits(np.stack([image.pixels for image in images]), near=middles(images)))
    logits = np.concatenate(found)
    return Answers(logits, np.asarray(melanoma_logit(logits, yardstick.calibration, 0.02), np.float64))


def keratosis(samples: Sequence[Sample], logits: NDArray[np.float32]) -> tuple[Floats, NDArray[np.bool_]]:
    """Log odds of keratosis ("bkl") against the others that the source could have named, and whether it is one: (n,) each."""
    known = np.array([[d in s.known for d in DIAGNOSES] for s in samples])
    mine = DIAGNOSES.index("bkl")
    others = np.where(known & (np.arange(len(DIAGNOSES)) != mine), logits, -np.inf)
    odds = logits[:, mine] - np.logaddexp.reduce(others, axis=1)
    return np.asarray(odds, np.float64), np.array([s.targets == {"bkl"} for s in samples])


def auc_replicates(score: Floats, positive: NDArray[np.bool_], weights: NDArray[Any]) -> Floats:
    """The AUC and its bootstrap replicates: (1 + replicates,)."""
    return np.array([metrics.auc(score, positive), *metrics.weighted_auc(score, positive, weights)], np.float64)


def balanced_replicates(truth: NDArray[np.int64], guess: NDArray[np.int64], weights: NDArray[Any]) -> Floats:
    """The balanced accuracy and its bootstrap replicates: (1 + replicates,)."""
    return np.array([metrics.balanced_accuracy(truth, guess, w) for w in (None, *weights)], np.float64)


def submitted(logits: NDArray[np.float32], yardstick: Yardstick) -> NDArray[np.int64]:
    """The likeliest diagnosis if all were equally common, as ``cygnet predict`` answers: (n,)."""
    odds = np.array([HAM10000[name] for name in DIAGNOSES], np.float64) ** -0.5
    return np.asarray(probabilities(logits, yardstick.calibration, 1 / len(DIAGNOSES), odds).argmax(axis=1), np.int64)


def _table(
    name: str, samples: Sequence[Sample], renderings: dict[str, Rendering], model: LesionModel, yardstick: Yardstick
) -> Iterator[str]:
    if not samples:
        return
    y = np.array([s.melanoma for s in samples])
    weights = metrics.bootstrap_weights(np.array([s.group for s in samples]))
    seven = all(len(s.known) == len(DIAGNOSES) for s in samples)
    truth = np.array([DIAGNOSES.index(min(s.targets)) for s in samples])
    first: tuple[Floats, Floats] | None = None
    for label, rendering in renderings.items():
        said = answers(samples, rendering, model, yardstick)
        aucs = auc_replicates(said.melanoma, y, weights)
        guess = submitted(said.logits, yardstick)
        bacc = balanced_replicates(truth, guess, weights[:500]) if seven else np.full(2, np.nan)
        apart = [moved(aucs, first[0]), moved(bacc, first[1])] if first else ["", ""]
        cells = [stated(aucs), apart[0], stated(bacc), apart[1]]
        yield f"| {name}, {len(samples)} | {label} | {' | '.join(cells)} |"
        first = first or (aucs, bacc)
        name = "the same" if not name.startswith("the same") else name


def stated(values: Floats) -> str:
    """A value and its replicates: the value with its interval."""
    if np.isnan(values[0]):
        return ""
    low, high = metrics.interval(values[1:])
    return f"{values[0]:.3f} [{low:.3f}, {high:.3f}]"


def moved(values: Floats, first: Floats) -> str:
    """The difference of a value and its replicates from another's of the same resamples, with its interval."""
    if np.isnan(values[0]):
        return ""
    low, high = metrics.interval((values - first)[1:])
    return f"{values[0] - first[0]:+.3f} [{low:+.3f}, {high:+.3f}]"
