"""A table of metadata against the ISIC vocabulary: rows first, then what only the whole batch can show.

Cells are read once for each different text of a column, so that 100,000 rows take a few seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from cygnet.schema import contradictions, personal, rules
from cygnet.schema.cells import risky
from cygnet.schema.columns import BINARY, METADATA, all_columns, match_columns, suggest_image_column, suspects
from cygnet.schema.fields import Value, approximate, as_it_is, reader
from cygnet.schema.labels import from_one_hot, labels, one_hot
from cygnet.schema.problems import Problem, Report, report, shorten
from cygnet.schema.records import MISSING_WORDS
from cygnet.schema.sites import Site
from cygnet.schema.suggest import silenced
from cygnet.schema.tables import Table, from_frame
from cygnet.schema.vocabulary import levels, vocabulary

#: Polars types of the cleaned fields; the rest is text.
_TYPES: Final[dict[str, Any]] = {
    **dict.fromkeys(("age", "age_approx", "acquisition_day"), pl.Int64),
    **dict.fromkeys(("clin_size_long_diam_mm", "mel_thick_mm"), pl.Float64),
    **dict.fromkeys(("personal_hx_mm", "family_hx_mm", "melanocytic", "concomitant_biopsy", "mel_ulcer"), pl.Boolean),
}
_LEVELS: Final = tuple(f"{tree}_{k}" for tree in ("anatom_site", "diagnosis") for k in range(1, 6))
#: The columns of ``Checked.rows``, in order.
CLEANED: Final = (
    *("row", "image", "file", "patient_id", "lesion_id", "age", "age_approx", "sex"),
    *("anatom_site", *_LEVELS[:5], "anatom_site_special", "laterality", "diagnosis", *_LEVELS[5:]),
    *("diagnosis_confirm_type", "personal_hx_mm", "family_hx_mm", "clin_size_long_diam_mm", "fitzpatrick_skin_type"),
    *("melanocytic", "concomitant_biopsy", "mel_mitotic_index", "mel_thick_mm", "mel_ulcer", "acquisition_day"),
    *("image_manipulation", "image_type", "dermoscopic_type", "tbp_tile_type", "rcm_case_id"),
    *("copyright_license", "attribution"),
)
#: Fields that are put together from several columns.
_ASSEMBLED: Final = ("anatom_site", "anatom_site_general", "tbp_location", "diagnosis")
#: The share of rows of zeros and ones from which on columns named after classes are a truth.
_TRUTH: Final = 0.9
#: Different wrong texts of a column that get a "did you mean"; a hint takes milliseconds.
_HINTS: Final = 200


@dataclass(frozen=True, slots=True)
class Checked:
    """A checked table.

    ``rows`` has the columns ``CLEANED`` and a row per row of the table; what was wrong in it is null. ``report`` lists the
    problems. ``columns`` tells which column each field was read from, ``extra`` (``row`` and text) holds the columns that
    ISIC does not know: its "unstructured" metadata, which may identify people.
    """

    rows: pl.DataFrame
    report: Report
    columns: dict[str, str]
    extra: pl.DataFrame

    def sound(self) -> pl.DataFrame:
        """The rows without an error."""
        return self.rows.filter(~pl.col("row").is_in(list(self.report.wrong_rows())))


def check(table: Table | pl.DataFrame, *, name: str | None = None, need_image: bool = True) -> Checked:
    """Check a table against ISIC 6.1 and complete it: five levels of site and diagnosis, age as published.

    Columns may have the names of any ISIC challenge, of HAM10000 or of Kaggle. ``need_image`` False lets rows without an
    image name pass. Nothing is raised for what a table holds: everything wrong is in the report.
    """
    table = table if isinstance(table, Table) else from_frame(table, name or "table")
    known = match_columns(table.frame.columns, METADATA)
    problems = list(table.problems)
    frame = table.frame.with_columns(table.rows.alias("\0row"))
    read = _Reading(frame, known, problems)
    cleaned = {field: read.field(field) for field in known if field not in (*_ASSEMBLED, *_LEVELS)}
    cleaned |= _sites(read) | _diagnoses(read)
    _second_age(read, cleaned.get("age", []))
    rows = _frame(cleaned, table.rows)
    problems += _images(rows, known, table.frame.columns, need_image=need_image)
    problems += rules.row_problems(rows)
    problems += contradictions.batch_problems(rows)
    used = {*known.values(), *read.used}
    extra = frame.select("\0row", *(c for c in table.frame.columns if c not in used)).rename({"\0row": "row"})
    problems += personal.scan(table, known)
    problems += _columns(extra.columns[1:]) + _formulas(frame)
    return Checked(rows, report(name or table.name, rows.height, problems), known, extra)


class _Reading:
    """Columns of one table, read field by field; problems are added to a shared list."""

    def __init__(self, frame: pl.DataFrame, known: dict[str, str], problems: list[Problem]) -> None:
        self.frame, self.known, self.problems = frame, known, problems
        self.used: set[str] = set()

    @property
    def height(self) -> int:
        return self.frame.height

    def field(self, field: str) -> list[Any]:
        """The values of a field by row; None throughout where there is no column for it."""
        column = self.known.get(field)
        if column is None:
            return [None] * self.height
        read = reader(field)
        return self.text(column) if read is as_it_is else self.column(column, read)

    def text(self, column: str) -> list[Any]:
        """A column's texts as they are, None for the words that stand for nothing."""
        self.used.add(column)
        bare = pl.col(column).str.strip_chars()
        given = pl.when(~bare.str.to_lowercase().is_in(list(MISSING_WORDS))).then(bare)
        return self.frame.select(given.alias(column))[column].to_list()

    def column(self, column: str, read: Callable[[str], Value]) -> list[Any]:
        """The values of a column by row, each different text read once; notes are given once for a text."""
        self.used.add(column)
        texts = self.frame[column].to_list()
        values: dict[str, Value] = {}
        unknown = 0
        for text in dict.fromkeys(texts):
            if text is not None:
                with silenced(unknown >= _HINTS):
                    values[text] = read(text)
                unknown += any(r.severity == "error" for r in values[text].remarks)
        if any(value.remarks for value in values.values()):
            self._remark(column, texts, values)
        plain = {text: value.value for text, value in values.items()}
        return [plain.get(text) for text in texts]

    def _remark(self, column: str, texts: list[str | None], values: dict[str, Value]) -> None:
        counted = Counter(texts)
        noted: set[str] = set()
        for row, text in zip(self.frame["\0row"].to_list(), texts, strict=True):
            for r in values[text].remarks if text is not None else ():
                if text is None or (r.severity == "note" and text in noted):
                    continue
                more = f" ({counted[text]:,} rows)" if r.severity == "note" and counted[text] > 1 else ""
                noted.add(text)
                words = r.message + more
                self.problems.append(Problem(row, column, shorten(text), r.code, words, r.suggestion, r.severity))

    def add(self, index: int, column: str, value: object, code: str, message: str) -> None:
        """An error in the row at ``index``."""
        self.problems.append(Problem(int(self.frame["\0row"][index]), column, shorten(value or ""), code, message))


def _sites(read: _Reading) -> dict[str, list[Any]]:
    """anatom_site, its special part and the laterality, from all columns that speak of the place."""
    given = [_levels_column(read, "anatom_site")]
    given += [read.field(f) for f in ("anatom_site", "anatom_site_general", "tbp_location") if f in read.known]
    special = read.field("anatom_site_special")
    side = read.field("laterality")
    merged = {found: rules.merged_site([s for s in found if s]) for found in set(zip(*given, strict=True))}
    sites: list[Any] = []
    for index, found in enumerate(zip(*given, strict=True)):
        site = merged[found] or Site(None)
        if merged[found] is None and any(found):
            words = " and ".join(repr(s.path or s.special) for s in found if s)
            message = f"the columns of the site disagree: {words}; correct one of them"
            column = read.known.get("anatom_site", "anatom_site_general")
            read.add(index, column, words, "incompatible-fields", message)
        sites.append(site)
        special[index] = special[index] or site.special
        side[index] = side[index] or site.laterality
    return {"anatom_site": [s.path for s in sites], "anatom_site_special": special, "laterality": side}


def _second_age(read: _Reading, ages: list[Any]) -> None:
    """A table with both ages: the published one must be the rounded other."""
    for column in all_columns(read.frame.columns, METADATA["age"])[1:]:
        for index, (age, other) in enumerate(zip(ages, read.column(column, reader("age")), strict=True)):
            if age is not None and other is not None and other not in (age, approximate(age)):
                message = f"age is {age} here and {other} in column {column}; correct one of them"
                read.add(index, read.known["age"], age, "incompatible-fields", message)


def _diagnoses(read: _Reading) -> dict[str, list[Any]]:
    """The diagnosis from a name, five levels, benign or malignant, or a column for each class."""
    given: list[tuple[str, list[Any]]] = []
    if (column := read.known.get("diagnosis")) is not None:
        given.append((column, [found and found.path for found in read.field("diagnosis")]))
    by_level = [site and site.path for site in _levels_column(read, "diagnosis")]
    given.append((read.known.get("diagnosis_1", "diagnosis_1"), by_level))
    given += [*_one_hot(read), *_benign_malignant(read)]
    rows = list(zip(*(values for _, values in given), strict=True))
    merged = {found: _one_diagnosis([path for path in found if path]) for found in set(rows)}
    for index, found in enumerate(rows):
        if merged[found] is None and any(found):
            words = " and ".join(repr(path) for path in found if path)
            message = f"the columns of the diagnosis disagree: {words}; correct one of them"
            read.add(index, given[0][0], words, "incompatible-fields", message)
    return {"diagnosis": [merged[found] for found in rows]}


def _one_diagnosis(paths: list[str]) -> str | None:
    """The most exact of paths that agree; of an Indeterminate one, benign or malignant says nothing."""
    if any(path.startswith("Indeterminate") for path in paths):
        paths = [path for path in paths if ":" in path or path == "Indeterminate"]
    return rules.deepest(paths)


def _benign_malignant(read: _Reading) -> list[tuple[str, list[Any]]]:
    """Columns that say benign or malignant in words; a target of 0 and 1 is left alone, since it means many things."""
    result = []
    for column in all_columns(read.frame.columns, BINARY):
        words = {text.lower() for text in read.frame[column].drop_nulls().unique()}
        if words and words <= {"benign", "malignant", "indeterminate"}:
            read.used.add(column)
            result.append((column, [text and text.capitalize() for text in read.frame[column]]))
    return result


def _levels_column(read: _Reading, tree: str) -> list[Any]:
    """Places (Site, whose path may be a diagnosis) that the columns ``tree``_1 to _5 name together."""
    columns = [read.known[name] for k in range(1, 6) if (name := f"{tree}_{k}") in read.known]
    read.used.update(columns)
    if not columns:
        return [None] * read.height
    found: dict[tuple[str | None, ...], Any] = {}
    result = []
    nodes = vocabulary().trees[tree]
    for index, names in enumerate(read.frame.select(columns).iter_rows()):
        if names not in found:
            text = ":".join(name for name in names if name)
            found[names] = (text, nodes.find(text) if text else None)
        text, path = found[names]
        if text and path is None:
            near = nodes.suggest(text, 1)
            hint = f"did you mean {near[0]!r}?" if near else "correct them, or leave them empty"
            read.add(index, columns[0], text, "unknown-value", f"the levels {text!r} are no {tree} of ISIC's; {hint}")
        result.append(Site(path) if path else None)
    return result


def _one_hot(read: _Reading) -> list[tuple[str, list[Any]]]:
    found = one_hot(read.frame.columns)
    if found is None:
        return []
    year, columns = found
    meant = labels(year)
    numbers = read.frame.select(pl.col(c).cast(pl.Float64, strict=False) for c in columns.values())
    if not read.height or numbers.select(pl.all_horizontal(pl.all().is_in([0.0, 1.0])).mean()).item() < _TRUTH:
        return []  # readers' votes or scores
    read.used.update(columns.values())
    seen: dict[tuple[Any, ...], Any] = {}
    result = []
    for index, row in enumerate(numbers.iter_rows()):
        if row not in seen:
            try:
                seen[row] = meant[from_one_hot(dict(zip(columns, row, strict=True)), year)].diagnosis
            except ValueError as error:
                seen[row] = error
        if isinstance(seen[row], ValueError):
            read.add(index, next(iter(columns.values())), row, "incompatible-fields", f"{seen[row]}")
        result.append(None if isinstance(seen[row], ValueError) else seen[row])
    return [(next(iter(columns.values())), result)]


def _frame(cleaned: dict[str, list[Any]], rows: pl.Series) -> pl.DataFrame:
    ages = cleaned.get("age", [None] * len(rows))
    cleaned["age_approx"] = [None if age is None else approximate(age) for age in ages]
    for tree in ("anatom_site", "diagnosis"):
        split = {path: levels(path) for path in set(cleaned[tree])}
        for k in range(5):
            cleaned[f"{tree}_{k + 1}"] = [split[path][k] for path in cleaned[tree]]
    empty = [None] * len(rows)
    columns = [pl.Series(name, cleaned.get(name, empty), _TYPES.get(name, pl.String)) for name in CLEANED[1:]]
    return pl.DataFrame([rows.alias("row"), *columns])


def _images(
    rows: pl.DataFrame, known: dict[str, str], columns: Sequence[str], *, need_image: bool
) -> Iterable[Problem]:
    if "image" not in known:
        if need_image:
            yield Problem(None, "", "", "missing-image", suggest_image_column(columns))
        return
    if need_image:
        for row in rows.filter(pl.col("image").is_null())["row"]:
            yield Problem(row, known["image"], "", "missing-image", "no image is named; fill it in or remove the row")


def _columns(extra: Sequence[str]) -> list[Problem]:
    return [
        Problem(
            None,
            column,
            column,
            "column-suspect",
            f"it is not read; did you mean {near!r}?",
            near,
            "warning",
        )
        for column, near in suspects(extra).items()
    ]


def _formulas(frame: pl.DataFrame) -> list[Problem]:
    problems = []
    for column in frame.columns[:-1]:
        for row, text in frame.filter(rules.may_execute(column)).select("\0row", column).iter_rows():
            if risky(text):
                message = "a spreadsheet would execute this cell; it is kept as text and made harmless in exports"
                problems.append(Problem(row, column, shorten(text), "formula", message, severity="warning"))
    return problems
