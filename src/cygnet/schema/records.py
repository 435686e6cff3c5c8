"""The record of one image, and how the words of past tables are read."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final


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


#: For each field the column names of ISIC, Kaggle and HAM10000 tables, 2016 to 2024, first match wins.
COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "image": ("image", "image_name", "isic_id", "image_id", "file", "filename", "path"),
    "file": ("file", "filename", "path"),
    "patient_id": ("patient_id", "patient"),
    "lesion_id": ("lesion_id", "lesion"),
    "age": ("age", "age_approx", "age_approximate"),
    "sex": ("sex", "gender"),
    "site": (
        "site",
        "anatom_site_general",
        "anatom_site_general_challenge",
        "anatom_site",
        "localization",
    ),
    "acquisition_day": ("acquisition_day", "day"),
}

SITES: Final = (
    "anterior torso",
    "posterior torso",
    "lateral torso",
    "torso",
    "upper extremity",
    "lower extremity",
    "head/neck",
    "palms/soles",
    "oral/genital",
)
_SITE_WORDS: Final[dict[str, str]] = {
    **{site: site for site in SITES},
    **dict.fromkeys(("abdomen", "chest", "belly", "breast"), "anterior torso"),
    **dict.fromkeys(("back", "buttock", "buttocks"), "posterior torso"),
    **dict.fromkeys(("flank", "side"), "lateral torso"),
    "trunk": "torso",
    **dict.fromkeys(("arm", "forearm", "hand", "shoulder", "elbow", "wrist", "finger"), "upper extremity"),
    **dict.fromkeys(("leg", "thigh", "calf", "shin", "knee", "foot", "ankle", "toe"), "lower extremity"),
    **dict.fromkeys(("head", "neck", "face", "scalp", "ear", "nose", "cheek", "forehead", "lip"), "head/neck"),
    **dict.fromkeys(("palm", "sole", "palms", "soles", "acral"), "palms/soles"),
    **dict.fromkeys(("genital", "oral", "mucosa"), "oral/genital"),
}
_SEXES: Final = {"male": "male", "m": "male", "man": "male", "female": "female", "f": "female", "woman": "female"}
_MISSING: Final = {"", "na", "n/a", "nan", "null", "none", "unknown"}
_IGNORED_WORDS: Final = {"left", "right", "upper", "lower", "l", "r", "the", "of"}


class ValueProblem(ValueError):
    """A value that cannot be read; the message says what would do."""


def is_missing(value: Any) -> bool:
    """Whether a table's value stands for nothing: empty, NaN, "NA", "unknown"."""
    return value is None or value != value or str(value).strip().lower() in _MISSING


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
    sex = _SEXES.get(str(value).strip().lower())
    if sex is None:
        raise ValueProblem(f"sex {value!r} is unknown; use male, female, or leave it empty")
    return sex


def read_site(value: Any) -> str | None:
    """An ISIC general anatomical site, from ISIC's, HAM10000's or plain words ("left forearm")."""
    if is_missing(value):
        return None
    text = str(value).strip().lower().replace("_", " ")
    if text in _SITE_WORDS:
        return _SITE_WORDS[text]
    words = [w for w in text.replace("/", " ").split() if w not in _IGNORED_WORDS]
    found = {_SITE_WORDS[w] for w in words if w in _SITE_WORDS}
    if len(found) == 1:
        return found.pop()
    close = difflib.get_close_matches(text, _SITE_WORDS, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]!r}?" if close else f"use one of {', '.join(SITES)}, or leave it empty"
    raise ValueProblem(f"site {value!r} is unknown; {hint}")


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


def match_columns(columns: Sequence[str]) -> dict[str, str]:
    """Field to column for the columns of a table; case and spaces around a name do not matter."""
    known = {c.strip().lower(): c for c in columns}
    return {
        field: known[name]
        for field, names in COLUMNS.items()
        if (name := next((n for n in names if n in known), None)) is not None
    }


def suggest_image_column(columns: Sequence[str]) -> str:
    """What to say to a table without an image column."""
    close = [c for c in columns if difflib.get_close_matches(c.strip().lower(), COLUMNS["image"], n=1, cutoff=0.6)]
    hint = f"; rename {close[0]!r} to image" if close else ""
    return f"no image column among {', '.join(map(repr, columns)) or 'no columns'}; one of image, image_name, isic_id or file is needed{hint}"


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
