"""A learned set function as a context method, held within what the promise allows.

The network sees each lesion's robust z and, between lesions, how far apart their looks are; not the embedding itself, so
that it serves any classifier's. Its answer may only scale the odds of the robust-z oddness, by at most e^2 either way: a
lesion that stands out cannot be hidden, nor an ordinary one be made alarming, whatever was learned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from cygnet.context.cohort import Pool
from cygnet.context.method import View

Floats = NDArray[np.float64]
Single = NDArray[np.float32]

#: Most that the learned part moves the log odds of the oddness.
REACH: Final = 2.0
#: Numbers of each lesion, of each pair and of each patient that the network reads.
TOKEN: Final = 7
PAIR: Final = 2
PATIENT: Final = 3
#: Numbers of sites the network knows, in the order of ``cygnet.schema.SITES``; one more stands for unknown.
SITES: Final = 9
_FAR: Final = 4.0
_LOUD: Final = 6.0

#: (b, n, TOKEN) float32, (b, n) int64 sites, (b, n, n, PAIR) float32 and (b, PATIENT) float32 to (b, n) in [-1, 1].
Network = Callable[[Single, NDArray[np.int64], Single, Single], Single]


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the network reads of b patients with n lesions each: ``lesions`` (b, n, 7), ``sites`` (b, n), ``pairs``
    (b, n, n, 2), ``patients`` (b, 3), and ``base`` (b, n) the oddness that its answer scales."""

    lesions: Single
    sites: NDArray[np.int64]
    pairs: Single
    patients: Single
    base: Floats


def tokens(view: View, pool: Pool) -> Tokens:
    """Tokens of a pool: clipped z of score, look and measurements, which of them are known, the score itself; distances of
    looks in units of the usual one, same site; age and number of lesions."""
    cohort, found, rows = view.arranged.cohort, view.comparison, pool.rows
    n = rows.shape[1]
    measured = found.z_measurements[rows]
    known = np.full(rows.shape, float(measured.shape[2] > 0))
    size = np.sqrt((np.clip(measured, -_LOUD, _LOUD) ** 2).mean(axis=2)) if measured.shape[2] else np.zeros(rows.shape)
    seen = np.full(rows.shape, float(cohort.embedding is not None))
    lesions = [
        np.clip(np.nan_to_num(found.z_score[rows]), -_LOUD, _LOUD) / 3,
        np.clip(np.nan_to_num(found.z_look[rows]), -_LOUD, _LOUD) / 3,
        np.nan_to_num(size) / 3,
        np.clip(cohort.score[rows], -12, 12) / 6,
        seen,
        known,
        np.full(rows.shape, np.log(n) / 4),
    ]
    apart = _apart(view, pool)
    site = cohort.site[rows]
    together = (site[:, :, None] == site[:, None, :]) & (site[:, :, None] >= 0)
    age = cohort.age[rows[:, 0]]
    patients = np.stack([np.nan_to_num(age) / 100, ~np.isnan(age), np.full(len(rows), np.log(n) / 4)], axis=1)
    return Tokens(
        np.stack(lesions, axis=2).astype(np.float32),
        np.where((site < 0) | (site >= SITES), SITES, site),
        np.stack([apart, together], axis=3).astype(np.float32),
        patients.astype(np.float32),
        found.oddness[rows],
    )


def _apart(view: View, pool: Pool) -> Single:
    """Distances of looks within the pool in units of the usual isolation, at most 4: (b, n, n)."""
    points = np.asarray(view.points(pool), np.float32)
    squares = np.square(points).sum(axis=2)
    gap = squares[:, :, None] + squares[:, None, :] - 2 * (points @ np.swapaxes(points, 1, 2))
    usual = np.float32(max(view.reference.isolation_centre, 1e-6))
    return np.asarray(np.minimum(np.sqrt(np.maximum(gap, 0)) / usual, _FAR), np.float32)


def scaled(base: Floats, answer: NDArray[np.floating]) -> Floats:
    """Oddness ``base`` with its log odds moved by up to ``REACH``; ``answer`` in [-1, 1]. NaN stays NaN."""
    odds = np.exp(REACH * np.clip(np.asarray(answer, np.float64), -1, 1))
    return np.asarray(base * odds / (1 - base + base * odds))


@dataclass(frozen=True)
class SetTransformer:
    """A masked set transformer over a patient's lesions; order-free, for any number of them.

    Lee et al. 2019 (Set Transformer); attention biased by pairwise geometry as in Ying et al. 2021. ``network`` is the
    trained function; patients with more than ``limit`` lesions keep the robust-z oddness, and so do tables in which copies of a
    lesion cannot be told (a score alone): copies must not change what it says, and it has nothing but the score to go by.
    """

    name: ClassVar[str] = "set_transformer"
    paper: ClassVar[str] = "Lee et al. 2019, arXiv:1810.00825; Ying et al. 2021, arXiv:2106.05234"
    vectors: ClassVar[bool] = False
    network: Network
    limit: int = 1000

    def fit(self, view: View) -> SetTransformer:
        """Trained before; nothing is learned here."""
        return self

    def oddness(self, view: View) -> Floats:
        """NaN without siblings."""
        return view.over_pools(lambda pool: self._judge(view, pool))

    def _judge(self, view: View, pool: Pool) -> Floats:
        base = view.comparison.oddness[pool.rows]
        if not (view.arranged.cohort.telling and 1 < pool.rows.shape[1] <= self.limit):
            return base
        step = max(1, 200_000 // pool.rows.shape[1] ** 2)
        made = np.empty(base.shape)
        for start in range(0, len(base), step):
            here = slice(start, start + step)
            part = Pool(pool.rows[here], pool.judged[here], pool.local[here])
            read = tokens(view, part)
            made[here] = scaled(read.base, self.network(read.lesions, read.sites, read.pairs, read.patients))
        return made
