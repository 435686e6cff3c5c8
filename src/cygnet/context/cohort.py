"""The lesions of any number of patients as arrays, and who is compared with whom.

A result may depend on neither order nor names, not even in its last bit. So lesions are first put into an order that
their own numbers decide, and patients with equally many lesions are computed as one array of (patients, lesions).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cygnet.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Siblings of the same site that are needed before a lesion is compared with those alone.
SAME_SITE: Final = 8
#: Numbers known of a lesion from which on two lesions that agree in all of them are taken for one, photographed once.
TELLING: Final = 4
_CELLS: Final = 1 << 21
_ROWS: Final = 256
_SLICE: Final = 4096


@dataclass(frozen=True, slots=True)
class Cohort:
    """n lesions.

    ``patient`` (n,) numbers; ``score`` (n,) log odds of melanoma, higher is more suspicious; ``embedding`` (n, d) float32
    or None; ``measurements`` (n, m) float64, m may be 0; ``site`` (n,) numbers, -1 where unknown; ``kind`` (n,) numbers of
    the image type and device: only lesions of one kind are comparable; ``age`` (n,) years, NaN where unknown.
    """

    patient: Ints
    score: Floats
    embedding: NDArray[np.float32] | None
    measurements: Floats
    site: Ints
    kind: Ints
    age: Floats

    @classmethod
    def build(
        cls,
        patient: Ints,
        score: Floats,
        *,
        embedding: NDArray[np.floating] | None = None,
        measurements: NDArray[np.floating] | None = None,
        site: Ints | None = None,
        kind: Ints | None = None,
        age: Floats | None = None,
    ) -> Cohort:
        """Check and convert; what is not given is unknown.

        Raises
        ------
        InputError
            If lengths differ, a value is not finite, or the embeddings are all the same.
        """
        n = len(patient)
        made = cls(
            np.asarray(patient, np.int64),
            np.asarray(score, np.float64),
            None if embedding is None else np.ascontiguousarray(embedding, np.float32),
            np.zeros((n, 0)) if measurements is None else np.ascontiguousarray(measurements, np.float64),
            np.full(n, -1) if site is None else np.asarray(site, np.int64),
            np.zeros(n, np.int64) if kind is None else np.asarray(kind, np.int64),
            np.full(n, np.nan) if age is None else np.asarray(age, np.float64),
        )
        _check(made)
        return made

    def __len__(self) -> int:
        return len(self.patient)

    @property
    def telling(self) -> bool:
        """Whether so much is known of each lesion that two which agree in everything are copies of one."""
        return self.embedding is not None or self.measurements.shape[1] >= TELLING - 1

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> Cohort:
        """The lesions of ``rows``, in that order."""
        return Cohort(
            self.patient[rows],
            self.score[rows],
            None if self.embedding is None else self.embedding[rows],
            self.measurements[rows],
            self.site[rows],
            self.kind[rows],
            self.age[rows],
        )


def _check(made: Cohort) -> None:
    n = len(made)
    for name in ("score", "embedding", "measurements", "site", "kind", "age"):
        column = getattr(made, name)
        if column is not None and len(column) != n:
            raise InputError(f"{name} has {len(column):,} rows for {n:,} lesions; give one per lesion")
    for name in ("score", "embedding", "measurements"):
        column = getattr(made, name)
        if column is not None and not np.isfinite(column).all():
            bad = np.flatnonzero(~np.isfinite(column.reshape(n, -1)).all(axis=1))
            raise InputError(f"{name}: {len(bad):,} rows hold NaN or infinity, first row {bad[0]}; fill or drop them")
    if made.embedding is not None and n > 1 and (made.embedding == made.embedding[:1]).all():
        raise InputError(
            "all embeddings are the same, so that no lesion can be told from another; was a column mixed up?"
        )


def content(cohort: Cohort) -> NDArray[np.uint64]:
    """A 64-bit hash of each lesion's score, embedding and measurements: (n,). Exact; independent of all other rows."""
    made = np.empty(len(cohort), np.uint64)
    columns = 1 + cohort.measurements.shape[1] + (0 if cohort.embedding is None else cohort.embedding.shape[1])
    factors = np.random.default_rng(20260).integers(1, 2**63, columns, np.uint64) * np.uint64(2) + np.uint64(1)
    for start in range(0, len(cohort), _SLICE):
        here = slice(start, start + _SLICE)
        numbers = [cohort.score[here, None], cohort.measurements[here]]
        if cohort.embedding is not None:
            numbers.append(cohort.embedding[here].astype(np.float64))
        bits = (np.concatenate(numbers, axis=1) + 0.0).view(np.uint64)  # + 0.0: -0.0 is 0.0
        bits ^= bits >> np.uint64(29)
        bits *= factors
        bits ^= bits >> np.uint64(32)
        made[here] = (bits * factors[::-1]).sum(axis=1, dtype=np.uint64)
    return made


@dataclass(frozen=True, slots=True)
class Arranged:
    """A cohort in its own order. ``cohort`` (k lesions): sorted by patient, kind and content; ``company`` (k,) numbers of
    patient and kind together, from 0, ascending; ``key`` (k,) its content, equal only for copies; ``of`` (n,): the lesion of
    each given row; ``row`` (k,): a given row of each lesion. k < n where copies of one lesion were given."""

    cohort: Cohort
    company: Ints
    key: NDArray[np.uint64]
    of: Ints
    row: Ints


def arrange(cohort: Cohort, *, merge: bool) -> Arranged:
    """Sort a cohort; with ``merge`` lesions of one patient that agree in every number become one."""
    key = content(cohort)
    order = np.lexsort((cohort.site, key, cohort.kind, cohort.patient))
    patient, kind, key = cohort.patient[order], cohort.kind[order], key[order]
    other = np.r_[True, (patient[1:] != patient[:-1]) | (kind[1:] != kind[:-1])] if len(order) else np.zeros(0, bool)
    new = other | np.r_[True, key[1:] != key[:-1]] if merge and len(order) else np.ones(len(order), bool)
    of = np.empty(len(order), np.int64)
    of[order] = np.cumsum(new) - 1
    row = order[new]
    return Arranged(cohort.take(row), (np.cumsum(other) - 1)[new], key[new], of, row)


def sample(arranged: Arranged, *, least: int = 4, most: int = 2000) -> Arranged:
    """Patients to learn from what is usual: those with ``least`` lesions (or as many as the largest has), at most ``most``.

    Which ones, and their order, is decided by the lesions' own numbers, so that names change nothing.
    """
    count = np.bincount(arranged.company)
    enough = np.flatnonzero(count >= min(least, max(int(count.max(initial=0)), 2)))
    first = np.searchsorted(arranged.company, enough)
    chosen = enough[np.argsort(arranged.key[first], kind="stable")[:most]]
    number = np.full(len(count), -1)
    number[chosen] = np.arange(len(chosen))
    company = number[arranged.company]
    rows = np.flatnonzero(company >= 0)
    rows = rows[np.argsort(company[rows], kind="stable")]
    return Arranged(arranged.cohort.take(rows), company[rows], arranged.key[rows], np.arange(len(rows)), rows)


@dataclass(frozen=True, slots=True)
class Pool:
    """b groups of n lesions that are compared with each other.

    ``rows`` (b, n) lesion numbers; ``judged`` (b, n) bool: whose result counts (the others are only siblings here);
    ``local`` (b,) bool: whether the group is of one site of a patient.
    """

    rows: Ints
    judged: NDArray[np.bool_]
    local: NDArray[np.bool_]


def pools(arranged: Arranged, *, by_site: bool = True) -> Iterator[Pool]:
    """All groups, those of one size together.

    Lesions of a site with more than ``SAME_SITE`` of them (copies not counted) are compared among themselves, unless those
    are all the patient has; the others with all the patient's lesions. Each lesion is judged once.
    """
    company, n = arranged.company, len(arranged.company)
    site = arranged.cohort.site if by_site else np.full(n, -1)
    embedding = arranged.cohort.embedding
    width = 16 if embedding is None else embedding.shape[1]
    whole = np.bincount(company)
    spot = company * (int(site.max(initial=-1)) + 2) + site + 1
    _, code, count = np.unique(spot, return_inverse=True, return_counts=True)
    placed = (site >= 0) & (count[code] < whole[company])
    placed &= _distinct(code, arranged.key, len(count))[code] > SAME_SITE
    local = np.flatnonzero(placed)
    local = local[np.argsort(spot[local], kind="stable")]
    sizes = np.diff(np.flatnonzero(np.r_[True, np.diff(spot[local]) != 0, True])) if len(local) else np.zeros(0, int)
    wanted = np.bincount(company, weights=~placed) > 0
    everyone = np.flatnonzero(wanted[company]) if n else np.zeros(0, np.int64)
    members = np.concatenate([everyone, local])
    judged = np.concatenate([~placed[everyone], np.ones(len(local), bool)])
    lengths = np.concatenate([whole[wanted], sizes]).astype(np.int64)
    starts = np.r_[0, np.cumsum(lengths)][:-1]
    is_local = np.arange(len(lengths)) >= int(wanted.sum())
    for size in np.unique(lengths):
        mine = np.flatnonzero(lengths == size)
        step = max(1, _CELLS // int(size * max(min(size, _ROWS), width)))
        for first in range(0, len(mine), step):
            chosen = mine[first : first + step]
            where = starts[chosen, None] + np.arange(size)
            yield Pool(members[where], judged[where], is_local[chosen])


def _distinct(group: Ints, key: NDArray[np.uint64], groups: int) -> Ints:
    """How many different keys each group has: (groups,)."""
    order = np.lexsort((key, group))
    new = np.r_[True, (np.diff(group[order]) != 0) | (key[order][1:] != key[order][:-1])] if len(order) else order > 0
    return np.bincount(group[order][new], minlength=groups)
