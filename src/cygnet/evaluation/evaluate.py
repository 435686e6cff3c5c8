"""A whole evaluation: every model on the same rows and the same resamples, and how they differ."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygnet.evaluation import curve, delong
from cygnet.evaluation.bootstrap import Resamples, holm, interval, p_value
from cygnet.evaluation.curve import Ladder
from cygnet.evaluation.definitions import as_json
from cygnet.evaluation.judge import Estimate, Judgement, judge
from cygnet.evaluation.recall import nanmean, recalls
from cygnet.evaluation.study import Study
from cygnet.version import VERSION

Floats = NDArray[np.float64]
_WIDE = 64


@dataclass(frozen=True, slots=True)
class Plan:
    """``replicates`` and ``seed`` of the bootstrap, ``level`` of the intervals, ``threshold`` (a probability in (0, 1))
    of the metrics that need one."""

    replicates: int = 2000
    seed: int = 1
    level: float = 0.95
    threshold: float = 0.05


def evaluate(study: Study, plan: Plan | None = None, tick: Callable[[int], None] | None = None) -> dict[str, Any]:
    """Judge every model of a study: what ``evaluation.json`` holds, without controls, subgroups and readers.

    ``metrics`` are those of the first model, so that a single table's are found without a search; ``models`` has all.
    The first model is compared with each other one, on the same resamples; p values are adjusted for the number of
    comparisons (Holm 1979). ``tick(replicates)`` is called as the work goes on, ``replicates`` per model in all.
    """
    plan = plan or Plan()
    resamples = Resamples(study.units, plan.replicates, plan.seed)
    judged = {
        name: judge(study, scores, resamples, threshold=plan.threshold, level=plan.level, tick=tick)
        for name, scores in study.scores.items()
    }
    names = {metric for j in judged.values() for metric in j.metrics}
    models = [_model(name, j, study, plan) for name, j in judged.items()]
    return {
        "program": f"cygnet {VERSION}",
        "n": len(study.images),
        "positives": int(study.labels.sum()),
        "prevalence": float(study.labels.mean()),
        "patients": None if study.patient is None else len(np.unique(study.patient)),
        "unit": study.unit,
        "units": study.units,
        "replicates": plan.replicates,
        "level": plan.level,
        "seed": plan.seed,
        "threshold": plan.threshold,
        "definitions": as_json(names),
        "metrics": models[0]["metrics"],
        "models": models,
        "comparisons": comparisons(judged, plan.level),
        "multiclass": multiclass(study, resamples, plan.level),
        "notes": list(study.notes),
        "limits": _limits(study),
    }


def _model(name: str, j: Judgement, study: Study, plan: Plan) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": name,
        "metrics": {metric: e.as_json(plan.level) for metric, e in j.metrics.items()},
        "chance": dict(j.chance),
        "curves": dict(j.curves),
    }
    if study.unit == "image" and study.weights is None:
        value, low, high = delong.interval(study.scores[name], study.labels)
        made["delong"] = {"auc": {"value": value, "low": low, "high": high, "n": len(study.images)}}
    return made


def comparisons(judged: Mapping[str, Judgement], level: float) -> list[dict[str, Any]]:
    """The first model minus each other one, metric by metric, with p values adjusted over the others."""
    (first, base), *others = judged.items()
    metrics = [m for m in base.metrics if all(m in j.metrics for _, j in others)]
    p = {m: [p_value(base.metrics[m].replicates - j.metrics[m].replicates) for _, j in others] for m in metrics}
    adjusted = {m: holm(values) for m, values in p.items()}
    return [
        {
            "a": first,
            "b": name,
            "metrics": {
                m: {**difference(base.metrics[m], j.metrics[m], level), "p": p[m][k], "p_adjusted": adjusted[m][k]}
                for m in metrics
            },
        }
        for k, (name, j) in enumerate(others)
    ]


def difference(one: Estimate, other: Estimate, level: float) -> dict[str, Any]:
    """``one`` minus ``other`` with the interval of the paired resamples."""
    low, high = interval(one.replicates - other.replicates, level)
    return {"difference": one.value - other.value, "low": low, "high": high, "n": min(one.n, other.n)}


def multiclass(study: Study, resamples: Resamples, level: float) -> dict[str, Any]:
    """Balanced accuracy, AUC and sensitivity of each diagnosis and the confusion matrix, per model; empty without them."""
    if study.diagnosis is None:
        return {}
    models = [{"name": name, **_diagnoses(study, p, resamples, level)} for name, p in study.diagnoses.items()]
    return {"models": models} if models else {}


def _diagnoses(study: Study, p: Floats, resamples: Resamples, level: float) -> dict[str, Any]:
    truth, n = study.diagnosis, len(study.classes)
    assert truth is not None
    guess = p.argmax(axis=1)
    exact, recall = recalls(truth, truth == guess, n, study.member, study.weights, resamples)
    confusion = np.zeros((n, n), np.int64)
    np.add.at(confusion, (truth, guess), 1)
    seen = ~np.isnan(exact)
    with np.errstate(invalid="ignore"):
        balanced = Estimate(float(exact[seen].mean()), nanmean(recall[:, seen]), len(truth))
    return {
        "balanced_accuracy": balanced.as_json(level),
        "diagnoses": [
            {
                "diagnosis": name,
                "n": int((truth == k).sum()),
                "auc": _class_auc(study, p[:, k], truth == k, resamples).as_json(level),
                "sensitivity": Estimate(float(exact[k]), recall[:, k], int((truth == k).sum())).as_json(level),
            }
            for k, name in enumerate(study.classes)
        ],
        "confusion": {"labels": list(study.classes), "counts": confusion},
    }


def _class_auc(study: Study, p: Floats, labels: NDArray[np.bool_], resamples: Resamples) -> Estimate:
    ladder = Ladder.build(p, labels, study.member, study.weights)
    whole = curve.auc(ladder.climb(np.ones((1, resamples.units), np.float32)))
    values = np.concatenate([curve.auc(ladder.climb(c)) for c in resamples.blocks(ladder.block)])
    note = "" if whole[0] == whole[0] else "only one class"
    return Estimate(float(whole[0]), values, int(labels.sum()), note)


def _limits(study: Study) -> list[str]:
    made = []
    if study.unit != "patient" and study.patient is not None:
        made.append(
            f"By request {study.unit}s were resampled, not patients: intervals are too narrow where patients have several "
            "images, and within-patient metrics are undefined."
        )
    elif study.unit != "patient":
        made.append(
            f"The truth names no patients, so {study.unit}s were resampled: intervals are too narrow where patients "
            "have several images, and within-patient metrics are undefined."
        )
    if study.labels.sum() < 50:
        made.append(f"Only {int(study.labels.sum())} melanomas: intervals are wide and not to be taken to the digit.")
    made.append("Whether the images were unseen by the models is not known here; check with cygnet audit leaks.")
    return made


def plain(value: Any) -> Any:
    """Arrays to lists and undefined numbers to None, so that JSON can hold them."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
