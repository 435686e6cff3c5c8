"""Does an entry serve everyone alike? The headline metric by age, sex, site, skin tone and institution, and the AUC of melanoma."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cygnet.challenge.estimate import estimate
from cygnet.challenge.parts import part, truth_part
from cygnet.challenge.scoring import PATIENT, Answer
from cygnet.challenge.truth import Truth
from cygnet.evaluation import subgroups
from cygnet.evaluation.bootstrap import Resamples
from cygnet.evaluation.subgroups import LEAST, groups, in_order

#: Resamples of what stands beside the headline.
FEW: Final = 400
LEVEL: Final = 0.95
#: Images of a class that its recall needs in a group.
LEAST_RECALL: Final = 5
_TOO_FEW: Final = {"note": f"too few (under {LEAST})"}


def by_group(truth: Truth, answer: Answer) -> list[dict[str, Any]]:
    """For each variable of the truth and each metric its groups, with count and interval: the headline metric, and the AUC of
    melanoma where that is another.

    A group is judged where it has at least 20 images, for metrics within patients 20 patients that count. A class that a
    group has too little of (5 images where the metric is a recall; else 20 with and 20 without) does not count there;
    ``without`` names it. Where nothing is left, ``note`` says so.
    """
    if not truth.attributes:
        return []
    task, made = truth.task, []
    melanoma = task.melanoma if answer.values is not None else None
    if task.headline != "auc" or melanoma is None or len(task.classes) > 1:
        title = {"metric": task.headline, "title": task.headline_title}
        for name, values in groups(truth.study_of_nothing()).items():
            found = [{"group": g, **_judged(truth, answer, values == g)} for g in in_order(values)]
            made.append({"variable": name, **title, "unknown": int((values == "").sum()), "groups": found})
    if melanoma is not None and answer.values is not None:
        few = Resamples(truth.units, FEW)
        found = subgroups.by_group(truth.study(melanoma), answer.values[:, melanoma], few)
        made += [{**variable, "metric": "auc", "title": "AUC of melanoma"} for variable in found]
    return made


def _judged(truth: Truth, answer: Answer, rows: NDArray[np.bool_]) -> dict[str, Any]:
    """The headline metric of the images ``rows`` (n,) bool."""
    counted: dict[str, Any] = {"n": int(rows.sum()), "metric": truth.task.headline}
    if counted["n"] < LEAST:
        return {**counted, **_TOO_FEW}
    without: list[str] = []
    mine, given = truth_part(truth, rows), part(answer, truth, rows)
    if truth.task.tabular and truth.task.headline not in PATIENT:
        mine, given, without = _enough(mine, given)
        if not mine.task.classes:
            return {**counted, **_TOO_FEW}
    found = estimate(mine, given, Resamples(mine.units, FEW))
    if found.value != found.value or (truth.task.headline in PATIENT and found.n < LEAST):
        return {**counted, **_TOO_FEW}
    stated = found.as_json(LEVEL)
    left_out = {"without": without} if without else {}
    return {**counted, **{k: stated[k] for k in ("value", "low", "high")}, **left_out}


def _enough(truth: Truth, answer: Answer) -> tuple[Truth, Answer, list[str]]:
    """A table's truth and answer without the classes that there are too few images of, and the names of those."""
    task = truth.task
    images = truth.labels.sum(axis=0)
    recall = task.headline == "balanced_accuracy"
    kept = images >= LEAST_RECALL if recall else np.minimum(images, len(truth.labels) - images) >= LEAST
    without = [name for name, keep in zip(task.classes, kept.tolist(), strict=True) if not keep]
    if not recall:
        classes = tuple(name for name in task.classes if name not in without)
        labels = truth.labels[:, kept]
        assert answer.values is not None
        mine = Answer(values=answer.values[:, kept])
        return replace(truth, labels=labels, task=replace(task, classes=classes)), mine, without
    rows = np.asarray(~truth.labels[:, ~kept].any(axis=1))  # a rare class may still be what others are mistaken for
    if kept.sum() < 2:
        return replace(truth, task=replace(task, classes=())), answer, without
    return truth_part(truth, rows), part(answer, truth, rows), without
