"""The context methods in numpy: robust z, local outlier factor, PCA and cosine, whitening within patients."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cygnet.context.cohort import Pool, sample
from cygnet.context.compare import from_departure
from cygnet.context.likeness import Neighbours, isolation, isolation_z, neighbours, z_by_yardstick
from cygnet.context.method import View, require_vectors
from cygnet.context.robust import MAD_TO_SD

Floats = NDArray[np.float64]

#: Most siblings that the local outlier factor looks at.
_NEAR = 30
#: Principal components kept.
_COMPONENTS = 32
#: Share of the average variance mixed into the within-patient covariance before it is inverted.
_SHRINK = 0.1
_BLOCK = 256


@dataclass(frozen=True)
class RobustZ:
    """Leave-self-out robust z of look, score and each measurement, by site where enough siblings share it, shrunk towards
    the population where there are few. Grob & Bonerandi 1998 (the sign); Kurtansky et al. 2024 (ISIC 2024)."""

    name: ClassVar[str] = "robust_z"
    paper: ClassVar[str] = "Grob & Bonerandi 1998, doi:10.1001/archderm.134.1.103-a; ISIC 2024 entries"
    vectors: ClassVar[bool] = False

    def fit(self, view: View) -> RobustZ:
        """Nothing beyond the reference is learned."""
        return self

    def oddness(self, view: View) -> Floats:
        """As ``cygnet.context.compare.oddness``."""
        return view.comparison.oddness


def local_outlier_factor(points: NDArray[np.floating], k: int) -> Floats:
    """LOF of each of (..., n, d) points among the others of its group: (..., n), about 1 for an inlier.

    With ``k`` neighbours each; the same numbers as scikit-learn's ``-negative_outlier_factor_``. Breunig et al. 2000.
    """
    return _lof(neighbours(points, k))


def _lof(found: Neighbours) -> Floats:
    n, k = found.index.shape[-2:]
    index = found.index.reshape(-1, n * k)
    reach_of = found.distance[..., -1].reshape(-1, n)
    reach = np.maximum(found.distance, np.take_along_axis(reach_of, index, 1).reshape(found.distance.shape))
    density = 1 / (reach.mean(axis=-1) + 1e-10)
    around = np.take_along_axis(density.reshape(-1, n), index, 1).reshape(found.distance.shape)
    return np.asarray(around.mean(axis=-1) / density)


@dataclass(frozen=True)
class LocalOutlierFactor:
    """How much thinner the patient's lesions lie around a lesion than around its neighbours. Breunig et al. 2000.

    Half of the siblings, at most 30, are neighbours: with all of them, one far outlier would be everyone's neighbour and
    hide the next. ``centre`` and ``spread`` are those of log LOF in the population.
    """

    name: ClassVar[str] = "lof"
    paper: ClassVar[str] = "Breunig et al. 2000, doi:10.1145/335191.335388"
    vectors: ClassVar[bool] = True
    centre: float = 0.0
    spread: float = 0.25

    def fit(self, view: View) -> LocalOutlierFactor:
        """Centre and spread of log LOF."""
        require_vectors(view, self.name)
        some = View(sample(view.arranged), view.reference)
        centre, spread = _usual(some.over_pools(lambda pool: self._statistic(some, pool)), (0.0, 0.25))
        return replace(self, centre=centre, spread=max(spread, 0.02))

    def oddness(self, view: View) -> Floats:
        """NaN under three siblings."""
        require_vectors(view, self.name)
        return from_departure((view.over_pools(lambda pool: self._statistic(view, pool)) - self.centre) / self.spread)

    def _statistic(self, view: View, pool: Pool) -> Floats:
        n = pool.rows.shape[1]
        if n < 4:
            return np.full(pool.rows.shape, np.nan)
        return np.log(local_outlier_factor(view.points(pool), neighbours_for(n)))


def neighbours_for(n: int) -> int:
    """How many of n - 1 siblings count as neighbours: half of them, from 2 to 30."""
    return int(np.clip((n - 1) // 2, 2, _NEAR))


def _usual(values: Floats, otherwise: tuple[float, float]) -> tuple[float, float]:
    """Median and robust SD of the defined values."""
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return otherwise
    centre = float(np.median(known))
    return centre, MAD_TO_SD * float(np.median(np.abs(known - centre)))


@dataclass(frozen=True)
class Projection:
    """A linear map: ``centre`` (d,) is taken off, then ``axes`` (k, d) are applied."""

    centre: Floats
    axes: Floats

    def __call__(self, points: Floats) -> Floats:
        """(..., n, d) to (..., n, k)."""
        return np.asarray((points - self.centre) @ self.axes.T)


def principal(view: View, components: int = _COMPONENTS) -> Projection:
    """The principal directions of a sample of lesions, all patients alike."""
    flat = _sampled(view)[0]
    centre = flat.mean(axis=0)
    _, axes = np.linalg.eigh(np.atleast_2d(np.cov(flat.T)) if len(flat) > 1 else np.eye(flat.shape[1]))
    return Projection(centre, np.ascontiguousarray(axes[:, ::-1][:, :components].T))


def _sampled(view: View) -> tuple[Floats, NDArray[np.int64]]:
    """Points (s, d) of a sample of lesions, and the patient number of each."""
    some = sample(view.arranged)
    if not len(some.row):
        some = view.arranged
    rows = np.arange(len(some.row))[None]
    everyone = Pool(rows, np.ones(rows.shape, bool), np.zeros(1, bool))
    return View(some, view.reference).points(everyone)[0], some.company


@dataclass(frozen=True)
class PcaCosine:
    """Cosine distance of a lesion's embedding, in principal components, to the centre of its siblings.

    Soenksen et al. 2021; here the lesion is left out of the centre, and the distance is judged by its siblings' own.
    """

    name: ClassVar[str] = "pca_cosine"
    paper: ClassVar[str] = "Soenksen et al. 2021, doi:10.1126/scitranslmed.abb3652"
    vectors: ClassVar[bool] = True
    projection: Projection | None = None
    centre: float = 1.0
    spread: float = 0.25

    def fit(self, view: View) -> PcaCosine:
        """Principal components, and the usual distance in them."""
        require_vectors(view, self.name)
        ready = replace(self, projection=principal(view))
        some = View(sample(view.arranged), view.reference)
        centre, spread = _usual(
            some.over_pools(lambda pool: _to_centre(ready._unit(some, pool))[0]), (self.centre, self.spread)
        )
        return replace(ready, centre=centre, spread=max(spread, 0.02))

    def oddness(self, view: View) -> Floats:
        """NaN without siblings."""
        require_vectors(view, self.name)
        return from_departure(view.over_pools(lambda pool: self._z(self._unit(view, pool))))

    def _unit(self, view: View, pool: Pool) -> Floats:
        points = view.points(pool)
        placed = self.projection(points) if self.projection is not None else points
        return np.asarray(placed / np.maximum(np.linalg.norm(placed, axis=-1, keepdims=True), 1e-12))

    def _z(self, rows: Floats) -> Floats:
        b, n, _ = rows.shape
        if n < 2:
            return np.full((b, n), np.nan)
        own, along, total = _to_centre(rows)
        z = np.empty((b, n))
        for start in range(0, n, _BLOCK):
            here = np.arange(start, min(start + _BLOCK, n))
            cosine = rows[:, here] @ np.swapaxes(rows, 1, 2)
            # Each sibling's distance to the centre of the others, with the lesion itself left out of it as well.
            toward = along[:, None, :] - cosine - 1
            length = total[:, None, None] - 2 * (along[:, here, None] + along[:, None, :] - cosine - 1)
            yardstick = 1 - toward / np.sqrt(np.maximum(length, 1e-12))
            yardstick[:, np.arange(len(here)), here] = np.nan
            z[:, here] = z_by_yardstick(own[:, here], yardstick, n - 1 if n > 2 else 0, self.centre, self.spread)
        return z


def _to_centre(rows: Floats) -> tuple[Floats, Floats, Floats]:
    """For unit rows (b, n, d): cosine distance of each to the sum of the others, its product with the sum of all, and that
    sum's squared length."""
    whole = rows.sum(axis=1, keepdims=True)
    along = (rows @ np.swapaxes(whole, 1, 2))[..., 0]
    total = np.square(whole).sum(axis=(1, 2))
    length = np.sqrt(np.maximum(total[:, None] - 2 * along + 1, 1e-12))
    alone = rows.shape[1] < 2
    return np.full(along.shape, np.nan) if alone else 1 - (along - 1) / length, along, total


@dataclass(frozen=True)
class Whitened:
    """Isolation in a space where a patient's lesions lie near each other: principal components divided by the covariance
    within patients.

    Within-class covariance normalisation (Hatch, Kajarekar & Stolcke 2006): the linear, label-free form of the patient tier
    of two-tier metric learning (DMT-Quadruplet 2023).
    """

    name: ClassVar[str] = "whitened"
    paper: ClassVar[str] = "Hatch et al. 2006, doi:10.21437/Interspeech.2006-183"
    vectors: ClassVar[bool] = True
    projection: Projection | None = None
    centre: float = 1.0
    spread: float = 0.5
    components: int = field(default=_COMPONENTS)

    def fit(self, view: View) -> Whitened:
        """Components, the covariance within patients in them, and the usual isolation there."""
        require_vectors(view, self.name)
        first = principal(view, self.components)
        points, company = _sampled(view)
        placed = first(points)
        mean = np.stack([np.bincount(company, weights=column) for column in placed.T], axis=1)
        within = placed - (mean / np.bincount(company)[:, None])[company]
        k = placed.shape[1]
        covariance = within.T @ within / max(len(points) - int(company.max(initial=0)) - 1, 1)
        level = float(np.trace(covariance)) / k or 1.0
        value, vector = np.linalg.eigh((1 - _SHRINK) * covariance + _SHRINK * level * np.eye(k))
        ready = replace(self, projection=Projection(first.centre, (vector / np.sqrt(value) @ vector.T) @ first.axes))
        some = View(sample(view.arranged), view.reference)
        centre, spread = _usual(
            some.over_pools(lambda pool: isolation(ready._near(some, pool))), (self.centre, self.spread)
        )
        return replace(ready, centre=centre, spread=max(spread, 1e-3))

    def oddness(self, view: View) -> Floats:
        """NaN without siblings."""
        require_vectors(view, self.name)
        return from_departure(
            view.over_pools(lambda pool: isolation_z(self._near(view, pool), self.centre, self.spread))
        )

    def _near(self, view: View, pool: Pool) -> Neighbours:
        points = view.points(pool)
        return neighbours(self.projection(points) if self.projection is not None else points, 4)


METHODS = {method.name: method for method in (RobustZ(), LocalOutlierFactor(), PcaCosine(), Whitened())}
