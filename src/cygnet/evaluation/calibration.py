"""Are the probabilities true? Logistic recalibration beside the Brier score and the reliability curve."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_EDGE = 1e-9
_ROUNDS = 50
_CLOSE = 1e-10


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
    if not (0 < y @ w < w.sum()) or _separated(x[(y > 0) & (w > 0)], x[(y == 0) & (w > 0)]):
        return float("nan"), float("nan")
    slope = _fit(np.stack([np.ones(len(x)), x], axis=1), np.zeros(len(x)), y, w)[1]
    return float(slope), float(_fit(np.ones((len(x), 1)), x, y, w)[0])


def _separated(positive: Floats, negative: Floats) -> bool:
    """Whether one class lies wholly on one side of the other, so that no finite slope fits best."""
    return bool(positive.min() >= negative.max() or positive.max() <= negative.min())


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -700, 700))))


def _fit(design: Floats, offset: Floats, y: Floats, w: Floats) -> Floats:
    """Logistic regression of ``y`` (n,) on ``design`` (n, k) beside ``offset`` (n,): (k,).

    Newton's steps from 0, halved while they make the fit worse: far from the optimum a whole step can diverge.
    """
    beta, best = np.zeros(design.shape[1]), _likelihood(offset, y, w)
    for _ in range(_ROUNDS):
        p = _sigmoid(offset + design @ beta)
        hessian = (design * (w * p * (1 - p))[:, None]).T @ design
        step = np.linalg.lstsq(hessian, design.T @ (w * (y - p)), rcond=None)[0]
        for _ in range(_ROUNDS):
            reached = _likelihood(offset + design @ (beta + step), y, w)
            if reached >= best:
                break
            step = step / 2
        if reached < best or np.abs(step).max() < _CLOSE:
            break
        beta, best = beta + step, reached
    return beta


def _likelihood(log_odds: Floats, y: Floats, w: Floats) -> float:
    return float(w @ (y * log_odds - np.logaddexp(0, log_odds)))


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
    free = _fit(np.ones((len(x), 1)), slope * x, y, w)[0]
    p, q = _sigmoid(free + slope * x), _sigmoid(x + shift)
    v, r = w * p * (1 - p), w * (y - p)
    return np.stack([v, v * x, v * x * x, r, r * x, w * q * (1 - q), w * (y - q)], axis=1)


def one_step(sums: Floats, fitted: tuple[float, float]) -> tuple[Floats, Floats]:
    """Slope and intercept of each resample from its sums (b, 7) of ``scores_of_units``: (b,) each."""
    v, vx, vxx, r, rx, u, s = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = fitted[0] + (v * rx - vx * r) / (v * vxx - vx * vx)
        return np.asarray(slope), np.asarray(fitted[1] + s / u)
