"""The batches of an epoch, shared among the processes of a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from cygnet.errors import InputError
from cygnet.training.place import Place

#: How the processes that prepare images begin: afresh. A forked one would keep a copy of whatever training wrote over since, which in
#: the end is all of it, and a process that talks to a GPU must not be forked. (One from a fork server does not notice when training is killed.)
_BEGIN: Final = "spawn"


def batches(draws: Dataset[Any], count: int, batch: int, workers: int, place: Place) -> Iterator[list[Tensor]]:
    """This process's part of each batch of ``draws``, on its device; ``count`` draws, ``batch`` at a time for all together.

    Raises
    ------
    InputError
        If the processes cannot share a batch or the draws evenly, which would give some images more weight.
    """
    if batch % place.world or count % place.world:
        raise InputError(
            f"batches of {batch} and {count} draws cannot be shared evenly by {place.world} processes; make batch and draws "
            f"multiples of {place.world}"
        )
    parts = [
        list(range(start + place.rank, min(start + batch, count), place.world)) for start in range(0, count, batch)
    ]
    loader = DataLoader(
        draws,
        batch_sampler=parts,
        num_workers=workers,
        pin_memory=place.device.type == "cuda",
        multiprocessing_context=_BEGIN if workers else None,
    )
    for part in loader:
        yield [tensor.to(place.device, non_blocking=True) for tensor in part]
