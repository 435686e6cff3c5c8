"""Truth and scores out of anyone's tables: CSV, TSV or Parquet, joined by image."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cygnet.errors import InputError, TableError
from cygnet.schema import COLUMNS
from cygnet.schema.tables import read_frame

Floats = NDArray[np.float64]

#: Megabytes that a table may take, as its file says; more is refused before it is read.
MEMORY_MB: Final = 2000
#: Column names of the truth, beside those of ``cygnet.schema.COLUMNS``; the first that is there is taken.
TRUTH: Final[dict[str, tuple[str, ...]]] = {
    "target": ("target", "melanoma", "mel", "malignant", "label", "benign_malignant"),
    "diagnosis": ("diagnosis", "dx"),
    "skin_tone": ("fitzpatrick", "skin_tone", "fitzpatrick_skin_type"),
    "ita": ("ita",),
    "institution": ("institution", "hospital", "centre", "center", "attribution"),
    "weight": ("score_weight", "weight", "sample_weight"),
    "fold": ("fold",),
}
SCORE: Final = ("score", "p_melanoma", "target", "melanoma", "mel", "prediction", "probability", "p", "pred")
#: Diagnosis columns of the multi-class challenges (2018, 2019), as they are written there.
CLASSES: Final = ("mel", "nv", "bcc", "akiec", "ak", "bkl", "df", "vasc", "scc", "unk")
_YES: Final = {"1", "1.0", "true", "yes", "malignant", "melanoma", "mel"}
_NO: Final = {"0", "0.0", "false", "no", "benign"}
_MISSING: Final = ("", "NA", "N/A", "nan", "NaN", "null", "None")
_KEY: Final = "__image"
_ROW: Final = "__row"


def read(path: str | os.PathLike[str], memory_mb: int = MEMORY_MB) -> pl.DataFrame:
    """A table with its image names normalised (no folder, no extension) and its rows numbered.

    Raises
    ------
    InputError
        If the file is missing, too large for ``memory_mb``, unreadable, empty, or has no image column.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"{file}: no such file; check the path")
    size = file.stat().st_size / 1e6
    if size > memory_mb:
        raise InputError(
            f"{file}: {size:,.0f} MB, more than the limit of {memory_mb:,} MB; keep only the columns that are needed, "
            "or raise --memory"
        )
    return prepare(read_frame(file, infer=True, null_values=_MISSING), file.name)


def prepare(table: pl.DataFrame, name: str) -> pl.DataFrame:
    """As ``read``, from a data frame; ``name`` stands for it in messages."""
    if not table.height:
        raise InputError(f"{name}: the table has no rows; add one row per image")
    image = find(table, COLUMNS["image"])
    if image is None:
        raise InputError(
            f"{name}: no image column among {', '.join(table.columns[:8])}; name it one of {', '.join(COLUMNS['image'])}"
        )
    stem = pl.col(image).cast(pl.String).str.strip_chars().str.replace(r"^.*[/\\]", "")
    stem = stem.str.replace(r"(?i)\.(jpe?g|png|tiff?|bmp|webp|dcm)$", "")
    table = table.with_columns(stem.alias(_KEY)).with_row_index(_ROW, offset=2)
    if empty := table.filter(pl.col(_KEY).is_null() | (pl.col(_KEY) == ""))[_ROW].to_list():
        raise TableError([f"{name} row {row}: no image named in column {image}" for row in empty], "fill it in")
    twice = table.filter(pl.col(_KEY).is_duplicated()).sort(_KEY, _ROW)
    if twice.height:
        raise TableError(
            [
                f"{name} row {row}: image {key} stands there more than once"
                for key, row in twice.select(_KEY, _ROW).rows()
            ],
            "keep one row per image",
        )
    return table


def find(table: pl.DataFrame, names: Sequence[str]) -> str | None:
    """The first column called one of ``names``, capitals aside."""
    lower = {column.lower(): column for column in reversed(table.columns)}
    return next((lower[name.lower()] for name in names if name.lower() in lower), None)


def named(table: pl.DataFrame, column: str, name: str) -> str:
    """The column asked for, or an error that says which there are."""
    found = find(table, [column])
    if found is None:
        there = ", ".join(c for c in table.columns if c not in (_KEY, _ROW))
        raise InputError(f"{name}: no column {column!r}; there are {there}")
    return found


def images(table: pl.DataFrame) -> list[str]:
    """The normalised image names of a table."""
    return list(table[_KEY])


def rows(table: pl.DataFrame) -> list[int]:
    """The row numbers of a table as a spreadsheet shows them (the heading is row 1)."""
    return list(table[_ROW])


def labels(table: pl.DataFrame, column: str, name: str) -> NDArray[np.bool_]:
    """A column of 0/1, true/false, benign/malignant as bool; anything else is a problem of its row."""
    words = [str(v).strip().lower() if v is not None else "" for v in table[column].to_list()]
    wrong = [
        f"{name} row {row}: {column} is {word or 'empty'!r}, not 0 or 1"
        for row, word in zip(rows(table), words, strict=True)
        if word not in _YES and word not in _NO
    ]
    if wrong:
        raise TableError(wrong, "give 1 for melanoma and 0 for the rest, or name another column with --target")
    return np.array([word in _YES for word in words])


def numbers(table: pl.DataFrame, column: str, name: str) -> Floats:
    """A column as float64, NaN where empty; a word in it is a problem of its row."""
    made = table[column].cast(pl.Float64, strict=False)
    lost = table.filter(table[column].is_not_null() & made.is_null())
    if lost.height:
        raise TableError(
            [
                f"{name} row {row}: {column} is {value!r}, not a number"
                for row, value in lost.select(_ROW, column).rows()
            ]
        )
    return made.fill_null(float("nan")).to_numpy().astype(np.float64)


def words(table: pl.DataFrame, column: str) -> NDArray[np.object_]:
    """A column as text, "" where empty."""
    return np.array([_word(v) for v in table[column].to_list()], dtype=object)


def _word(value: Any) -> str:
    if value is None:
        return ""
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
    return "" if text in _MISSING or text.lower() == "unknown" else text


def take(table: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """The rows of ``table`` in the order of ``keys``; those that are not there are null."""
    wanted = pl.DataFrame({_KEY: keys}, schema={_KEY: pl.String})
    return wanted.join(table, on=_KEY, how="left", maintain_order="left")
