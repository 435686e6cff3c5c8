"""Made-up patients: real HAM10000 lesions grouped by likeness, with one lesion from elsewhere.

HAM10000 names no patients. Likeness is taken in ImageNet features, which no method here is tested on. What holds for such
patients shows how methods behave and ranks them; it is no evidence about real patients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cygnet.context import Cohort
from cygnet.training.context_sources import Case, Seen, samples, seen_by_imagenet, seen_by_model
from cygnet.training.sources import Sample

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Name and description, from easy to hard.
LEVELS: Final = (
    ("alike", "15 nevi that are each other's nearest look-alikes; the stranger from anywhere"),
    ("families", "two families of 8 and 5 nevi and 2 strays; the stranger from anywhere"),
    ("disguised", "15 nevi loosely alike; the stranger from the fifth of its kind that is most like them"),
)
STRANGERS: Final = ("melanoma", "nevus")
_COMPONENTS: Final = 32


@dataclass(frozen=True)
class Stock:
    """Lesions to make patients of, one image each: ``samples``, how the lesion model ``seen`` them, and ``likeness`` (n, 32),
    ImageNet features in principal components, by which they are grouped."""

    samples: list[Sample]
    seen: Seen
    likeness: Floats

    @property
    def nevi(self) -> Ints:
        """Which are nevi."""
        return np.flatnonzero([s.targets == {"nv"} for s in self.samples])

    @property
    def melanomas(self) -> Ints:
        """Which are melanomas."""
        return np.flatnonzero([s.melanoma for s in self.samples])


def stock(data: Path, cache: Path, split: str) -> Stock:
    """The first image of each HAM10000 lesion of a split of the lesion model."""
    ham = [s for s in samples(data) if s.source == "ham10000"]
    seen = seen_by_model([s.path for s in ham], "ham10000", cache)
    first = {s.group: k for k, s in reversed(list(enumerate(ham))) if not np.isnan(seen.logit[k])}
    rows = sorted(k for group, k in first.items() if ham[k].split == split)
    mine = [ham[k] for k in rows]
    return Stock(
        mine,
        Seen(seen.logit[rows], seen.embedding[rows], seen.measurements[rows]),
        likeness(mine, f"imagenet-{split}", cache),
    )


def likeness(lesions: Sequence[Sample], name: str, cache: Path) -> Floats:
    """How alike lesions are to a network that knows no skin: ImageNet features in principal components, (n, 32); cached by ``name``."""
    flat = seen_by_imagenet([s.path for s in lesions], name, cache).astype(np.float64)
    flat -= flat.mean(axis=0)
    _, singular, axes = np.linalg.svd(flat, full_matrices=False)
    return np.asarray(flat @ axes[:_COMPONENTS].T / singular[0] * np.sqrt(len(lesions)))


@dataclass(frozen=True)
class Patients:
    """Made-up patients: ``rows`` of the stock, the ``patient`` of each, and whether it is the ``stranger``; (n,) each."""

    rows: Ints
    patient: Ints
    stranger: NDArray[np.bool_]

    def case(self, stock: Stock) -> Case:
        """With all that is known of the lesions; the label is "stranger"."""
        seen = stock.seen
        cohort = Cohort.build(
            self.patient,
            seen.logit[self.rows],
            embedding=seen.embedding[self.rows],
            measurements=seen.measurements[self.rows],
        )
        n = len(self.rows)
        return Case(cohort, self.stranger, self.patient % 5, np.zeros((n, 0)), np.ones(n, bool), self.patient)


def make(
    stock: Stock, level: str, stranger: str, rng: np.random.Generator, *, repeats: int = 1, size: int = 15
) -> Patients:
    """One patient for each melanoma of the stock, ``repeats`` times, whatever the stranger is, so that levels are alike.

    A nevus is a stranger when it is among the half of the nevi least like the first of the siblings.
    """
    nevi, melanomas = stock.nevi, stock.melanomas
    rows, patient, odd = [], [], []
    for number in range(repeats * len(melanomas)):
        seed = int(rng.choice(nevi))
        near = nevi[np.argsort(np.square(stock.likeness[nevi] - stock.likeness[seed]).sum(axis=1), kind="stable")]
        siblings = _siblings(stock, level, near, rng, size)
        if stranger == "melanoma":
            candidates: Ints = melanomas if level == "disguised" else melanomas[number % len(melanomas)][None]
        else:
            candidates = np.setdiff1d(near[len(near) // 2 :], siblings)
        if level == "disguised":
            apart = np.square(stock.likeness[candidates] - stock.likeness[siblings].mean(axis=0)).sum(axis=1)
            candidates = candidates[np.argsort(apart, kind="stable")[: max(1, len(candidates) // 5)]]
        rows.append(np.r_[rng.choice(candidates), siblings])
        patient.append(np.full(len(rows[-1]), number))
        odd.append(np.arange(len(rows[-1])) == 0)
    return Patients(np.concatenate(rows), np.concatenate(patient), np.concatenate(odd))


def _siblings(stock: Stock, level: str, near: Ints, rng: np.random.Generator, size: int) -> Ints:
    if level == "alike":
        return near[:size]
    if level == "disguised":
        return np.asarray(rng.choice(near[: max(size, len(near) // 4)], size, replace=False))
    first = near[: round(size * 8 / 15)]
    rest = near[len(first) :]
    seed = int(rng.choice(rest))
    second = rest[np.argsort(np.square(stock.likeness[rest] - stock.likeness[seed]).sum(axis=1), kind="stable")]
    family = second[: round(size * 5 / 15)]
    strays = rng.choice(np.setdiff1d(rest, family), size - len(first) - len(family), replace=False)
    return np.concatenate([first, family, strays])


def join(parts: Sequence[Patients]) -> Patients:
    """Several sets of patients as one, with numbers of their own."""
    shift = np.cumsum([0, *(int(p.patient.max()) + 1 for p in parts)])
    return Patients(
        np.concatenate([p.rows for p in parts]),
        np.concatenate([p.patient + s for p, s in zip(parts, shift, strict=False)]),
        np.concatenate([p.stranger for p in parts]),
    )
