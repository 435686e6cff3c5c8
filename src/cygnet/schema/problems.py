"""What is wrong with a table: problems with row, column, reason and way out, and the report that counts them."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal

from cygnet.errors import TableError
from cygnet.schema.cells import safe
from cygnet.schema.files import replacing

Severity = Literal["error", "warning", "note"]
#: How many problems a summary shows.
SHOWN: Final = 5
_ORDER: Final[dict[str, int]] = {"error": 0, "warning": 1, "note": 2}

#: Every code, with the group of ISIC's standards it belongs to and what it means.
CODES: Final[dict[str, tuple[str, str]]] = {
    "encoding": ("technology", "the file is not UTF-8 and its letters were guessed"),
    "nul-byte": ("technology", "a cell holds NUL bytes, as broken exports do"),
    "ragged-row": ("technology", "a row has more or fewer cells than the heading"),
    "cell-too-large": ("technology", "a cell is longer than any metadata, as after a forgotten quotation mark"),
    "duplicate-column": ("technology", "two columns have the same name"),
    "unnamed-column": ("technology", "a column holds values and has no name"),
    "formula": ("technology", "a cell would be executed by a spreadsheet"),
    "column-suspect": ("terminology", "a column is ignored whose name is nearly a known one"),
    "unknown-value": ("terminology", "a value is not in the vocabulary"),
    "ambiguous-value": ("terminology", "an old label stands for several diagnoses or sites"),
    "read-as": ("terminology", "an old or plain word was translated into the vocabulary"),
    "not-a-number": ("metadata", "a number was expected"),
    "out-of-range": ("metadata", "a number is too small or too large"),
    "implausible": ("metadata", "a number is possible but hardly true"),
    "rounded": ("metadata", "a number was rounded or capped as ISIC publishes it"),
    "missing-image": ("metadata", "a row names no image"),
    "missing-field": ("metadata", "a value needs another field, which is empty"),
    "incompatible-fields": ("metadata", "two values of a row exclude each other"),
    "duplicate-image": ("metadata", "an image stands in two rows"),
    "lesion-two-patients": ("metadata", "a lesion belongs to two patients"),
    "rcm-case-two-lesions": ("metadata", "a confocal case belongs to two lesions"),
    "rcm-two-macroscopic": ("metadata", "a confocal case has two macroscopic images"),
    "patient-contradiction": ("metadata", "rows of one patient exclude each other"),
    "lesion-contradiction": ("metadata", "rows of one lesion exclude each other"),
    "age-over-time": ("metadata", "a patient's age does not follow the calendar"),
    "personal-column": ("privacy", "a column's name says that it identifies people"),
    "personal-value": ("privacy", "a value looks like a name, date, number or address of a person"),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    ``row`` is the number that a spreadsheet shows (the heading is row 1), None where the whole table is meant. ``value``
    is the cell as written, shortened, and masked where it may identify a person. ``suggestion`` is what to write instead,
    "" where there is no such. An "error" keeps the row out, a "warning" wants a look, a "note" says what was changed.
    """

    row: int | None
    column: str
    value: str
    code: str
    message: str
    suggestion: str = ""
    severity: Severity = "error"

    @property
    def group(self) -> str:
        """ISIC's standards group: technology, technique, terminology, metadata or privacy."""
        return CODES[self.code][0]

    def __str__(self) -> str:
        places = [f"row {self.row}"] if self.row is not None else []
        places += [f"column {self.column}"] if self.column else []
        return f"{', '.join(places)}: {self.message}" if places else self.message


@dataclass(frozen=True, slots=True)
class Report:
    """The problems of one table, in the order of its rows. ``name`` stands for the table in messages."""

    name: str
    rows: int
    problems: tuple[Problem, ...]

    def __iter__(self) -> Iterator[Problem]:
        return iter(self.problems)

    def __len__(self) -> int:
        return len(self.problems)

    def of(self, severity: Severity) -> tuple[Problem, ...]:
        """The problems of one severity."""
        return tuple(p for p in self.problems if p.severity == severity)

    @property
    def errors(self) -> tuple[Problem, ...]:
        """What must be mended before the rows can be used."""
        return self.of("error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What should be looked at."""
        return self.of("warning")

    def wrong_rows(self) -> frozenset[int]:
        """Numbers of the rows that have an error."""
        return frozenset(p.row for p in self.errors if p.row is not None)

    def counts(self) -> dict[str, int]:
        """Number of problems by code, errors first, then by number."""
        severity: dict[str, int] = {}
        for problem in self.problems:
            severity[problem.code] = min(severity.get(problem.code, 9), _ORDER[problem.severity])
        counted = Counter(p.code for p in self.problems)
        return dict(sorted(counted.items(), key=lambda item: (severity[item[0]], -item[1], item[0])))

    def examples(self, most: int = SHOWN) -> tuple[Problem, ...]:
        """The first problem of each kind, the gravest kinds first, filled up with further ones."""
        ordered = sorted(self.problems, key=lambda p: _ORDER[p.severity])
        seen: set[tuple[str, str]] = set()
        first: list[Problem] = []
        rest: list[Problem] = []
        for problem in ordered:
            kind = (problem.code, problem.column)
            (rest if kind in seen else first).append(problem)
            seen.add(kind)
        return tuple([*first, *rest][:most])

    def summary(self, most: int = SHOWN) -> str:
        """Counts by code and a few examples, as lines of text."""
        if not self.problems:
            return f"{self.name}: {self.rows:,} rows, no problem found"
        grades = ", ".join(_counted(len(found), s) for s in _ORDER if (found := self.of(s)))  # type: ignore[arg-type]
        kinds = [f"  {number:>7,}  {code}: {CODES[code][1]}" for code, number in self.counts().items()]
        shown = [f"  {p.severity}: {p}" for p in self.examples(most)]
        more = len(self.problems) - len(shown)
        tail = [f"  (and {more:,} more)"] if more else []
        return "\n".join([f"{self.name}: {self.rows:,} rows, {grades}", *kinds, *shown, *tail])

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON takes it."""
        return {
            "table": self.name,
            "rows": self.rows,
            "errors": len(self.errors),
            "warnings": len(self.warnings),
            "counts": self.counts(),
            "problems": [{**asdict(p), "group": p.group} for p in self.problems],
        }

    def write(self, path: str | os.PathLike[str]) -> None:
        """The full list as ``.json`` or ``.csv``, whole or not at all.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        file = Path(path)
        if file.suffix.lower() == ".json":
            text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n"
        else:
            buffer = io.StringIO()
            writer = csv.writer(buffer, lineterminator="\n")
            names = [f.name for f in fields(Problem)]
            writer.writerow([*names, "group"])
            writer.writerows([safe(_text(getattr(p, n))) for n in names] + [p.group] for p in self.problems)
            text = buffer.getvalue()
        with replacing(file) as part:
            part.write_text(text, encoding="utf-8")

    def refuse(self, advice: str = "mend these rows and check again") -> None:
        """Raise when there is an error.

        Raises
        ------
        TableError
            That counts the errors and shows five.
        """
        if self.errors:
            raise TableError([f"{self.name} {problem}" for problem in self.errors], advice)


def report(name: str, rows: int, problems: Iterable[Problem]) -> Report:
    """The report of a table, problems sorted by row (those of the whole table first)."""
    return Report(name, rows, tuple(sorted(problems, key=lambda p: (p.row or 0, _ORDER[p.severity]))))


def shorten(value: object, most: int = 60) -> str:
    """A value as messages show it: one line, at most ``most`` characters."""
    text = " ".join(str(value).split())
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}" + ("s" if number != 1 else "")


def _text(value: Any) -> str:
    return "" if value is None else str(value)
