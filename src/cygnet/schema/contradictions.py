"""What only a whole batch can show: rows of one patient, lesion or image that exclude each other, also over time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import polars as pl

from cygnet.schema.problems import Problem, Severity
from cygnet.schema.vocabulary import leaf, levels, related

_SKIN: Final = ("I", "II", "III", "IV", "V", "VI")
_YEAR: Final = 365.25
#: Years that two ages may be off by where both are whole years, and where both are rounded to 5.
_SLACK: Final = 1.5
_ROUNDED_SLACK: Final = 5.5
#: A patient whose ages differ by more than this, without days that explain it, deserves a look.
_UNEXPLAINED: Final = 20
_OLDEST: Final = 85

#: Says what is wrong between an earlier row's value and day, and a row's own; None where nothing is.
Judge = Callable[[Any, int | None, Any, int | None], tuple[str, Severity] | None]


def batch_problems(rows: pl.DataFrame) -> list[Problem]:
    """Contradictions between the rows of a cleaned table; each problem stands at the later row and names the earlier."""
    return [
        *_same_image(rows),
        *_between(rows, "lesion_id", "patient_id", _one_patient, "lesion-two-patients"),
        *_between(rows, "rcm_case_id", "lesion_id", _one_lesion, "rcm-case-two-lesions"),
        *_macroscopic(rows),
        *_between(rows, "patient_id", "sex", _sex, "patient-contradiction"),
        *_between(rows, "patient_id", "fitzpatrick_skin_type", _skin, "patient-contradiction"),
        *_between(rows, "patient_id", "personal_hx_mm", _history, "patient-contradiction"),
        *_between(rows, "patient_id", "family_hx_mm", _history, "patient-contradiction"),
        *_between(rows, "lesion_id", "anatom_site", _site, "lesion-contradiction"),
        *_between(rows, "lesion_id", "laterality", _side, "lesion-contradiction"),
        *_between(rows, "lesion_id", "diagnosis", _diagnosis, "lesion-contradiction"),
        *_between(rows, "lesion_id", "melanocytic", _melanocytic, "lesion-contradiction"),
        *_between(rows, "lesion_id", "mel_thick_mm", _thickness, "lesion-contradiction"),
        *_ages(rows),
    ]


def _same_image(rows: pl.DataFrame) -> Iterator[Problem]:
    for column, what in (("image", "image"), ("file", "file")):
        if column == "file" and rows["file"].equals(rows["image"]):
            return
        key = pl.col(column).str.replace(r"(?i)\.(jpe?g|png|tiff?|bmp|webp|dcm)$", "") if column == "image" else column
        named = rows.filter(pl.col(column).is_not_null()).with_columns(key=key)
        again = named.with_columns(first=pl.col("row").first().over("key")).filter(pl.col("row") != pl.col("first"))
        for row, name, first in again.select("row", column, "first").iter_rows():
            message = f"{what} {name} stands in row {first} already; keep one row per image"
            yield Problem(row, column, name, "duplicate-image", message)


def _macroscopic(rows: pl.DataFrame) -> Iterator[Problem]:
    found = rows.filter(pl.col("rcm_case_id").is_not_null() & (pl.col("image_type") == "RCM: macroscopic"))
    again = found.with_columns(first=pl.col("row").first().over("rcm_case_id")).filter(pl.col("row") != pl.col("first"))
    for row, case, first in again.select("row", "rcm_case_id", "first").iter_rows():
        message = f"case {case} has a macroscopic image in row {first} already; a case has one"
        yield Problem(row, "rcm_case_id", case, "rcm-two-macroscopic", message)


def _between(rows: pl.DataFrame, owner: str, field: str, judge: Judge, code: str) -> Iterator[Problem]:
    """A problem for each row of an owner whose field excludes that of an earlier row."""
    given = rows.filter(pl.col(owner).is_not_null() & pl.col(field).is_not_null())
    mixed = given.filter(pl.col(field).n_unique().over(owner) > 1).select(owner, "row", field, "acquisition_day")
    seen: dict[str, dict[Any, list[tuple[int | None, int]]]] = {}
    for name, row, value, day in mixed.iter_rows():
        earlier = seen.setdefault(name, {})
        others = ((v, d, r) for v, found in earlier.items() if v != value for d, r in found)
        said = next(((verdict, r) for v, d, r in others if (verdict := judge(v, d, value, day))), None)
        if said is not None:
            (words, severity), other_row = said
            what = owner.removesuffix("_id").replace("_", " ")
            message = f"{what} {name} {words} (row {other_row})"
            yield Problem(row, field, _text(value), code, message, severity=severity)
        earlier[value] = _extremes([*earlier.get(value, ()), (day, row)])


def _extremes(days: list[tuple[int | None, int]]) -> list[tuple[int | None, int]]:
    """The first row without a day, and those of the first and last day: enough to compare with, however many there are."""
    undated = [entry for entry in days if entry[0] is None][:1]
    dated = sorted(((d, row) for d, row in days if d is not None), key=lambda entry: entry[0])
    return [*undated, *dated[:1], *dated[1:][-1:]]


def _one_patient(a: Any, _: int | None, b: Any, __: int | None) -> tuple[str, Severity]:
    return f"belongs to patient {b} here and to {a} elsewhere; a lesion has one patient", "error"


def _one_lesion(a: Any, _: int | None, b: Any, __: int | None) -> tuple[str, Severity]:
    return f"belongs to lesion {b} here and to {a} elsewhere; a case has one lesion", "error"


def _sex(a: Any, _: int | None, b: Any, __: int | None) -> tuple[str, Severity]:
    return f"is {b} here and {a} elsewhere; is this patient_id used for two people?", "error"


def _skin(a: Any, _: int | None, b: Any, __: int | None) -> tuple[str, Severity]:
    apart = abs(_SKIN.index(a) - _SKIN.index(b))
    said = f"has skin type {b} here and {a} elsewhere"
    return (f"{said}; is this patient_id used for two people?", "error") if apart > 1 else (said, "warning")


def _history(a: Any, a_day: int | None, b: Any, b_day: int | None) -> tuple[str, Severity] | None:
    """A history can begin, and never end."""
    if a_day is None or b_day is None or a_day == b_day:
        return "has this history in one row and not in another; acquisition_day would tell whether it began", "warning"
    later, earlier = (b, a) if b_day > a_day else (a, b)
    return ("has this history on an earlier day and no longer later", "error") if earlier and not later else None


def _site(a: Any, _: int | None, b: Any, __: int | None) -> tuple[str, Severity] | None:
    if related(a, b):
        return None
    said = f"is at {leaf(b)!r} here and at {leaf(a)!r} elsewhere"
    return (f"{said}; are these two lesions?", "error") if levels(a)[0] != levels(b)[0] else (said, "warning")


def _side(a: Any, _: int | None, b: Any, __: int | None) -> tuple[str, Severity] | None:
    if "bilateral" in (a, b):
        return None
    return f"is on the {b} here and on the {a} elsewhere; are these two lesions?", "error"


def _diagnosis(a: Any, a_day: int | None, b: Any, b_day: int | None) -> tuple[str, Severity] | None:
    """Benign and malignant exclude each other, unless the malignant finding came later; the rest deserves a look."""
    if related(a, b):
        return None
    said = f"is {leaf(b)!r} here and {leaf(a)!r} elsewhere"
    if {levels(a)[0], levels(b)[0]} != {"Benign", "Malignant"}:
        return said, "warning"
    days = sorted((day, path) for day, path in ((a_day, a), (b_day, b)) if day is not None)
    turned = len(days) == 2 and days[0][0] < days[1][0] and levels(days[1][1])[0] == "Malignant"
    return (f"{said}, later", "warning") if turned else (f"{said}; which is right?", "error")


def _melanocytic(_: Any, __: int | None, ___: Any, ____: int | None) -> tuple[str, Severity]:
    return "is melanocytic in one row and not in another; which is right?", "error"


def _thickness(a: Any, _: int | None, b: Any, __: int | None) -> tuple[str, Severity]:
    return f"is {b:g} mm thick here and {a:g} mm elsewhere", "warning"


def _ages(rows: pl.DataFrame) -> Iterator[Problem]:
    given = rows.filter(pl.col("patient_id").is_not_null() & pl.col("age").is_not_null())
    mixed = given.filter((pl.col("age").n_unique().over("patient_id") > 1) | _spans_years())
    dated = mixed.filter(pl.col("acquisition_day").is_not_null()).sort("patient_id", "acquisition_day", "row")
    for _, group in dated.group_by("patient_id", maintain_order=True):
        yield from _against_calendar(group)
    undated = mixed.filter(pl.col("acquisition_day").is_null())
    for (patient,), group in undated.group_by("patient_id", maintain_order=True):
        low, high = group["age"].min(), group["age"].max()
        if isinstance(low, int) and isinstance(high, int) and high - low > _UNEXPLAINED:
            message = f"patient {patient} is {low} and {high} years old, and no acquisition_day explains it"
            row = int(group.filter(pl.col("age") == high)["row"][0])
            yield Problem(row, "age", str(high), "age-over-time", message, severity="warning")


def _spans_years() -> pl.Expr:
    day = pl.col("acquisition_day")
    return ((day.max() - day.min()).over("patient_id") > 2 * _YEAR).fill_null(False)


def _against_calendar(group: pl.DataFrame) -> Iterator[Problem]:
    """Rows of one patient, sorted by day, against the first: ages must grow as the days do."""
    ages = group["age"].to_list()
    slack = _ROUNDED_SLACK if all(age % 5 == 0 for age in ages) else _SLACK
    (patient, first_row, first_age, first_day), *rest = group.select(
        "patient_id", "row", "age", "acquisition_day"
    ).iter_rows()
    for _, row, age, day in rest:
        expected = first_age + (day - first_day) / _YEAR
        capped = (age >= _OLDEST or first_age >= _OLDEST) and min(expected, _OLDEST) - slack <= age
        if abs(age - expected) > slack and not capped:
            message = (
                f"patient {patient} is {age} here and {first_age} in row {first_row}, "
                f"{(day - first_day) / _YEAR:.1f} years earlier; correct age or acquisition_day"
            )
            yield Problem(row, "age", str(age), "age-over-time", message)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
