"""The course of a training run, whatever is trained: schedule, moving average, and resuming from the last finished epoch.

The run folder holds ``config.json``, ``checkpoint.pt`` (replaced whole after each epoch), ``log.jsonl`` (one line an
epoch) and, at the end, ``weights.pt`` (the averaged weights).
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from cygnet.errors import InputError
from cygnet.training.memory import keep_freed_memory

Progress = Callable[[int, int, float], None]


class Schedule(Protocol):
    """What ``fit`` needs to know of a run's configuration, a frozen dataclass."""

    @property
    def epochs(self) -> int:
        """Epochs of the whole run."""

    @property
    def draws(self) -> int:
        """Images drawn in an epoch."""

    @property
    def batch(self) -> int:
        """Images in a step."""

    @property
    def learning_rate(self) -> float:
        """The top of the one-cycle schedule."""

    @property
    def weight_decay(self) -> float:
        """Decay of weights of two or more axes."""

    @property
    def ema(self) -> float:
        """The share of the averaged weights that a step keeps, in [0, 1)."""

    @property
    def seed(self) -> int:
        """Of everything that is drawn."""

    def size_at(self, epoch: int) -> int:
        """The input side of this epoch (from 0)."""


def fit(
    model: nn.Module,
    average: nn.Module,
    config: Any,
    out: Path,
    batches: Callable[[int], Iterable[list[Tensor]]],
    loss: Callable[[list[Tensor], np.random.Generator], Tensor],
    judge: Callable[[], Mapping[str, Any]],
    progress: Progress | None = None,
) -> None:
    """Train ``model``, and keep the moving average of its weights in ``average``.

    ``config`` is a dataclass that fulfils ``Schedule``. ``batches(epoch)`` gives an epoch's batches, ``loss(batch, rng)``
    the loss of one under ``model``, ``judge()`` what the log says of ``average`` after an epoch. Starts from
    ``out/checkpoint.pt`` when it belongs to the same configuration; ``progress(step, steps, loss)`` is called after each
    step.

    Raises
    ------
    InputError
        If ``out`` holds a run with another configuration.
    """
    keep_freed_memory()
    schedule: Schedule = config
    claim(out, config)
    average.load_state_dict(model.state_dict())
    optimiser = torch.optim.AdamW(_decayed(model, schedule.weight_decay), lr=schedule.learning_rate)
    per_epoch = math.ceil(schedule.draws / schedule.batch)
    total = per_epoch * schedule.epochs
    for epoch in range(_resume(out, model, average, optimiser), schedule.epochs):
        started, losses = time.monotonic(), []
        torch.manual_seed(schedule.seed * 1000 + epoch)
        model.train()
        rng = np.random.default_rng([schedule.seed, epoch, 1])
        for step, batch in enumerate(batches(epoch), start=epoch * per_epoch):
            for group in optimiser.param_groups:
                group["lr"] = schedule.learning_rate * one_cycle(step / total)
            losses.append(_step(model, optimiser, loss(batch, rng)))
            blend(average, model, min(schedule.ema, (1 + step) / (10 + step)))
            if progress:
                progress(step + 1, total, losses[-1])
        entry = {
            "epoch": epoch + 1,
            "size": schedule.size_at(epoch),
            "loss": round(float(np.mean(losses)), 4),
            "minutes": round((time.monotonic() - started) / 60, 2),
            **judge(),
        }
        _save(out, epoch + 1, model, average, optimiser)
        with (out / "log.jsonl").open("a") as log:
            log.write(json.dumps(entry) + "\n")


def one_cycle(done: float, warm: float = 0.15) -> float:
    """The share of the top learning rate after ``done`` in [0, 1] of the run: up linearly, down as a cosine."""
    if done < warm:
        return 0.04 + 0.96 * done / warm
    return 0.5 * (1 + math.cos(math.pi * (done - warm) / (1 - warm))) * 0.999 + 0.001


@torch.no_grad()
def blend(average: nn.Module, model: nn.Module, keep: float) -> None:
    """Move the weights of ``average`` towards those of ``model``, keeping the share ``keep`` in [0, 1] of its own."""
    for ours, theirs in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if ours.dtype.is_floating_point:
            ours.lerp_(theirs, 1 - keep)
        else:
            ours.copy_(theirs)


def claim(out: Path, config: Any) -> None:
    """Make ``out`` the folder of this configuration's run.

    Raises
    ------
    InputError
        If it holds a run with another configuration.
    """
    out.mkdir(parents=True, exist_ok=True)
    path, mine = out / "config.json", json.dumps(asdict(config), indent=1)
    if path.exists() and path.read_text() != mine:
        raise InputError(f"{path}: this folder holds a run with other settings; choose another --out or delete it")
    path.write_text(mine)


def save(state: object, path: Path) -> Path:
    """Write ``state`` beside ``path`` and move it there."""
    part = path.with_suffix(".part")
    torch.save(state, part)
    os.replace(part, path)
    return path


def _step(model: nn.Module, optimiser: torch.optim.Optimizer, loss: Tensor) -> float:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimiser.step()
    return float(loss.detach())


def _decayed(model: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Weight decay for weights of two or more axes, none for biases and normalisation."""
    wide = [p for p in model.parameters() if p.ndim > 1]
    narrow = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": wide, "weight_decay": decay}, {"params": narrow, "weight_decay": 0.0}]


def _resume(out: Path, model: nn.Module, average: nn.Module, optimiser: torch.optim.Optimizer) -> int:
    path = out / "checkpoint.pt"
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    average.load_state_dict(state["average"])
    optimiser.load_state_dict(state["optimiser"])
    return int(state["epoch"])


def _save(out: Path, epoch: int, model: nn.Module, average: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    state = {
        "epoch": epoch,
        "model": model.state_dict(),
        "average": average.state_dict(),
        "optimiser": optimiser.state_dict(),
    }
    save(state, out / "checkpoint.pt")
