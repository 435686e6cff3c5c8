"""The course of a training run, whatever is trained: schedule, moving average, and resuming from the last finished epoch.

The run folder holds ``config.json``, ``checkpoint.pt`` (replaced whole after each epoch) and the one before it,
``checkpoint.previous.pt``, ``log.jsonl`` (one line an epoch), its picture ``run.png`` and ``run.svg`` and, at the end, ``weights.pt``
(the averaged weights).
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from cygnet.errors import TrainingError
from cygnet.training.checkpoint import claim, keep, last_good, write_text
from cygnet.training.memory import keep_freed_memory
from cygnet.training.place import Place
from cygnet.training.plots import plot

Progress = Callable[[int, int, float], None]
Say = Callable[[str], None]
#: One process, on the processor.
ALONE: Final = Place()


def silent(text: str) -> None:
    """Say nothing."""


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
    loss: Callable[[nn.Module, list[Tensor], np.random.Generator], Tensor],
    judge: Callable[[], Mapping[str, Any]],
    progress: Progress | None = None,
    place: Place = ALONE,
    say: Say = silent,
) -> None:
    """Train ``model``, and keep the moving average of its weights in ``average``; both end up on ``place``'s device.

    ``config`` is a dataclass that fulfils ``Schedule``. ``batches(epoch)`` gives this process's part of an epoch's batches,
    ``loss(network, batch, rng)`` the mean loss of one, ``network`` being ``model`` as it is to be called; ``judge()`` what the log
    says of ``average`` after an epoch, in the first process. Starts from the last sound checkpoint in ``out`` when it belongs to the
    same configuration, and tells ``say`` when that is not the newest; ``progress(step, steps, loss)`` is called after each step.

    Raises
    ------
    InputError
        If ``out`` holds a run with another configuration, or damaged checkpoints only.
    TrainingError
        If the loss or its gradient is no longer a number.
    OutputError
        If the disk is full; the last checkpoint is kept.
    """
    keep_freed_memory()
    schedule: Schedule = config
    place.agree(lambda: claim(out, config))
    model.to(place.device)
    average.to(place.device).load_state_dict(model.state_dict())
    network = place.together(model)
    optimiser = torch.optim.AdamW(_decayed(model, schedule.weight_decay), lr=schedule.learning_rate)
    run = _Run(model, average, optimiser, place.scaler(), place)
    for epoch in range(_resume(out, run, say), schedule.epochs):
        started = time.monotonic()
        losses = run.epoch(schedule, epoch, batches(epoch), lambda batch, rng: loss(network, batch, rng), progress)
        if place.leads:
            run.log.append(
                {
                    "epoch": epoch + 1,
                    "size": schedule.size_at(epoch),
                    "loss": round(float(np.mean(losses)), 4),
                    "minutes": round((time.monotonic() - started) / 60, 2),
                    **judge(),
                }
            )
        place.agree(lambda: _keep(out, run))


@dataclass
class _Run:
    """What changes in the course of a run."""

    model: nn.Module
    average: nn.Module
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    place: Place
    log: list[dict[str, Any]] = field(default_factory=list)

    def epoch(
        self,
        schedule: Schedule,
        epoch: int,
        batches: Iterable[list[Tensor]],
        loss: Callable[[list[Tensor], np.random.Generator], Tensor],
        progress: Progress | None,
    ) -> list[float]:
        """One epoch (from 0); the loss of each step."""
        losses: list[float] = []
        torch.manual_seed(schedule.seed * 1000 + epoch + 1_000_003 * self.place.rank)
        self.model.train()
        rng = np.random.default_rng([schedule.seed, epoch, 1])
        per_epoch = math.ceil(schedule.draws / schedule.batch)
        total = per_epoch * schedule.epochs
        for step, batch in enumerate(batches, start=epoch * per_epoch):
            for group in self.optimiser.param_groups:
                group["lr"] = schedule.learning_rate * one_cycle(step / total)
            losses.append(self.step(loss(batch, rng), f"step {step + 1} of {total} (epoch {epoch + 1})"))
            blend(self.average, self.model, min(schedule.ema, (1 + step) / (10 + step)))
            if progress:
                progress(step + 1, total, losses[-1])
        return losses

    def step(self, loss: Tensor, where: str) -> float:
        """Move the weights down the gradient of ``loss``; its mean over all processes."""
        value = self.place.mean(loss)
        if not math.isfinite(value):
            raise _lost(f"the loss is {value} at {where}", len(self.log))
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.unscale_(self.optimiser)
        size = float(torch.nn.utils.clip_grad_norm_(self.model.parameters(), 5.0))
        if not (math.isfinite(size) or self.scaler.is_enabled()):  # a scaler passes such a step over, and scales less
            raise _lost(f"the gradient of the loss is {size} at {where}", len(self.log))
        self.scaler.step(self.optimiser)
        self.scaler.update()
        return value


def _lost(what: str, epochs: int) -> TrainingError:
    kept = f"the checkpoint of epoch {epochs} is kept" if epochs else "no epoch was finished"
    return TrainingError(
        f"{what}, so training stops; {kept}. Go on in the same --out with --precision float32, or begin again in another with "
        "a lower --learning-rate"
    )


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


def _decayed(model: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Weight decay for weights of two or more axes, none for biases and normalisation."""
    wide = [p for p in model.parameters() if p.ndim > 1]
    narrow = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": wide, "weight_decay": decay}, {"params": narrow, "weight_decay": 0.0}]


def _resume(out: Path, run: _Run, say: Say) -> int:
    """Epochs that were done before; ``run`` is as it was after them, in every process."""
    state, notice = run.place.agree(lambda: last_good(out))
    if notice and run.place.leads:
        say(notice)
    if state is None:
        return 0
    run.model.load_state_dict(state["model"])
    run.average.load_state_dict(state["average"])
    run.optimiser.load_state_dict(state["optimiser"])
    if run.scaler.is_enabled() and state.get("scaler"):
        run.scaler.load_state_dict(state["scaler"])
    epochs = int(state["epoch"])
    # Older checkpoints leave the log to its file.
    run.log.extend(state["log"] if "log" in state else run.place.agree(lambda: _logged(out)[:epochs]))
    return epochs


def _logged(out: Path) -> list[dict[str, Any]]:
    path = out / "log.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _keep(out: Path, run: _Run) -> None:
    state = {
        "epoch": len(run.log),
        "model": run.model.state_dict(),
        "average": run.average.state_dict(),
        "optimiser": run.optimiser.state_dict(),
        "scaler": run.scaler.state_dict(),
        "log": run.log,
    }
    keep(state, out)
    write_text(out / "log.jsonl", "".join(json.dumps(entry) + "\n" for entry in run.log))
    plot(run.log, out)
