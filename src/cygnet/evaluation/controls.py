"""Is it context, or something that only looks like it? Controls on the same rows and the same resamples.

A gain from a patient's other lesions is real only if it goes away when the siblings are exchanged for as many lesions of
other patients; and a patient's number of images, or age, sex and site, must not explain it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cygnet.context.compare import oddness
from cygnet.context.ranking import fuse
from cygnet.context.robust import MAD_TO_SD, shrunk, z_without_self
from cygnet.context.stack import logistic
from cygnet.errors import InputError
from cygnet.evaluation.bootstrap import Resamples
from cygnet.evaluation.calibration import logit
from cygnet.evaluation.evaluate import difference
from cygnet.evaluation.judge import Estimate, judge
from cygnet.evaluation.study import Study

Floats = NDArray[np.float64]

METRICS: Final = ("auc", "pauc", "average_precision", "within_patient_auc", "hit_at_1", "hit_at_3")
SHUFFLES: Final = 5
_FOLDS: Final = 5


def controls(
    study: Study,
    scores: Floats,
    resamples: Resamples,
    *,
    level: float = 0.95,
    seed: int = 1,
    tick: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """The score with its true siblings, with shuffled ones, without any, and lesion count and metadata alone.

    Context here is Cygnet's layer on the scalar score: leave-self-out robust z, oddness, fusion. The shuffled siblings
    are ``SHUFFLES`` independent draws whose metrics are averaged.

    Raises
    ------
    InputError
        If the truth names no patients.
    """
    if study.patient is None or study.unit != "patient":
        raise InputError("--controls needs a patient_id column in the truth: siblings are a patient's other lesions")
    evidence = log_odds(scores)
    rng = np.random.default_rng(seed)

    def measured(values: Floats) -> dict[str, Estimate]:
        return {
            name: e
            for name, e in judge(study, values, resamples, curves=False, tick=tick).metrics.items()
            if name in METRICS
        }

    count = np.bincount(study.patient)[study.patient].astype(np.float64)
    shuffled = [measured(with_siblings(evidence, study.patient, rng)) for _ in range(SHUFFLES)]
    models = {
        "true siblings": measured(with_siblings(evidence, study.patient, None)),
        "shuffled siblings": {name: _mean([s[name] for s in shuffled]) for name in shuffled[0]},
        "no siblings": measured(scores),
        "lesion count alone (fewer scores higher)": measured(-count),
    }
    if set(study.attributes) & {"age", "sex", "site"}:
        models["metadata alone (age, sex, site; patients held out)"] = measured(metadata_score(study, seed))
    true, wrong = models["true siblings"], models["shuffled siblings"]
    return {
        "rows": len(study.labels),
        "shuffles": SHUFFLES,
        "models": [
            {"name": name, "metrics": {m: e.as_json(level) for m, e in found.items()}} for name, found in models.items()
        ],
        "true_minus_shuffled": {m: difference(true[m], wrong[m], level) for m in true},
        "true_minus_none": {m: difference(true[m], models["no siblings"][m], level) for m in true},
    }


def _mean(estimates: list[Estimate]) -> Estimate:
    replicates = np.mean([e.replicates for e in estimates], axis=0)
    return Estimate(float(np.mean([e.value for e in estimates])), replicates, estimates[0].n, estimates[0].note)


def log_odds(scores: Floats) -> Floats:
    """Log odds of probabilities; scores of another kind in units of their robust SD."""
    if scores.min() >= 0 and scores.max() <= 1:
        return logit(scores)
    centre = np.median(scores)
    return np.asarray((scores - centre) / max(MAD_TO_SD * float(np.median(np.abs(scores - centre))), 1e-12))


def with_siblings(evidence: Floats, patient: NDArray[np.integer], rng: np.random.Generator | None) -> Floats:
    """``evidence`` (n,), log odds, moved by each lesion's oddness among its siblings: (n,).

    With ``rng`` each lesion is given as many lesions of other patients instead of its own siblings.
    """
    order = np.argsort(patient, kind="stable")
    values = evidence[order]
    spread = max(MAD_TO_SD * float(np.median(np.abs(values - np.median(values)))), 1e-6)
    starts = np.flatnonzero(np.r_[True, np.diff(patient[order]) != 0])
    moved = np.empty(len(values))
    for start, end in zip(starts, np.r_[starts[1:], len(values)], strict=True):
        own = values[start:end]
        others = None if rng is None else _strangers(values, int(start), int(end), rng)
        z = z_without_self(own, spread) if others is None else _z_among(own, others, spread)
        zero = np.zeros(len(own))
        odd = oddness(zero, np.nan_to_num(z), zero[:, None])
        probability = 1 / (1 + np.exp(-np.clip(own, -30, 30)))
        fused, _ = fuse(probability, odd if len(own) > 1 else np.full(1, np.nan), guard=1.0)
        moved[start:end] = logit(fused)
    result = np.empty(len(values))
    result[order] = moved
    return result


def _strangers(values: Floats, start: int, end: int, rng: np.random.Generator) -> Floats:
    """(m, m - 1) evidence of lesions drawn from all other patients, for a patient at ``start`` to ``end``."""
    m = end - start
    if len(values) == m:
        raise InputError("--controls needs at least two patients")
    drawn = rng.integers(0, len(values) - m, (m, max(m - 1, 0)))
    return np.asarray(values[np.where(drawn >= start, drawn + m, drawn)])


def _z_among(own: Floats, others: Floats, prior: float) -> Floats:
    n = others.shape[1]
    if not n:
        return np.full(len(own), np.nan)
    centre = np.median(others, axis=1)
    spread = MAD_TO_SD * np.median(np.abs(others - centre[:, None]), axis=1)
    return np.asarray((own - centre) / shrunk(spread, float(n), prior))


def metadata_score(study: Study, seed: int = 1) -> Floats:
    """Log odds of melanoma from age, sex and site alone, each patient's by a model fitted on others: (n,)."""
    return second_stage(study, metadata(study), seed)


def second_stage(study: Study, features: Floats, seed: int = 1) -> Floats:
    """Log odds of melanoma from ``features`` (n, f): (n,).

    Ridge logistic regression on standardised features, out of fold: five folds of resampling units, so that no patient is
    judged by a model that has seen another row of the same patient.
    """
    spread = features.std(axis=0)
    scaled = (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1)
    design = np.concatenate([np.ones((len(features), 1)), scaled], axis=1)
    fold = np.random.default_rng(seed).permutation(study.units)[study.member] % _FOLDS
    result = np.empty(len(design))
    for k in range(_FOLDS):
        held = fold == k
        if held.any():
            result[held] = design[held] @ logistic(design[~held], study.labels[~held].astype(np.float64))
    return result


def metadata(study: Study) -> Floats:
    """Age (linear, and whether it is unknown), sex and site (one column per word) of each row: (n, f)."""
    columns = [np.zeros(len(study.labels))]
    for name in ("age", "sex", "site"):
        values = study.attributes.get(name)
        if values is None:
            continue
        if name == "age":
            age = np.array([float(v) if v else np.nan for v in values])
            known = age[~np.isnan(age)]
            middle = float(known.mean()) if len(known) else 0.0
            columns += [np.where(np.isnan(age), middle, age), np.isnan(age).astype(np.float64)]
        else:
            columns += [(values == word).astype(np.float64) for word in sorted(set(values))]
    return np.stack(columns, axis=1)
