"""Where a training run takes place: on which device, in which number format, and as which of how many processes.

One process is the plain case. Several are started by ``torchrun``, which tells each its rank; they share every step's images
and average their gradients, so that a run is the same run whatever it is done on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, TypeVar, cast

import torch
from torch import Tensor, distributed, nn

from cygnet.errors import CygnetError, InputError
from cygnet.training.shared_norm import share_norms

DEVICES: Final = ("auto", "cpu", "cuda")
PRECISIONS: Final = ("auto", "float32", "bfloat16", "float16")
#: Processes wait this long for the first one, which alone judges and writes.
_PATIENCE: Final = timedelta(hours=2)

T = TypeVar("T")


def usual_precision(device: torch.device) -> torch.dtype:
    """What is quickest on ``device``: bfloat16, or where it has no instructions for that, float16 on a GPU and float32 on a processor.

    A processor without them computes in bfloat16 all the same, several times slower than in 32 bits.
    """
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else torch.float32


def _usual_here() -> torch.dtype:
    return usual_precision(torch.device("cpu"))


@dataclass(frozen=True, slots=True)
class Place:
    """One process of a training run. ``precision`` is what the network computes in; its weights are 32-bit floats always."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    precision: torch.dtype = field(default_factory=_usual_here)
    rank: int = 0
    world: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process reads, judges and writes for all."""
        return self.rank == 0

    def autocast(self) -> torch.autocast:
        """The context in which the network computes."""
        return torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32)

    def scaler(self) -> torch.amp.GradScaler:
        """What keeps small gradients of 16-bit floats from vanishing (Micikevicius et al. 2018); does nothing elsewhere."""
        return torch.amp.GradScaler(self.device.type, enabled=self.precision == torch.float16)

    def together(self, model: nn.Module) -> nn.Module:
        """``model`` as it is called in training: itself, or one whose gradients and normalisations all processes share."""
        if self.world == 1:
            return model
        share_norms(model)
        on = [self.device.index] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(model, device_ids=on, broadcast_buffers=False)

    def mean(self, value: Tensor) -> float:
        """The mean of a number over all processes."""
        total = value.detach().clone()
        if self.world > 1:
            distributed.all_reduce(total)
        return float(total) / self.world

    def agree(self, make: Callable[[], T]) -> T:
        """What ``make`` gives in the first process, in all of them.

        Where it fails on purpose, the first process raises its error and the others leave with its exit code.
        """
        if self.world == 1:
            return make()
        found: list[Any] = [None, None]
        error: CygnetError | None = None
        if self.leads:
            try:
                found[0] = make()
            except CygnetError as wrong:
                error, found[1] = wrong, wrong.exit_code
        distributed.broadcast_object_list(found, device=torch.device("cpu"))
        if error is not None:
            raise error
        if found[1] is not None:
            raise SystemExit(found[1])
        return cast(T, found[0])


@contextmanager
def open_place(device: str = "auto", precision: str = "auto") -> Iterator[Place]:
    """This process's place in the run that ``torchrun`` started, or alone; ``device`` is one of ``DEVICES``, ``precision`` of
    ``PRECISIONS``. ``auto`` is a GPU where there is one, and what is quickest there (``usual_precision``).

    Raises
    ------
    InputError
        If there is no GPU and one is asked for, or 16-bit floats of a processor.
    """
    chosen = _device(device)
    kind = _precision(precision, chosen)
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Place(chosen, kind)
        return
    backend = "cpu:gloo,cuda:nccl" if chosen.type == "cuda" else "gloo"
    distributed.init_process_group(backend, timeout=_PATIENCE)
    try:
        yield Place(chosen, kind, distributed.get_rank(), world)
    finally:
        distributed.destroy_process_group()


def _device(wanted: str) -> torch.device:
    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise InputError('device = "cuda": torch finds no GPU here; use "cpu", or install torch for your GPU')
    if wanted == "cpu" or not there:
        return torch.device("cpu")
    chosen = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(chosen)
    return chosen


def _precision(wanted: str, device: torch.device) -> torch.dtype:
    if wanted == "auto":
        return usual_precision(device)
    if wanted == "float16" and device.type == "cpu":
        raise InputError('precision = "float16" needs a GPU; on a processor use "bfloat16" or "float32"')
    return cast(torch.dtype, getattr(torch, wanted))
