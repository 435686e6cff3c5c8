"""What the values of one row say about each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import polars as pl

from cygnet.schema.cells import NUMBER, TRIGGER
from cygnet.schema.problems import Problem, Severity
from cygnet.schema.sites import Site, general_site
from cygnet.schema.vocabulary import is_melanocytic, is_melanoma, leaf, within

_MELANOMA_FIELDS: Final = ("mel_thick_mm", "mel_mitotic_index", "mel_ulcer")
_RCM: Final = ("RCM: macroscopic", "RCM: tile", "RCM: mosaic")
_TBP: Final = ("TBP tile: close-up", "TBP tile: overview")
_IN_SITU: Final = "Malignant:Malignant melanocytic proliferations (Melanoma):Melanoma in situ"
#: Breslow thickness and lesion diameter beyond which a slip of the decimal point is likelier than the truth, in mm.
_THICKEST: Final = 50.0
_WIDEST: Final = 300.0
#: Where each special site can be.
_SPECIAL: Final[dict[str, tuple[str, ...]]] = {
    "fingernail": ("Upper extremity",),
    "toenail": ("Lower extremity",),
    "nail NOS": ("Upper extremity", "Lower extremity"),
    "acral NOS": ("Upper extremity", "Lower extremity"),
    "acral palms or soles": ("Upper extremity", "Lower extremity"),
    "oral or genital": ("Anogenital region", "Head and neck"),
}


def row_problems(rows: pl.DataFrame) -> list[Problem]:
    """Contradictions and gaps within each row of a cleaned table (see ``check.CLEANED``)."""
    found: list[Problem] = []
    for rule in (_melanoma, _image_types, _biopsy, _melanocytic, _special_site, _sizes):
        found += rule(rows)
    return found


def may_execute(column: str) -> pl.Expr:
    """Whether a text column's cell looks like a formula."""
    text = pl.col(column)
    return text.str.contains(TRIGGER) & ~text.str.contains(NUMBER) & (text.str.len_chars() > 1)


def deepest(paths: Sequence[str]) -> str | None:
    """The most exact of paths that agree with one another; None where two exclude each other, or there is none."""
    if not paths:
        return None
    longest = max(paths, key=lambda p: p.count(":"))
    return longest if all(within(longest, path) for path in paths) else None


def merged_site(places: Sequence[Site]) -> Site | None:
    """One place from several columns about it, the most exact path; None where two exclude each other."""
    path = deepest([s.path for s in places if s.path])
    if path is None and any(s.path for s in places):
        return None
    special = next((s.special for s in places if s.special), None)
    side = next((s.laterality for s in places if s.laterality), None)
    if special in _SPECIAL and path and not _possible(path, special):
        return None
    return Site(path, special, side, any(s.approximate for s in places)) if places else None


def _possible(path: str, special: str) -> bool:
    return any(within(path, place) for place in _SPECIAL[special])


def _each(
    rows: pl.DataFrame,
    where: pl.Expr,
    columns: Sequence[str],
    say: Callable[..., tuple[str, str, Severity] | None],
) -> list[Problem]:
    """A problem for each row that ``where`` picks and ``say`` (given the columns' values) has words for."""
    problems = []
    for row, *values in rows.filter(where).select("row", *columns).iter_rows():
        words = say(*values)
        if words is not None:
            code, message, severity = words
            problems.append(Problem(row, columns[0], _text(values[0]), code, message, severity=severity))
    return problems


def _melanoma(rows: pl.DataFrame) -> list[Problem]:
    problems: list[Problem] = []
    for field in _MELANOMA_FIELDS:

        def say(value: Any, diagnosis: str | None, field: str = field) -> tuple[str, str, Severity] | None:
            if diagnosis is None:
                return "missing-field", f"{field} needs a diagnosis; give the melanoma, or leave {field} empty", "error"
            if not is_melanoma(diagnosis):
                words = f"{field} goes with melanoma only, and the diagnosis is {leaf(diagnosis)!r}"
                return "incompatible-fields", f"{words}; correct one of them", "error"
            if field == "mel_thick_mm" and value > 0 and within(diagnosis, _IN_SITU):
                words = f"a melanoma in situ has no Breslow thickness, and {field} is {value}"
                return "incompatible-fields", f"{words}; is it invasive?", "warning"
            return None

        problems += _each(rows, pl.col(field).is_not_null(), [field, "diagnosis"], say)
    return problems


def _image_types(rows: pl.DataFrame) -> list[Problem]:
    problems: list[Problem] = []
    for field, allowed in (("dermoscopic_type", ("dermoscopic",)), ("tbp_tile_type", _TBP), ("rcm_case_id", _RCM)):
        names = " or ".join(map(repr, allowed))

        def say(_: Any, image_type: str | None, field: str = field, names: str = names) -> tuple[str, str, Severity]:
            if image_type is None:
                return "missing-field", f"{field} needs image_type {names}, which is empty", "error"
            return "incompatible-fields", f"{field} needs image_type {names}, and it is {image_type!r}", "error"

        where = pl.col(field).is_not_null() & ~pl.col("image_type").is_in(allowed).fill_null(False)
        problems += _each(rows, where, [field, "image_type"], say)
    return problems


def _biopsy(rows: pl.DataFrame) -> list[Problem]:
    need = "concomitant_biopsy needs diagnosis_confirm_type 'histopathology'"

    def say(_: Any, confirmed: str | None) -> tuple[str, str, Severity]:
        return "missing-field", f"{need}, and it is {repr(confirmed) if confirmed else 'empty'}", "error"

    histology = (pl.col("diagnosis_confirm_type") == "histopathology").fill_null(False)
    where = pl.col("concomitant_biopsy").fill_null(False) & ~histology
    return _each(rows, where, ["concomitant_biopsy", "diagnosis_confirm_type"], say)


def _melanocytic(rows: pl.DataFrame) -> list[Problem]:
    def say(melanocytic: bool, diagnosis: str) -> tuple[str, str, Severity] | None:
        truth = is_melanocytic(diagnosis)
        if truth is None or truth == melanocytic:
            return None
        words = f"melanocytic is {str(melanocytic).lower()} and the diagnosis {leaf(diagnosis)!r}; correct one of them"
        return "incompatible-fields", words, "warning" if melanocytic else "error"

    where = pl.col("melanocytic").is_not_null() & pl.col("diagnosis").is_not_null()
    return _each(rows, where, ["melanocytic", "diagnosis"], say)


def _special_site(rows: pl.DataFrame) -> list[Problem]:
    def say(special: str, path: str) -> tuple[str, str, Severity] | None:
        if _possible(path, special):
            return None
        words = f"anatom_site_special {special!r} cannot be at {leaf(path)!r} ({general_site(path)})"
        return "incompatible-fields", f"{words}; correct one of them", "error"

    where = pl.col("anatom_site_special").is_not_null() & pl.col("anatom_site").is_not_null()
    return _each(rows, where, ["anatom_site_special", "anatom_site"], say)


def _sizes(rows: pl.DataFrame) -> list[Problem]:
    problems: list[Problem] = []
    for field, most in (("mel_thick_mm", _THICKEST), ("clin_size_long_diam_mm", _WIDEST)):

        def say(value: float, field: str = field) -> tuple[str, str, Severity]:
            return "implausible", f"{field} is {value:g} mm; is the decimal point right?", "warning"

        problems += _each(rows, pl.col(field) > most, [field], say)
    return problems


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
