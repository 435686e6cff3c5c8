"""Logits to probabilities at a stated prevalence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygnet.schema import DIAGNOSES

Floats = NDArray[np.float64]
_MEL = DIAGNOSES.index("mel")


@dataclass(frozen=True, slots=True)
class Calibration:
    """Platt's logistic map (1999) of the melanoma margin, and a temperature for the other diagnoses.

    ``slope`` and ``intercept`` give the log odds of melanoma where its prevalence is ``prevalence``; another prevalence
    shifts them by the difference of the prior log odds (Saerens, Latinne & Decaestecker 2002).
    """

    slope: float
    intercept: float
    temperature: float
    prevalence: float

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> Calibration:
        """The calibration that a model card states."""
        stated = card["calibration"]
        return cls(
            *(float(stated[name]) for name in ("slope", "intercept", "temperature", "prevalence")),
        )


def margin(logits: NDArray[np.floating]) -> Floats:
    """Melanoma's logit over the pooled others: (n,) = log p / (1 - p) of the raw softmax of (n, 7) logits."""
    others = np.array(logits, np.float64)
    own = others[:, _MEL].copy()
    others[:, _MEL] = -np.inf
    top = others.max(axis=1)
    return np.asarray(own - top - np.log(np.exp(others - top[:, None]).sum(axis=1)))


def melanoma_logit(logits: NDArray[np.floating], calibration: Calibration, prevalence: float) -> Floats:
    """Calibrated log odds of melanoma at ``prevalence`` in (0, 1): (n,) from (n, 7) logits."""
    shift = np.log(prevalence / (1 - prevalence)) - np.log(calibration.prevalence / (1 - calibration.prevalence))
    return np.asarray(calibration.slope * margin(logits) + calibration.intercept + shift)


def probabilities(
    logits: NDArray[np.floating], calibration: Calibration, prevalence: float, odds: Floats | None = None
) -> Floats:
    """Calibrated probabilities (n, 7), rows summing to 1: melanoma as calibrated, the rest shared by softmax.

    ``odds`` (7,) multiplies the shares of the others before they are shared out (melanoma's is not looked at), to state them
    at other priors.
    """
    melanoma = 1 / (1 + np.exp(-melanoma_logit(logits, calibration, prevalence)))
    others = np.asarray(logits, np.float64) / calibration.temperature
    others[:, _MEL] = -np.inf
    others = np.exp(others - others.max(axis=1, keepdims=True))
    if odds is not None:
        others = others * odds
    p = others / others.sum(axis=1, keepdims=True) * (1 - melanoma[:, None])
    p[:, _MEL] = melanoma
    return np.asarray(p)
