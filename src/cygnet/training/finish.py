"""The last step of a training run: choose how the network is stored, fit what goes with it, write the card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from cygnet.evaluation.metrics import auc
from cygnet.imaging import decode
from cygnet.models.lesion import Space
from cygnet.schema import DIAGNOSES
from cygnet.training import package
from cygnet.training.cards import history, origin
from cygnet.training.export import to_onnx, versions
from cygnet.training.lesion import LesionConfig
from cygnet.training.network import Explained, build
from cygnet.training.sources import Sample
from cygnet.triage.calibration import margin
from cygnet.version import VERSION

#: What the network file answers, in the order of ``Explained``.
OUTPUTS: Final = ("logits", "embedding", "attention")
#: Melanoma AUC that 8-bit arithmetic may cost a source.
MAX_LOSS = 0.002
_RANGES = 256
_GROUPS = "lesion (HAM10000), image (ISIC 2017) and patient (ISIC 2020)"
_BIAS = (
    "Trained on clinics in Austria, Australia and the United States, mostly on light skin.",
    "The ISIC 2020 images are a biased sample (nearly all melanomas, about 1:1); figures on it are an external "
    "check, not a rate for the clinic.",
)
_VOTES = "Readers' votes on HAM10000 training images: Tschandl et al. 2020, doi:10.1038/s41591-020-0942-0, CC-0"


def finish(
    run: Path,
    samples: Sequence[Sample],
    dropped: Sequence[tuple[str, str]],
    config: LesionConfig,
    name: str,
    out: Path,
    views: int = 1,
    middle: float = 0,
) -> Path:
    """Turn ``run/weights.pt`` into the model files ``out/name.{onnx,npz,json}``; returns the card's path.

    ``views``, 1, 2 or 4, is how many mirror images the model's answer is the mean of; half of them show the middle of the
    photograph alone, ``middle`` of its shorter side, unless that is 0. 8-bit arithmetic is taken, in the whole network or in
    its second half, if it costs no source more than 0.002 of its melanoma AUC, else 16-bit weights.
    """
    size = config.sizes[-1]
    train = [s for s in samples if s.split == "train"]
    held = [s for s in samples if s.split == "calibration"]
    net = build(len(DIAGNOSES), pretrained=False, backbone=config.backbone)
    net.load_state_dict(torch.load(run / "weights.pt", weights_only=True))
    full = to_onnx(Explained(net, DIAGNOSES.index("mel")), run / "float32.onnx", size, OUTPUTS)
    stored, storage = _choose(run, full, train, held, size)
    network, bits = stored
    seen, calibration = (package.extract(part, network, size, views, middle) for part in (train, held))
    fitted = package.fit_calibration(calibration)
    statistics = package.fit_familiarity(seen, calibration)
    card = {
        **_identity(name, config, sum(p.numel() for p in net.parameters())),
        "input": {
            "size": size,
            "views": views,
            "middle": middle,
            "layout": "n, height, width, RGB, uint8; the whole image squashed to a square",
        },
        "diagnoses": list(DIAGNOSES),
        "storage": {"chosen": bits, **storage},
        "calibration": fitted,
        "reference": package.fit_reference(seen, calibration, fitted["slope"], Space.of(statistics)),
        "data": {
            "images": package.counts(samples),
            "sha256": package.data_hash(samples),
            "left_out_as_repeats": [{"left_out": a, "kept": b} for a, b in dropped],
        },
        "training": history(run, config),
        "metrics": [],
    }
    return package.write(out, name, network, statistics, card)


def _choose(
    run: Path, full: Path, train: Sequence[Sample], held: Sequence[Sample], size: int
) -> tuple[tuple[Path, str], dict[str, Any]]:
    rng = np.random.default_rng(7)
    picked = [train[i] for i in rng.choice(len(train), min(_RANGES, len(train)), replace=False)]
    pixels = np.stack([decode(s.path.read_bytes(), size).pixels for s in picked])
    batches = [pixels[i : i + 16] for i in range(0, len(pixels), 16)]
    candidates = versions(full, run, batches)
    # Storage changes no label: the same network is compared with itself, so that training images, twelve times as many
    # as calibration ones, may serve as well.
    known = [*train, *held]
    answers = package.logits({"float32": full, **candidates}, known, size)
    found = {name: source_aucs(known, margin(values)) for name, values in answers.items()}
    best = found.pop("float32")
    lost = {name: max(best[s] - aucs[s] for s in best) for name, aucs in found.items()}
    chosen = next((name for name, loss in lost.items() if loss <= MAX_LOSS), [*candidates][-1])
    return (candidates[chosen], chosen), {"auc_on_training_and_calibration": {"float32": best, **found}}


def source_aucs(samples: Sequence[Sample], score: NDArray[np.float64]) -> dict[str, float]:
    """Melanoma AUC of each source that has melanomas and others, of scores (n,), higher for melanoma."""
    source = np.array([s.source for s in samples])
    melanoma = np.array([s.melanoma for s in samples])
    return {
        str(name): round(auc(score[source == name], melanoma[source == name]), 4)
        for name in np.unique(source)
        if 0 < melanoma[source == name].mean() < 1
    }


def _identity(name: str, config: LesionConfig, weights: int) -> dict[str, Any]:
    return {
        "name": name,
        "version": "2",
        "task": "seven diagnoses of a dermoscopic image, melanoma read off them, and an embedding",
        "architecture": f"EfficientNet-{config.backbone.capitalize()} (Tan & Le 2019; Liu 2020), {weights / 1e6:.1f} million weights, "
        "global mean pooling",
        "initialised_from": origin(config.start, config.pretrained, config.backbone),
        "licence": "that of the images it was trained on, which whoever trained it must state (ISIC 2019 and 2020: CC BY-NC 4.0)"
        if config.sources
        else "CC BY-NC 4.0, as HAM10000 and ISIC 2020, on which it was trained; not for commercial use",
        "code_version": VERSION,
        "intended_use": "Research on ranking a patient's dermoscopic images. Not a medical device.",
        "sources": [f"{s.name}: {s.csv}, labels as in {s.labels}" for s in config.sources]
        or [
            *([_VOTES] if config.votes else []),
            "HAM10000: Tschandl, Rosendahl & Kittler 2018, doi:10.1038/sdata.2018.161, CC BY-NC 4.0",
            "ISIC 2017: Codella et al. 2018, doi:10.1109/ISBI.2018.8363547, CC-0",
            "ISIC 2020: Rotemberg et al. 2021, doi:10.1038/s41597-021-00815-z, CC BY-NC 4.0",
        ],
        "folds": f"by {'patient, lesion or image' if config.sources else _GROUPS}; "
        + ("as the tables say, or a hash" if any(s.split for s in config.sources) else "a hash")
        + " of the name puts 20 % into the "
        "test split, 5 % into calibration and the rest into training"
        + (f"; fold {config.fold}" if config.fold else "")
        + (f"; all of {', '.join(config.hold_out)} held out" if config.hold_out else "")
        + (f"; part {config.without_part} of the training split left out" if config.without_part else ""),
        "limits": [
            *([] if config.sources else _BIAS),
            "Accuracy on dark skin is not established.",
            "Probabilities hold at the stated prevalence only; another clinic's may differ.",
            "It can miss melanoma. A low rank does not mean that a lesion is safe.",
        ],
    }
