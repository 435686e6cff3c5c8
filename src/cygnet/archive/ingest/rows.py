"""A metadata table and the files it names, brought together into items."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

import polars as pl

from cygnet.archive.findings import Finding, Level, found
from cygnet.archive.identity import is_public_id
from cygnet.archive.ingest.items import Item, Unloadable
from cygnet.archive.ingest.sources import Files
from cygnet.errors import InputError, TableError
from cygnet.schema import tables
from cygnet.schema.check import Checked, check
from cygnet.schema.problems import Problem

_LEVELS: Final[dict[str, Level]] = {"error": "refuse", "warning": "hold"}
#: Not metadata of the image itself, or derived from what is.
_NOT_RECORD: Final = ("row", "image", "file", "age_approx", "copyright_license", "attribution")
#: Problems of the heading count for the whole table.
_HEADING: Final = (None, 1)
_FRAME: Final = re.compile(r"(.+)#([1-9]\d{0,5})")
#: Warnings about the table that no image is held for.
_ONLY_NOTED: Final = ("formula", "column-suspect", "encoding", "unnamed-column")


@dataclass(frozen=True, slots=True)
class Rows:
    """A checked table. ``frame`` is the table as it came; ``about_table`` are findings that belong to no row."""

    checked: Checked
    frame: pl.DataFrame
    about_table: tuple[Problem, ...]

    def __len__(self) -> int:
        return self.checked.rows.height


def read_rows(path: Path, *, drop: Sequence[str] = (), constants: Mapping[str, str] | None = None) -> Rows:
    """Read and check a table. ``drop`` are columns to leave out unread, ``constants`` values for all rows that lack the field.

    Raises
    ------
    InputError
        If there is no such table or column.
    TableError
        If the table as a whole cannot be used: personal data in a column, columns of one name, no column for images.
    """
    table = tables.read(path)
    unknown = [name for name in drop if name not in table.frame.columns]
    if unknown:
        raise InputError(f"{path}: no column {unknown[0]!r} to drop; there are {', '.join(table.frame.columns)}")
    frame = table.frame.drop(list(drop))
    added = [pl.lit(value).alias(name) for name, value in (constants or {}).items() if name not in frame.columns]
    problems = tuple(p for p in table.problems if p.column not in drop)
    checked = check(tables.Table(table.name, frame.with_columns(added), table.rows, problems))
    whole = tuple(p for p in checked.report.problems if p.row in _HEADING)
    errors = [str(p) for p in whole if p.severity == "error"]
    if errors:
        raise TableError(errors, "mend the table, or leave a column out with --drop COLUMN")
    return Rows(checked, frame, whole)


def pair(files: Files, rows: Rows, *, keep_ids: bool = False) -> Iterator[Item]:
    """An item for each row of the table, with a reason where its file is missing; ``keep_ids`` keeps public ids of ISIC's form."""
    index = Index(files)
    problems: dict[int, list[Finding]] = {}
    for problem in rows.checked.report.problems:
        # A word that was translated is no finding: it stands in ``contributed`` as it came.
        if problem.row is not None and problem.row not in _HEADING and problem.severity != "note":
            problems.setdefault(problem.row, []).append(as_finding(problem))
    contributed = rows.frame.iter_rows(named=True)
    for row, came in zip(rows.checked.rows.iter_rows(named=True), contributed, strict=True):
        given = [str(row[k]) for k in ("file", "image") if row[k]]
        name, load, reasons, frame = index.find_frame(given)
        yield Item(
            name=name or f"row {row['row']}",
            load=load,
            record=record_of(row),
            contributed={k: v for k, v in came.items() if v is not None},
            findings=(*problems.get(row["row"], ()), *reasons),
            licence=row["copyright_license"],
            attribution=row["attribution"],
            public_ids=_public_ids(row) if keep_ids else {},
            frame=frame,
        )

    read = set(rows.checked.rows["row"].to_list())
    for number in sorted(problems.keys() - read):  # rows too broken to be read
        yield Item(f"row {number}", _nothing, findings=tuple(problems[number]))


def without_table(files: Files, record: Mapping[str, Any]) -> Iterator[Item]:
    """An item for each file, with the same metadata for all."""
    for name, load in files.items():
        yield Item(name, load, record=record)


def frame_of(records: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Records as the cleaned frame that the schema judges, numbered from 1."""
    kinds = check(pl.DataFrame({"image": []}, {"image": pl.String})).rows.schema
    columns = {name: [record.get(name) for record in records] for name in kinds if name != "row"}
    frame = pl.DataFrame(columns, {name: kind for name, kind in kinds.items() if name != "row"}, strict=False)
    return frame.with_row_index("row", 1)


def checked_records(rows: Sequence[Mapping[str, str]]) -> list[tuple[dict[str, Any], tuple[Finding, ...]]]:
    """Rows of text, as another archive gives them, as records with what is wrong in each."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    frame = pl.DataFrame({name: [row.get(name) for row in rows] for name in names}, dict.fromkeys(names, pl.String))
    if not names:
        return [({}, ()) for _ in rows]
    checked = check(frame, need_image=False)
    problems: dict[int, list[Finding]] = {}
    for problem in checked.report.problems:
        if problem.row is not None and problem.severity != "note":
            problems.setdefault(problem.row, []).append(as_finding(problem))
    return [(record_of(row), tuple(problems.get(row["row"], ()))) for row in checked.rows.iter_rows(named=True)]


def record_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata of one cleaned row, without what is not known."""
    return {k: v for k, v in row.items() if v is not None and k not in _NOT_RECORD}


def as_finding(problem: Problem) -> Finding:
    """A problem of the schema as a finding of the archive: errors refuse, warnings hold."""
    level = "note" if problem.code in _ONLY_NOTED else _LEVELS.get(problem.severity, "note")
    return Finding(level, problem.group, problem.code, str(problem))


def _public_ids(row: Mapping[str, Any]) -> dict[str, str]:
    ids = {
        "image": PurePosixPath(str(row["image"])).stem,
        "patient": str(row["patient_id"]),
        "lesion": str(row["lesion_id"]),
    }
    return {kind: text for kind, text in ids.items() if is_public_id(text, kind)}


class Index:
    """Files by the ways a table may name them: path, last part of it, and that without its suffix; capitals do not matter."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._by: dict[str, list[str]] = {}
        for name in files:
            path = PurePosixPath(name.casefold())
            for key in {str(path), path.name, path.stem}:
                self._by.setdefault(key, []).append(name)

    def find_frame(self, given: Sequence[str]) -> tuple[str, Callable[[], bytes], tuple[Finding, ...], int]:
        """As :meth:`find`, and which frame: ``scan.dcm#2`` is the second one of ``scan.dcm``, unless a file has that name; 0 for all."""
        if given and (named := _FRAME.fullmatch(given[0])):
            path = PurePosixPath(given[0].replace("\\", "/").casefold())
            framed = self.find([named[1]])
            if not framed[2] and not {str(path), path.name} & self._by.keys():
                return *framed, int(named[2])
        return *self.find(given), 0

    def find(self, given: Sequence[str]) -> tuple[str, Callable[[], bytes], tuple[Finding, ...]]:
        """The file that one of the given texts means: name, how to load it, and why not."""
        for text in given:
            if text in self._files:
                return text, self._files[text], ()
            path = PurePosixPath(text.replace("\\", "/").casefold())
            for key in (str(path), path.name, path.stem):
                hits = self._by.get(key, [])
                if len(hits) == 1:
                    return hits[0], self._files[hits[0]], ()
                if hits:
                    words = f"{text!r} could be {hits[0]!r} or {hits[1]!r}; name the folder as well"
                    return text, _nothing, (found("refuse", "ambiguous-file", words),)
        words = f"no file for {given[0]!r} in the source" if given else "the row names no image"
        return (given[0] if given else ""), _nothing, (found("refuse", "missing", words),)


def _nothing() -> bytes:
    raise Unloadable(found("refuse", "missing"))
