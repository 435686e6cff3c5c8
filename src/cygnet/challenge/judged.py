"""One side of a challenge for one submission: its score with interval, columns of the board, and curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cygnet.challenge.estimate import estimate, patient_estimates
from cygnet.challenge.groups import FEW, LEVEL, by_group
from cygnet.challenge.scoring import Answer, score_answer
from cygnet.challenge.truth import Truth
from cygnet.evaluation.bootstrap import Resamples
from cygnet.evaluation.evaluate import plain
from cygnet.evaluation.judge import from_curve, judge

_BESIDE: Final = ("auc", "review_per_melanoma_at_80")


@dataclass(frozen=True, slots=True)
class Side:
    """``result`` as the board and the bundle take it; ``drawn`` (r,) bootstrap values of the headline metric."""

    result: dict[str, Any]
    drawn: NDArray[np.float32]


def side(truth: Truth, answer: Answer, replicates: int) -> Side:
    """Judge ``answer`` on ``truth``, both of one side."""
    resamples = Resamples(truth.units, replicates)
    found = estimate(truth, answer, resamples)
    scored = score_answer(truth, answer)
    result = {
        **found.as_json(LEVEL),
        "metrics": scored.metrics,
        "images": len(truth.ids),
        "unit": truth.unit,
        "units": truth.units,
        "replicates": replicates,
        "columns": _columns(truth, answer),
        "subgroups": by_group(truth, answer),
    }
    made: dict[str, Any] = plain(result)
    return Side(made, found.replicates.astype(np.float32))


def _columns(truth: Truth, answer: Answer) -> dict[str, Any]:
    """Metrics of melanoma beside the headline, within patients where the truth knows them."""
    column = truth.task.melanoma
    if answer.values is None or column is None:
        return {}
    few = Resamples(truth.units, FEW)
    found = from_curve(truth.study(column), answer.values[:, column], few, names=_BESIDE)[0]
    found |= patient_estimates(truth, answer.values, few)
    return {name: e.as_json(LEVEL) for name, e in found.items()}


def curves(truth: Truth, answer: Answer, name: str) -> dict[str, Any] | None:
    """ROC and decision curve of the melanoma column as ``cygnet.report`` draws them; None where there is no such column."""
    column = truth.task.melanoma
    if answer.values is None or column is None:
        return None
    resamples = Resamples(truth.units, FEW)
    found = judge(truth.study(column), answer.values[:, column], resamples)
    made: dict[str, Any] = plain(
        {
            "name": name,
            "metrics": {metric: e.as_json(LEVEL) for metric, e in found.metrics.items()},
            "curves": dict(found.curves),
        }
    )
    return made
