"""Anyone's tables to lesions in context: scores, and embeddings or measurements joined to them by image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cygnet.context import log_odds
from cygnet.context.sites import site_numbers, site_words
from cygnet.errors import InputError, TableError
from cygnet.evaluation import table
from cygnet.schema import COLUMNS
from cygnet.schema.records import ValueProblem, read_day

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Columns that say what took the picture; lesions are only compared where they agree.
KIND: Final = ("image_type", "device")
_SIZES: Final = ("area", "diam", "size", "perimeter")


@dataclass(frozen=True, slots=True)
class Given:
    """The rows of a score table, checked.

    ``frame`` as read; ``images``; ``probability`` and ``score`` (n,), its log odds; ``patient``, ``lesion``, ``site``,
    ``kind`` (n,) numbers (site -1 where unknown; without a lesion column each row is a lesion); ``day`` and ``age`` (n,),
    NaN where unknown; ``embedding`` (n, d) or None; ``measurements`` (n, m) with their ``names``; ``sizes`` (m,) bool:
    measurements of which growth is said in per cent; ``dated``: whether there is a column of days.
    """

    frame: pl.DataFrame
    images: list[str]
    probability: Floats
    score: Floats
    patient: Ints
    lesion: Ints
    site: Ints
    kind: Ints
    day: Floats
    age: Floats
    embedding: NDArray[np.float32] | None
    measurements: Floats
    names: tuple[str, ...]
    sizes: NDArray[np.bool_]
    dated: bool


def read(
    scores: Path,
    *,
    embeddings: Path | None = None,
    measurements: Path | None = None,
    score: str | None = None,
    logits: bool = False,
    memory: int = table.MEMORY_MB,
) -> Given:
    """Read and join the tables.

    Raises
    ------
    InputError
        If a file or column is missing or of the wrong shape.
    TableError
        If rows are wrong, naming them: no patient, a score that is none, a lesion of two patients or sites, a patient in
        two folds, images that do not join, NaN.
    """
    frame = table.read(scores, memory)
    name = scores.name
    patient_column = table.find(frame, COLUMNS["patient_id"])
    if patient_column is None:
        there = ", ".join(c for c in frame.columns if not c.startswith("__"))
        raise InputError(
            f"{name}: no patient_id column, and context is a patient's other lesions; add one (there are {there})"
        )
    patients = _text(frame, patient_column)
    _refuse(frame, name, patients == "", f"no patient in column {patient_column}", "fill it in or drop the row")
    probability, evidence = _scores(frame, name, score, logits=logits)
    lesion_column = table.find(frame, COLUMNS["lesion_id"])
    lesions = np.full(frame.height, "", object) if lesion_column is None else _text(frame, lesion_column)
    site = _sites(frame)
    _one_owner(frame, name, lesions, patients, "belongs to two patients", "a lesion has one patient")
    _one_owner(frame, name, lesions, site, "is at two sites", "give a lesion one site, or leave the site empty")
    fold = table.find(frame, ["fold"])
    if fold is not None:
        advice = "its lesions were scored by different models; split by patient (cygnet split)"
        _one_owner(frame, name, patients, _text(frame, fold), "is in two folds", advice, what="patient")
    look = None if embeddings is None else _embeddings(frame, name, embeddings, memory)
    measured, names = (
        (np.zeros((frame.height, 0)), ()) if measurements is None else _measurements(frame, measurements, memory)
    )
    day, dated = _days(frame, name)
    code = np.unique(patients, return_inverse=True)[1]
    return Given(
        frame,
        table.images(frame),
        probability,
        evidence,
        code,
        _lesion_numbers(code, lesions),
        site_numbers(site),
        _kinds(frame),
        day,
        _ages(frame),
        look,
        measured,
        names,
        np.array([any(word in n.lower() for word in _SIZES) for n in names], bool),
        dated,
    )


def _text(frame: pl.DataFrame, column: str) -> NDArray[np.object_]:
    """A column as trimmed text, "" where missing."""
    values = frame[column]
    if values.dtype.is_float() and bool((values.drop_nulls() % 1 == 0).all()):
        values = values.cast(pl.Int64)
    return values.cast(pl.String).str.strip_chars().fill_null("").to_numpy().astype(object)


def _refuse(frame: pl.DataFrame, name: str, wrong: NDArray[np.bool_], words: str, advice: str) -> None:
    if wrong.any():
        rows = np.array(table.rows(frame))[wrong]
        raise TableError([f"{name} row {row}: {words}" for row in rows.tolist()], advice)


def _scores(frame: pl.DataFrame, name: str, wanted: str | None, *, logits: bool) -> tuple[Floats, Floats]:
    column = table.named(frame, wanted, name) if wanted else table.find(frame, table.SCORE)
    if column is None:
        raise InputError(
            f"{name}: no score column; name one of {', '.join(table.SCORE[:4])}, or say which with --score"
        )
    values = table.numbers(frame, column, name)
    _refuse(frame, name, ~np.isfinite(values), f"no finite number in {column}", "score every image or drop the row")
    if logits:
        return 1 / (1 + np.exp(-np.clip(values, -700, 700))), values
    outside = (values < 0) | (values > 1)
    advice = "scores are probabilities; for log odds say --logits, for another scale bring them into 0 to 1 first"
    _refuse(frame, name, outside, f"{column} is not between 0 and 1", advice)
    return values, log_odds(values)


def _sites(frame: pl.DataFrame) -> NDArray[np.object_]:
    column = table.find(frame, COLUMNS["site"])
    return np.full(frame.height, "", object) if column is None else site_words(_text(frame, column))


def _days(frame: pl.DataFrame, name: str) -> tuple[Floats, bool]:
    column = table.find(frame, COLUMNS["acquisition_day"])
    if column is None:
        return np.full(frame.height, np.nan), False
    words, code = np.unique(_text(frame, column).astype(str), return_inverse=True)
    read_, problems = np.full(len(words), np.nan), {}
    for k, word in enumerate(words.tolist()):
        try:
            day = read_day(word)
            read_[k] = np.nan if day is None else day
        except ValueProblem as problem:
            problems[k] = str(problem)
    if problems:
        rows = np.array(table.rows(frame))
        wrong = [f"{name} row {row}: {problems[c]}" for row, c in zip(rows, code, strict=True) if c in problems]
        raise TableError(wrong, "give days since any fixed day, or leave it empty")
    return read_[code], True


def _ages(frame: pl.DataFrame) -> Floats:
    column = table.find(frame, COLUMNS["age"])
    if column is None:
        return np.full(frame.height, np.nan)
    return frame[column].cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy().astype(np.float64)


def _kinds(frame: pl.DataFrame) -> Ints:
    columns = [c for kind in KIND if (c := table.find(frame, [kind])) is not None]
    if not columns:
        return np.zeros(frame.height, np.int64)
    joined = np.array(["\t".join(parts) for parts in zip(*(_text(frame, c) for c in columns), strict=True)])
    return np.asarray(np.unique(joined, return_inverse=True)[1], np.int64)


def _lesion_numbers(patient: Ints, lesions: NDArray[np.object_]) -> Ints:
    """The same number for rows of one lesion; rows without a lesion are lesions of their own."""
    number = np.arange(len(patient))
    named = np.flatnonzero(lesions != "")
    if len(named):
        _, first, code = np.unique(lesions[named].astype(str), return_index=True, return_inverse=True)
        number[named] = named[first][code]
    return number


def _one_owner(
    frame: pl.DataFrame,
    name: str,
    things: NDArray[np.object_],
    owners: NDArray[np.object_],
    words: str,
    advice: str,
    *,
    what: str = "lesion",
) -> None:
    """Refuse a thing with two owners, naming the row of the second."""
    pairs = pl.DataFrame({"row": table.rows(frame), "thing": list(things), "owner": list(owners)})
    pairs = pairs.filter((pl.col("thing") != "") & (pl.col("owner") != "")).unique(
        ["thing", "owner"], keep="first", maintain_order=True
    )
    twice = pairs.filter(pl.col("thing").is_duplicated())
    if twice.height:
        groups = twice.group_by("thing", maintain_order=True).agg("row", "owner")
        problems = [
            f"{name} rows {', '.join(map(str, rows))}: {what} {thing} {words} ({', '.join(map(str, owner))})"
            for thing, rows, owner in groups.rows()
        ]
        raise TableError(problems, advice)


def _embeddings(frame: pl.DataFrame, name: str, path: Path, memory: int) -> NDArray[np.float32]:
    if path.suffix.lower() != ".npy":
        other = table.read(path, memory)
        values = _joined(frame, other, path.name)
        lists = [c for c in values.columns if values[c].dtype.is_nested()]
        if len(lists) > 1:
            raise InputError(f"{path.name}: list columns {', '.join(lists)}; keep one embedding")
        look = _stacked(values[lists[0]], path.name) if lists else _numeric(values, path.name)[0].astype(np.float32)
    else:
        look = _array(path, memory)
        if len(look) != frame.height:
            raise InputError(
                f"{path.name}: {len(look):,} embeddings for the {frame.height:,} rows of {name}; give one per row in the "
                "same order, or a Parquet table with an image column"
            )
    wrong = np.asarray(~np.isfinite(look).all(axis=1))
    _refuse(
        frame, name, wrong, f"its embedding in {path.name} holds NaN or infinity", "embed the image again or drop it"
    )
    return look


def _array(path: Path, memory: int) -> NDArray[np.float32]:
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path")
    try:
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path.name}: cannot be read as a numpy array ({error}); save it with numpy.save") from error
    if stored.ndim != 2 or stored.dtype.kind not in "fiu" or not stored.shape[1]:
        raise InputError(
            f"{path.name}: an array {stored.shape} of {stored.dtype}; (images, numbers) of floats is needed"
        )
    if stored.size * 4 / 1e6 > memory:
        raise InputError(f"{path.name}: {stored.size * 4 / 1e6:,.0f} MB, more than {memory:,} MB; raise --memory")
    return np.ascontiguousarray(stored, np.float32)


def _stacked(values: pl.Series, name: str) -> NDArray[np.float32]:
    length = values.list.len() if values.dtype == pl.List else None
    if length is not None and length.n_unique() != 1:
        counted = ", ".join(f"{n:,} rows of {k}" for k, n in length.value_counts(sort=True).head(3).rows())
        raise InputError(f"{name}: embeddings of different lengths ({counted}); they must all come from one model")
    return np.ascontiguousarray(np.array(values.to_list(), np.float32))


def _measurements(frame: pl.DataFrame, path: Path, memory: int) -> tuple[Floats, tuple[str, ...]]:
    values = _joined(frame, table.read(path, memory), path.name)
    measured, names = _numeric(values, path.name)
    wrong = ~np.isfinite(measured)
    if wrong.any():
        rows, columns = np.nonzero(wrong)
        images = table.images(frame)
        problems = [
            f"{path.name}: image {images[r]} has no {names[c]}"
            for r, c in zip(rows.tolist(), columns.tolist(), strict=True)
        ]
        raise TableError(problems, "fill the value in, or drop the column or the image")
    return np.asarray(measured, np.float64), names


def _joined(frame: pl.DataFrame, other: pl.DataFrame, name: str) -> pl.DataFrame:
    """The rows of ``other`` for the images of ``frame``, in their order, without its image column."""
    keys, there = table.images(frame), set(table.images(other))
    missing = [f"{name}: no row for image {key}" for key in keys if key not in there]
    if missing:
        raise TableError(
            missing, f"{len(keys) - len(missing):,} of {len(keys):,} images were found; are they named alike?"
        )
    image = table.find(other, COLUMNS["image"])
    kept = [c for c in other.columns if c != image and not c.startswith("__row")]
    taken = table.take(other.select(kept), keys)
    return taken.select(c for c in taken.columns if not c.startswith("__"))


def _numeric(values: pl.DataFrame, name: str) -> tuple[Floats, tuple[str, ...]]:
    """All columns that hold numbers; those that name patients or the truth are left out."""
    aside = {word for field in COLUMNS.values() for word in field} | {"fold", *table.SCORE, *table.TRUTH["target"]}
    names = [c for c in values.columns if values[c].dtype.is_numeric() and c.lower() not in aside]
    if not names:
        raise InputError(f"{name}: no column of numbers; there are {', '.join(values.columns) or 'none'}")
    return values.select(pl.col(names).cast(pl.Float64)).fill_null(float("nan")).to_numpy(), tuple(names)
