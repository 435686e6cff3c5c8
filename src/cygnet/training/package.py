"""From trained weights to a model as it ships: network file, statistics, calibration, model card.

Everything is fitted on the training and calibration splits; the test split is only counted.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar

from cygnet.errors import InputError
from cygnet.imaging import MEASUREMENTS, decode, measure_stack, middles, scene
from cygnet.imaging.look import look
from cygnet.models.lesion import Looks, Space
from cygnet.models.registry import find
from cygnet.models.session import open_session
from cygnet.models.views import close_views, mean, whole
from cygnet.schema import DIAGNOSES
from cygnet.schema.files import file_sha256
from cygnet.training.lesion import label_masks
from cygnet.training.sources import Sample
from cygnet.triage.calibration import margin
from cygnet.triage.outlines import default_segmenter, draw
from cygnet.workers import cores

Floats = NDArray[np.float64]

#: Prevalence of melanoma among imaged lesions that probabilities are stated at: about that of ISIC 2020 (584 of 33,126).
PREVALENCE = 0.02
_AXES = 512
#: Sources with fewer calibration images say too little about a 99.5th percentile.
_ENOUGH = 100
#: The limit of strangeness leaves this share of the calibration images within it.
_WITHIN = 0.995
#: How much looks may count, most first: the quantile of the distance of looks that counts as 1.
_SHARES = (*(round(0.90 + 0.01 * step, 2) for step in range(10)), 0.998)
#: The share of a source that may be refused where looks and limit do not know it.
_REFUSED = 0.01
_MEL = DIAGNOSES.index("mel")
#: Share of the overall variance of a look that each source's own is raised by: few images say little about rare directions.
_RIDGE = 0.05
#: The fewest nevi that have three neighbours each.
_NEVI = 5


@dataclass(frozen=True, slots=True)
class Features:
    """What the network and the measurements say of n samples; rows in their order. ``pooled`` are its features (n, 1280)."""

    samples: list[Sample]
    logits: NDArray[np.float32]
    pooled: NDArray[np.float32]
    measurements: NDArray[np.float32]
    looks: NDArray[np.float32]


def extract(
    samples: Sequence[Sample], network: Path, size: int, number: int = 1, middle: float = 0, batch: int = 32
) -> Features:
    """Run a network file over samples as ``cygnet rank`` would: same decoding, same pixels, the mean of ``number`` views, of which
    half show the ``middle`` alone where that is above 0.
    """
    session = open_session(network, cores())
    logits: list[NDArray[np.float32]] = []
    pooled: list[NDArray[np.float32]] = []
    measured: list[NDArray[np.float32]] = []
    looks: list[NDArray[np.float32]] = []
    for start in range(0, len(samples), batch):
        images = [decode(s.path.read_bytes(), size, middle=middle) for s in samples[start : start + batch]]
        pixels = np.stack([image.pixels for image in images])
        shown = close_views(pixels, middles(images), number)
        answers = [session.run(["logits", "embedding"], {"pixels": view}) for view in shown]
        logits.append(mean([a[0] for a in answers]))
        pooled.append(mean([answers[view][1] for view in whole(number, middle)]))
        looks.append(look(pixels))
        measured.extend(
            measure_stack(scene(pixels, draw(pixels, default_segmenter()).masks), np.array([i.aspect for i in images]))
        )
    return Features(
        list(samples), np.concatenate(logits), np.concatenate(pooled), np.array(measured), np.concatenate(looks)
    )


def logits(
    networks: Mapping[str, Path], samples: Sequence[Sample], size: int, batch: int = 32
) -> dict[str, NDArray[np.float32]]:
    """What several network files of one input side say of samples, each (n, diagnoses); every image is decoded once."""
    sessions = {name: open_session(path, cores()) for name, path in networks.items()}
    found: dict[str, list[NDArray[np.float32]]] = {name: [] for name in networks}
    for start in range(0, len(samples), batch):
        pixels = np.stack([decode(s.path.read_bytes(), size).pixels for s in samples[start : start + batch]])
        for name, session in sessions.items():
            found[name].append(np.asarray(session.run(["logits"], {"pixels": pixels})[0], np.float32))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def fit_calibration(found: Features, prevalence: float = PREVALENCE) -> dict[str, float]:
    """Slope and intercept of the melanoma margin at ``prevalence``, and the temperature of the other diagnoses.

    Samples are weighted so that each source counts alike and melanoma has the stated prevalence within it.
    """
    x = margin(found.logits)
    y = np.array([s.melanoma for s in found.samples])
    weight = np.zeros(len(y))
    for source in {s.source for s in found.samples}:
        mine = np.array([s.source == source for s in found.samples])
        for label, share in ((True, prevalence), (False, 1 - prevalence)):
            cell = mine & (y == label)
            weight[cell] = share / max(int(cell.sum()), 1)

    def loss(theta: Floats) -> float:
        z = theta[0] * x + theta[1]
        return float((weight * np.logaddexp(0, np.where(y, -z, z))).sum() + 1e-6 * (theta[0] - 1) ** 2)

    slope, intercept = minimize(loss, np.array([1.0, -3.0]), method="Nelder-Mead", options={"xatol": 1e-5}).x
    masks = [label_masks(s) for s in found.samples]
    targets, known = np.array([m[0] for m in masks]), np.array([m[1] for m in masks])
    keep = ~y

    def spread(temperature: float) -> float:
        z = np.where(known, found.logits / temperature, -1e30)[keep]
        z[:, _MEL] = -1e30
        hit = np.where(targets[keep], z, -1e30)
        return float((np.logaddexp.reduce(z, axis=1) - np.logaddexp.reduce(hit, axis=1)).mean())

    temperature = float(minimize_scalar(spread, bounds=(0.3, 5.0), method="bounded").x)
    return {
        "slope": round(float(slope), 5),
        "intercept": round(float(intercept), 5),
        "temperature": round(temperature, 4),
        "prevalence": prevalence,
    }


def fit_familiarity(train: Features, calibration: Features) -> dict[str, NDArray[np.float32] | float]:
    """Principal axes of training embeddings, looks by source, and the limit beyond which an image is not taken for dermoscopy.

    Both distances are squared and added. The limit is the 99.5th percentile among the calibration images of the source where that
    is largest. Looks count as much as they can while less than 1 % of each source would be refused had it been left out of
    them (``look_share``): another clinic's dermoscopy may look like none of the sources.
    """
    pooled = train.pooled.astype(np.float64)
    centre = pooled.mean(axis=0)
    offset = pooled - centre
    _, singular, axes = np.linalg.svd(offset, full_matrices=False)
    count = min(
        _AXES, int((singular > 1e-4 * singular[0]).sum())
    )  # fewer images than axes leave directions without spread
    axes, scale = axes[:count], singular[:count] / np.sqrt(len(offset))
    rest = max(float(((offset**2).sum(axis=1) - ((offset @ axes.T) ** 2).sum(axis=1)).mean()), 1e-6)
    stored = {"centre": centre.astype(np.float32), "axes": axes.astype(np.float16), "scale": scale.astype(np.float32)}
    space = Space.of({**stored, "rest": rest})
    inside = [space.place(f.pooled).strangeness for f in (train, calibration)]
    known = fit_looks(train, calibration, look_share(train, calibration, inside))
    distance = np.hypot(inside[1], known.strangeness(calibration.looks))
    looks = {"look_mean": known.mean, "look_whiten": known.whiten, "look_unit": known.unit}
    return {**stored, "rest": rest, **looks, "limit": largest(distance, calibration.samples, _WITHIN)}


def look_share(train: Features, calibration: Features, inside: Sequence[NDArray[np.float32]]) -> float:
    """The least of ``_SHARES`` at which less than 1 % of each source is refused unseen; the greatest where none will do, or nothing can tell."""
    for share in _SHARES:
        rates = refused_unseen(train, calibration, inside, share).values()
        if rates and max(rates) < _REFUSED:
            return share
    return _SHARES[-1]


def refused_unseen(
    train: Features, calibration: Features, inside: Sequence[NDArray[np.float32]], share: float
) -> dict[str, float]:
    """How much of each source would be refused if looks and limit came from the others only; nothing where there is one source.

    ``inside`` are the distances of both sets' embeddings, ``share`` is as in ``fit_looks``.
    """
    sources = [np.array([s.source for s in f.samples]) for f in (train, calibration)]
    rates = {}
    for name in np.unique(sources[0]) if len(np.unique(sources[0])) > 1 else ():
        rest = [_only(f, of != name) for f, of in zip((train, calibration), sources, strict=True)]
        if not rest[1].samples:
            continue
        looks = fit_looks(rest[0], rest[1], share)
        near = np.hypot(inside[1][sources[1] != name], looks.strangeness(rest[1].looks))
        limit = largest(near, rest[1].samples, _WITHIN)
        own = [
            np.hypot(far[of == name], looks.strangeness(f.looks[of == name]))
            for f, far, of in zip((train, calibration), inside, sources, strict=True)
        ]
        rates[str(name)] = float(np.mean(np.concatenate(own) > limit))
    return rates


def _only(found: Features, mine: NDArray[np.bool_]) -> Features:
    samples = [s for s, m in zip(found.samples, mine, strict=True) if m]
    return Features(samples, *(a[mine] for a in (found.logits, found.pooled, found.measurements, found.looks)))


def fit_looks(train: Features, calibration: Features, share: float) -> Looks:
    """What each training source looks like, and the distance that counts as 1: the quantile ``share`` at the source where it is largest."""
    looks = train.looks.astype(np.float64)
    source = np.array([s.source for s in train.samples])
    usual = _RIDGE * np.diag(looks.var(axis=0) + 1e-6)
    mean, whiten = [], []
    for name in np.unique(source):
        mine = looks[source == name]
        mean.append(mine.mean(axis=0))
        whiten.append(np.linalg.cholesky(np.linalg.inv(np.cov(mine.T, bias=True) + usual)))
    raw = Looks(np.array(mean, np.float32), np.array(whiten, np.float32), 1.0)
    every = raw.strangeness(np.concatenate([train.looks, calibration.looks]))
    return replace(raw, unit=largest(every, [*train.samples, *calibration.samples], share))


def largest(values: NDArray[np.float32], samples: Sequence[Sample], share: float) -> float:
    """The quantile of ``values`` at the source where it is largest, of those with enough images to have one."""
    source = np.array([s.source for s in samples])
    large = [name for name in np.unique(source) if (source == name).sum() >= _ENOUGH] or list(np.unique(source))
    return max(float(np.quantile(values[source == name], share)) for name in large)


def fit_reference(train: Features, calibration: Features, slope: float, space: Space, seed: int = 1) -> dict[str, Any]:
    """What is typical among nevi, as ``cygnet.context.Reference`` wants it; ``space`` is where embeddings lie.

    HAM10000 has no patients: distances come from random groups of 12 nevi, which are less alike than a real patient's,
    so that few-lesion comparisons lean towards calling a lesion ordinary.
    """
    from cygnet.context.likeness import nearest

    nevus = np.array([s.targets == {"nv"} for s in calibration.samples])
    embedding = space.place(calibration.pooled[nevus]).embedding
    rng = np.random.default_rng(seed)
    isolation: list[float] = []
    closest: list[float] = []
    for _ in range(200):
        found = nearest(embedding[rng.choice(len(embedding), min(12, len(embedding)), replace=False)])
        isolation.extend(found.distance[:, :3].mean(axis=1))
        closest.extend(found.distance[:, 0])
    typical = train.measurements[np.array([s.targets == {"nv"} for s in train.samples])].astype(np.float64)
    logit = slope * margin(calibration.logits)
    return {
        "logit_spread": round(_robust_sd(logit[nevus]), 4),
        "measurement_spread": measurement_spread(typical),
        "isolation_centre": round(float(np.median(isolation)), 4),
        "isolation_spread": round(_robust_sd(np.array(isolation)), 4),
        "family_distance": round(float(np.quantile(closest, 0.4)), 4),
        "logit_noise": round(_repeat_sd(logit, [s.lesion for s in calibration.samples]), 4),
    }


def measurement_spread(measured: Floats) -> dict[str, float]:
    """SD of each of ``MEASUREMENTS`` among nevi, by name, from their measurements (n, 9).

    The robust SD, or half the plain one where that is larger: counts of colours are the same for most nevi, and a spread of
    0 would make any difference infinite.
    """
    spreads = [max(_robust_sd(column), 0.5 * float(column.std())) for column in measured.T]
    return {name: round(spread, 5) for (name, _, _), spread in zip(MEASUREMENTS, spreads, strict=True)}


def _robust_sd(values: Floats) -> float:
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def _repeat_sd(values: Floats, groups: Sequence[str]) -> float:
    """Pooled SD within groups, less "", that have more than one value: lesions photographed more than once.

    Where there are none, that of the model that comes with the package.
    """
    by: dict[str, list[float]] = {}
    for group, value in zip(groups, values, strict=True):
        if group:
            by.setdefault(group, []).append(float(value))
    repeated = [np.array(v) for v in by.values() if len(v) > 1]
    if not repeated:
        return float(find().card["reference"]["logit_noise"])
    return float(np.sqrt(sum(((v - v.mean()) ** 2).sum() for v in repeated) / sum(len(v) - 1 for v in repeated)))


def refuse_too_few(samples: Sequence[Sample]) -> None:
    """Refuse, before anything is trained, a calibration split that nothing can be fitted on.

    Raises
    ------
    InputError
        If it has fewer than five nevi, or no melanoma.
    """
    held = [s for s in samples if s.split == "calibration"]
    nevi, melanomas = sum(s.targets == {"nv"} for s in held), sum(s.melanoma for s in held)
    if nevi < _NEVI or not melanomas:
        raise InputError(
            f"the calibration split has {nevi} nevi and {melanomas} melanomas of {len(held)} images; probabilities need {_NEVI} "
            "nevi and a melanoma at the least: add images, or a column that says the split"
        )


def data_hash(samples: Sequence[Sample]) -> str:
    """SHA-256 over image ids, labels and splits: which data, in which split."""
    lines = sorted(f"{s.source},{s.image_id},{s.stratum},{s.split}" for s in samples)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def counts(samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """Images and melanomas by source and split."""
    table: dict[tuple[str, str], list[int]] = {}
    for s in samples:
        cell = table.setdefault((s.source, s.split), [0, 0])
        cell[0] += 1
        cell[1] += s.melanoma
    return [
        {"source": source, "split": split, "images": n, "melanomas": m}
        for (source, split), (n, m) in sorted(table.items())
    ]


def write(folder: Path, name: str, network: Path, statistics: dict[str, Any] | None, card: dict[str, Any]) -> Path:
    """Put the files of a model into ``folder`` and return the card's path; the card comes last."""
    folder.mkdir(parents=True, exist_ok=True)
    target, arrays = folder / f"{name}.onnx", folder / f"{name}.npz"
    target.write_bytes(network.read_bytes())
    card["files"] = {"network": _file(target)}
    if statistics is not None:
        part = folder / f".{name}.part.npz"
        np.savez(part, **statistics)
        os.replace(part, arrays)
        card["files"]["statistics"] = _file(arrays)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return path


def _file(path: Path) -> dict[str, Any]:
    return {"name": path.name, "sha256": file_sha256(path), "bytes": path.stat().st_size}


__all__ = [
    "PREVALENCE",
    "Features",
    "counts",
    "data_hash",
    "extract",
    "fit_calibration",
    "fit_familiarity",
    "fit_looks",
    "fit_reference",
    "largest",
    "measurement_spread",
    "refuse_too_few",
    "write",
]
