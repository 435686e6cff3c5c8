"""A safe split: what belongs to one patient stays together, and every fold resembles the whole.

Greedy form of the iterative stratification of Sechidis, Tsoumakas & Vlahavas (ECML PKDD 2011) on whole groups: the group
that holds the largest part of some stratum is placed first, always where the folds then come closest to their shares.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cygnet.errors import InputError
from cygnet.evaluation.entries import Entry


@dataclass(frozen=True, slots=True)
class Balance:
    """One fold as achieved. ``share`` of all images, wanted and got; ``positive`` share of the known targets, NaN where
    none is known; ``groups`` kept together."""

    fold: str
    wanted: float
    share: float
    images: int
    groups: int
    positive: float


def split(
    entries: Sequence[Entry], shares: Mapping[str, float], *, seed: int = 0, pairs: Iterable[tuple[int, int]] = ()
) -> list[str]:
    """The fold of each entry, by name; the same seed and rows give the same folds, in whatever order the rows come.

    Rows of one patient, of one lesion, or joined by ``pairs`` (positions of duplicates) are never separated. Balanced
    together: number of images, target, site, quartile of the patient's lesion count, and target within that quartile.

    Raises
    ------
    InputError
        If the shares are not positive, or there are fewer groups than folds.
    """
    if len(shares) < 2 or any(not s > 0 for s in shares.values()):
        raise InputError("a split needs two folds or more, each with a share above 0, such as train=0.8,test=0.2")
    group = groups(entries, pairs)
    n_groups = int(group.max(initial=-1)) + 1
    if n_groups < len(shares):
        raise InputError(f"{n_groups} groups of patients cannot fill {len(shares)} folds; ask for fewer folds")
    strata = _strata(entries)
    load = np.zeros((n_groups, strata.shape[1]))
    np.add.at(load, group, strata)
    wanted = np.array(list(shares.values()))
    first = _names(entries, group, n_groups)
    fold = _place(load, wanted / wanted.sum(), first, seed)
    names = list(shares)
    return [names[fold[g]] for g in group]


def groups(entries: Sequence[Entry], pairs: Iterable[tuple[int, int]] = ()) -> NDArray[np.intp]:
    """(n,) number of the group of each entry: entries tied by image, lesion, patient or ``pairs``, directly or in turn."""
    root = list(range(len(entries)))

    def find(i: int) -> int:
        while root[i] != i:
            root[i] = root[root[i]]
            i = root[i]
        return i

    first: dict[tuple[str, str], int] = {}
    for i, e in enumerate(entries):
        for kind, key in (("patient", e.patient_id), ("lesion", e.lesion_id), ("image", e.image)):
            if key is not None:
                root[find(i)] = find(first.setdefault((kind, key), i))
    for i, j in pairs:
        root[find(i)] = find(j)
    _, number = np.unique([find(i) for i in range(len(entries))], return_inverse=True)
    return np.asarray(number, np.intp)


def balance(entries: Sequence[Entry], folds: Sequence[str], shares: Mapping[str, float]) -> list[Balance]:
    """What each fold got, in the order of ``shares``."""
    total = sum(shares.values())
    number = groups(entries)
    rows = []
    for name, share in shares.items():
        mine = [i for i, f in enumerate(folds) if f == name]
        known = [entries[i].target for i in mine if entries[i].target is not None]
        positive = float(np.mean([bool(t) for t in known])) if known else float("nan")
        n_groups = len({int(number[i]) for i in mine})
        rows.append(Balance(name, share / total, len(mine) / len(entries), len(mine), n_groups, positive))
    return rows


def _strata(entries: Sequence[Entry]) -> NDArray[np.float64]:
    """(n, strata) of 0 and 1: the whole, each target, site, quartile of lesions per patient, target in a quartile."""
    quartile = _quartiles(entries)
    labels = [
        ("all", f"target {e.target}", f"site {(e.site or 'unknown').lower()}", f"count {q}", f"both {e.target} {q}")
        for e, q in zip(entries, quartile, strict=True)
    ]
    names = {name: k for k, name in enumerate(sorted({name for row in labels for name in row}))}
    table = np.zeros((len(entries), len(names)))
    for i, row in enumerate(labels):
        table[i, [names[name] for name in row]] = 1
    return table


def _quartiles(entries: Sequence[Entry]) -> NDArray[np.intp]:
    lesions: dict[str, set[str]] = defaultdict(set)
    for e in entries:
        lesions[e.patient_id or f"image {e.image}"].add(e.lesion_id or e.image)
    count = np.array([len(lesions[e.patient_id or f"image {e.image}"]) for e in entries])
    edges = np.quantile([len(v) for v in lesions.values()], [0.25, 0.5, 0.75])
    return np.searchsorted(edges, count, side="left")


def _names(entries: Sequence[Entry], group: NDArray[np.intp], n: int) -> list[str]:
    """Each group's alphabetically first image: a name that does not depend on the order of the rows."""
    names = [""] * n
    for e, g in zip(entries, group, strict=True):
        if not names[g] or e.image < names[g]:
            names[g] = e.image
    return names


def _place(load: NDArray[np.float64], shares: NDArray[np.float64], names: list[str], seed: int) -> NDArray[np.intp]:
    total = load.sum(axis=0)
    wanted = shares[:, None] * total
    rank = np.empty(len(names), np.intp)
    rank[np.random.default_rng(seed).permutation(len(names))] = np.arange(len(names))
    chance = np.empty(len(names))
    chance[np.argsort(names, kind="stable")] = rank
    order = np.lexsort((chance, -(load / total).max(axis=1)))
    have, fold = np.zeros_like(wanted), np.zeros(len(names), np.intp)
    empty = len(shares)
    for left, g in zip(range(len(order), 0, -1), order, strict=True):
        # Rise of the squared distance from what is wanted, each stratum in units of its expected spread.
        rise = (((have - wanted) * 2 + load[g]) * load[g] / wanted).sum(axis=1)
        if left <= empty:  # the last groups go to folds that have none
            rise[have.sum(axis=1) > 0] = np.inf
        fold[g] = int(rise.argmin())
        empty -= int(not have[fold[g]].any())
        have[fold[g]] += load[g]
    return fold
