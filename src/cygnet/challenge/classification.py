"""The metrics of a table of classes, each weighted: equal to isic-challenge-scoring 5.8.0 wherever that is right.

An empty denominator is NaN with a reason here, not a free 1.0; see docs/challenges.md for every difference.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cygnet.evaluation import curve
from cygnet.evaluation.curve import Climb, Ladder
from cygnet.evaluation.metrics import balanced_accuracy as recall_mean

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Metrics of each class, in the order of the challenges' scorer; ``pauc`` is that of ISIC 2024.
METRICS: Final = (
    *("accuracy", "sensitivity", "specificity", "dice", "ppv", "npv", "auc", "auc_sens_80", "ap", "pauc"),
)
_WHY: Final = {
    "accuracy": "no image has a weight",
    "sensitivity": "no image is {c}",
    "specificity": "every image is {c}",
    "dice": "no image is {c}, and none was called so",
    "ppv": "no image was called {c}",
    "npv": "every image was called {c}",
    "auc": "the truth has only one side of {c}",
    "auc_sens_80": "the truth has only one side of {c}",
    "ap": "no image is {c}",
    "pauc": "the truth has only one side of {c}",
}


def answer(values: NDArray[np.generic]) -> NDArray[np.int64]:
    """The class with the highest value of each row (n, classes), -1 where two share it: (n,)."""
    best = np.asarray(values.argmax(axis=1), np.int64)
    shared = (values == values.max(axis=1, keepdims=True)).sum(axis=1) > 1
    return np.where(shared, -1, best)


def balanced_accuracy(labels: Bools, values: Floats, weights: Floats | None = None) -> float:
    """Mean over the classes present of the share recognised; a tie is wrong, and a row of no one class does not count.

    ``labels`` and ``values`` (n, classes); NaN where no row counts.
    """
    truth = answer(labels)
    counts = truth >= 0
    w = None if weights is None else weights[counts]
    return recall_mean(truth[counts], answer(values)[counts], w)


def per_class(labels: Bools, values: Floats, weights: Floats | None = None) -> dict[str, Floats]:
    """Every metric of each class: (classes,), NaN where undefined. ``labels``, ``values`` (n, classes), ``weights`` (n,)."""
    if weights is not None:
        kept = weights > 0
        labels, values, weights = labels[kept], values[kept], weights[kept]
    w = np.ones(len(labels)) if weights is None else weights
    said = values > 0.5
    tp, fp = w @ (said & labels), w @ (said & ~labels)
    fn, tn = w @ (~said & labels), w @ (~said & ~labels)
    with np.errstate(invalid="ignore", divide="ignore"):
        made = {
            "accuracy": (tp + tn) / (tp + tn + fp + fn),
            "sensitivity": tp / (tp + fn),
            "specificity": tn / (tn + fp),
            "dice": 2 * tp / (2 * tp + fp + fn),
            "ppv": tp / (tp + fp),
            "npv": tn / (tn + fn),
        }
    curves = [_curve(labels[:, k], values[:, k], weights) for k in range(labels.shape[1])]
    return {**made, **{name: np.array([c[name] for c in curves]) for name in METRICS[6:]}}


def _curve(labels: Bools, values: Floats, weights: Floats | None) -> dict[str, float]:
    if weights is None:
        climb = Climb.whole(values, labels)
    else:
        alone = np.zeros(len(labels), np.int64)
        climb = Ladder.build(values, labels, alone, weights).climb(np.ones((1, 1), np.float64))
    both = bool(climb.positives[0, 0] > 0 and climb.negatives[0, 0] > 0)
    some = bool(climb.positives[0, 0] > 0)
    return {
        "auc": float(curve.auc(climb)[0]) if both else float("nan"),
        "auc_sens_80": float(curve.auc_above(climb, 0.8)[0]) if both else float("nan"),
        "ap": float(curve.average_precision(climb)[0]) if some else float("nan"),
        "pauc": float(curve.pauc(climb)[0]) if both else float("nan"),
    }


def macro(values: Floats) -> float:
    """The plain mean over the classes for which a metric is defined; NaN where it is for none."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def metrics(classes: tuple[str, ...], labels: Bools, values: Floats, weights: Floats | None) -> dict[str, Any]:
    """``per_category`` by metric and class, ``macro_average`` by metric, ``aggregate``, and why what is NaN is undefined."""
    found = per_class(labels, values, weights)
    aggregate = {"balanced_accuracy": balanced_accuracy(labels, values, weights)} if len(classes) > 1 else {}
    undefined = {
        f"{name}.{c}": _WHY[name].format(c=c)
        for name, row in found.items()
        for c, value in zip(classes, row, strict=True)
        if value != value
    }
    return {
        "per_category": {name: dict(zip(classes, row.tolist(), strict=True)) for name, row in found.items()},
        "macro_average": {name: macro(row) for name, row in found.items()},
        "aggregate": aggregate,
        "undefined": undefined,
    }


def headline(name: str, labels: Bools, values: Floats, weights: Floats | None = None) -> float:
    """One ranking metric by itself: the macro average of a metric of classes, or the balanced accuracy."""
    if name == "balanced_accuracy":
        return balanced_accuracy(labels, values, weights)
    return macro(per_class(labels, values, weights)[{"average_precision": "ap"}.get(name, name)])
