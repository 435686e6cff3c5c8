"""The truth of a task: which images there are, what they are, and who they belong to."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cygnet.challenge import mask_files, superpixels
from cygnet.challenge.packed import Source
from cygnet.challenge.problems import Problems
from cygnet.challenge.tables import Lines, read_lines
from cygnet.challenge.tasks import IDENTIFIERS, Task
from cygnet.errors import InputError, TableError
from cygnet.evaluation.study import Study, numbered
from cygnet.evaluation.table import TRUTH
from cygnet.schema.columns import COLUMNS, plain

Floats = NDArray[np.float64]

_WORDS: Final = {"benign": 0.0, "malignant": 1.0, "false": 0.0, "true": 1.0}
_OTHER: Final = {"target": ("target", "benign_malignant", "malignant", "label")}
_WEIGHTS: Final = ("score_weight", "validation_weight")
_ATTRIBUTES: Final = {
    **{name: COLUMNS[name] for name in ("age", "sex", "site")},
    **{name: TRUTH[name] for name in ("skin_tone", "ita", "institution")},
}


@dataclass(frozen=True)
class Truth:
    """The truth of n images.

    ``ids`` (n,) their names; ``labels`` (n, classes) bool, empty for tasks of masks; ``score_weight`` and
    ``validation_weight`` (n,) or None where all are 1; ``unit`` what is resampled ("patient", "lesion" or "image"),
    ``member`` (n,) the number of each image's; ``patient`` (n,) numbers or None; ``attributes`` by name (n,) text, "" where
    unknown. ``files`` holds the mask or superpixel files.
    """

    task: Task
    ids: tuple[str, ...]
    labels: NDArray[np.bool_]
    member: NDArray[np.int64]
    unit: str = "image"
    patient: NDArray[np.int64] | None = None
    score_weight: Floats | None = None
    validation_weight: Floats | None = None
    attributes: Mapping[str, NDArray[np.object_]] = field(default_factory=dict)
    files: mask_files.Files | superpixels.Answers | None = None

    @property
    def units(self) -> int:
        """How many patients, lesions or images there are to resample."""
        return int(self.member.max()) + 1 if len(self.member) else 0

    @cached_property
    def place(self) -> Mapping[str, int]:
        """Where each image stands."""
        return {name: k for k, name in enumerate(self.ids)}

    def only(self, rows: NDArray[np.bool_]) -> Truth:
        """The truth of some of the images, ``rows`` (n,) bool; weights are dropped, since a side of a split has its own."""
        return replace(
            self,
            ids=tuple(np.array(self.ids, dtype=object)[rows]),
            labels=self.labels[rows],
            member=_renumbered(self.member[rows]),
            patient=None if self.patient is None else _renumbered(self.patient[rows]),
            score_weight=None,
            validation_weight=None,
            attributes={name: a[rows] for name, a in self.attributes.items()},
        )

    def study_of_nothing(self) -> Study:
        """The images with their attributes and no class, for what is counted by subgroup."""
        return Study(self.ids, np.zeros(len(self.ids), bool), {}, self.unit, self.member, attributes=self.attributes)

    def study(self, column: int, weights: Floats | None = None) -> Study:
        """One class against the rest, as ``cygnet.evaluation`` judges it."""
        return Study(
            images=self.ids,
            labels=self.labels[:, column],
            scores={},
            unit=self.unit,
            member=self.member,
            patient=self.patient,
            weights=weights,
            attributes=self.attributes,
        )


def _renumbered(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray(np.unique(numbers, return_inverse=True)[1], np.int64)


def read_truth(task: Task, source: Source, metadata: Source | None = None) -> Truth:
    """The truth of a task: a table, or a folder or zip of masks or superpixel files.

    ``metadata`` is a table with patient_id, lesion_id, age, sex, site or other attributes of the same images, for
    truths that lack them.

    Raises
    ------
    InputError, TableError
        If it cannot be understood, naming the rows or files.
    """
    extra = _read(metadata) if metadata is not None else None
    if task.tabular:
        lines = _read(source)
        ids = _ids(lines, task, source.name)
        labels = _labels(lines, task, source.name)
        weights = {name: _weights(lines, name, source.name) for name in _WEIGHTS}
        tables = [(lines, ids)] + ([(extra, _ids(extra, task, metadata.name))] if extra and metadata else [])
        return _with_units(Truth(task, ids, labels, np.arange(len(ids)), **weights), tables)  # type: ignore[arg-type]
    problems = Problems()
    files = (superpixels if task.kind == "superpixels" else mask_files).collect(source, task, problems)
    if problems.refused:
        raise TableError([str(p) for p in problems.listed()], f"{source.name}: mend the truth")
    names = tuple(sorted({key[0] for key in files}))
    if not names:
        raise InputError(f"{source.name}: no {'JSON' if task.kind == 'superpixels' else 'PNG'} file; {task.layout}")
    held: Any = superpixels.read(files, task, problems) if task.kind == "superpixels" else files
    if problems.refused:
        raise TableError([str(p) for p in problems.listed()], f"{source.name}: mend the truth")
    if task.kind == "superpixels":
        held = {name: held[name] for name in names}
    made = Truth(task, names, np.zeros((len(names), 0), bool), np.arange(len(names)), files=held)
    return _with_units(made, [(extra, _ids(extra, task, metadata.name))] if extra and metadata else [])


def _read(source: Source) -> Lines:
    problems = Problems()
    lines = read_lines(source, problems)
    if lines is None or problems.refused:
        raise TableError([f"{source.name}, {p}" for p in problems.listed()], "mend the table")
    return lines


def _ids(lines: Lines, task: Task, name: str) -> tuple[str, ...]:
    known = {plain(c): c for c in reversed(lines.frame.columns)}
    column = next((known[n] for n in (plain(task.identifier), *IDENTIFIERS) if n in known), None)
    if column is None:
        raise InputError(
            f"{name}: no image column among {', '.join(lines.frame.columns[:8])}; call it {task.identifier}"
        )
    text = pl.col(column).str.strip_chars().str.replace(r"(?i)\.(jpe?g|png)$", "")
    names = lines.frame.select(text).to_series()
    listed = names.to_list()
    if names.null_count() or len(set(listed)) < len(listed):
        wrong = (names.is_null() | names.is_duplicated()).arg_true().to_list()
        raise TableError(
            [f"{name} line {lines.line[k]}: image {names[k]!r} is missing or stands there twice" for k in wrong],
            "one row per image",
        )
    return tuple(listed)


def _labels(lines: Lines, task: Task, name: str) -> NDArray[np.bool_]:
    """(n, classes): above one half, as the challenges cut probabilities in a truth."""
    known = {plain(c): c for c in reversed(lines.frame.columns)}
    columns = []
    for label in task.classes:
        column = next((known[n] for n in (plain(label), *_OTHER.get(label, ())) if n in known), None)
        if column is None:
            raise InputError(
                f"{name}: no column {label} among {', '.join(lines.frame.columns[:12])}; {task.name} needs "
                f"{', '.join(task.classes)}"
            )
        columns.append(column)
    number = lines.frame.select(pl.col(columns).str.strip_chars().cast(pl.Float64, strict=False))
    made = [number[c].to_numpy() if not number[c].null_count() else _in_words(lines, c) for c in columns]
    values = np.stack(made, axis=1)
    if not ((values >= 0) & (values <= 1)).all():
        where = zip(*np.nonzero(~((values >= 0) & (values <= 1))), strict=True)
        problems = [
            f"{name} line {lines.line[k]}: {columns[c]} is {lines.frame[columns[c]][int(k)]!r}, not 0 to 1"
            for k, c in where
        ]
        raise TableError(problems, "give 1 for the true class and 0 for the others")
    return np.asarray(values > 0.5)


def _in_words(lines: Lines, column: str) -> Floats:
    """Numbers or the words benign and malignant, NaN for others."""
    text = lines.frame[column].str.strip_chars().str.to_lowercase()
    plainly = text.cast(pl.Float64, strict=False)
    words = text.replace_strict(_WORDS, default=None, return_dtype=pl.Float64)
    return np.asarray(plainly.fill_null(words).fill_null(float("nan")).to_numpy())


def _weights(lines: Lines, column: str, name: str) -> Floats | None:
    if column not in lines.frame.columns:
        return None
    number = lines.frame[column].cast(pl.Float64, strict=False)
    wrong = (~(number >= 0).fill_null(value=False)).arg_true().to_list()
    if wrong:
        problems = [f"{name} line {lines.line[k]}: {column} is {lines.frame[column][k]!r}" for k in wrong]
        raise TableError(problems, "give every image a weight of 0 or more")
    values = number.to_numpy()
    return None if (values == 1).all() else values


def _with_units(truth: Truth, tables: Sequence[tuple[Lines, tuple[str, ...]]]) -> Truth:
    """The truth with patients, lesions and attributes from tables of the same images; later tables fill gaps."""
    found: dict[str, NDArray[np.object_]] = {}
    wanted = {"patient": COLUMNS["patient_id"], "lesion": COLUMNS["lesion_id"], **_ATTRIBUTES}
    for lines, ids in tables:
        if not {plain(c) for c in lines.frame.columns} & {n for names in wanted.values() for n in names}:
            continue
        place = {name: k for k, name in enumerate(ids)}
        rows = np.array([place.get(name, -1) for name in truth.ids])
        known = {plain(c): c for c in reversed(lines.frame.columns)}
        for kind, names in wanted.items():
            column = next((known[n] for n in names if n in known), None)
            if column is None or (kind == "lesion" and column == lines.frame.columns[0]):
                continue
            words = np.array([*(_word(v) for v in lines.frame[column]), ""], dtype=object)[rows]
            found[kind] = np.where(found[kind] == "", words, found[kind]) if kind in found else words
    patient = numbered(found["patient"]) if "patient" in found else None
    lesion = numbered(found["lesion"]) if "lesion" in found else None
    unit = "patient" if patient is not None else "lesion" if lesion is not None else "image"
    member = patient if patient is not None else lesion if lesion is not None else truth.member
    return replace(
        truth,
        member=member,
        unit=unit,
        patient=patient,
        attributes={k: found[k] for k in _ATTRIBUTES if k in found},
    )


def _word(value: str | None) -> str:
    text = (value or "").strip()
    text = re.sub(r"\.0$", "", text) if re.fullmatch(r"\d+\.0", text) else text
    return "" if text.lower() in ("", "na", "n/a", "nan", "null", "none", "unknown") else text


def truth_of(task: Task, path: Path, metadata: Path | None = None) -> Truth:
    """As ``read_truth``, from files."""
    return read_truth(task, Source.of(path), Source.of(metadata) if metadata else None)
