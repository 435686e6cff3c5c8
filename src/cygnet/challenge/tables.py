"""The table of a submission: from bytes to numbers per image, or to every problem in it.

A sound CSV goes through polars in one sweep; anything odd (quotes, empty lines, other encodings and separators) through
:mod:`cygnet.schema.tables`, which takes its time and knows the lines.
"""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cygnet.challenge.packed import Source, content, gunzip, members, opened_zip
from cygnet.challenge.problems import LISTED, Problems
from cygnet.challenge.tasks import IDENTIFIERS, Task
from cygnet.errors import InputError
from cygnet.schema.columns import plain
from cygnet.schema.tables import from_frame, read

Floats = NDArray[np.float64]

_SUFFIX: Final = r"(?i)\.(jpe?g|png)$"
_ROWS: Final = 5_000_000


@dataclass(frozen=True, slots=True)
class Lines:
    """A table as text: a String column per heading, null where empty, and the line (n,) of each row."""

    frame: pl.DataFrame
    line: NDArray[np.int64]


def read_lines(source: Source, problems: Problems) -> Lines | None:
    """The table in a CSV, gzip, zip of one CSV, or Parquet file; None where nothing can be read.

    What is in the bytes counts, not what the name ends in.
    """
    data: bytes | None = source.read()
    if data is not None and data[:2] == b"PK":
        data = _only_table(Source(source.name, data=data), problems)
    if data is not None and data[:2] == b"\x1f\x8b":
        data = gunzip(data, problems)
    if data is None:
        return None
    if data[:4] == b"PAR1":
        return _parquet(data, problems)
    if not data[:4096].strip() and not data.strip():
        problems.add("empty", "the file is empty", "send a heading line and one row per image")
        return None
    return _quick(data) or _careful(data, source.name, problems)


def _only_table(source: Source, problems: Problems) -> bytes | None:
    archive = opened_zip(source, problems)
    if archive is None:
        return None
    with archive:
        if "[Content_Types].xml" in archive.namelist():
            problems.add("spreadsheet", "a spreadsheet, not a table of text", "save it as CSV (UTF-8)")
            return None
        files = list(members(archive, 50, problems))
        tables = [f for f in files if f.filename.lower().endswith((".csv", ".tsv", ".parquet"))]
        if len(tables) != 1:
            if not problems.refused:
                problems.add("zip", f"a zip with {len(tables)} tables", "send the one CSV file itself")
            return None
        found = content(archive, tables[0])
    if isinstance(found, str):
        problems.add("zip", found, "send the CSV file itself", column=tables[0].filename)
        return None
    return found


def _parquet(data: bytes, problems: Problems) -> Lines | None:
    try:
        if pl.scan_parquet(io.BytesIO(data)).select(pl.len()).collect().item() > _ROWS:
            problems.add("too-large", f"more than {_ROWS:,} rows", "send one row per image")
            return None
        table = from_frame(pl.read_parquet(io.BytesIO(data)))
    except (pl.exceptions.PolarsError, OSError) as error:
        problems.add("parquet", f"cannot be read as Parquet ({str(error).splitlines()[0]})", "save it again, or as CSV")
        return None
    return Lines(table.frame, table.rows.to_numpy().astype(np.int64))


def _quick(data: bytes) -> Lines | None:
    """A plain CSV in UTF-8, None where the careful reader must look at it."""
    empty = b"\n\n" in data or b"\n\r\n" in data or data[:1] in (b"\r", b"\n")
    if empty or b'"' in data or b"\0" in data or data[:3] == b"\xef\xbb\xbf":
        return None
    head = data[: data.find(b"\n") + 1].rstrip(b"\r\n")
    if b"\r" in head or b"," not in head or b";" in head or b"'" in head or not data[len(head) : 4096].strip():
        return None
    names = [name.strip() for name in head.decode("utf-8", "replace").split(",")]
    if len(set(map(plain, names))) < len(names) or not all(names):
        return None
    try:
        frame = pl.read_csv(data, infer_schema=False, has_header=True, new_columns=names)
    except pl.exceptions.PolarsError:
        return None
    return Lines(frame, np.arange(2, frame.height + 2))


def _careful(data: bytes, name: str, problems: Problems) -> Lines | None:
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "table.csv"
        file.write_bytes(data)
        try:
            table = read(file)
        except InputError as error:
            problems.add("unreadable", str(error).replace(str(file), name), "send a CSV file in UTF-8")
            return None
    for p in table.problems:
        message, _, fix = p.message.partition("; ")
        if p.severity == "warning":
            problems.warn(p.code, message, fix)
        else:
            fix = p.suggestion or fix or "export the table again"
            problems.add(p.code, message, fix, line=p.row, column=p.column, value=p.value)
    return Lines(table.frame, table.rows.to_numpy().astype(np.int64))


def values(lines: Lines, task: Task, ids: Mapping[str, int], problems: Problems) -> Floats | None:
    """The numbers (n, classes) of the images ``ids`` (their places, 0 to n - 1); None where a problem refuses the table."""
    identifier = _identifier(lines, task, problems)
    columns = _columns(lines.frame, task, identifier, problems)
    if not lines.frame.height:
        problems.add("empty", "the table has a heading and no rows", "send one row per image")
    read = lines.frame.select(
        *([pl.col(identifier).str.strip_chars().str.replace(_SUFFIX, "").alias("\0id")] if identifier else []),
        *(pl.col(c).str.strip_chars().cast(pl.Float64, strict=False) for c in columns.values()),
    )
    order = _rows(lines, identifier, read["\0id"], ids, problems) if identifier else None
    cells = [_numbers(lines, column, read[column], problems) for column in columns.values()]
    if problems.refused or order is None:
        return None
    return np.ascontiguousarray(np.stack(cells, axis=1)[order])


def image_names(lines: Lines, task: Task) -> list[str]:
    """The names in the image column, without endings; empty where there is no such column."""
    known = {plain(c): c for c in reversed(lines.frame.columns)}
    found = next((known[n] for n in (plain(task.identifier), *IDENTIFIERS) if n in known), None)
    if found is None:
        return []
    return list(lines.frame[found].drop_nulls().str.strip_chars().str.replace(_SUFFIX, ""))


def _identifier(lines: Lines, task: Task, problems: Problems) -> str | None:
    known = {plain(c): c for c in reversed(lines.frame.columns)}
    found = next((known[n] for n in (plain(task.identifier), *IDENTIFIERS) if n in known), None)
    if found is None:
        first = lines.frame.columns[0] if lines.frame.columns else ""
        if _numeric(first) or any(_numeric(c) for c in lines.frame.columns[1:]):
            problems.add(
                "no-heading",
                "the first line holds values, not the names of the columns",
                f"put this line before it: {','.join((task.identifier, *task.classes))}",
                line=1,
                value=",".join(lines.frame.columns),
            )
        else:
            problems.add(
                "missing-column",
                f"no image column among {', '.join(lines.frame.columns[:12])}",
                f"call the column of image names {task.identifier}",
                line=1,
                column=task.identifier,
            )
    return found


def _numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _columns(frame: pl.DataFrame, task: Task, identifier: str | None, problems: Problems) -> dict[str, str]:
    """Column of each class that is there; missing and extra ones become problems."""
    known = {plain(c): c for c in reversed(frame.columns)}
    found = {name: known[plain(name)] for name in task.classes if plain(name) in known}
    missing = [name for name in task.classes if name not in found]
    extra = [c for c in frame.columns if c not in found.values() and c != identifier]
    if problems.refused and any(p.code == "no-heading" for p in problems.found):
        return found
    for name in missing:
        near = extra[0] if len(missing) == len(extra) == 1 else ""
        fix = f"rename {near} to {name}" if near else f"add a column {name} with a value for each image"
        problems.add("missing-column", f"column {name} is missing", fix, line=1, column=name)
    for name in extra:
        fix = "remove it" if len(missing) != 1 or len(extra) != 1 else f"rename it to {missing[0]}"
        problems.add("extra-column", f"column {name} does not belong there", fix, line=1, column=name)
    return found


def _rows(
    lines: Lines, column: str, names: pl.Series, ids: Mapping[str, int], problems: Problems
) -> NDArray[np.int64] | None:
    """The row of each image, None where some image has none or two."""
    places = np.fromiter((ids.get(name, -1) for name in names.to_list()), np.int64, len(names))
    rows = np.full(len(ids), -1, np.int64)
    rows[places[places >= 0]] = np.flatnonzero(places >= 0)
    if len(places) == len(ids) and (rows >= 0).all():
        return rows
    _unnamed(lines, names, column, problems)
    _twice(lines, names, column, problems)
    _unknown(lines, names, places, ids, column, problems)
    missing = [name for name, place in ids.items() if rows[place] < 0]
    for name in missing[:LISTED]:
        problems.add("missing-image", f"image {name} has no row", "add one", column=column, value=name)
    problems.skip("missing-image", len(missing) - LISTED)
    return None if missing else rows


def _each(mask: pl.Series, code: str, problems: Problems) -> list[int]:
    """The first rows where ``mask`` holds; all are counted."""
    where = mask.fill_null(value=False).arg_true()
    problems.skip(code, len(where) - LISTED)
    return where.head(LISTED).to_list()


def _unnamed(lines: Lines, names: pl.Series, column: str, problems: Problems) -> None:
    for k in _each(names.is_null() | (names == ""), "no-image", problems):
        problems.add("no-image", "the row names no image", "fill it in", line=int(lines.line[k]), column=column)


def _twice(lines: Lines, names: pl.Series, column: str, problems: Problems) -> None:
    if names.drop_nulls().n_unique() == len(names.drop_nulls()):
        return
    later = names.is_duplicated() & ~names.is_first_distinct() & names.is_not_null()
    first = {name: int(lines.line[k]) for k, name in reversed(list(enumerate(names))) if name is not None}
    for k in _each(later, "duplicate-image", problems):
        problems.add(
            "duplicate-image",
            f"image {names[k]} already stands in line {first[names[k]]}",
            "keep one row per image",
            line=int(lines.line[k]),
            column=column,
            value=names[k],
        )


def _unknown(
    lines: Lines,
    names: pl.Series,
    places: NDArray[np.int64],
    ids: Mapping[str, int],
    column: str,
    problems: Problems,
) -> None:
    rows = _each(pl.Series(places < 0) & names.is_not_null() & (names != ""), "unknown-image", problems)
    loose = {_loose(name): name for name in ids} if rows else {}
    for k in rows:
        name = names[k]
        near = loose.get(_loose(name))
        fix = f"write {near}" if near else "remove the row; names must be those of the challenge's images"
        problems.add(
            "unknown-image",
            f"{name!r} is none of the {len(ids):,} images",
            fix,
            line=int(lines.line[k]),
            column=column,
            value=name,
        )


def _loose(name: str) -> str:
    """An image name without what people change in it: folder, capitals, ending, prefix, leading zeros."""
    stem = re.sub(r"^.*[/\\]", "", name).lower()
    stem = re.sub(r"(_segmentation|_downsampled|\.[a-z]{2,4})+$", "", stem)
    return re.sub(r"^(isic)?[_\- ]*0*", "", stem)


def _numbers(lines: Lines, column: str, number: pl.Series, problems: Problems) -> Floats:
    """A column as numbers in [0, 1]; every cell that is none is a problem."""
    made: Floats = number.to_numpy().astype(np.float64)
    if number.null_count() or not ((made >= 0) & (made <= 1)).all():
        _bad_cells(lines, column, lines.frame[column].str.strip_chars(), number, problems)
    return made


def _bad_cells(lines: Lines, column: str, text: pl.Series, number: pl.Series, problems: Problems) -> None:
    empty = text.is_null() | (text == "")
    for k in _each(empty, "missing-value", problems):
        problems.add("missing-value", "no value", "write a number from 0 to 1", line=int(lines.line[k]), column=column)
    words = (number.is_null() & ~empty) | number.is_nan() | number.is_infinite()
    for k in _each(words, "not-a-number", problems):
        problems.add(
            "not-a-number",
            f"{text[k]!r} is no number",
            _mended(text[k]),
            line=int(lines.line[k]),
            column=column,
            value=text[k],
        )
    outside = number.is_finite() & ((number < 0) | (number > 1))
    share = outside.fill_null(value=False).sum()
    finite = number.filter(number.is_finite().fill_null(value=False))
    percent = share and 1 < float(finite.max()) <= 100 and float(finite.min()) >= 0  # type: ignore[arg-type]
    for k in _each(outside, "out-of-range", problems):
        fix = (
            f"write {number[k] / 100:.6g}: these look like percentages, divide by 100"
            if percent
            else "write a number from 0 to 1; scores on another scale go through a logistic function first"
        )
        problems.add(
            "out-of-range",
            f"{text[k]} is not between 0 and 1",
            fix,
            line=int(lines.line[k]),
            column=column,
            value=text[k],
        )


def _mended(text: str) -> str:
    """What the writer of a cell that is no number may have meant."""
    if re.fullmatch(r"[0-9]+(\.[0-9]+)? ?%", text):
        return f"write {float(text.rstrip('% ')) / 100:.6g}, without the percent sign"
    if re.fullmatch(r"[0-9]*,[0-9]+", text):
        return f"write {text.replace(',', '.')}, with a point"
    if re.match(r"ISIC_\d", text):
        return "an image name stands there: are the headings swapped?"
    return "write a number from 0 to 1"
