"""One side of a challenge for one submission: its score with interval, columns of the board, and curves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cygnet.challenge import segmentation
from cygnet.challenge.estimate import estimate, patient_estimates
from cygnet.challenge.scoring import Answer, score_answer
from cygnet.challenge.truth import Truth
from cygnet.evaluation.bootstrap import Resamples, interval
from cygnet.evaluation.evaluate import plain
from cygnet.evaluation.judge import from_curve, judge
from cygnet.evaluation.subgroups import by_group, groups

Floats = NDArray[np.float64]

#: Resamples of the columns beside the headline.
FEW: Final = 400
_LEVEL: Final = 0.95
_BESIDE: Final = ("auc", "review_per_melanoma_at_80")


@dataclass(frozen=True, slots=True)
class Side:
    """``result`` as the board and the bundle take it; ``drawn`` (r,) bootstrap values of the headline metric."""

    result: dict[str, Any]
    drawn: NDArray[np.float32]


def part(answer: Answer, truth: Truth, rows: NDArray[np.bool_]) -> Answer:
    """The answers for some of the truth's images, ``rows`` (n,) bool."""
    if answer.values is not None:
        return Answer(values=answer.values[rows])
    names = np.array(truth.ids, dtype=object)[rows]
    if answer.counts is not None:
        kept = set(names)
        keep = [k for k, key in enumerate(answer.counts.keys) if key[0] in kept]
        counts = segmentation.Counts(tuple(answer.counts.keys[k] for k in keep), answer.counts.pixels[keep])
        return Answer(counts=counts)
    assert answer.superpixels is not None
    mine = np.repeat(rows, [len(truth.files[name]) for name in truth.ids])  # type: ignore[index, arg-type]
    return Answer(superpixels=answer.superpixels[mine])


def truth_part(truth: Truth, rows: NDArray[np.bool_]) -> Truth:
    """The truth of some images, with superpixels of those only."""
    made = truth.only(rows)
    if truth.task.kind != "superpixels":
        return made
    return replace(made, files={name: truth.files[name] for name in made.ids})  # type: ignore[index, arg-type]


def side(truth: Truth, answer: Answer, replicates: int) -> Side:
    """Judge ``answer`` on ``truth``, both of one side."""
    resamples = Resamples(truth.units, replicates)
    found = estimate(truth, answer, resamples)
    scored = score_answer(truth, answer)
    result = {
        **found.as_json(_LEVEL),
        "metrics": scored.metrics,
        "images": len(truth.ids),
        "unit": truth.unit,
        "units": truth.units,
        "replicates": replicates,
        "columns": _columns(truth, answer),
        "subgroups": _subgroups(truth, answer),
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
    return {name: e.as_json(_LEVEL) for name, e in found.items()}


def _subgroups(truth: Truth, answer: Answer) -> list[dict[str, Any]]:
    if not truth.attributes:
        return []
    few = Resamples(truth.units, FEW)
    column = truth.task.melanoma
    if answer.values is not None and column is not None:
        return by_group(truth.study(column), answer.values[:, column], few)
    if answer.counts is None or truth.task.kind != "segmentation":
        return []
    values = segmentation.per_image(answer.counts.pixels)[truth.task.headline]
    place = np.array([truth.place[image] for image, _ in answer.counts.keys])
    made = []
    for name, named in groups(truth.study_of_nothing()).items():
        groups_of = named[place]
        listed = [_group(g, values[groups_of == g], truth.task.headline) for g in sorted({v for v in groups_of if v})]
        made.append({"variable": name, "unknown": int((groups_of == "").sum()), "groups": listed})
    return made


def _group(name: str, values: Floats, metric: str) -> dict[str, Any]:
    """The mean of a group's images with an interval over images."""
    resamples = Resamples(len(values), FEW)
    drawn = np.concatenate([c.astype(np.float64) @ values / len(values) for c in resamples.blocks(64)])
    low, high = interval(drawn)
    return {"group": name, "n": len(values), "metric": metric, "value": float(values.mean()), "low": low, "high": high}


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
            "metrics": {metric: e.as_json(_LEVEL) for metric, e in found.metrics.items()},
            "curves": dict(found.curves),
        }
    )
    return made
