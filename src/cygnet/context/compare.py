"""Compare each lesion with its siblings: the ugly-duckling sign as numbers.

The sign is Grob & Bonerandi's (1998): a mole that is unlike the patient's others deserves attention. Likeness of
embeddings follows Soenksen et al. (2021); leave-self-out robust z scores are the form that context took in ISIC 2024.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from cygnet.context.cohort import SAME_SITE, Arranged, Cohort, arrange, pools, sample
from cygnet.context.likeness import Neighbours, families, isolation, isolation_z, nearest, neighbours
from cygnet.context.robust import MAD_TO_SD, z_beside_copies, z_without_self

__all__ = ["SAME_SITE", "Comparison", "Reference", "compare", "compare_all", "look_of", "oddness", "reference_of"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_CLIP = 6.0
#: Shares of look, score and measurements in the squared departure, where all three are known.
_SHARES = (0.5, 0.25, 0.25)


@dataclass(frozen=True, slots=True)
class Reference:
    """What is typical in the population, used where a patient has few lesions.

    ``logit_spread``: SD of the melanoma logit among nevi. ``measurement_spread`` (m,): SD of each measurement.
    ``isolation_centre`` and ``isolation_spread``: mean distance of a nevus to its nearest siblings, and its SD.
    ``family_distance``: distance under which two lesions look alike. ``logit_noise``: SD of the melanoma logit between
    photographs of the same lesion.
    """

    logit_spread: float
    measurement_spread: tuple[float, ...]
    isolation_centre: float
    isolation_spread: float
    family_distance: float
    logit_noise: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything about n lesions, of one patient or many, in the order they were given.

    ``oddness`` (n,) in [0, 1], higher is more unlike the siblings, NaN without siblings. ``z_look``, ``z_score`` (n,)
    and ``z_measurements`` (n, m) in robust SD; ``z_look`` is NaN where no embedding is known. ``below`` and ``above``
    (n, m): how many of the compared siblings have a smaller or larger measurement. ``siblings`` (n,): with how many it was
    compared; ``same_site`` (n,) bool: whether only with those of its site. ``nearest`` (n,): the most similar lesion of the
    patient, -1 for none, at ``nearest_distance`` (n,). ``family`` (n,): group number within the patient, -1 for a lesion
    that stands alone.
    """

    oddness: Floats
    z_look: Floats
    z_score: Floats
    z_measurements: Floats
    below: Ints
    above: Ints
    siblings: Ints
    same_site: NDArray[np.bool_]
    nearest: Ints
    nearest_distance: Floats
    family: Ints

    def take(self, rows: Ints) -> Comparison:
        """The comparison of ``rows``; ``nearest`` keeps its numbers."""
        return Comparison(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def compare(
    embedding: NDArray[np.floating],
    logit: NDArray[np.floating],
    measurements: NDArray[np.floating],
    sites: Sequence[str | None],
    reference: Reference,
) -> Comparison:
    """Compare n lesions of one patient with each other.

    ``embedding`` (n, d), ``logit`` (n,) melanoma logit, ``measurements`` (n, m), ``sites`` n site names or None. The
    order of the lesions does not matter: it is made canonical first, so that even rounding is the same.

    Raises
    ------
    ValueError
        If lengths differ or a value is not finite.
    """
    n = len(logit)
    if not (len(embedding) == len(measurements) == len(sites) == n):
        raise ValueError("embedding, logit, measurements and sites must have one entry per lesion")
    if not all(np.isfinite(a).all() for a in (embedding, logit, measurements)):
        raise ValueError("embedding, logit and measurements must be finite")
    names = sorted({s for s in sites if s})
    site = np.array([names.index(s) if s else -1 for s in sites], np.int64)
    nothing = np.zeros(n, np.int64)
    cohort = Cohort(
        nothing,
        np.asarray(logit, np.float64),
        np.asarray(embedding, np.float32),
        np.asarray(measurements, np.float64),
        site,
        nothing,
        np.full(n, np.nan),
    )
    arranged = arrange(cohort, merge=False)
    found = compare_all(arranged, reference)
    return in_given_order(found, arranged)


def in_given_order(found: Comparison, arranged: Arranged) -> Comparison:
    """A comparison of arranged lesions for the rows as they were given, ``nearest`` naming such a row."""
    named = np.where(found.nearest >= 0, arranged.row[found.nearest], -1)
    given = found.take(arranged.of)
    return Comparison(**{f.name: getattr(given, f.name) for f in fields(given)} | {"nearest": named[arranged.of]})


def compare_all(arranged: Arranged, reference: Reference) -> Comparison:
    """Compare the lesions of every patient with each other, in the arranged order; ``nearest`` numbers those lesions."""
    cohort = arranged.cohort
    n, m = cohort.measurements.shape
    z_look, z_score, z_measure = np.full(n, np.nan), np.full(n, np.nan), np.full((n, m), np.nan)
    below, above = np.zeros((n, m), np.int64), np.zeros((n, m), np.int64)
    siblings, same_site = np.zeros(n, np.int64), np.zeros(n, bool)
    numbers = np.concatenate([cohort.score[:, None], cohort.measurements], axis=1)
    priors = np.array([reference.logit_spread, *reference.measurement_spread[:m]])
    for pool in pools(arranged):
        mine, inside = pool.judged, pool.rows[pool.judged]
        if cohort.embedding is not None:
            found = nearest(cohort.embedding[pool.rows])
            z = isolation_z(found, reference.isolation_centre, reference.isolation_spread)
            z_look[inside] = z[mine]
        z_of = z_without_self if cohort.telling else z_beside_copies
        # The score and every measurement at once, (m + 1, b, n), as rows: calls, not numbers, are what small patients cost.
        columns = np.moveaxis(numbers[pool.rows], 2, 0)
        rows = np.ascontiguousarray(columns).reshape(-1, columns.shape[2])
        z = z_of(rows, np.repeat(priors, columns.shape[1])[:, None]).reshape(columns.shape)
        lower, higher = (found.reshape(columns.shape)[1:] for found in _beyond(rows))
        z_score[inside] = z[0][mine]
        z_measure[inside] = z[1:, mine].T
        below[inside], above[inside] = lower[:, mine].T, higher[:, mine].T
        lower, higher = _beyond(arranged.key[pool.rows])
        siblings[inside] = pool.rows.shape[1] - 1 if cohort.telling else (lower + higher)[mine]
        same_site[inside] = np.broadcast_to(pool.local[:, None], mine.shape)[mine]
    near, near_distance, family = _kin(arranged, reference)
    look = z_look if cohort.embedding is not None else None
    return Comparison(
        oddness(look, z_score, z_measure),
        z_look,
        z_score,
        z_measure,
        below,
        above,
        siblings,
        same_site,
        near,
        near_distance,
        family,
    )


def _beyond(values: NDArray[np.generic]) -> tuple[Ints, Ints]:
    """How many of each row's (b, n) values are smaller, and how many larger, than each."""
    n = values.shape[1]
    order = np.argsort(values, axis=1, kind="stable")
    ordered = np.take_along_axis(values, order, 1)
    step = ordered[:, 1:] != ordered[:, :-1]
    ends = np.ones((len(values), 1), bool)
    position = np.broadcast_to(np.arange(n), values.shape)
    first = np.maximum.accumulate(np.where(np.hstack([ends, step]), position, 0), axis=1)
    last = np.minimum.accumulate(np.where(np.hstack([step, ends]), position, n)[:, ::-1], axis=1)[:, ::-1]
    below, above = np.empty_like(order), np.empty_like(order)
    np.put_along_axis(below, order, first, 1)
    np.put_along_axis(above, order, n - 1 - last, 1)
    return below, above


def look_of(cohort: Cohort, rows: Ints, reference: Reference) -> tuple[NDArray[np.floating], bool]:
    """What lesions ``rows`` (b, n) look like, (b, n, d), and whether that is an embedding, to be compared by angle.

    Without an embedding the look is the measurements in units of their spread; without those, the score is.
    """
    if cohort.embedding is not None:
        return cohort.embedding[rows], True
    if cohort.measurements.shape[1]:
        scale = np.asarray(reference.measurement_spread) * np.sqrt(cohort.measurements.shape[1])
        return np.clip(cohort.measurements[rows] / scale, -1e6, 1e6), False
    return cohort.score[rows][..., None] / reference.logit_spread, False


def kin(look: NDArray[np.floating], *, angle: bool) -> Neighbours:
    """The four nearest siblings of each lesion by angle or by distance."""
    return nearest(look) if angle else neighbours(look, 4)


def _kin(arranged: Arranged, reference: Reference) -> tuple[Ints, Floats, Ints]:
    """Nearest lesion of the patient, its distance, and family, whatever the site."""
    cohort = arranged.cohort
    n = len(cohort)
    near, distance, family = np.full(n, -1), np.full(n, np.nan), np.full(n, -1)
    for pool in pools(arranged, by_site=False):
        if pool.rows.shape[1] < 2:
            continue
        look, angle = look_of(cohort, pool.rows, reference)
        found = kin(look, angle=angle)
        near[pool.rows] = np.take_along_axis(pool.rows, found.index[..., 0], 1)
        distance[pool.rows] = found.distance[..., 0]
        family[pool.rows] = families(found, reference.family_distance)
    return near, distance, family


def oddness(z_look: Floats | None, z_score: Floats, z_measurements: Floats) -> Floats:
    """Departures in robust SD to oddness in [0, 1]: 0.5 at a departure of 2 SD, NaN without siblings.

    departure^2 = 1/2 look^2 + 1/4 score^2 + 1/4 mean(measurement^2), where looking *more* alike than usual and scoring
    *lower* than the siblings count as no departure, and measurements count in both directions. Where looks (None) or
    measurements (no columns) are unknown, the others share their part in proportion.
    """
    parts = [np.clip(z_score, 0, _CLIP) ** 2 * _SHARES[1]]
    known = _SHARES[1]
    if z_look is not None:
        parts.append(np.clip(z_look, 0, _CLIP) ** 2 * _SHARES[0])
        known += _SHARES[0]
    if z_measurements.shape[1]:
        parts.append((np.clip(z_measurements, -_CLIP, _CLIP) ** 2).mean(axis=1) * _SHARES[2])
        known += _SHARES[2]
    return from_departure(np.sqrt(np.sum(parts, axis=0) / known))


def from_departure(departure: Floats) -> Floats:
    """Oddness in [0, 1] of a departure in robust SD: 0 from 0 downwards, 0.5 at 2, 0.94 at 4; NaN stays NaN."""
    return np.asarray(1 - np.exp2(-(np.maximum(departure, 0) ** 2) / 4))


def reference_of(arranged: Arranged) -> Reference:
    """What is usual among these lesions themselves, most of which are taken to be benign.

    Medians and MADs over lesions, so that the few melanomas move them little; distances from at most 2,000 patients, those
    that their own numbers put first. ``logit_noise`` is not known from one photograph of each lesion and is NaN.
    """
    cohort = arranged.cohort
    flat = Reference(
        _spread_of(cohort.score),
        tuple(_spread_of(column) for column in cohort.measurements.T),
        1.0,
        0.5,
        0.0,
        float("nan"),
    )
    apart, closest = _distances(arranged, flat)
    if not len(apart):
        return flat
    return Reference(
        flat.logit_spread,
        flat.measurement_spread,
        float(np.median(apart)),
        _spread_of(apart),
        float(np.quantile(closest, 0.4)),
        flat.logit_noise,
    )


def _spread_of(values: Floats) -> float:
    """Robust SD; the plain SD, and at last 1, of values most of which are the same."""
    spread = MAD_TO_SD * float(np.median(np.abs(values - np.median(values)))) if len(values) else 0.0
    return spread or float(np.std(values) if len(values) else 0.0) or 1.0


def _distances(arranged: Arranged, reference: Reference) -> tuple[Floats, Floats]:
    """Isolation and nearest distance of the lesions of patients with enough of them."""
    some = sample(arranged)
    apart, closest = [np.zeros(0)], [np.zeros(0)]
    for pool in pools(some, by_site=False):
        look, angle = look_of(some.cohort, pool.rows, reference)
        found = kin(look, angle=angle)
        apart.append(isolation(found).ravel())
        closest.append(found.distance[..., 0].ravel())
    return np.concatenate(apart), np.concatenate(closest)
