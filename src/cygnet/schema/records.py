"""The record of one image, and how the words of past tables are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cygnet.schema.sites import SITES, find_site, general_site, suggest_sites


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One image to assess.

    ``image`` is its name in every output, ``path`` the file. ``lesion_id`` None means a lesion of its own. ``age`` in
    years, ``sex`` "male" or "female", ``site`` an ISIC general anatomical site, ``acquisition_day`` days since any fixed
    day; None where unknown. ``origin`` says where it was named, for messages.
    """

    image: str
    path: Path
    patient_id: str
    lesion_id: str | None = None
    age: float | None = None
    sex: str | None = None
    site: str | None = None
    acquisition_day: int | None = None
    origin: str = ""


SEXES: Final = {"male": "male", "m": "male", "man": "male", "female": "female", "f": "female", "woman": "female"}
MISSING_WORDS: Final = {"", "na", "n/a", "nan", "null", "none", "unknown"}


class ValueProblem(ValueError):
    """A value that cannot be read; the message says what would do."""


def is_missing(value: Any) -> bool:
    """Whether a table's value stands for nothing: empty, NaN, "NA", "unknown"."""
    return value is None or value != value or str(value).strip().lower() in MISSING_WORDS


def read_age(value: Any) -> float | None:
    """Age in years, 0 to 120."""
    if is_missing(value):
        return None
    try:
        age = float(str(value))
    except ValueError:
        raise ValueProblem(f"age {value!r} is not a number; give years, or leave it empty") from None
    if not 0 <= age <= 120:
        raise ValueProblem(f"age {value!r} is not between 0 and 120; give years, or leave it empty")
    return age


def read_sex(value: Any) -> str | None:
    """ "male" or "female"."""
    if is_missing(value):
        return None
    sex = SEXES.get(str(value).strip().lower())
    if sex is None:
        raise ValueProblem(f"sex {value!r} is unknown; use male, female, or leave it empty")
    return sex


def read_site(value: Any) -> str | None:
    """An ISIC general anatomical site, from ISIC's, HAM10000's or plain words ("left forearm")."""
    if is_missing(value):
        return None
    place = find_site(str(value))
    general = general_site(place.path, place.special) if place else None
    if general is None:
        close = suggest_sites(str(value).strip().lower(), 1)
        hint = f"did you mean {close[0]!r}?" if close else f"use one of {', '.join(SITES)}, or leave it empty"
        raise ValueProblem(f"site {value!r} is unknown; {hint}")
    return general


def read_day(value: Any) -> int | None:
    """A whole number of days."""
    if is_missing(value):
        return None
    try:
        day = float(str(value))
    except ValueError:
        day = 0.5
    if not day.is_integer():
        raise ValueProblem(f"acquisition_day {value!r} is not a whole number of days")
    return int(day)


def read_values(row: Mapping[str, Any], columns: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """The optional values of a row by field, and the problems found in it."""
    readers = {"age": read_age, "sex": read_sex, "site": read_site, "acquisition_day": read_day}
    values: dict[str, Any] = {}
    problems: list[str] = []
    for field, read in readers.items():
        if field in columns:
            try:
                values[field] = read(row[columns[field]])
            except ValueProblem as problem:
                problems.append(f"column {columns[field]}: {problem}")
    return values, problems
