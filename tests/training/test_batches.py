"""Batches of an epoch, prepared by this process or by others."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs the [train] extra")

from torch.utils.data import Dataset

from cygnet.errors import InputError
from cygnet.training.batches import batches
from cygnet.training.loop import ALONE
from cygnet.training.place import Place

#: What this process came to hold after it began.
_HELD: list[int] = []


class _Squares(Dataset):
    """A number, its square, and what the process that is asked holds."""

    def __getitem__(self, index: int) -> tuple[int, int, int]:
        return index, index * index, len(_HELD)


def test_other_processes_prepare_the_same_batches_in_the_same_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "_HELD", [1, 2, 3])
    here = [torch.stack(part).tolist() for part in batches(_Squares(), 7, 3, 0, ALONE)]
    there = [torch.stack(part).tolist() for part in batches(_Squares(), 7, 3, 1, ALONE)]
    assert [part[:2] for part in here] == [[[0, 1, 2], [0, 1, 4]], [[3, 4, 5], [9, 16, 25]], [[6], [36]]]
    assert [part[:2] for part in there] == [part[:2] for part in here]
    # They hold no copy of what this one holds, which in training is gigabytes.
    assert {n for part in here for n in part[2]} == {3}
    assert {n for part in there for n in part[2]} == {0}


def test_processes_that_cannot_share_evenly_are_refused() -> None:
    with pytest.raises(InputError, match="make batch and draws multiples of 2"):
        next(batches(_Squares(), 8, 3, 0, Place(world=2)))
