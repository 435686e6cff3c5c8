"""One cell at a time: text to the value that ISIC 6.1 means by it, or the reason why it cannot be.

More is understood than isic-metadata does where only one meaning is possible: capitals, "m", "unknown", "3.0", a skin
type in Arabic numerals, "CC BY 4.0", old labels. A note says so wherever a word was translated.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, Final

from cygnet.schema.labels import find_diagnosis
from cygnet.schema.problems import Severity, shorten
from cygnet.schema.records import SEXES, is_missing
from cygnet.schema.sites import find_site, read_laterality, suggest_sites
from cygnet.schema.suggest import did_you_mean, nearest
from cygnet.schema.vocabulary import Field, leaf, vocabulary

#: The oldest age that ISIC publishes; older is written as this.
OLDEST: Final = 85
_AGE_LIMIT: Final = 120
LICENSES: Final = ("CC-0", "CC-BY", "CC-BY-NC")
_TRUE: Final = {"true", "t", "yes", "y", "on", "1", "1.0"}
_FALSE: Final = {"false", "f", "no", "n", "off", "0", "0.0"}
_NUMBER: Final = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?"
_MEASURE: Final = re.compile(rf"\s*({_NUMBER})\s*(um|µm|μm|mm|cm)?\s*\Z", re.IGNORECASE | re.ASCII)
_PER_MM: Final = {"um": Decimal("0.001"), "µm": Decimal("0.001"), "μm": Decimal("0.001"), "cm": Decimal(10)}
#: dx_type of HAM10000.
_CONFIRMED: Final = {
    "histo": "histopathology",
    "follow_up": "serial imaging showing no change",
    "consensus": "single image expert consensus",
    "confocal": "confocal microscopy with consensus dermoscopy",
}
_ROMAN: Final = {"1": "I", "2": "II", "3": "III", "4": "IV", "5": "V", "6": "VI"}


@dataclass(frozen=True, slots=True)
class Remark:
    """What is to be said of a value, as in :class:`cygnet.schema.problems.Problem`."""

    code: str
    message: str
    suggestion: str = ""
    severity: Severity = "error"


@dataclass(frozen=True, slots=True)
class Value:
    """A value (None: missing, or not to be used) and what is to be said of it."""

    value: Any
    remarks: tuple[Remark, ...] = ()


Reader = Callable[[str], Value]
MISSING: Final = Value(None)


def reader(field: str) -> Reader:
    """The function that reads a field's cells; for fields that ISIC does not have, ``laterality`` and the licence."""
    own: dict[str, Reader] = {
        "age": read_age,
        "sex": _sex,
        "anatom_site": _site,
        "anatom_site_general": _site,
        "tbp_location": _site,
        "diagnosis": _diagnosis,
        "laterality": _laterality,
        "copyright_license": _license,
        "mel_mitotic_index": _mitoses,
    }
    if field in own:
        return own[field]
    described = vocabulary().fields.get(field)
    kinds: dict[str, Callable[[Field], Reader]] = {
        "integer": lambda f: lambda text: _integer(f.name, text),
        "decimal": lambda f: lambda text: _decimal(f, text),
        "boolean": lambda f: lambda text: _boolean(f.name, text),
        "choice": lambda f: lambda text: _choice(f, text),
    }
    return kinds[described.kind](described) if described and described.kind in kinds else as_it_is


def approximate(age: int) -> int:
    """Age as ISIC publishes it: to the nearest 5 years, 85 at most."""
    return min(5 * math.floor(age / 5 + 0.5), OLDEST)


def read_age(text: str) -> Value:
    """Whole years from 0 to 120, "85+" too; above 85 is capped at 85, as in ISIC."""
    if is_missing(text):
        return MISSING
    if text.strip() == "85+":
        return Value(OLDEST)
    number = _whole(text)
    if isinstance(number, Value):
        fix = _near_whole(text)
        return _bad("not-a-number", f"age {shorten(text)!r} is not a whole number of years", fix)
    if not 0 <= number <= _AGE_LIMIT:
        return _bad("out-of-range", f"age {shorten(text)!r} is not between 0 and {_AGE_LIMIT}")
    if number > OLDEST:
        return Value(OLDEST, (Remark("rounded", f"age {number} is kept as {OLDEST}, as ISIC does", severity="note"),))
    return Value(number)


def _sex(text: str) -> Value:
    if is_missing(text):
        return MISSING
    sex = SEXES.get(text.strip().lower())
    if sex is None:
        return _unknown("sex", text, nearest(text, ("male", "female"), 1), ("male", "female"))
    return Value(sex)


def _site(text: str) -> Value:
    if is_missing(text):
        return MISSING
    site = find_site(text, strict=True)
    if site is None:
        return _unknown("anatomic site", text, suggest_sites(text))
    return Value(site)


def _diagnosis(text: str) -> Value:
    if is_missing(text):
        return MISSING
    found = find_diagnosis(text)
    if found is None:
        return _unknown("diagnosis", text, vocabulary().diagnoses.suggest(text))
    if found.path is None:
        covered = [leaf(path) for path in found.label.covers] if found.label else []
        what = f" may be {' or '.join(covered)}" if covered else " is no single diagnosis of ISIC's"
        message = f"diagnosis {shorten(text)!r}{what}; left empty"
        return Value(found, (Remark("ambiguous-value", message, covered[0] if covered else "", "warning"),))
    if found.label is not None:
        message = f"diagnosis {shorten(text)!r} was read as {leaf(found.path)!r}"
        return Value(found, (Remark("read-as", message, leaf(found.path), "note"),))
    return Value(found)


def _laterality(text: str) -> Value:
    if is_missing(text):
        return MISSING
    side = read_laterality(text)
    return Value(side) if side else _unknown("laterality", text, (), ("left", "right", "bilateral"))


def _license(text: str) -> Value:
    """A licence in any spelling of its name, with or without a version."""
    if is_missing(text):
        return MISSING
    letters = re.sub(r"[^A-Z0]", "", re.sub(r"\d\.\d.*|\(.*|UNIVERSAL", "", text.upper()))
    known = {re.sub("-", "", name): name for name in LICENSES}
    name = known.get(letters)
    return Value(name) if name else _unknown("licence", text, nearest(text, LICENSES, 1), LICENSES)


def _mitoses(text: str) -> Value:
    """Mitoses per square millimetre, with or without the unit."""
    bare = re.sub(r"\s*/\s*mm(\^?2|²)$|\s", "", text.strip().lower())
    field = vocabulary().fields["mel_mitotic_index"]
    return _choice(field, f"{bare}/mm^2" if not is_missing(bare) else bare, text)


def _choice(field: Field, text: str, written: str | None = None) -> Value:
    if is_missing(text):
        return MISSING
    wanted = " ".join(text.lower().split())
    found = next((value for value in field.values if value.lower() == wanted), None)
    if found is None and field.name == "diagnosis_confirm_type":
        found = _CONFIRMED.get(wanted)
    if found is None and field.name == "fitzpatrick_skin_type":
        found = _ROMAN.get(wanted.removesuffix(".0"))
    if found is None:
        return _unknown(field.name, written or text, nearest(text, field.values), field.values)
    return Value(found)


def _boolean(name: str, text: str) -> Value:
    if is_missing(text):
        return MISSING
    word = text.strip().lower()
    if word in _TRUE or word in _FALSE:
        return Value(word in _TRUE)
    return _unknown(name, text, (), ("true", "false"))


def _integer(name: str, text: str) -> Value:
    if is_missing(text):
        return MISSING
    number = _whole(text)
    if isinstance(number, Value):
        return _bad("not-a-number", f"{name} {shorten(text)!r} is not a whole number", _near_whole(text))
    return Value(number)


def _decimal(field: Field, text: str) -> Value:
    """A length in mm; um and cm are converted. More decimals than the field has are rounded, with a note."""
    if is_missing(text):
        return MISSING
    found = _MEASURE.match(text)
    if found is None:
        return _bad("not-a-number", f"{field.name} {shorten(text)!r} is not a number of millimetres")
    number = Decimal(found[1]) * _PER_MM.get((found[2] or "mm").lower(), Decimal(1))
    places, digits = field.places or 2, field.digits or 5
    try:
        made = number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    except InvalidOperation:
        made = Decimal("inf")
    if number < (field.minimum or 0) or made >= Decimal(10) ** (digits - places):
        top = f"{Decimal(10) ** (digits - places):f}"
        return _bad("out-of-range", f"{field.name} {shorten(text)!r} is not between {field.minimum or 0} and {top} mm")
    note = Remark("rounded", f"{field.name} {shorten(text)!r} was rounded to {made} mm", severity="note")
    return Value(float(made), (note,) if made != number else ())


def as_it_is(text: str) -> Value:
    """Text, without the spaces around it."""
    return MISSING if is_missing(text) else Value(text.strip())


def _whole(text: str) -> int | Value:
    """A whole number, also as "3.0"; MISSING for anything else."""
    if re.match(r"\s*[+-]?\d+(?:\.\d*)?\s*\Z", text, re.ASCII) is None:
        return MISSING
    number = float(text)
    return int(number) if number.is_integer() and abs(number) < 2**53 else MISSING


def _near_whole(text: str) -> str:
    """The whole number that "12.5" or "45y" is near to, "" for anything else."""
    found = re.fullmatch(r"\s*(\d{1,4}(?:\.\d+)?)\s*[a-z]*\s*", text, re.ASCII | re.IGNORECASE)
    return str(math.floor(float(found[1]))) if found and "e" not in text else ""


def _bad(code: str, message: str, suggestion: str = "") -> Value:
    hint = f"did you mean {suggestion!r}?" if suggestion else "correct it, or leave it empty"
    return Value(None, (Remark(code, f"{message}; {hint}", suggestion),))


def _unknown(what: str, text: str, near: Sequence[str], allowed: Sequence[str] = ()) -> Value:
    hint = did_you_mean(near) or (f"use one of {', '.join(allowed)}, or leave it empty" if allowed else "")
    message = f"{what} {shorten(text)!r} is unknown; {hint or 'cygnet metadata values lists what is known'}"
    return Value(None, (Remark("unknown-value", message, near[0] if near else ""),))
