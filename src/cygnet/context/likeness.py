"""Which lesions of a patient look alike: distances, nearest siblings, isolation, families.

Between embeddings the distance is the chord between unit rows, sqrt(2 - 2 cos), in [0, 2]; between other points it is
Euclidean. Patients with equally many lesions are computed at once, as leading axes; rows are worked in blocks, so that
memory grows with n, not n squared.
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
    """``index`` (..., n, m) int and ``distance`` (..., n, m) float: the m nearest siblings of each lesion, closest first."""

    index: Ints
    distance: Floats


def unit(embedding: NDArray[np.floating]) -> NDArray[np.float32]:
    """Rows of (..., d) scaled to length 1; a zero row stays zero."""
    rows = np.asarray(embedding, np.float32)
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.maximum(length, 1e-12), np.float32)


def nearest(embedding: NDArray[np.floating]) -> Neighbours:
    """The min(4, n - 1) nearest siblings of each row of (..., n, d) by the angle between embeddings."""
    rows = unit(embedding)
    ones = np.ones(rows.shape[:-1], np.float32)
    return _neighbours(rows, ones, NEIGHBOURS + 1)


def neighbours(points: NDArray[np.floating], k: int) -> Neighbours:
    """The min(k, n - 1) nearest siblings of each row of (..., n, d) by Euclidean distance."""
    middle = points.mean(axis=-2, keepdims=True)  # near the origin, squares lose the fewest digits
    rows = np.ascontiguousarray(points - middle)
    return _neighbours(rows, np.square(rows).sum(axis=-1), k)


def _neighbours(rows: NDArray[np.floating], squares: NDArray[np.floating], k: int) -> Neighbours:
    n = rows.shape[-2]
    m = min(k, n - 1)
    index, distance = np.zeros((*rows.shape[:-1], m), np.int64), np.zeros((*rows.shape[:-1], m))
    if m < 1:
        return Neighbours(index, distance)
    for start in range(0, n, _BLOCK):
        here = np.arange(start, min(start + _BLOCK, n))
        closeness = rows[..., here, :] @ np.swapaxes(rows, -1, -2)
        closeness *= 2
        closeness -= squares[..., None, :]
        closeness[..., np.arange(len(here)), here] = -np.inf
        best = np.argpartition(-closeness, m - 1, axis=-1)[..., :m]
        value = np.take_along_axis(closeness, best, -1).astype(np.float64) - squares[..., here, None]
        order = np.argsort(-value, axis=-1, kind="stable")
        index[..., here, :] = np.take_along_axis(best, order, -1)
        distance[..., here, :] = np.sqrt(np.maximum(-np.take_along_axis(value, order, -1), 0))
    return Neighbours(index, distance)


def isolation(found: Neighbours) -> Floats:
    """Mean distance of each lesion to its (up to) three nearest siblings: (..., n); NaN without siblings."""
    m = found.distance.shape[-1]
    if not m:
        return np.full(found.distance.shape[:-1], np.nan)
    return np.asarray(found.distance[..., : min(NEIGHBOURS, m)].mean(axis=-1))


def isolation_z(found: Neighbours, prior_centre: float, prior_spread: float) -> Floats:
    """How much farther each lesion is from its nearest siblings than those are from theirs, in robust SD: (..., n).

    The siblings' own distances are taken with the lesion itself left out, so that one far outlier changes neither the
    yardstick it is measured by nor, through the median, that of the others. Centre and spread are shrunk towards the
    population's ``prior_centre`` and ``prior_spread``; with one sibling only those are left.
    """
    *lead, n, m = found.distance.shape
    if not m:
        return np.full((*lead, n), np.nan)
    used = min(NEIGHBOURS, m)
    own = isolation(found).reshape(-1, n)
    named = found.index.reshape(-1, n, m)
    instead = _without(found, used).reshape(-1, n, used)
    z = np.empty(own.shape)
    for start in range(0, n, _BLOCK):
        here = np.arange(start, min(start + _BLOCK, n))
        yardstick = np.repeat(own[:, None, :], len(here), axis=1)
        for slot in range(used):
            mine = (named[..., slot] >= here[0]) & (named[..., slot] <= here[-1])
            patient, sibling = np.nonzero(mine)
            yardstick[patient, named[patient, sibling, slot] - here[0], sibling] = instead[patient, sibling, slot]
        yardstick[:, np.arange(len(here)), here] = np.nan
        z[:, here] = z_by_yardstick(own[:, here], yardstick, n - 1 if n > 2 else 0, prior_centre, prior_spread)
    return z.reshape(*lead, n)


def _without(found: Neighbours, used: int) -> Floats:
    """(..., n, used): a lesion's mean distance to its nearest siblings once the one in that slot is left out."""
    m = found.distance.shape[-1]
    if m == 1:
        return np.full((*found.distance.shape[:-1], 1), np.nan)
    within = found.distance[..., : NEIGHBOURS + 1]
    total = within.sum(axis=-1, keepdims=True)
    return np.asarray((total - within[..., :used]) / (within.shape[-1] - 1))


def z_by_yardstick(own: Floats, yardstick: Floats, count: int, prior_centre: float, prior_spread: float) -> Floats:
    """z of each of (..., r) values by the ``count`` siblings in its row of (..., r, n); NaN entries are no siblings.

    With ``count`` 0 the population's centre and spread are all there is.
    """
    if not count:
        centre, spread = np.full(own.shape, prior_centre), np.zeros(own.shape)
    else:
        median = _row_median(yardstick, count)
        spread = MAD_TO_SD * _row_median(np.abs(yardstick - median[..., None]), count)
        centre = (count * median + PRIOR_SIBLINGS * prior_centre) / (count + PRIOR_SIBLINGS)
    return np.asarray((own - centre) / shrunk(spread, float(count), prior_spread))


def _row_median(rows: Floats, count: int) -> Floats:
    """Median of the first ``count`` order statistics of each row; NaN sorts last."""
    half = count // 2
    ends = [half] if count % 2 else [half - 1, half]
    parted = np.partition(rows, ends, axis=-1)
    return np.asarray(parted[..., ends[0]] if count % 2 else (parted[..., ends[0]] + parted[..., ends[1]]) / 2)


def families(found: Neighbours, limit: float) -> Ints:
    """Groups of lesions that look alike: (..., n) group numbers, -1 for a lesion that stands alone.

    Two lesions are joined when each is among the other's four nearest siblings and their distance is below ``limit``. A
    group's number is its lowest member.
    """
    *lead, n, m = found.index.shape
    if not m:
        return np.full((*lead, n), -1)
    index = found.index[..., : NEIGHBOURS + 1].reshape(-1, n, min(m, NEIGHBOURS + 1))
    near = found.distance[..., : NEIGHBOURS + 1].reshape(index.shape) < limit
    own = np.broadcast_to(np.arange(n), index.shape[:2])
    joined = []
    for slot in range(index.shape[2]):
        other = index[..., slot]
        theirs = np.take_along_axis(index, other[..., None], 1)
        joined.append((other, near[..., slot] & (theirs == own[..., None]).any(axis=-1)))
    label = own.copy()
    while True:
        lowest = label.copy()
        for other, edge in joined:
            lowest = np.where(edge, np.minimum(lowest, np.take_along_axis(lowest, other, 1)), lowest)
        lowest = np.take_along_axis(lowest, lowest, 1)
        if np.array_equal(lowest, label):
            break
        label = lowest
    offset = label + np.arange(len(label))[:, None] * n
    members = np.bincount(offset.ravel(), minlength=label.size)[offset]
    return np.where(members > 1, label, -1).reshape(*lead, n)
