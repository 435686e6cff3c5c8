"""Compare each lesion with its siblings: the ugly-duckling sign as numbers.

The sign is Grob & Bonerandi's (1998): a mole that is unlike the patient's others deserves attention. Likeness of
embeddings follows Soenksen et al. (2021); leave-self-out robust z scores are the form that context took in ISIC 2024.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cygnet.context.likeness import families, isolation_z, nearest
from cygnet.context.robust import z_without_self

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Siblings of the same site that are needed before a lesion is compared with those alone.
SAME_SITE = 8
_CLIP = 6.0


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
    """Everything about n lesions of one patient, in the order they were given.

    ``oddness`` (n,) in [0, 1], higher is more unlike the siblings, NaN without siblings. ``z_look``, ``z_score`` (n,)
    and ``z_measurements`` (n, m) in robust SD. ``below`` and ``above`` (n, m): how many of the compared siblings have a
    smaller or larger measurement. ``siblings`` (n,): with how many it was compared; ``same_site`` (n,) bool: whether
    only with those of its site. ``nearest`` (n,): the most similar lesion of the patient, -1 for none, at
    ``nearest_distance`` (n,). ``family`` (n,): group number, -1 for a lesion that stands alone.
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
    order = np.lexsort((*np.asarray(measurements, np.float64).T, embedding[:, 0], logit))
    back = np.empty(n, np.int64)
    back[order] = np.arange(n)
    found = _compare(
        np.asarray(embedding, np.float32)[order],
        np.asarray(logit, np.float64)[order],
        np.asarray(measurements, np.float64)[order],
        [sites[i] for i in order],
        reference,
    )
    relabelled = np.where(found.nearest >= 0, order[found.nearest], -1)
    return Comparison(
        **{
            name: (relabelled if name == "nearest" else getattr(found, name))[back]
            for name in Comparison.__dataclass_fields__
        }
    )


def _compare(
    embedding: NDArray[np.float32], logit: Floats, measurements: Floats, sites: Sequence[str | None], ref: Reference
) -> Comparison:
    n, m = measurements.shape
    z_look, z_score, z_measure = np.full(n, np.nan), np.full(n, np.nan), np.full((n, m), np.nan)
    below, above = np.zeros((n, m), np.int64), np.zeros((n, m), np.int64)
    siblings, same_site = np.zeros(n, np.int64), np.zeros(n, bool)
    everyone = nearest(embedding)
    for pool, judged, local in _pools(sites):
        inside = pool[judged]
        found = everyone if len(pool) == n else nearest(embedding[pool])
        z_look[inside] = isolation_z(found, ref.isolation_centre, ref.isolation_spread)[judged]
        z_score[inside] = z_without_self(logit[pool], ref.logit_spread)[judged]
        for k in range(m):
            column = measurements[pool, k]
            z_measure[inside, k] = z_without_self(column, ref.measurement_spread[k])[judged]
            ordered = np.sort(column)
            below[inside, k] = np.searchsorted(ordered, column[judged], "left")
            above[inside, k] = len(pool) - np.searchsorted(ordered, column[judged], "right")
        siblings[inside], same_site[inside] = len(pool) - 1, local
    alone = everyone.index.shape[1] == 0
    return Comparison(
        oddness=oddness(z_look, z_score, z_measure),
        z_look=z_look,
        z_score=z_score,
        z_measurements=z_measure,
        below=below,
        above=above,
        siblings=siblings,
        same_site=same_site,
        nearest=np.full(n, -1) if alone else everyone.index[:, 0],
        nearest_distance=np.full(n, np.nan) if alone else everyone.distance[:, 0],
        family=families(everyone, ref.family_distance),
    )


def _pools(sites: Sequence[str | None]) -> list[tuple[Ints, Ints, bool]]:
    """Who is compared with whom: (members, positions of those judged among them, whether they share a site)."""
    names = np.array([s or "" for s in sites], dtype=object)
    large = [
        members
        for site in sorted({s for s in sites if s})
        if len(members := np.flatnonzero(names == site)) > SAME_SITE and len(members) < len(names)
    ]
    placed = np.zeros(len(names), bool)
    for members in large:
        placed[members] = True
    pools = [(members, np.arange(len(members)), True) for members in large]
    rest = np.flatnonzero(~placed)
    if len(rest):
        pools.append((np.arange(len(names)), rest, False))
    return pools


def oddness(z_look: Floats, z_score: Floats, z_measurements: Floats) -> Floats:
    """Departures in robust SD to oddness in [0, 1]: 0.5 at a departure of 2 SD, NaN without siblings.

    departure^2 = 1/2 look^2 + 1/4 score^2 + 1/4 mean(measurement^2), where looking *more* alike than usual and scoring
    *lower* than the siblings count as no departure, and measurements count in both directions.
    """
    look, score = np.clip(z_look, 0, _CLIP), np.clip(z_score, 0, _CLIP)
    measured = np.clip(z_measurements, -_CLIP, _CLIP)
    squared = 0.5 * look**2 + 0.25 * score**2 + 0.25 * (measured**2).mean(axis=1)
    return np.asarray(1 - np.exp2(-squared / 4))
