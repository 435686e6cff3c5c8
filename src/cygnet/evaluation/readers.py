"""The human anchor: readers' votes on the same images, beside the model."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cygnet.errors import InputError
from cygnet.evaluation import curve, table
from cygnet.evaluation.bootstrap import Resamples
from cygnet.evaluation.curve import Ladder
from cygnet.evaluation.evaluate import difference
from cygnet.evaluation.judge import GRID, Estimate
from cygnet.evaluation.study import Study

Floats = NDArray[np.float64]
_WIDE = 64


def melanoma_share(study: Study, votes: pl.DataFrame, name: str) -> Floats:
    """For each image of a study the share of its readers who said melanoma, NaN where none read it: (n,).

    ``votes`` has a column of counts per diagnosis (mel, nv, ...), or ``melanoma`` and ``readers``.

    Raises
    ------
    InputError
        If it has neither.
    """
    aligned = table.take(votes, study.images)
    classes = [c for c in table.CLASSES if table.find(votes, [c])]
    if "mel" in classes and len(classes) > 1:
        counts = np.stack([table.numbers(aligned, table.named(aligned, c, name), name) for c in classes], axis=1)
        said, asked = counts[:, classes.index("mel")], counts.sum(axis=1)
    elif table.find(votes, ["melanoma"]) and table.find(votes, ["readers"]):
        said, asked = (table.numbers(aligned, table.named(aligned, c, name), name) for c in ("melanoma", "readers"))
    else:
        raise InputError(
            f"{name}: a vote table has a column of counts for each diagnosis (mel, nv, ...), or the columns melanoma and "
            "readers"
        )
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(asked > 0, said / asked, np.nan)


def anchor(
    study: Study, scores: Floats, votes: pl.DataFrame, name: str, resamples: Resamples, level: float = 0.95
) -> dict[str, Any]:
    """One vote table against ``scores`` (n,), on the images that were read.

    "Average" is the reader met by chance: its sensitivity is the mean share of melanoma votes over melanomas, its
    specificity the mean share of other votes over the rest. "Pooled" takes the share of melanoma votes as a score. The
    model is compared at the average reader's specificity, found anew in every resample.
    """
    share = melanoma_share(study, votes, name)
    rows = ~np.isnan(share)
    if not (0 < study.labels[rows].sum() < rows.sum()):
        raise InputError(f"{name}: the images that were read hold only one class; nothing can be compared")
    y, member = study.labels[rows], study.member[rows]
    model = Ladder.build(scores[rows], y, member)
    pooled = Ladder.build(share[rows], y, member)
    parts = (y * share[rows], y * 1.0, ~y * (1 - share[rows]), ~y * 1.0)
    sums = np.stack([np.bincount(member, w, resamples.units) for w in parts], axis=1).astype(np.float64)
    whole = _values(model, pooled, sums, np.ones((1, resamples.units), np.float32))
    blocks = [_values(model, pooled, sums, c) for c in resamples.blocks(min(_WIDE, model.block))]
    n = int(rows.sum())
    found = {key: Estimate(float(v[0]), np.concatenate([b[key] for b in blocks]), n) for key, v in whole.items()}
    climb = pooled.climb(np.ones((1, resamples.units), np.float32))
    stated = {key: e.as_json(level) for key, e in found.items()}
    return {
        "name": name,
        "n": n,
        "positives": int(y.sum()),
        "average": {"sensitivity": stated["sensitivity"], "specificity": stated["specificity"]},
        "pooled": {"roc": {"fpr": GRID, "tpr": curve.roc_on(climb, GRID)[0]}, "auc": stated["pooled_auc"]},
        "model_sensitivity": stated["model_sensitivity"],
        "model_auc": stated["model_auc"],
        "model_minus_average_sensitivity": difference(found["model_sensitivity"], found["sensitivity"], level),
        "model_minus_pooled_auc": difference(found["model_auc"], found["pooled_auc"], level),
    }


def _values(model: Ladder, pooled: Ladder, sums: Floats, counts: NDArray[np.float32]) -> dict[str, Floats]:
    hit, positives, passed, negatives = (counts.astype(np.float64) @ sums).T
    climb = model.climb(counts)
    with np.errstate(invalid="ignore", divide="ignore"):
        sensitivity, specificity = hit / positives, passed / negatives
    return {
        "sensitivity": sensitivity,
        "specificity": specificity,
        "model_sensitivity": curve.sensitivity_at(climb, specificity),
        "model_auc": curve.auc(climb),
        "pooled_auc": curve.auc(pooled.climb(counts)),
    }
