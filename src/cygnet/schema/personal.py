"""Columns and cells that look as if they identify a person: names, birth dates, record numbers, addresses, telephones.

What is found is shown masked. The rules prefer silence to false alarms: none is raised on the official tables of the ISIC
challenges 2016 to 2024 and of HAM10000 (docs/metadata.md has the count).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Final, NamedTuple

import polars as pl

from cygnet.schema.columns import METADATA, plain
from cygnet.schema.problems import Problem, Severity, shorten
from cygnet.schema.tables import Table

_PERSON: Final = (
    r"patient|pat|person|subject|client|first|last|family|given|middle|maiden|full|birth|sur|fore|nick|mother|father|"
    r"spouse|doctor|physician|referring|operator|photographer|nurse|contact"
)
#: What a column's name says, as a pattern on the name in lower case with underscores.
_COLUMNS: Final[dict[str, re.Pattern[str]]] = {
    "a name": re.compile(
        rf"(^|_)(({_PERSON})_?names?|surnames?|initials|vorname|nachname|nom|prenom|apellidos?|cognome|naam)(_|$)"
    ),
    "a year of birth": re.compile(r"(^|_)(birth_?year|year_?of_?birth|yob|geburtsjahr)(_|$)"),
    "a birth date": re.compile(
        r"(^|_)(dob|birth_?(date|day)|date_?of_?birth|birth|geburtsdatum|geburtstag|fecha_nacimiento)(_|$)"
    ),
    "a record number": re.compile(
        r"(^|_)(mrn|medical_?record(_?(no|nr|number|id))?|(hospital|chart|record|file|insurance|passport|account|"
        r"accession)_?(no|nr|num|number)|hospital_?id|ssn|social_?security.*|nhs(_?(no|number))?|national_?id|"
        r"health_?card.*|insurance_?id|personal_?(id|number)|fallnummer)(_|$)"
    ),
    "an e-mail address": re.compile(r"(^|_)(e_?mails?|mail)(_|$)"),
    "a telephone number": re.compile(
        r"(^|_)(phone|telephone|telefon|tel|mobile|cell_?phone|fax)(_?(no|nr|number))?(_|$)"
    ),
    "an address": re.compile(r"(^|_)(address|street|zip|zip_?code|post_?code|postal_?code|plz|anschrift|adresse)(_|$)"),
    "a position": re.compile(r"(^|_)(gps|latitude|longitude)(_|$)"),
}
_BIRTH: Final = re.compile(r"birth|dob|geburt|nacimiento")
_EMAIL: Final = re.compile(r"[\w.+\-]+@[\w\-]+(\.[\w\-]+)*\.[a-z]{2,}", re.IGNORECASE)
_DATE: Final = re.compile(
    r"(?<![\d.\-/])(?:(?:19|20)\d\d([\-/.])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12]\d|3[01])"
    r"|(?:0?[1-9]|[12]\d|3[01])([\-/.])(?:0?[1-9]|[12]\d|3[01])\2(?:19|20)\d\d)(?![\d\-/]|\.\d)"
)
_COMPACT_DATE: Final = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\Z")
_PHONE: Final = re.compile(
    r"(?<![\w.])(?:\+\d{1,3}[ \-]?\(?\d{1,4}\)?(?:[ \-]?\d{2,5}){1,4}|\(\d{2,5}\) ?\d{2,5}(?:[ \-]\d{2,5}){1,3}"
    r"|0\d{1,4}[ /\-]\d{2,5}(?:[ \-]\d{2,5}){1,3}|\d{3}-\d{3}-\d{4})(?![\w.]\d|\w)"
)
_PHONE_DIGITS: Final = range(9, 16)
_SSN: Final = re.compile(r"(?<![\d\-])\d{3}-\d{2}-\d{4}(?![\d\-])")
_RECORD: Final = re.compile(r"\b(?:mrn|medical record|record (?:no|number|nr)|nhs|ssn)\b\.?[ :#]*\d{4,}", re.IGNORECASE)
_BARE_RECORD: Final = re.compile(r"\d{6,10}\Z")
_TITLED: Final = re.compile(
    r"\b(?i:mr|mrs|ms|miss|dr|prof|herr|frau|mme|sig|sra?)\b\.? +(?:[A-Z]\. *)?[A-ZÀ-Ž][\w'’\-]+", re.UNICODE
)
_DICOM_NAME: Final = re.compile(r"[A-ZÀ-Ž][\w'’\- ]+\^[A-ZÀ-Ž][\w'’\- ]*(?:\^|\Z)", re.UNICODE | re.IGNORECASE)
_WORD: Final = r"[A-ZÀ-Ž][a-zà-ž'’\-]+|[A-ZÀ-Ž]{2,}"
_TWO_WORDS: Final = re.compile(rf"({_WORD})(?:,? +[A-ZÀ-Ž]\.?)?(,? +)({_WORD})(?:[ \-]({_WORD}))?\Z")
#: Cells that some rule could mean; polars looks for it first, so that few reach Python.
_MAYBE: Final = (
    r"@|\^|\d[\-/. )]{1,2}\d|\p{Lu}[\p{L}'’\-.]+,? +\p{Lu}|(?i:\b(?:mr|mrs|ms|miss|dr|prof|herr|frau|mme|sig|sra?)\b\.? )"
    r"|(?i:\b(?:mrn|record|nhs|ssn)\b)|\+\d"
)
#: Cells of digits only, which mean something in some columns.
_DIGITS: Final = r"^\d{6,10}$"
#: Fields whose cells are words of a vocabulary, or name institutions.
_UNSCANNED: Final = frozenset(METADATA) - {"image", "file", "patient_id", "lesion_id", "rcm_case_id"}


class Finding(NamedTuple):
    """What a cell looks like, and how sure that is."""

    what: str
    severity: Severity = "error"


def scan(table: Table, known: Mapping[str, str]) -> list[Problem]:
    """Every column and cell that looks personal; ``known`` tells which column holds which field.

    A cell is reported where it first stands, with the number of further rows that hold the same. Of a column whose name
    is reason enough the cells are not listed.
    """
    problems: list[Problem] = []
    field_of = {column: field for field, column in known.items()}
    for column in table.frame.columns:
        field = field_of.get(column)
        what = None if field else personal_column(column)
        if what is not None:
            message = f"its name says that it holds {what}; remove it before the table is taken"
            grade: Severity = "warning" if what == "a year of birth" else "error"
            problems.append(Problem(None, column, "", "personal-column", message, severity=grade))
        elif field not in _UNSCANNED:
            problems += _cells(table, column, field)
    return problems


def personal_column(name: str) -> str | None:
    """What a column of that name holds of a person ("a name", "a birth date"); None for nothing."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip())
    text = re.sub(r"[^a-z0-9äöüéèñ]+", "_", plain(words))
    return next((what for what, pattern in _COLUMNS.items() if pattern.search(text)), None)


def personal_value(text: str, *, column: str = "") -> Finding | None:
    """What of a person a cell looks like, None for nothing. The name of its ``column`` decides doubtful cases."""
    text = text.strip()
    if _EMAIL.search(text):
        return Finding("an e-mail address")
    if _SSN.search(text) or _RECORD.search(text):
        return Finding("a record number")
    phone = _PHONE.search(text)
    if phone and sum(c.isdigit() for c in phone[0]) in _PHONE_DIGITS:
        return Finding("a telephone number")
    return _date(text, column) or _name(text)


def mask(text: str) -> str:
    """A cell as reports may show it: first letters and lengths only."""
    return shorten(re.sub(r"(\w)(\w*)", lambda m: m[1] + "•" * len(m[2]), text), 40)


def _date(text: str, column: str) -> Finding | None:
    birth = bool(_BIRTH.search(plain(column)))
    if _DATE.search(text) or ((birth or "date" in plain(column)) and _COMPACT_DATE.match(text)):
        return Finding("a birth date") if birth else Finding("a date", "warning")
    return None


def _name(text: str) -> Finding | None:
    if _TITLED.search(text):
        return Finding("a name")
    if _DICOM_NAME.match(text):
        return Finding("a name")
    found = _TWO_WORDS.match(text)
    if found is None:
        return None
    given = _given_names()
    first, comma, *others = found[1], found[2], found[3], found[4]
    candidates = [w for w in (others if "," in comma else [first, *others]) if w]
    return Finding("a name") if any(_unaccented(w) in given for w in candidates) else None


def _unaccented(word: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", word.casefold()) if not unicodedata.combining(c))


@cache
def _given_names() -> frozenset[str]:
    text = (resources.files("cygnet.schema") / "data" / "given-names.txt").read_text(encoding="utf-8")
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return frozenset(word for line in lines for word in line.split())


def _cells(table: Table, column: str, field: str | None) -> Iterator[Problem]:
    """One problem for each different cell of a column that looks personal."""
    text = pl.col("text")
    cells = table.frame.select(text=column).with_columns(table.rows.alias("row")).drop_nulls("text")
    suspicious = text.str.contains(_MAYBE) & text.cast(pl.Float64, strict=False).is_null()
    if field == "patient_id" or "date" in plain(column):
        suspicious |= text.str.contains(_DIGITS)
    again = cells.filter(suspicious).group_by("text", maintain_order=True).agg(pl.col("row").first(), pl.len())
    for cell, row, number in again.iter_rows():
        bare = field == "patient_id" and _BARE_RECORD.match(cell)
        found = Finding("a record number", "warning") if bare else personal_value(cell, column=column)
        if found is not None:
            more = f" (and in {number - 1:,} more rows)" if number > 1 else ""
            message = f"{mask(cell)!r} looks like {found.what}{more}; remove it before the table is taken"
            yield Problem(row, column, mask(cell), "personal-value", message, severity=found.severity)
