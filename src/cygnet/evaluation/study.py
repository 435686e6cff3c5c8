"""What is judged: images with a truth, who they belong to, and the scores of one or more models on the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cygnet.errors import InputError, TableError
from cygnet.evaluation import table as tables
from cygnet.evaluation.delong import midranks
from cygnet.schema import COLUMNS

Floats = NDArray[np.float64]
_UNITS: Final = ("patient", "lesion", "image")


@dataclass(frozen=True, slots=True)
class Study:
    """n judged images.

    ``images`` their names; ``labels`` (n,) bool, True for melanoma; ``scores`` by model name, (n,) float, higher is more
    suspicious; ``unit`` what is resampled ("patient", "lesion" or "image") and ``member`` (n,) the number of each row's.
    ``patient`` (n,) numbers, None where the truth has no patients; ``weights`` (n,) or None; ``attributes`` by name, (n,)
    text, "" where unknown (age, sex, site, skin_tone, ita, institution); ``diagnoses`` by model the probabilities
    (n, c) of ``classes``, and ``diagnosis`` (n,) the true class number, where there is a multi-class truth. ``notes`` say
    what was done to the tables. ``ranked`` scores are places within a fold, no probabilities.
    """

    images: tuple[str, ...]
    labels: NDArray[np.bool_]
    scores: Mapping[str, Floats]
    unit: str
    member: NDArray[np.int64]
    patient: NDArray[np.int64] | None = None
    weights: Floats | None = None
    attributes: Mapping[str, NDArray[np.object_]] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    diagnosis: NDArray[np.int64] | None = None
    diagnoses: Mapping[str, Floats] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    ranked: bool = False

    @property
    def units(self) -> int:
        """How many patients (or lesions, or images) there are to resample."""
        return int(self.member.max()) + 1

    def only(self, rows: NDArray[np.bool_]) -> Study:
        """The study of some of the rows, ``rows`` (n,) bool."""
        member = _renumbered(self.member[rows])
        return replace(
            self,
            images=tuple(np.array(self.images, dtype=object)[rows]),
            labels=self.labels[rows],
            scores={name: s[rows] for name, s in self.scores.items()},
            member=member,
            patient=None if self.patient is None else _renumbered(self.patient[rows]),
            weights=None if self.weights is None else self.weights[rows],
            attributes={name: a[rows] for name, a in self.attributes.items()},
            diagnosis=None if self.diagnosis is None else self.diagnosis[rows],
            diagnoses={name: d[rows] for name, d in self.diagnoses.items()},
        )


def _renumbered(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same groups, numbered from 0 without gaps."""
    return np.asarray(np.unique(numbers, return_inverse=True)[1], np.int64)


@dataclass(frozen=True, slots=True)
class Reading:
    """How tables are read: columns by name instead of the usual ones, the unit of resampling, what may be left out.

    Scores whose row is marked in a column ``unusable`` count as missing.

    ``subset`` judges only images that every table scores, instead of refusing; ``fold`` names a column (of the truth or of
    a score table) within which scores are ranked before they are pooled.
    """

    target: str | None = None
    score: tuple[str, ...] = ()
    unit: str | None = None
    subset: bool = False
    fold: str | None = None


def build(truth: pl.DataFrame, scores: Mapping[str, pl.DataFrame], how: Reading | None = None) -> Study:
    """Join a prepared truth (see ``cygnet.evaluation.table.read``) and score tables into a study.

    Raises
    ------
    TableError
        If images lack a score or a score is not a number, naming the rows.
    InputError
        If a column is missing, or nothing is left to judge.
    """
    how = how or Reading()
    notes: list[str] = []
    columns = {name: found for name, names in tables.TRUTH.items() if (found := tables.find(truth, names))}
    for name in ("patient_id", "lesion_id", "age", "sex", "site"):
        if found := tables.find(truth, COLUMNS[name]):
            columns[name] = found
    classes, diagnosis = _classes(truth, scores)
    labels = _labels(truth, columns, how, classes, diagnosis)
    joined: dict[str, Floats] = {}
    many: dict[str, Floats] = {}
    inside = tables.find(truth, [how.fold]) if how.fold else None
    fold = tables.words(truth, inside) if inside else None
    for name, given in scores.items():
        extra = given.height - len(set(tables.images(given)) & set(tables.images(truth)))
        if extra:
            notes.append(f"{name}: {extra:,} scores are for images that the truth does not have; left out")
        aligned = tables.take(given, tables.images(truth))
        for column in _score_columns(given, name, how, classes):
            label = name if len(how.score) < 2 and how.score != ("all",) else f"{name}: {column}"
            joined[label] = tables.numbers(aligned, column, name)
            if _in(given, "unusable"):
                marked = tables.words(aligned, tables.named(given, "unusable", name))
                joined[label][[w.lower() in ("true", "1") for w in marked]] = np.nan
            if classes and all(_in(given, c) for c in classes):
                many[label] = _many(aligned, classes, name)
                joined[label][np.isnan(many[label]).any(axis=1)] = np.nan
    present = np.all([~np.isnan(s) for s in joined.values()], axis=0)
    _complete(truth, joined, how, notes)
    if how.fold:
        folds = fold if fold is not None else _fold_of(scores, truth, how.fold)
        joined = {name: _within(s, folds, present) for name, s in joined.items()}
        notes.append(f"scores were ranked within each {how.fold} before they were pooled")
        _one_fold(truth, columns, folds, present)
    if not present.any():
        raise InputError("no image is left to judge: the tables share none; do they name images in the same way?")
    study = _assemble(truth, columns, labels, joined, how, tuple(notes), classes, diagnosis, many)
    return study if present.all() else study.only(present)


def _in(table: pl.DataFrame, column: str | None) -> bool:
    return column is not None and tables.find(table, [column]) is not None


def _labels(
    truth: pl.DataFrame,
    columns: Mapping[str, str],
    how: Reading,
    classes: tuple[str, ...],
    diagnosis: NDArray[np.int64] | None,
) -> NDArray[np.bool_]:
    if how.target:
        return tables.labels(truth, tables.named(truth, how.target, "the truth"), "the truth")
    if "target" in columns:
        return tables.labels(truth, columns["target"], "the truth")
    if diagnosis is not None and "mel" in classes:
        return np.asarray(diagnosis == classes.index("mel"))
    if "diagnosis" in columns:
        return np.array([w.lower() in ("mel", "melanoma") for w in tables.words(truth, columns["diagnosis"])])
    raise InputError(
        f"the truth has no target among its columns {', '.join(truth.columns[:8])}; name it with --target COLUMN"
    )


def _score_columns(given: pl.DataFrame, name: str, how: Reading, classes: tuple[str, ...]) -> list[str]:
    if how.score == ("all",):
        found = [c for c, kind in given.schema.items() if kind.is_numeric() and not c.startswith("__") and c != "fold"]
    elif how.score:
        found = [tables.named(given, column, name) for column in how.score]
    else:
        usual = tables.find(given, tables.SCORE)
        numeric = [c for c, kind in given.schema.items() if kind.is_float() and not c.startswith("__")]
        found = [usual] if usual else numeric
        if len(found) != 1:
            raise InputError(
                f"{name}: which column is the score? Name it with --score COLUMN, or --score all for each of "
                f"{', '.join(numeric) or 'its numeric columns (there are none)'}"
            )
    if not found:
        raise InputError(f"{name}: no numeric column to judge")
    return found


def _complete(truth: pl.DataFrame, joined: Mapping[str, Floats], how: Reading, notes: list[str]) -> None:
    keys, numbers = tables.images(truth), tables.rows(truth)
    for name, values in joined.items():
        lacking = np.flatnonzero(np.isnan(values))
        if not len(lacking):
            continue
        if not how.subset:
            raise TableError(
                [f"{name}: no score for image {keys[i]} (truth row {numbers[i]})" for i in lacking],
                "score every image; or judge only those that all tables score, with --subset",
            )
        notes.append(
            f"{name}: {len(lacking):,} of {len(values):,} images have no score; only the shared ones are judged"
        )


def _fold_of(scores: Mapping[str, pl.DataFrame], truth: pl.DataFrame, column: str) -> NDArray[np.object_]:
    for given in scores.values():
        if _in(given, column):
            aligned = tables.take(given, tables.images(truth))
            return tables.words(aligned, tables.named(given, column, "the scores"))
    raise InputError(f"no table has the column {column!r} that --fold names")


def _within(values: Floats, fold: NDArray[np.object_], present: NDArray[np.bool_]) -> Floats:
    """Scores as their midrank within the fold, in (0, 1): folds trained apart are not on one scale."""
    ranked = np.full(len(values), np.nan)
    for name in set(fold[present]):
        mine = present & (fold == name)
        ranked[mine] = (midranks(values[mine]) - 0.5) / mine.sum()
    return ranked


def _one_fold(
    truth: pl.DataFrame, columns: Mapping[str, str], fold: NDArray[np.object_], present: NDArray[np.bool_]
) -> None:
    """A patient whose images lie in two folds was partly trained on."""
    if "patient_id" not in columns:
        return
    seen: dict[str, str] = {}
    wrong = []
    patients = tables.words(truth, columns["patient_id"])
    for i in np.flatnonzero(present & (patients != "")):
        earlier = seen.setdefault(patients[i], fold[i])
        if earlier != fold[i]:
            wrong.append(
                f"truth row {tables.rows(truth)[i]}: patient {patients[i]} is in folds {earlier} and {fold[i]}"
            )
    if wrong:
        raise TableError(
            wrong, "a patient in two folds was partly trained on; remove these patients or the --fold option"
        )


def _classes(
    truth: pl.DataFrame, scores: Mapping[str, pl.DataFrame]
) -> tuple[tuple[str, ...], NDArray[np.int64] | None]:
    """The diagnoses that truth and scores have a column each for, and the true one of each row."""
    shared = tuple(c for c in tables.CLASSES if _in(truth, c) and all(_in(s, c) for s in scores.values()))
    if len(shared) < 3:
        return (), None
    hot = np.stack([tables.numbers(truth, tables.named(truth, c, "the truth"), "the truth") for c in shared], axis=1)
    wrong = np.flatnonzero((np.nan_to_num(hot) > 0.5).sum(axis=1) != 1)
    if len(wrong):
        problems = [
            f"truth row {tables.rows(truth)[i]}: {int((hot[i] > 0.5).sum())} diagnoses are marked" for i in wrong
        ]
        raise TableError(problems, f"mark exactly one of {', '.join(shared)}")
    return shared, hot.argmax(axis=1)


def _many(aligned: pl.DataFrame, classes: Sequence[str], name: str) -> Floats:
    values = [tables.numbers(aligned, tables.named(aligned, c, name), name) for c in classes]
    return np.stack(values, axis=1)


def _assemble(
    truth: pl.DataFrame,
    columns: Mapping[str, str],
    labels: NDArray[np.bool_],
    scores: Mapping[str, Floats],
    how: Reading,
    notes: tuple[str, ...],
    classes: tuple[str, ...],
    diagnosis: NDArray[np.int64] | None,
    diagnoses: Mapping[str, Floats],
) -> Study:
    ids = {name: _numbered(truth, columns.get(f"{name}_id"), name) for name in ("patient", "lesion")}
    unit = how.unit or next(u for u in _UNITS if u == "image" or ids.get(u) is not None)
    if unit != "image" and ids.get(unit) is None:
        raise InputError(f"--unit {unit}: the truth has no {unit}_id column")
    member = np.arange(truth.height) if unit == "image" else ids[unit]
    assert member is not None
    kinds = ("age", "sex", "site", "skin_tone", "ita", "institution")
    return Study(
        images=tuple(tables.images(truth)),
        labels=labels,
        scores=dict(scores),
        unit=unit,
        member=member,
        patient=ids["patient"],
        weights=_weights(truth, columns["weight"]) if "weight" in columns else None,
        attributes={kind: tables.words(truth, columns[kind]) for kind in kinds if kind in columns},
        classes=classes,
        diagnosis=diagnosis,
        diagnoses=dict(diagnoses),
        notes=notes,
        ranked=bool(how.fold),
    )


def _weights(truth: pl.DataFrame, column: str) -> Floats:
    """Weights of the rows; one that is missing or negative is a problem of its row."""
    values = tables.numbers(truth, column, "the truth")
    wrong = np.flatnonzero(~(values >= 0))
    if len(wrong):
        problems = [f"truth row {tables.rows(truth)[i]}: {column} is {values[i]:g}, not 0 or more" for i in wrong]
        raise TableError(problems, "give every row a weight, or remove the column")
    return values


def _numbered(truth: pl.DataFrame, column: str | None, name: str) -> NDArray[np.int64] | None:
    """Numbers of patients or lesions; a row without one is one of its own."""
    if column is None:
        return None
    return numbered(tables.words(truth, column))


def numbered(known: NDArray[np.object_]) -> NDArray[np.int64]:
    """The number of each row's patient or lesion from names (n,); a row without one ("") is one of its own."""
    alone = np.array([f"\0{i}" for i in range(len(known))], dtype=object)
    _, number = np.unique(np.where(known == "", alone, known).astype(str), return_inverse=True)
    return np.asarray(number, np.int64)
