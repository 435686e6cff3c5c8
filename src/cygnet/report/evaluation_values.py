"""What an evaluation.json holds, read with care, and its numbers in words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cygnet.report import words
from cygnet.report.chart_axes import printable

_AIMS = {
    "higher": ("↑", "higher is better"),
    "lower": ("↓", "lower is better"),
    "one": ("→ 1", "1 is right"),
    "zero": ("→ 0", "0 is right"),
}


def tidy(value: Any) -> Any:
    """The data without nulls, every text printable."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {printable(str(k)): tidy(v) for k, v in value.items() if v is not None}
    return [tidy(v) for v in value] if isinstance(value, list | tuple) else value


def as_map(value: Any) -> Mapping[str, Any]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def as_maps(value: Any) -> list[Mapping[str, Any]]:
    """The mappings in a list; empty where it is no list."""
    return [v for v in value if isinstance(v, Mapping)] if isinstance(value, list) else []


def num(value: Any) -> float:
    """A number as float, NaN for anything else."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def nums(mapping: Mapping[str, Any], name: str) -> list[float]:
    """The list of numbers under a name; empty where there is none."""
    values = mapping.get(name)
    return [num(v) for v in values] if isinstance(values, list) else []


def union(parts: Iterable[Any]) -> list[str]:
    """The keys of all parts, in order of first appearance."""
    return list(dict.fromkeys(name for part in parts for name in as_map(part)))


def digits_for(values: Sequence[float]) -> int:
    """How many decimals the largest of the values needs."""
    largest = max((abs(v) for v in values if math.isfinite(v)), default=0.0)
    limits = ((100, 0), (10, 1), (1.05, 2), (0.095, 3))
    return next((d for limit, d in limits if largest >= limit), 4)


def write(value: float, digits: int, sign: str = "") -> str:
    """A number with its decimals, a true minus and separators."""
    return f"{value + 0.0:{sign},.{digits}f}".replace("-", "−")


def shown(mapping: Any, name: str = "value", sign: str = "") -> str:
    """An estimate with its interval, such as "0.846 (0.823 to 0.867)"; "undefined" where there is no number."""
    m = as_map(mapping)
    value, low, high = num(m.get(name)), num(m.get("low")), num(m.get("high"))
    if not math.isfinite(value):
        return "undefined"
    digits = digits_for((value, low, high))
    if not (math.isfinite(low) and math.isfinite(high)):
        return write(value, digits, sign)
    return f"{write(value, digits, sign)} ({write(low, digits, sign)} to {write(high, digits, sign)})"


def plain(value: Any) -> str:
    """A number alone: counts with separators, others with the digits they need."""
    number = num(value)
    if not math.isfinite(number):
        return "–"
    whole = number == int(number) or abs(number) >= 1000
    return f"{number:,.0f}" if whole else f"{number:.3g}".replace("-", "−")


def p_value(value: Any) -> str:
    """A p-value: two digits that matter, never 0."""
    p = num(value)
    if not math.isfinite(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def title_of(data: Mapping[str, Any], name: str) -> str:
    """The stated title of a metric, else its name as words."""
    stated = as_map(as_map(data.get("definitions")).get(name)).get("title")
    return str(stated or words.initial(name.replace("_", " ")))


def aim(data: Mapping[str, Any], name: str) -> tuple[str, str]:
    """The sign of what is better for a metric and its words; empty where it is not stated."""
    return _AIMS.get(as_map(as_map(data.get("definitions")).get(name)).get("direction", ""), ("", ""))


def level_of(data: Mapping[str, Any]) -> str:
    """The level of the intervals in per cent."""
    share = num(data.get("level"))
    return f"{100 * share:.4g} %" if math.isfinite(share) else "stated"


def name_of(model: Mapping[str, Any]) -> str:
    """The name of a model, a vote table, a comparison."""
    return str(model.get("name", "unnamed"))


def bounds(definition: Mapping[str, Any]) -> str:
    """The range of a metric in words; empty where it has no bound."""
    ends = definition.get("range")
    low, high = map(num, ends) if isinstance(ends, list) and len(ends) == 2 else (math.nan, math.nan)
    if math.isfinite(low) and math.isfinite(high):
        return f"{plain(low)} to {plain(high)}"
    return f"from {plain(low)}" if math.isfinite(low) else f"up to {plain(high)}" if math.isfinite(high) else ""


def prevalence(data: Mapping[str, Any]) -> float:
    """The share of melanomas, from the counts where it is not stated."""
    share, n = num(data.get("prevalence")), num(data.get("n"))
    return num(data.get("positives")) / n if math.isnan(share) and n > 0 else share
