"""The last step of a segmentation run: choose how the network is stored and where it cuts, and write the card.

Everything is fitted on the training and calibration splits; the test split is only counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from cygnet.evaluation.masks import jaccard
from cygnet.imaging import decode
from cygnet.imaging.masks import clean, enlarge
from cygnet.models.session import open_session
from cygnet.models.views import back, mean, views
from cygnet.training import package
from cygnet.training.cards import history, origin
from cygnet.training.export import to_onnx, versions
from cygnet.training.segment import SegmentConfig
from cygnet.training.segment_masks import truth
from cygnet.training.segment_network import Probability, build_segment, of_lesions
from cygnet.training.sources import Sample
from cygnet.version import VERSION
from cygnet.workers import cores

#: Mean Jaccard index that 8-bit arithmetic may cost.
MAX_LOSS = 0.002
_RANGES = 256
#: Training images, beside all calibration images, that storage is judged on.
_JUDGED = 1600
_THRESHOLDS = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


def finish(
    run: Path,
    samples: Sequence[Sample],
    dropped: Sequence[tuple[str, str]],
    config: SegmentConfig,
    name: str,
    out: Path,
    number: int = 1,
) -> Path:
    """Turn ``run/weights.pt`` into the model files ``out/name.{onnx,json}``; returns the card's path.

    ``number``, 1, 2, 4 or 8, is how many mirror images and turns an answer of the model is the mean of.
    8-bit arithmetic is taken, in the whole network or in its second half, if it costs no more than 0.002 of the mean
    Jaccard index, else 16-bit weights. The threshold is the one of the best mean Jaccard index on the calibration split.
    """
    size = config.sizes[-1]
    net = build_segment(pretrained=False, backbone=config.backbone)
    net.load_state_dict(torch.load(run / "weights.pt", weights_only=True))
    full = to_onnx(Probability(net), run / "float32.onnx", size, ["probability"])
    train = [s for s in samples if s.split == "train"]
    held = [s for s in samples if s.split == "calibration"]
    network, storage = _stored(run, full, train, held, size)
    threshold, calibration = fit_cut(network, held, size, number)
    card = {
        **_identity(name, config, sum(p.numel() for p in net.parameters())),
        "input": {
            "size": size,
            "layout": "n, height, width, RGB, uint8; the whole image squashed to a square",
            "views": number,
        },
        "output": {
            "grid": size // 2,
            "layout": "n, row, column: probability of lesion over the whole squashed image",
            "threshold": threshold,
        },
        "storage": storage,
        "calibration": calibration,
        "data": {
            "images": package.counts(samples),
            "sha256": package.data_hash(samples),
            "left_out_as_repeats": [{"left_out": a, "kept": b} for a, b in dropped],
        },
        "training": history(run, config),
        "metrics": [],
    }
    return package.write(out, name, network, None, card)


def fit_cut(network: Path, held: Sequence[Sample], size: int, number: int = 1) -> tuple[float, dict[str, Any]]:
    """The threshold of the best mean Jaccard index on the calibration images ``held``, and what the card says of it.

    ``size`` is the network's input side in pixels, ``number`` how many views an answer is the mean of.
    """
    pixels, truths = _loaded(held, size)
    found = probabilities(network, pixels, number)
    cuts = {t: round(float(np.nanmean(overlaps(found, truths, t))), 4) for t in _THRESHOLDS}
    threshold = max(cuts, key=lambda t: (cuts[t], -abs(t - 0.5)))
    achieved = overlaps(found, truths, threshold)
    return threshold, {
        "jaccard_by_threshold": {str(t): value for t, value in cuts.items()},
        "confidence_against_jaccard": _agreement(clean(found, threshold).confidence, achieved),
    }


def probabilities(network: Path, pixels: Pixels, number: int = 1, batch: int = 16) -> Floats:
    """The answers of a network file for (n, size, size, 3) uint8, the mean of ``number`` views each: (n, g, g)."""
    session = open_session(network, cores())

    def answer(part: Pixels) -> Floats:
        seen = views(part, number)
        return mean([back(np.asarray(session.run(None, {"pixels": v})[0], np.float32), k) for k, v in enumerate(seen)])

    return np.concatenate([answer(pixels[i : i + batch]) for i in range(0, len(pixels), batch)])


def overlaps(probability: Floats, truths: Sequence[NDArray[np.bool_]], threshold: float) -> NDArray[np.float64]:
    """The Jaccard index of each image's full-size mask, made as ``cygnet segment`` makes it, with its truth: (n,)."""
    masks = clean(probability, threshold).masks
    made = (
        enlarge(p, m, t.shape[1], t.shape[0], threshold) for p, m, t in zip(probability, masks, truths, strict=True)
    )
    # Threads of the linear algebra library wait for each other longer than these small products take.
    with threadpool_limits(limits=1, user_api="blas"):
        return np.array([jaccard(mask, t) for mask, t in zip(made, truths, strict=True)])


def _stored(
    run: Path, full: Path, train: Sequence[Sample], held: Sequence[Sample], size: int
) -> tuple[Path, dict[str, Any]]:
    rng = np.random.default_rng(7)
    picked = [train[i] for i in rng.choice(len(train), min(_JUDGED, len(train)), replace=False)]
    pixels, truths = _loaded([*picked, *held], size)
    ranges = pixels[:_RANGES]
    candidates = versions(full, run, [ranges[i : i + 16] for i in range(0, len(ranges), 16)])

    def overlap(path: Path) -> float:
        return round(float(np.nanmean(overlaps(probabilities(path, pixels), truths, 0.5))), 4)

    best = overlap(full)
    found = {name: overlap(path) for name, path in candidates.items()}
    chosen = next((name for name, value in found.items() if best - value <= MAX_LOSS), [*candidates][-1])
    measured = {"float32": best, **found}
    return candidates[chosen], {
        "chosen": chosen,
        "jaccard_on_training_and_calibration": measured,
        "images": len(pixels),
    }


def _loaded(samples: Sequence[Sample], size: int) -> tuple[Pixels, list[NDArray[np.bool_]]]:
    return np.stack([decode(s.path.read_bytes(), size).pixels for s in samples]), [truth(s) for s in samples]


def _agreement(confidence: Floats, achieved: NDArray[np.float64]) -> dict[str, float | None]:
    """How well the stated confidence tells the Jaccard index that an image really reached; correlations are None with fewer
    than three images or where all are the same."""
    ranks, reached = (np.argsort(np.argsort(values)).astype(np.float64) for values in (confidence, achieved))

    def correlation(x: Floats | NDArray[np.float64], y: NDArray[np.float64]) -> float | None:
        defined = len(x) > 2 and x.std() > 0 and y.std() > 0
        return round(float(np.corrcoef(x, y)[0, 1]), 4) if defined else None

    return {
        "pearson": correlation(confidence, achieved),
        "spearman": correlation(ranks, reached),
        "mean_confidence": round(float(confidence.mean()), 4),
        "mean_jaccard": round(float(achieved.mean()), 4),
        "images": len(achieved),
    }


def _identity(name: str, config: SegmentConfig, weights: int) -> dict[str, Any]:
    begun = origin(config.start, config.pretrained, config.backbone)
    taken = bool(config.start) and of_lesions(torch.load(config.start, weights_only=True))
    return {
        "name": name,
        "version": "1",
        "task": "the outline of the main lesion in a dermoscopic image",
        "architecture": f"EfficientNet-{config.backbone.capitalize()} (Tan & Le 2019; Liu 2020) without its head, and a decoder "
        f"that adds its stages at strides 32 to 2 (Lin et al. 2017); {weights / 1e6:.1f} million weights",
        "initialised_from": f"the backbone of a lesion network, {begun}" if taken else begun,
        "licence": "CC BY-NC 4.0, as HAM10000, on which it was trained; not for commercial use",
        "code_version": VERSION,
        "intended_use": "Research on measuring and comparing lesions in dermoscopic images. Not a medical device.",
        "sources": [
            "HAM10000: Tschandl, Rosendahl & Kittler 2018, doi:10.1038/sdata.2018.161, CC BY-NC 4.0",
            "HAM10000 lesion masks: Tschandl et al. 2020, doi:10.1038/s41591-020-0942-0, CC BY-NC 4.0",
            *(["its backbone: what the lesion network learned from, which may be more"] if taken else []),
        ],
        "folds": "by lesion; a hash of its name puts 20 % into the test split, 5 % into calibration and the rest into "
        "training: the same split as the lesion model's",
        "limits": [
            "Trained on clinics in Austria and Australia, mostly on light skin; outlines on dark skin are not established.",
            "The masks it learned from were drawn by software and corrected by one dermatologist; where a lesion fades "
            "into the skin, others would draw another edge.",
            "One lesion per image: of several the central one is outlined.",
            "Pictures without any lesion were simulated by skin around lesions; clinical photographs are not dermoscopy.",
        ],
    }
