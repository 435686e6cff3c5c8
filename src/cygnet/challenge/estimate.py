"""The headline metric of a submission with its bootstrap values: whole patients (or lesions, or images) are resampled.

All entries to one side of a challenge meet the same resamples, so that their differences are paired.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cygnet.challenge import classification, segmentation
from cygnet.challenge.scoring import PATIENT, Answer, superpixel_labels
from cygnet.challenge.truth import Truth
from cygnet.evaluation.bootstrap import Resamples
from cygnet.evaluation.judge import Estimate, from_curve, patient_metrics
from cygnet.evaluation.patients import by_patient
from cygnet.evaluation.recall import nanmean, recalls
from cygnet.evaluation.study import Study

Floats = NDArray[np.float64]
_WIDE: Final = 64


def estimate(truth: Truth, answer: Answer, resamples: Resamples) -> Estimate:
    """The headline metric on all images of ``truth`` (which must be those of ``answer``) and on every resample.

    ``resamples`` draws ``truth.units`` units; the truth's score weights count.
    """
    task = truth.task
    if answer.counts is not None:
        return _masks(truth, answer.counts, resamples)
    if answer.superpixels is not None:
        labels = superpixel_labels(truth)
        of = np.repeat(truth.member, [len(v) for v in truth.files.values()])  # type: ignore[union-attr, arg-type]
        studies = [Study(truth.ids, labels[:, k], {}, truth.unit, of) for k in range(labels.shape[1])]
        return _mean([_curve(s, answer.superpixels[:, k], task.headline, resamples) for k, s in enumerate(studies)])
    assert answer.values is not None
    if task.headline == "balanced_accuracy":
        return _balanced(truth, answer.values, resamples)
    if task.headline == "dice":
        return _dice(truth, answer.values, resamples)
    if task.headline in PATIENT:
        return patient_estimates(truth, answer.values, resamples)[task.headline]
    columns = range(len(task.classes))
    return _mean(
        [_curve(truth.study(k, truth.score_weight), answer.values[:, k], task.headline, resamples) for k in columns]
    )


def _curve(study: Study, scores: Floats, name: str, resamples: Resamples) -> Estimate:
    return from_curve(study, scores, resamples, names=(name,))[0][name]


def _mean(found: Sequence[Estimate]) -> Estimate:
    """The macro average over the classes for which the metric is defined."""
    values = np.array([e.value for e in found])
    seen = [k for k, v in enumerate(values) if v == v]
    if not seen:
        return replace(found[0], note=found[0].note or "undefined for every class")
    drawn = nanmean(np.stack([found[k].replicates for k in seen], axis=1))
    note = "" if len(seen) == len(found) else f"{len(found) - len(seen)} classes are not in the truth and do not count"
    return Estimate(float(values[seen].mean()), drawn, found[0].n, note)


def _balanced(truth: Truth, values: Floats, resamples: Resamples) -> Estimate:
    right, w = classification.answer(truth.labels), truth.score_weight
    rows = right >= 0
    guess = classification.answer(values)[rows]
    classes = len(truth.task.classes)
    exact, drawn = recalls(
        right[rows], guess == right[rows], classes, truth.member[rows], None if w is None else w[rows], resamples
    )
    seen = ~np.isnan(exact)
    value = float(exact[seen].mean()) if seen.any() else float("nan")
    note = "" if seen.all() else f"{int((~seen).sum())} classes are not in the truth and do not count"
    return Estimate(value, nanmean(drawn[:, seen]), int(rows.sum()), note)


def _dice(truth: Truth, values: Floats, resamples: Resamples) -> Estimate:
    said = values > 0.5
    parts = np.concatenate([2 * (said & truth.labels), said.astype(int) + truth.labels], axis=1).astype(np.float64)
    parts *= 1 if truth.score_weight is None else truth.score_weight[:, None]
    classes = truth.labels.shape[1]

    def dice(sums: Floats) -> Floats:
        return nanmean(_divided(sums[:, :classes], sums[:, classes:]))

    return _linear(truth.member, parts, resamples, dice)


def _masks(truth: Truth, counts: segmentation.Counts, resamples: Resamples) -> Estimate:
    place = np.array([truth.place[image] for image, _ in counts.keys])
    member = truth.member[place]
    if truth.task.kind == "segmentation":
        values = segmentation.per_image(counts.pixels)[truth.task.headline]
        parts = np.stack([values, np.ones(len(values))], axis=1)
        return _linear(member, parts, resamples, lambda sums: _divided(sums[:, 0], sums[:, 1]))
    part = segmentation.shares(counts.pixels)
    pool = partial(_pooled, twice=truth.task.headline == "micro_dice")
    return _linear(member, part, resamples, pool)


def _pooled(sums: Floats, *, twice: bool) -> Floats:
    tp, union = sums[:, 0], sums[:, :3].sum(axis=1)
    return _divided(2 * tp, tp + union) if twice else _divided(tp, union)


def _linear(member: NDArray[np.int64], parts: Floats, resamples: Resamples, metric: object) -> Estimate:
    """A metric of column sums, on all rows and on every resample; ``parts`` (n, k) by row."""
    assert callable(metric)
    sums = np.zeros((resamples.units, parts.shape[1]))
    np.add.at(sums, member, parts)
    drawn = [metric(c.astype(np.float64) @ sums) for c in resamples.blocks(_WIDE)]
    value = float(metric(sums.sum(axis=0, keepdims=True))[0])
    return Estimate(value, np.concatenate(drawn) if drawn else np.zeros(0), len(parts))


def _divided(a: Floats, b: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(a / b)


def patient_estimates(truth: Truth, values: Floats, resamples: Resamples) -> dict[str, Estimate]:
    """Within-patient AUC and hit@k of the melanoma column; empty where the truth has no patients or no such column."""
    column = truth.task.melanoma
    if truth.patient is None or column is None:
        return {}
    rows = np.ones(len(values), bool) if truth.score_weight is None else truth.score_weight > 0
    found = by_patient(values[rows, column], truth.labels[rows, column], truth.patient[rows])
    return patient_metrics(found, resamples)
