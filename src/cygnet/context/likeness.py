"""Which lesions of a patient look alike: distances between embeddings, nearest siblings, families.

The distance is the chord between unit embeddings, sqrt(2 - 2 cos), in [0, 2]. Rows are worked in blocks, so that memory
grows with n, not n squared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cygnet.context.robust import MAD_TO_SD, PRIOR_SIBLINGS, shrunk

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: A lesion is as odd as its mean distance to this many nearest siblings.
NEIGHBOURS = 3
_BLOCK = 256


@dataclass(frozen=True, slots=True)
class Neighbours:
    """``index`` (n, m) int and ``distance`` (n, m) float: the m = min(4, n - 1) nearest siblings of each lesion."""

    index: Ints
    distance: Floats


def unit(embedding: NDArray[np.floating]) -> NDArray[np.float32]:
    """Rows of (n, d) scaled to length 1; a zero row stays zero."""
    rows = np.asarray(embedding, np.float32)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(length, 1e-12), np.float32)


def nearest(embedding: NDArray[np.floating]) -> Neighbours:
    """The nearest siblings of each row of (n, d), closest first."""
    rows = unit(embedding)
    n = len(rows)
    m = min(NEIGHBOURS + 1, n - 1)
    index, distance = np.zeros((n, m), np.int64), np.zeros((n, m))
    if not m:
        return Neighbours(index, distance)
    for start in range(0, n, _BLOCK):
        here = np.arange(start, min(start + _BLOCK, n))
        cosine = rows[here] @ rows.T
        cosine[np.arange(len(here)), here] = -np.inf
        best = np.argpartition(-cosine, m - 1, axis=1)[:, :m]
        value = np.take_along_axis(cosine, best, 1).astype(np.float64)
        order = np.argsort(-value, axis=1, kind="stable")
        index[here] = np.take_along_axis(best, order, 1)
        distance[here] = np.sqrt(np.maximum(2 - 2 * np.take_along_axis(value, order, 1), 0))
    return Neighbours(index, distance)


def isolation_z(found: Neighbours, prior_centre: float, prior_spread: float) -> Floats:
    """How much farther each lesion is from its nearest siblings than those are from theirs, in robust SD: (n,).

    The siblings' own distances are taken with the lesion itself left out, so that one far outlier changes neither the
    yardstick it is measured by nor, through the median, that of the others. Centre and spread are shrunk towards the
    population's ``prior_centre`` and ``prior_spread``; with one sibling only those are left.
    """
    n, m = found.distance.shape
    if not m:
        return np.full(n, np.nan)
    used = min(NEIGHBOURS, m)
    own = found.distance[:, :used].mean(axis=1)
    instead = _without(found, used)
    z = np.empty(n)
    for start in range(0, n, _BLOCK):
        here = np.arange(start, min(start + _BLOCK, n))
        yardstick = np.broadcast_to(own, (len(here), n)).copy()
        for slot in range(used):
            named = found.index[:, slot]
            sibling = np.flatnonzero((named >= here[0]) & (named <= here[-1]))
            yardstick[named[sibling] - here[0], sibling] = instead[sibling, slot]
        yardstick[np.arange(len(here)), here] = np.nan
        z[here] = _z_rows(own[here], yardstick, prior_centre, prior_spread)
    return z


def _without(found: Neighbours, used: int) -> Floats:
    """(n, used): a lesion's mean distance to its nearest siblings once the one in that slot is left out."""
    m = found.distance.shape[1]
    if m == 1:
        return np.full((len(found.distance), 1), np.nan)
    return np.asarray((found.distance.sum(axis=1, keepdims=True) - found.distance[:, :used]) / (m - 1))


def _z_rows(own: Floats, yardstick: Floats, prior_centre: float, prior_spread: float) -> Floats:
    """z of each of (b,) values by the siblings in its row of (b, n); NaN entries count as absent."""
    count = int((~np.isnan(yardstick[0])).sum())
    if not count:
        centre, spread = np.full(len(own), prior_centre), np.zeros(len(own))
    else:
        median = _row_median(yardstick, count)
        spread = MAD_TO_SD * _row_median(np.abs(yardstick - median[:, None]), count)
        centre = (count * median + PRIOR_SIBLINGS * prior_centre) / (count + PRIOR_SIBLINGS)
    return np.asarray((own - centre) / shrunk(spread, float(count), prior_spread))


def _row_median(rows: Floats, count: int) -> Floats:
    """Median of the first ``count`` order statistics of each row; NaN sorts last."""
    half = count // 2
    ends = [half] if count % 2 else [half - 1, half]
    parted = np.partition(rows, ends, axis=1)
    return np.asarray(parted[:, ends].mean(axis=1))


def families(found: Neighbours, limit: float) -> Ints:
    """Groups of lesions that look alike: (n,) group numbers, -1 for a lesion that stands alone.

    Two lesions are joined when each is among the other's nearest siblings and their distance is below ``limit``.
    """
    n, m = found.index.shape
    parent = list(range(n))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for slot in range(m):
        near = found.distance[:, slot] < limit
        mutual = (found.index[found.index[:, slot]] == np.arange(n)[:, None]).any(axis=1)
        for i in np.flatnonzero(near & mutual):
            parent[root(int(i))] = root(int(found.index[i, slot]))
    roots = np.array([root(i) for i in range(n)], np.int64)
    members = np.bincount(roots, minlength=n)
    return np.where(members[roots] > 1, roots, -1)
