"""A strip plot as inline SVG: one lesion among the patient's others on a single axis."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTH, _HEIGHT = 320, 72
_LEFT, _RIGHT = 12.0, 308.0
_AXIS, _MIDDLE, _HALF = 48, 36, 8
_TOPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


def nice_top(values: Sequence[float]) -> float:
    """The smallest of 0.01, 0.02, 0.05 ... 1 that no value exceeds: an axis end for small probabilities."""
    largest = max((v for v in values if not math.isnan(v)), default=1.0)
    return next((top for top in _TOPS if largest <= top), 1.0)


def strip_plot(values: Sequence[float], index: int, label: str, *, top: float = 1.0) -> str:
    """SVG for an HTML page: ``values[index]`` as a filled, labelled diamond, the others as ticks on one axis.

    values : numbers in [0, ``top``]; beyond are drawn at the end, NaN is left out. label : the name of the quantity,
    below the axis. Ticks closer than half a pixel are drawn once: the size has a bound, however many lesions.
    """
    this = values[index]
    others = [v for i, v in enumerate(values) if i != index and not math.isnan(v)]
    ticks = sorted({round(2 * _x(v, top)) / 2 for v in others})
    spoken = escape(_spoken(this, others, label, top))
    parts = [
        f'<svg class="strip" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{spoken}">',
        f'<path class="axis" d="M{_LEFT:g} {_AXIS}H{_RIGHT:g}M{_LEFT:g} {_AXIS}v4M{_RIGHT:g} {_AXIS}v4" {_STROKE}/>',
        _ticks(ticks),
        _text(_LEFT, 66, "0", "middle"),
        _text(_WIDTH / 2, 66, label, "middle"),
        _text(_RIGHT, 66, f"{top:g}", "middle" if len(f"{top:g}") == 1 else "end"),
        _marker(this, top),
        "</svg>",
    ]
    return "".join(parts)


_STROKE = 'fill="none" stroke="currentColor"'


def _x(value: float, top: float) -> float:
    return _LEFT + (_RIGHT - _LEFT) * min(max(value / top, 0.0), 1.0)


def _number(value: float, top: float) -> str:
    return f"{value:.2f}" if top >= 0.2 or value == 0 else f"{value:.2g}"


def _spoken(this: float, others: Sequence[float], label: str, top: float) -> str:
    here = "this lesion has no value" if math.isnan(this) else f"this lesion {_number(this, top)}"
    if not others:
        return f"{label}: {here}"
    span = f"{_number(min(others), top)} to {_number(max(others), top)}"
    return f"{label}: {here}, the other {len(others)} from {span}"


def _ticks(places: Sequence[float]) -> str:
    if not places:
        return ""
    lines = "".join(f"M{x:g} {_MIDDLE - _HALF}v{2 * _HALF}" for x in places)
    return f'<path class="others" d="{lines}" {_STROKE}/>'


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="currentColor">{escape(words)}</text>'


def _marker(value: float, top: float) -> str:
    if math.isnan(value):
        return _text(_WIDTH / 2, 16, "this lesion has no value", "middle")
    x = round(_x(value, top), 1)
    anchor, at = ("start", 4.0) if x < 72 else ("end", _WIDTH - 4.0) if x > _WIDTH - 72 else ("middle", x)
    diamond = f'<path class="mark" d="M{x:g} {_MIDDLE - 10}l8 10l-8 10l-8 -10z" fill="currentColor"/>'
    return _text(at, 16, f"this lesion {_number(value, top)}", anchor) + diamond
