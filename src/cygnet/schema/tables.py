"""Tables as people send them: any encoding, separator and line end, and broken rows named by number.

``read`` keeps every cell as text and lists what is wrong; ``read_frame`` is for callers that want a sound table or an
error; ``write`` writes cells that no spreadsheet executes (see :mod:`cygnet.schema.cells`), which ``read`` undoes.
"""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from cygnet.errors import InputError
from cygnet.schema.cells import NUMBER, TRIGGER, restore, safe
from cygnet.schema.columns import plain
from cygnet.schema.files import replacing
from cygnet.schema.problems import Problem, shorten

#: The endings of files that are read as tables.
ENDINGS: Final = (".csv", ".tsv", ".txt", ".parquet")
#: Characters that a cell may have; metadata is shorter by far, and a forgotten quotation mark makes longer ones.
LONGEST: Final = 32_000
_SEPARATORS: Final = ",;\t|"
_BLOCK: Final = 20_000
_BOMS: Final = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


@dataclass(frozen=True, slots=True)
class Table:
    """A table as text. ``frame`` has a String column per heading, null where empty; ``rows`` (n,) UInt32 the numbers that a
    spreadsheet shows (the heading is row 1); ``problems`` what reading found; ``name`` stands for it in messages."""

    name: str
    frame: pl.DataFrame
    rows: pl.Series
    problems: tuple[Problem, ...] = ()


def read(path: str | os.PathLike[str]) -> Table:
    """A CSV, TSV or Parquet file as text, with everything odd about it as problems.

    Understood are UTF-8 with and without mark, UTF-16 and UTF-32, Windows-1252 (with a warning), line ends of every kind,
    commas, semicolons, tabs and bars, quoted cells with line breaks. Rows of the wrong length, NUL bytes, cells of more
    than ``LONGEST`` characters and double headings are errors that name the row; the other rows are read all the same.

    Raises
    ------
    InputError
        If the file is missing, no table, or has no heading.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"{file}: no such file; check the path")
    if file.suffix.lower() == ".parquet":
        return from_frame(_parquet(file), file.name)
    try:
        return _parse(file, _encoding(file))
    except UnicodeDecodeError:
        return _parse(file, "cp1252")
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror or error}); check its permissions") from error


def from_frame(frame: pl.DataFrame, name: str = "table") -> Table:
    """A data frame as a table of text; its first row counts as row 2, as in a spreadsheet with a heading."""
    text = [_as_text(frame[column]).alias(column.strip()) for column in frame.columns]
    rows = pl.int_range(2, frame.height + 2, dtype=pl.UInt32, eager=True).alias("row")
    return Table(name, pl.DataFrame(text), rows)


def read_frame(
    path: str | os.PathLike[str], *, infer: bool = False, null_values: Sequence[str] | None = None
) -> pl.DataFrame:
    """A CSV, TSV or Parquet file as a data frame: text, or with ``infer`` numbers where a whole column holds numbers.

    Raises
    ------
    InputError
        If the file is missing or no table, or one of its rows is broken; the message names the row.
    """
    file = Path(path)
    if file.suffix.lower() == ".parquet":
        return _parquet(file)
    separator = _plain_separator(file)
    options: dict[str, Any] = {
        "infer_schema": infer,
        "infer_schema_length": None if infer else 100,
        "null_values": None if null_values is None else list(null_values),
        "encoding": "utf8",
    }
    try:
        if separator is not None:
            with suppress(pl.exceptions.PolarsError):  # reading it again mends it, or says which row is broken
                return pl.read_csv(file, separator=separator, **options)
        return pl.read_csv(_mended(file), **options)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{file}: cannot be read as a table ({reason}); save it as CSV in UTF-8") from error


def write(frame: pl.DataFrame, path: str | os.PathLike[str]) -> None:
    """A data frame as Parquet (by the ending) or as CSV (UTF-8, commas, LF) whose cells no spreadsheet executes.

    Raises
    ------
    OutputError
        If it cannot be written; what stood there before is untouched.
    """
    file = Path(path)
    with replacing(file) as part:
        if file.suffix.lower() == ".parquet":
            frame.write_parquet(part)
        else:
            harmless(frame).write_csv(part)


def harmless(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with text cells and headings as :func:`cygnet.schema.cells.safe` makes them; numbers are untouched."""
    made = [
        pl.when(pl.col(name).str.contains(TRIGGER) & ~pl.col(name).str.contains(NUMBER))
        .then(pl.lit("'") + pl.col(name))
        .otherwise(pl.col(name))
        .alias(name)
        for name, kind in frame.schema.items()
        if kind == pl.String
    ]
    return frame.with_columns(made).rename({name: safe(name) for name in frame.columns})


def _parquet(file: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(file)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{file}: cannot be read as a table ({reason}); save it as CSV in UTF-8, or as Parquet again"
        ) from error


def _as_text(column: pl.Series) -> pl.Series:
    """Text of a column; whole numbers without ".0", booleans as true and false, empty text as null."""
    if column.dtype.is_float() and column.drop_nulls().drop_nans().map_elements(float.is_integer, pl.Boolean).all():
        column = column.fill_nan(None).cast(pl.Int64, strict=False)
    text = column.cast(pl.String).str.strip_chars()
    return text.set(text == "", None)


def _encoding(file: Path) -> str:
    with file.open("rb") as handle:
        start = handle.read(4096)
    for mark, name in _BOMS:
        if start.startswith(mark):
            return name
    if len(start) >= 4 and start.count(0) > len(start) // 4:  # Latin letters in UTF-16 without a mark
        return "utf-16-le" if start[1::2].count(0) > start[::2].count(0) else "utf-16-be"
    return "utf-8"


def _separator(heading: str) -> str:
    """The separator that a heading uses most, outside quotation marks."""
    bare = "".join(heading.split('"')[::2])
    return max(_SEPARATORS, key=lambda s: (bare.count(s), -_SEPARATORS.index(s)))


def _plain_separator(file: Path) -> str | None:
    """The separator of a file that polars reads without help; None where ``read`` must."""
    try:
        with file.open("rb") as handle:
            heading = handle.readline(1 << 20)
    except OSError:
        return ","  # polars says what is wrong with it
    if _encoding(file) != "utf-8" or b"\0" in heading or b"\r" in heading.rstrip(b"\r\n") or b"'" in heading:
        return None
    try:
        text = heading.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        return None
    separator = _separator(text)
    names = next(csv.reader([text], delimiter=separator), []) or [""]
    return separator if all(n and n == n.strip() for n in names) and len(set(names)) == len(names) else None


def _mended(file: Path) -> io.BytesIO:
    """An odd file as plain CSV, or an error that names its broken rows."""
    table = read(file)
    if errors := [f"{table.name} {p}" for p in table.problems if p.severity == "error"]:
        more = f"\n(and {len(errors) - 5} more)" if len(errors) > 5 else ""
        raise InputError("\n".join(errors[:5]) + more)
    buffer = io.BytesIO()
    table.frame.write_csv(buffer)
    buffer.seek(0)
    return buffer


def _parse(file: Path, encoding: str) -> Table:
    problems: list[Problem] = []
    if encoding == "cp1252":
        message = "the file is not UTF-8 and was read as Windows-1252; check letters with accents, or save it as UTF-8"
        problems.append(Problem(None, "", "", "encoding", message, severity="warning"))
    errors = "replace" if encoding == "cp1252" else "strict"
    with file.open(encoding=encoding, errors=errors, newline="") as handle:
        first = next((line for line in iter(lambda: handle.readline(1 << 20), "") if line.strip()), "")
        handle.seek(0)
        records = _records(csv.reader(handle, delimiter=_separator(first)), problems)
        heading = next((cells for _, cells in records if any(c.strip() for c in cells)), None)
        if heading is None:
            raise InputError(f"{file}: the table is empty; its first line must name the columns")
        names = _names(heading, problems)
        frame, rows = _frame(records, names, problems)
    kept = [n for n in names if not n.startswith("\0")]
    for name in set(names) - set(kept):
        if frame[name].null_count() < frame.height:
            message = f"column {name[1:]} has values and no name; name it in the first row, or remove it"
            problems.append(Problem(None, "", "", "unnamed-column", message, severity="warning"))
    return Table(file.name, frame.select(kept), rows, tuple(problems))


def _records(reader: Iterator[list[str]], problems: list[Problem]) -> Iterator[tuple[int, list[str]]]:
    """Row number and cells of each row, empty ones too; a row that cannot be parsed becomes a problem."""
    number = 0
    while True:
        number += 1
        try:
            yield number, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            message = f"the row cannot be read ({error}); is a quotation mark missing?"
            problems.append(Problem(number, "", "", "cell-too-large", message))


def _names(heading: Sequence[str], problems: list[Problem]) -> list[str]:
    """Unique column names; those of nameless columns start with NUL and hold their number."""
    names = [restore(cell.replace("\0", "").strip()) for cell in heading]
    seen: Counter[str] = Counter()
    result = []
    for number, name in enumerate(names, start=1):
        key = plain(name)
        seen[key] += 1
        if name and seen[key] > 1:
            message = f"column {number} is called {shorten(name)!r} like an earlier one; rename or remove one of them"
            problems.append(Problem(1, name, name, "duplicate-column", message))
            name = f"{name} (column {number})"
        result.append(name or f"\0{number}")
    return result


def _frame(
    records: Iterator[tuple[int, list[str]]], names: Sequence[str], problems: list[Problem]
) -> tuple[pl.DataFrame, pl.Series]:
    schema = dict.fromkeys(names, pl.String)
    blocks: list[pl.DataFrame] = [pl.DataFrame(schema=schema)]
    rows: list[int] = []
    block: list[list[str | None]] = []
    for number, cells in records:
        if not any(cell.strip() for cell in cells):
            continue
        block.append(_row(number, cells, names, problems))
        rows.append(number)
        if len(block) == _BLOCK:
            blocks.append(pl.DataFrame(block, schema=schema, orient="row"))
            block = []
    blocks.append(pl.DataFrame(block, schema=schema, orient="row"))
    return pl.concat(blocks), pl.Series("row", rows, pl.UInt32)


def _row(number: int, cells: list[str], names: Sequence[str], problems: list[Problem]) -> list[str | None]:
    """The cells of a row, trimmed, None where empty; as many as there are columns."""
    width = len(names)
    if len(cells) != width and (len(cells) < width or any(c.strip() for c in cells[width:])):
        message = f"the row has {len(cells)} cells and the heading {width}; is a separator or quotation mark missing?"
        problems.append(Problem(number, "", "", "ragged-row", message))
    made: list[str | None] = []
    for name, cell in zip(names, cells, strict=False):
        if len(cell) > LONGEST:
            message = f"a cell of {len(cell):,} characters ({shorten(cell, 30)!r}); at most {LONGEST:,} are read"
            problems.append(Problem(number, name, shorten(cell), "cell-too-large", message))
            cell = ""
        if "\0" in cell:
            message = "the cell holds NUL bytes; export the table again"
            problems.append(Problem(number, name, shorten(cell.replace("\0", "")), "nul-byte", message))
            cell = cell.replace("\0", "")
        made.append((restore(cell) if cell[:1] == "'" else cell).strip() or None)
    return made + [None] * (width - len(made))
