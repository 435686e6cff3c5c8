"""A submission against a truth: checked, scored, and its headline resampled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygnet.challenge import classification, segmentation, superpixels
from cygnet.challenge.mask_files import collect
from cygnet.challenge.packed import Source
from cygnet.challenge.problems import Problem, Problems, RefusedError
from cygnet.challenge.tables import read_lines, values
from cygnet.challenge.tasks import Task
from cygnet.challenge.truth import Truth, truth_of
from cygnet.evaluation.evaluate import plain

Floats = NDArray[np.float64]
Tick = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """A submission that was understood, in the order of the truth's images.

    ``values`` (n, classes) of a table; ``counts`` pixels of each mask; ``superpixels`` (m, features). ``warnings`` say what
    was taken for granted.
    """

    values: Floats | None = None
    counts: segmentation.Counts | None = None
    superpixels: Floats | None = None
    warnings: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Score:
    """``overall`` by the score weights, ``validation`` by the validation weights, both of the task's headline metric in
    [0, 1], NaN where undefined; all ``metrics``; ``problems`` that did not refuse the submission."""

    task: Task
    overall: float
    validation: float
    metrics: dict[str, Any] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """What ``cygnet challenge score --json`` prints."""
        made: dict[str, Any] = plain({"overall": self.overall, "validation": self.validation, "metrics": self.metrics})
        return {**made, "problems": [p.as_json() for p in self.problems]}


def read_answer(truth: Truth, source: Source, tick: Tick | None = None) -> Answer:
    """A submission, checked against the truth's images and, for masks, counted.

    Raises
    ------
    RefusedError
        With every problem.
    """
    problems = Problems()
    made = _read(truth, source, problems, tick)
    if problems.refused or made is None:
        raise RefusedError(source.name, problems.listed())
    return Answer(made.values, made.counts, made.superpixels, problems.listed())


def _read(truth: Truth, source: Source, problems: Problems, tick: Tick | None) -> Answer | None:
    task = truth.task
    if task.tabular:
        if source.folder:
            problems.add("file-type", "a folder, where one table belongs", f"send {task.layout}")
            return None
        lines = read_lines(source, problems)
        found = None if lines is None else values(lines, task, truth.place, problems)
        return None if found is None else Answer(values=found)
    if not source.folder and source.read_start() != b"PK":
        problems.add("file-type", "neither a zip file nor a folder", f"send {task.layout}")
        return None
    files = collect(source, task, problems, frozenset(truth.ids))
    assert truth.files is not None
    if task.kind != "superpixels":
        counts = segmentation.count(truth.files, files, problems, tick)  # type: ignore[arg-type]
        return None if counts is None else Answer(counts=counts)
    for image in truth.ids:
        if (image, "") not in files:
            problems.add("missing-image", f"no file for {image}", "add one", value=image)
    mine = superpixels.aligned(truth.files, superpixels.read(files, task, problems), problems)  # type: ignore[arg-type]
    return None if mine is None else Answer(superpixels=mine)


def superpixel_labels(truth: Truth) -> NDArray[np.bool_]:
    """(m, features) truth of all superpixels, in the order of the images."""
    return np.concatenate(list(truth.files.values())) > 0.5  # type: ignore[union-attr]


def score_answer(truth: Truth, answer: Answer) -> Score:
    """Every metric of a submission that was understood."""
    task = truth.task
    if answer.values is not None:
        return _table(truth, answer.values, answer.warnings)
    if answer.superpixels is not None:
        labels = superpixel_labels(truth)
        found = classification.metrics(task.classes, labels, answer.superpixels, None)
        value = found["macro_average"][{"average_precision": "ap"}.get(task.headline, task.headline)]
        return Score(task, value, value, found, answer.warnings)
    assert answer.counts is not None
    if task.kind == "segmentation":
        found = segmentation.metrics(answer.counts.pixels)
        value = found["macro_average"][task.headline]
    else:
        found = segmentation.attributes(answer.counts, task.classes)
        value = found["micro_average"][task.headline.removeprefix("micro_")]
    return Score(task, value, value, found, answer.warnings)


def _table(truth: Truth, given: Floats, warnings: tuple[Problem, ...]) -> Score:
    task = truth.task
    found = classification.metrics(task.classes, truth.labels, given, truth.score_weight)
    if truth.patient is not None and task.melanoma is not None:
        found["patient"] = within_patients(truth, given)
    overall = _headline(truth, given, truth.score_weight, found)
    same = truth.validation_weight is None and truth.score_weight is None
    validation = overall if same else _headline(truth, given, truth.validation_weight, None)
    return Score(task, overall, validation, found, warnings)


def _headline(truth: Truth, given: Floats, weights: Floats | None, found: dict[str, Any] | None) -> float:
    name = truth.task.headline
    if name in PATIENT:
        if truth.patient is None:
            raise RefusedError(
                "the truth", [Problem("truth", f"{name} needs a truth with patient_id", "add the column")]
            )
        return within_patients(truth, given, None if weights is None else weights > 0)[name]
    if found is not None:
        part = found["aggregate"] if name == "balanced_accuracy" else found["macro_average"]
        return float(part[{"average_precision": "ap"}.get(name, name)])
    return classification.headline(name, truth.labels, given, weights)


PATIENT = ("within_patient_auc", "hit_at_1", "hit_at_3")


def within_patients(truth: Truth, given: Floats, rows: NDArray[np.bool_] | None = None) -> dict[str, float]:
    """The metrics that only comparison within a patient can move, of the melanoma column."""
    from cygnet.evaluation.bootstrap import Resamples
    from cygnet.evaluation.judge import patient_metrics
    from cygnet.evaluation.patients import by_patient

    column = truth.task.melanoma
    assert truth.patient is not None
    assert column is not None
    keep = np.ones(len(given), bool) if rows is None else rows
    found = by_patient(given[keep, column], truth.labels[keep, column], truth.patient[keep])
    return {name: e.value for name, e in patient_metrics(found, Resamples(truth.units, 0)).items()}


def score(task: Task, truth: Path, submission: Path, metadata: Path | None = None, tick: Tick | None = None) -> Score:
    """Score a file or folder against a truth.

    Raises
    ------
    RefusedError
        With every problem of the submission.
    InputError
        If the truth cannot be understood.
    """
    known = truth_of(task, truth, metadata)
    return score_answer(known, read_answer(known, Source.of(submission), tick))
