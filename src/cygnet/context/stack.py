"""Several methods as one: a weighted mean of their oddness, with weights that are never negative."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cygnet.context.method import Method, View

Floats = NDArray[np.float64]

_RIDGE = 1.0


@dataclass(frozen=True)
class Stack:
    """Stacked generalisation (Wolpert 1992) of context methods.

    ``weights`` (one per member, 0 or more; equal when empty) keep the promise: what every member keeps, their weighted mean
    keeps. Members that need more than a table holds are left out, the others share their weight.
    """

    name: ClassVar[str] = "stack"
    paper: ClassVar[str] = "Wolpert 1992, doi:10.1016/S0893-6080(05)80023-1"
    vectors: ClassVar[bool] = False
    members: tuple[Method, ...]
    weights: tuple[float, ...] = ()

    def fit(self, view: View) -> Stack:
        """Fit the members that can be used here."""
        telling = view.arranged.cohort.telling
        given = self.weights or (1.0,) * len(self.members)
        usable = [(m, w) for m, w in zip(self.members, given, strict=True) if telling or not m.vectors]
        return replace(self, members=tuple(m.fit(view) for m, _ in usable), weights=tuple(w for _, w in usable))

    def parts(self, view: View) -> Floats:
        """Oddness by each member: (k, members)."""
        return np.stack([member.oddness(view) for member in self.members], axis=1)

    def oddness(self, view: View) -> Floats:
        """Weighted mean over the members that can say; NaN where none can."""
        weights = np.asarray(self.weights or (1.0,) * len(self.members))
        return combine(self.parts(view), weights if weights.sum() > 0 else np.ones_like(weights))

    def learn(self, view: View, labels: NDArray[np.bool_]) -> Stack:
        """The same with weights learned from ``labels`` (k,) of the arranged lesions."""
        return replace(
            self, weights=tuple(learn_weights(self.parts(view), view.arranged.cohort.score, labels).tolist())
        )


def combine(parts: Floats, weights: Floats) -> Floats:
    """Weighted mean of (k, members), undefined entries left out: (k,)."""
    known = ~np.isnan(parts) & (weights > 0)
    total = (known * weights).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((np.where(known, parts, 0.0) * weights).sum(axis=1) / np.where(total > 0, total, np.nan))


def learn_weights(parts: Floats, score: Floats, labels: NDArray[np.bool_]) -> Floats:
    """Non-negative weights of the members' oddness beside the score's own log odds: (members,).

    Ridge logistic regression; a member whose weight would be negative gets 0 and the others are fitted again.
    """
    values = np.nan_to_num(parts)
    active = np.ones(values.shape[1], bool)
    weights = np.zeros(values.shape[1])
    while active.any():
        design = np.column_stack([np.ones(len(score)), score, score**2 / 10, values[:, active]])
        found = logistic(design, labels.astype(np.float64))[3:]
        if (found >= 0).all():
            weights[active] = found
            break
        active[np.flatnonzero(active)[found < 0]] = False
    return weights


def logistic(x: Floats, y: Floats) -> Floats:
    """Coefficients (f,) of ridge logistic regression of ``y`` (n,) in 0 and 1 on ``x`` (n, f), by Newton's method."""
    beta = np.zeros(x.shape[1])
    penalty = _RIDGE * np.eye(x.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-np.clip(x @ beta, -30, 30)))
        step = np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + penalty, x.T @ (y - p) - penalty @ beta)
        beta += step
        if np.abs(step).max() < 1e-8:
            break
    return beta
