"""Train the learned context network on patients, in patient-grouped folds, and package it.

Learned from: real patients of the ISIC 2020 table (scores only) and of the ISIC 2024 sample (score and measurements), and
made-up patients of HAM10000's training split. For each fold a network is trained without that fold's patients, for judging;
the one that is packaged learns from all. HAM10000's test split is never used.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import platform
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor

from cygnet.context.cohort import Pool, arrange, pools
from cygnet.context.compare import reference_of
from cygnet.context.learned import PAIR, PATIENT, REACH, TOKEN, tokens
from cygnet.context.method import View
from cygnet.context.ranking import WEIGHT
from cygnet.context.stack import learn_weights
from cygnet.evaluation.metrics import auc
from cygnet.models import registry
from cygnet.models.context import DEFAULT
from cygnet.schema.files import file_sha256
from cygnet.training.context_parts import MEMBERS, Networks, real_parts
from cygnet.training.context_sources import FOLDS, Case, Seen, table_2020, table_2024
from cygnet.training.export import without_origin
from cygnet.training.made_up import LEVELS, STRANGERS, Stock, join, make, stock
from cygnet.training.set_network import SetNetwork

Floats = NDArray[np.float64]
Progress = Callable[[int, int, float], None]


@dataclass(frozen=True, slots=True)
class ContextConfig:
    """One run. ``steps`` of ``batch`` patients for each network; patients with more than ``most`` lesions are thinned;
    ``repeats`` made-up patients per melanoma, level and kind of stranger."""

    steps: int = 300
    batch: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    most: int = 32
    repeats: int = 1
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Example:
    """One patient: arrays as in ``cygnet.context.learned.Tokens`` without the first axis, ``score`` and ``labels`` (n,),
    ``fold`` (-1: in all training sets)."""

    lesions: NDArray[np.float32]
    sites: NDArray[np.int64]
    pairs: NDArray[np.float32]
    patient: NDArray[np.float32]
    base: Floats
    score: Floats
    labels: NDArray[np.bool_]
    fold: int


def examples(case: Case, most: int, rng: np.random.Generator, *, made_up: bool = False) -> list[Example]:
    """The patients of a case that have both a melanoma (or a stranger) and another lesion."""
    arranged = arrange(case.cohort, merge=case.cohort.telling)
    view = View(arranged, reference_of(arranged))
    labels, folds, score = case.labels[arranged.row], case.fold[arranged.row], arranged.cohort.score
    made = []
    for pool in pools(arranged):
        for i in range(len(pool.rows)):
            rows = pool.rows[i]
            if not 0 < labels[rows].sum() < len(rows):
                continue
            one = Pool(rows[None], pool.judged[i : i + 1], pool.local[i : i + 1])
            read = tokens(view, one)
            keep = _thinned(labels[rows], most, rng)
            made.append(
                Example(
                    read.lesions[0][keep],
                    read.sites[0][keep],
                    read.pairs[0][np.ix_(keep, keep)],
                    read.patients[0],
                    read.base[0][keep],
                    score[rows][keep],
                    labels[rows][keep],
                    -1 if made_up else int(folds[rows[0]]),
                )
            )
    return made


def _thinned(labels: NDArray[np.bool_], most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    n = len(labels)
    if n <= most:
        return np.arange(n)
    positive = np.flatnonzero(labels)[: most // 2]
    others = rng.choice(np.flatnonzero(~labels), min(most - len(positive), int((~labels).sum())), replace=False)
    return np.sort(np.concatenate([positive, others]))


def gather(data: Path, cache: Path, config: ContextConfig) -> list[Example]:
    """All training patients, real and made-up."""
    rng = np.random.default_rng(config.seed)
    made = examples(table_2020(data), config.most, rng)
    made += examples(table_2024(data), config.most, rng)
    shelf = training_stock(data, cache, rng)
    for look in ("model", "likeness"):
        parts = [
            make(shelf, level, stranger, rng, repeats=config.repeats, size=int(rng.integers(7, 28)))
            for level, _ in LEVELS
            for stranger in STRANGERS
        ]
        case = join(parts).case(shelf if look == "model" else _by_likeness(shelf))
        made += examples(case, config.most, rng, made_up=True)
    return made


def as_if_unseen(shelf: Stock, wanted: float, rng: np.random.Generator) -> Stock:
    """The stock with noise on its melanoma logits, until they separate no better than on images never trained on."""
    labels = np.array([s.melanoma for s in shelf.samples])
    noise = rng.normal(size=len(labels))
    low, high = 0.0, 10.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if auc(shelf.seen.logit + middle * noise, labels) > wanted else (low, middle)
    seen = Seen(shelf.seen.logit + low * noise, shelf.seen.embedding, shelf.seen.measurements)
    return Stock(shelf.samples, seen, shelf.likeness)


def _by_likeness(shelf: Stock) -> Stock:
    """The stock with ImageNet features in the place of the model's embedding."""
    seen = Seen(shelf.seen.logit, shelf.likeness.astype(np.float32), shelf.seen.measurements)
    return Stock(shelf.samples, seen, shelf.likeness)


def fit(
    made: Sequence[Example], config: ContextConfig, tick: Callable[[float], None] = lambda loss: None
) -> SetNetwork:
    """Train one network on patients.

    On one thread: so small a network's threads would wait for each other twenty times as long as they compute.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _fit(made, config, tick)
    finally:
        torch.set_num_threads(threads)


def _fit(made: Sequence[Example], config: ContextConfig, tick: Callable[[float], None]) -> SetNetwork:
    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    network = SetNetwork()
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.learning_rate, total_steps=config.steps)
    network.train()
    for _ in range(config.steps):
        chosen = [made[i] for i in rng.choice(len(made), min(config.batch, len(made)), replace=False)]
        loss = ranking_loss(network, batch(chosen))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        tick(float(loss.detach()))
    return network.eval()


def batch(chosen: Sequence[Example]) -> dict[str, Tensor]:
    """Patients of several sizes as one padded batch, ``mask`` (b, n) True where there is a lesion."""
    b, n = len(chosen), max(len(e.labels) for e in chosen)
    made = {
        "lesions": torch.zeros(b, n, TOKEN),
        "sites": torch.zeros(b, n, dtype=torch.int64),
        "pairs": torch.zeros(b, n, n, PAIR),
        "patients": torch.zeros(b, PATIENT),
        "base": torch.full((b, n), 0.5),
        "score": torch.zeros(b, n),
        "labels": torch.zeros(b, n, dtype=torch.bool),
        "mask": torch.zeros(b, n, dtype=torch.bool),
    }
    for i, e in enumerate(chosen):
        k = len(e.labels)
        made["lesions"][i, :k] = torch.from_numpy(e.lesions)
        made["sites"][i, :k] = torch.from_numpy(e.sites)
        made["pairs"][i, :k, :k] = torch.from_numpy(e.pairs)
        made["patients"][i] = torch.from_numpy(e.patient)
        made["base"][i, :k] = torch.from_numpy(e.base)
        made["score"][i, :k] = torch.from_numpy(e.score)
        made["labels"][i, :k] = torch.from_numpy(e.labels)
        made["mask"][i, :k] = True
    return made


def ranking_loss(network: SetNetwork, given: dict[str, Tensor]) -> Tensor:
    """How far the positives are from the top of their patients' lists, by the adjusted score and by oddness alone.

    Softmax over a patient's lesions (ListNet, Cao et al. 2007): the group-contrastive loss with one positive per group.
    """
    answer = network(given["lesions"], given["sites"], given["pairs"], given["patients"], given["mask"])
    base = given["base"].clamp(1e-3, 1 - 1e-3)
    odds = torch.log(base) - torch.log1p(-base) + REACH * answer
    adjusted = given["score"] + WEIGHT * torch.sigmoid(odds)
    absent = ~given["mask"]
    losses = [
        torch.logsumexp(values.masked_fill(absent, -1e4), dim=1)
        - torch.logsumexp(values.masked_fill(~given["labels"], -1e4), dim=1)
        for values in (adjusted, odds)
    ]
    return torch.stack(losses).sum(dim=0).mean() + 0.01 * torch.square(answer)[given["mask"]].mean()


def to_onnx(network: SetNetwork, out: Path) -> Path:
    """Write a network for any number of patients and lesions."""
    patients, lesions = (torch.export.Dim(name, min=1, max=4096) for name in ("patients", "lesions"))
    example = (
        torch.zeros(2, 5, TOKEN),
        torch.zeros(2, 5, dtype=torch.int64),
        torch.zeros(2, 5, 5, PAIR),
        torch.zeros(2, PATIENT),
    )
    shapes = (
        {0: patients, 1: lesions},
        {0: patients, 1: lesions},
        {0: patients, 1: lesions, 2: lesions},
        {0: patients},
        None,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            (*example, None),
            input_names=["lesions", "sites", "pairs", "patients"],
            output_names=["answer"],
            dynamic_shapes=shapes,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    part = out.with_name(f".{out.name}")
    onnx.save_model(without_origin(program.model_proto), str(part))
    os.replace(part, out)
    return out


def train(data: Path, out: Path, config: ContextConfig, progress: Progress = lambda done, total, loss: None) -> Path:
    """Train a network for each fold and one on all, and package that: ``out/fold-0.onnx`` ... and ``out/model/``.

    What an interrupted run of the same configuration has finished is kept. Returns the card's path.
    """
    out.mkdir(parents=True, exist_ok=True)
    made = gather(data, out / "cache", config)
    stamp = _stamp(config, made)
    state = out / "config.json"
    if not state.is_file() or json.loads(state.read_text(encoding="utf-8")).get("stamp") != stamp:
        for old in out.glob("*.onnx"):
            old.unlink()
        state.write_text(json.dumps({**asdict(config), "stamp": stamp}, indent=1), encoding="utf-8")
    total, done = config.steps * (FOLDS + 1), 0
    for fold in (*range(FOLDS), None):
        path = out / ("all.onnx" if fold is None else f"fold-{fold}.onnx")
        start = done
        if not path.is_file():

            def tick(loss: float) -> None:
                nonlocal done
                done += 1
                progress(done, total, loss)

            to_onnx(fit([e for e in made if fold is None or e.fold != fold], config, tick), path)
        done = start + config.steps
    return _package(out, made, config, stack_weights(data, out, config))


def stack_weights(data: Path, out: Path, config: ContextConfig) -> dict[str, float]:
    """Weights of the stack's members, learned on the ISIC 2024 patients and on made-up ones.

    The learned network is judged out of fold on the former; the latter it has seen.
    """
    rng = np.random.default_rng(config.seed)
    shelf = training_stock(data, out / "cache", rng)
    imagined = join([make(shelf, level, stranger, rng) for level, _ in LEVELS for stranger in STRANGERS]).case(shelf)
    imagined = replace(imagined, fold=np.full(len(imagined.labels), -1))
    cases = (table_2024(data), imagined)
    parts = np.concatenate([real_parts(case, Networks(out), ())[0] for case in cases])
    score = np.concatenate([case.cohort.score for case in cases])
    weights = learn_weights(parts, score, np.concatenate([case.labels for case in cases]))
    return dict(zip(MEMBERS, np.round(weights, 4).tolist(), strict=True))


def training_stock(data: Path, cache: Path, rng: np.random.Generator) -> Stock:
    """Lesions of the training split, as if the lesion model had not seen them."""
    shelf, held = stock(data, cache, "train"), stock(data, cache, "calibration")
    labels = np.array([s.melanoma for s in held.samples])
    return as_if_unseen(shelf, auc(held.seen.logit, labels), rng)


def _stamp(config: ContextConfig, made: Sequence[Example]) -> str:
    digest = hashlib.sha256(json.dumps(asdict(config), sort_keys=True).encode())
    for e in made:
        digest.update(e.lesions.tobytes())
    return digest.hexdigest()


def _package(out: Path, made: Sequence[Example], config: ContextConfig, stack: dict[str, float]) -> Path:
    folder = out / "model"
    folder.mkdir(exist_ok=True)
    network = folder / f"{DEFAULT}.onnx"
    network.write_bytes((out / "all.onnx").read_bytes())
    card: dict[str, Any] = {
        "name": DEFAULT,
        "task": "how odd each lesion is among its patient's others, from robust z and distances of looks",
        "licence": "CC BY-NC 4.0, as the images it learned from",
        "data": {
            "real patients": sum(e.fold >= 0 for e in made),
            "made-up patients": sum(e.fold < 0 for e in made),
            "sources": [
                "ISIC 2020 training table with out-of-fold scores of an EfficientNet-B2 (Rotemberg et al. 2021, CC BY-NC 4.0)",
                "ISIC 2024 sample of measurements and scores (Kurtansky et al. 2024, CC BY 4.0)",
                "HAM10000 training split, as made-up patients (Tschandl et al. 2018, CC BY-NC 4.0)",
            ],
            "looks": f"whitened embeddings of {registry.DEFAULT}",
        },
        "stack": stack,
        "limits": [
            "Its answer may scale the odds of the robust-z oddness by at most e^2; see docs/context.md for what it gains.",
            "Made-up patients are not patients; the real ones it saw had scores or measurements, not embeddings.",
        ],
        "training": {
            **asdict(config),
            "finished": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "python": platform.python_version(),
        },
        "files": {"network": {"name": network.name, "sha256": file_sha256(network), "bytes": network.stat().st_size}},
    }
    path = folder / f"{DEFAULT}.json"
    path.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return path
