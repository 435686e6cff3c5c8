"""What a demo challenge is, before it is hosted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cygnet.challenge.tasks import made
from cygnet.schema.tables import write

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Baseline:
    """One entry: ``file`` is what is submitted; ``external`` says which data it was made from."""

    team: str
    approach: str
    description: str
    external: str
    file: Path


@dataclass(frozen=True, slots=True)
class Planned:
    """``table`` as a TOML file has it; ``past`` challenges are frozen and revealed, others stay open."""

    name: str
    table: Mapping[str, Any]
    truth: Path
    metadata: Path | None
    entries: Sequence[Baseline]
    past: bool = True


class Desk:
    """A folder in which a challenge's files are laid out."""

    def __init__(self, folder: Path, name: str, table: Mapping[str, Any], images: Sequence[str]) -> None:
        self.folder, self.name, self.table, self.images = folder / name, name, table, list(images)
        self.task = made(name, table)
        self.folder.mkdir(parents=True)
        self.entries: list[Baseline] = []

    def truth(self, columns: Mapping[str, Any]) -> Path:
        """The truth's table; ``columns`` in the order of the images."""
        file = self.folder / "truth.csv"
        write(pl.DataFrame({self.task.identifier: self.images, **columns}), file)
        return file

    def enter(self, team: str, approach: str, values: Floats, description: str, external: str) -> None:
        """An entry of values (n, classes), or (n,) where there is one class; rounded to six digits."""
        file = self.folder / f"entry-{len(self.entries)}.csv"
        each = np.clip(np.round(np.asarray(values, np.float64).reshape(len(self.images), -1), 6), 0, 1)
        columns = {c: each[:, k] for k, c in enumerate(self.task.classes)}
        write(pl.DataFrame({self.task.identifier: self.images, **columns}), file)
        self.entries.append(Baseline(team, approach, description, external, file))

    def planned(self, truth: Path, metadata: Path | None = None, *, past: bool = True) -> Planned:
        """The challenge, laid out."""
        return Planned(self.name, self.table, truth, metadata, tuple(self.entries), past)
