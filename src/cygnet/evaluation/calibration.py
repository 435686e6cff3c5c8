"""Are the probabilities true? Logistic recalibration beside the Brier score and the reliability curve."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_EDGE = 1e-9
_ROUNDS = 50


def logit(probability: NDArray[np.floating]) -> Floats:
    """Log odds of probabilities, which are first kept 1e-9 away from 0 and 1."""
    p = np.clip(np.asarray(probability, np.float64), _EDGE, 1 - _EDGE)
    return np.asarray(np.log(p) - np.log1p(-p))


def slope_and_intercept(
    probability: NDArray[np.floating], labels: NDArray[np.bool_], weights: NDArray[np.floating] | None = None
) -> tuple[float, float]:
    """Cox's calibration (1958): the slope of the outcome's log odds on those predicted, and calibration in the large.

    A slope of 1 and an intercept of 0 are right; a slope below 1 means that the probabilities are too extreme, an
    intercept below 0 that they are too high on the whole. The intercept is the one with the slope held at 1 (Steyerberg
    2009). NaN with one class only, or where the scores separate the classes without an error.
    """
    x, y = logit(probability), np.asarray(labels, np.float64)
    w = np.ones(len(x)) if weights is None else np.asarray(weights, np.float64)
    separated = not (0 < y @ w < w.sum()) or x[(y > 0) & (w > 0)].min() >= x[(y == 0) & (w > 0)].max()
    if separated:
        return float("nan"), float("nan")
    beta = np.array([0.0, 1.0])
    for _ in range(_ROUNDS):
        step = _newton(x, y, w, beta)
        beta = beta + step
        if np.abs(step).max() < 1e-10:
            break
    shift = 0.0
    for _ in range(_ROUNDS):
        p = _sigmoid(x + shift)
        step1 = float((w * (y - p)).sum() / max(float((w * p * (1 - p)).sum()), 1e-300))
        shift += float(np.clip(step1, -3, 3))
        if abs(step1) < 1e-10:
            break
    return float(beta[1]), shift


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -700, 700))))


def _newton(x: Floats, y: Floats, w: Floats, beta: Floats) -> Floats:
    p = _sigmoid(beta[0] + beta[1] * x)
    v, r = w * p * (1 - p), w * (y - p)
    hessian = np.array([[v.sum(), (v * x).sum()], [(v * x).sum(), (v * x * x).sum()]])
    return np.clip(np.linalg.solve(hessian + 1e-12 * np.eye(2), np.array([r.sum(), (r * x).sum()])), -3, 3)


def scores_of_units(
    probability: NDArray[np.floating],
    labels: NDArray[np.bool_],
    weights: NDArray[np.floating],
    fitted: tuple[float, float],
) -> Floats:
    """What each row adds to one Newton step from the fit of all rows: (n, 7), to be summed over units and resampled.

    One step from the full fit is as good as refitting each replicate, to first order (Moulton & Zeger 1991), and it is
    linear in the counts.
    """
    x, y, w = logit(probability), np.asarray(labels, np.float64), np.asarray(weights, np.float64)
    slope, shift = fitted
    free = _free_intercept(x, y, w, slope)
    p, q = _sigmoid(free + slope * x), _sigmoid(x + shift)
    v, r = w * p * (1 - p), w * (y - p)
    return np.stack([v, v * x, v * x * x, r, r * x, w * q * (1 - q), w * (y - q)], axis=1)


def _free_intercept(x: Floats, y: Floats, w: Floats, slope: float) -> float:
    """The intercept that belongs to a fitted slope."""
    free = 0.0
    for _ in range(_ROUNDS):
        p = _sigmoid(free + slope * x)
        step = float((w * (y - p)).sum() / max(float((w * p * (1 - p)).sum()), 1e-300))
        free += float(np.clip(step, -3, 3))
        if abs(step) < 1e-10:
            break
    return free


def one_step(sums: Floats, fitted: tuple[float, float]) -> tuple[Floats, Floats]:
    """Slope and intercept of each resample from its sums (b, 7) of ``scores_of_units``: (b,) each."""
    v, vx, vxx, r, rx, u, s = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = fitted[0] + (v * rx - vx * r) / (v * vxx - vx * vx)
        return np.asarray(slope), np.asarray(fitted[1] + s / u)
