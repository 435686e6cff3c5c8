"""Charts as inline SVG, without a plotting library: a title, a description, and never colour alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from cygnet.report.chart_axes import Axis, Frame, Point, path, place, printable, short, words

MOST = 8
DASHES = ("", "7 3", "2 3", "9 3 2 3", "14 4", "5 2 1 2 1 2", "4 5", "1 4")
_MARKERS = (
    "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
    "m-3.5 -3.5h7v7h-7z",
    "m0 -4.5l4.5 8h-9z",
    "m-4.5 -2h9v4h-9z",
    "m0 4.5l4.5 -8h-9z",
    "m-1.5 -4.5h3v3h3v3h-3v3h-3v-3h-3v-3h3z",
    "m0 -5.5l5.5 5.5l-5.5 5.5l-5.5 -5.5z",
    "m-2 -4.5h4v9h-4z",
)


def dash(series: int) -> str:
    """The dashes of a series as an attribute; a full line for the first and for reference lines (below 0)."""
    pattern = DASHES[series % MOST] if series >= 0 else "3 3"
    return f' stroke-dasharray="{pattern}"' if pattern else ""


def marker(series: int, at: Point, scale: float = 1.0) -> str:
    """The mark of a series, of its own shape, centred on a place."""
    shape = _MARKERS[series % MOST]
    return (
        f'<path class="dot {_css(series)}" transform="translate({place(at[0])} {place(at[1])}) scale({scale:g})" '
        f'd="M0 0{shape}" fill="currentColor"/>'
    )


def _css(series: int) -> str:
    return f"s{series % MOST + 1}" if series >= 0 else "ref"


def document(key: str, title: str, desc: str, width: float, height: float, body: Sequence[str]) -> str:
    """A whole SVG; ``key`` makes its ids unique on the page."""
    return (
        f'<svg class="chart" viewBox="0 0 {place(width)} {place(height)}" role="img" '
        f'aria-labelledby="{key}-t" aria-describedby="{key}-d" xmlns="http://www.w3.org/2000/svg">'
        f'<title id="{key}-t">{escape(printable(title))}</title><desc id="{key}-d">{escape(printable(desc))}</desc>'
        f"{''.join(body)}</svg>"
    )


class Chart:
    """Lines, bands and marks on one pair of axes. Undefined numbers (NaN, infinite) leave a gap and are never drawn.

    key : of letters, digits, "-"; unique on the page. series : 0-7, its colour, dashes and shape; -1 is a reference.
    A ``name`` puts the mark into the legend below the chart. What lies outside the axes is cut off.
    """

    def __init__(self, key: str, title: str, desc: str, frame: Frame) -> None:
        self.key, self.title, self.desc, self.frame = key, title, desc, frame
        self._marks: list[str] = []
        self._over: list[str] = []
        self._legend: list[tuple[str, str]] = []

    def line(self, xs: Sequence[float], ys: Sequence[float], series: int = 0, name: str = "") -> None:
        """A line through the points, broken where one is undefined."""
        data = "".join(path(run) for run in self.frame.runs(xs, ys))
        if data:
            self._marks.append(_stroke(data, series))
            self._name(name, _stroke("M4 0h28", series))

    def band(
        self, xs: Sequence[float], lows: Sequence[float], highs: Sequence[float], series: int = 0, name: str = ""
    ) -> None:
        """The area between two lines; it ends where either is undefined."""
        known = [
            x if math.isfinite(a) and math.isfinite(b) else math.nan for x, a, b in zip(xs, lows, highs, strict=False)
        ]
        pairs = zip(self.frame.runs(known, lows), self.frame.runs(known, highs), strict=True)
        areas = [path([*low, *reversed(high)]) + "z" for low, high in pairs if len(low) > 1]
        if areas:
            self._marks.insert(0, _fill("".join(areas), f"range {_css(series)}"))
            self._name(name, _fill("M4 -5h28v10h-28z", f"range {_css(series)}"))

    def region(self, points: Sequence[Point], name: str = "") -> None:
        """A hatched area within the given corners."""
        corners = [self.frame.at(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
        if len(corners) > 2:
            hatch = f'<path class="hatch" d="{{}}" fill="url(#{self.key}-h)" stroke="none"/>'
            self._marks.append(
                f'<pattern id="{self.key}-h" width="5" height="5" patternUnits="userSpaceOnUse" '
                'patternTransform="rotate(45)"><path class="s1" d="M0 0v5" stroke="currentColor" stroke-width="1.5"/>'
                f"</pattern>{hatch.format(path(corners) + 'z')}"
            )
            self._name(name, hatch.format("M4 -6h28v12h-28z"))

    def points(
        self,
        xs: Sequence[float],
        ys: Sequence[float],
        lows: Sequence[float] = (),
        highs: Sequence[float] = (),
        series: int = 0,
        name: str = "",
    ) -> None:
        """Marks, with a bar from ``lows`` to ``highs`` where both are given and defined."""
        drawn = False
        for i, (x, y) in enumerate(zip(xs, ys, strict=False)):
            if not (math.isfinite(x) and math.isfinite(y)):
                continue
            drawn = True
            low, high = (side[i] if i < len(side) else math.nan for side in (lows, highs))
            if math.isfinite(low) and math.isfinite(high):
                self._marks.append(_stroke(path([self.frame.at(x, low), self.frame.at(x, high)]), series, "bar"))
            self._marks.append(marker(series, self.frame.at(x, y)))
        if drawn:
            self._name(name, marker(series, (18, 0)))

    def bars(self, xs: Sequence[float], heights: Sequence[float], wide: float, series: int = 0, name: str = "") -> None:
        """Bars from the foot of the chart, ``wide`` in the unit of x, centred on ``xs``."""
        floor = self.frame.y.low
        known = [(x, y) for x, y in zip(xs, heights, strict=False) if math.isfinite(x) and math.isfinite(y)]
        corners = [
            [(x - wide / 2, floor), (x - wide / 2, y), (x + wide / 2, y), (x + wide / 2, floor)] for x, y in known
        ]
        if corners:
            data = "".join(path([self.frame.at(*c) for c in box]) + "z" for box in corners)
            self._marks.append(_fill(data, f"column {_css(series)}"))
            self._name(name, _fill("M10 -6h16v12h-16z", f"column {_css(series)}"))

    def steps(self, xs: Sequence[float], ys: Sequence[float], wide: float, name: str = "") -> None:
        """Short level reference lines, one per value, ``wide`` in the unit of x."""
        known = [(x, y) for x, y in zip(xs, ys, strict=False) if math.isfinite(x) and math.isfinite(y)]
        data = "".join(path([self.frame.at(x - wide / 2, y), self.frame.at(x + wide / 2, y)]) for x, y in known)
        if data:
            self._marks.append(_stroke(data, 6, "step"))
            self._name(name, _stroke("M4 0h28", 6, "step"))

    def note(self, x: float, y: float, text: str, anchor: str = "start", shift: Point = (0.0, 0.0)) -> None:
        """Words at a value, moved by ``shift`` units."""
        if math.isfinite(x) and math.isfinite(y):
            at = self.frame.at(x, y)
            self._over.append(words(at[0] + shift[0], at[1] + shift[1], text, anchor, "label"))

    def _name(self, name: str, sample: str) -> None:
        if name:
            self._legend.append((short(printable(name), 46), sample))

    def svg(self) -> str:
        """The chart with its legend."""
        f = self.frame
        inside = (f.left - 3, f.top - 5, f.width - f.left - f.right + 6, f.height - f.top - f.bottom + 8)
        x, y, wide, high = map(place, inside)
        body = [
            f.svg(),
            f'<clipPath id="{self.key}-c"><rect x="{x}" y="{y}" width="{wide}" height="{high}"/></clipPath>',
            f'<g clip-path="url(#{self.key}-c)">{"".join(self._marks)}</g>',
            *self._over,
        ]
        for i, (name, sample) in enumerate(self._legend):
            body.append(f'<g transform="translate(0 {place(f.height + 12 + 20 * i)})">{sample}{words(42, 4, name)}</g>')
        extra = 20 * len(self._legend) + 4 if self._legend else 0
        return document(self.key, self.title, self.desc, f.width, f.height + extra, body)


def _stroke(data: str, series: int, css: str = "line") -> str:
    pattern = dash(series) if css == "line" else ""
    return f'<path class="{css} {_css(series)}" d="{data}" fill="none" stroke="currentColor"{pattern}/>'


def _fill(data: str, css: str) -> str:
    return f'<path class="{css}" d="{data}" fill="currentColor"/>'


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One line of a forest plot; ``detail`` stands after the label, ``shown`` are the numbers in words."""

    label: str
    shown: str
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    detail: str = ""


ROW = 40.0


def forest(key: str, title: str, desc: str, rows: Sequence[ForestRow], axis: Axis, reference: float = math.nan) -> str:
    """Values with intervals below one another, words above each; a dashed line at the ``reference``.

    The plot runs from 20 to 340 of 360 units, one row takes 40. A row without a value shows its words only; an
    interval that leaves the axis is cut off.
    """
    frame = Frame(axis, Axis("", marks=((0.0, ""),)), 360, ROW * len(rows) + 50, left=20, right=20, top=8)
    body = [frame.svg()]
    if math.isfinite(reference):
        x = place(frame.at(reference, 0)[0])
        body.append(_stroke("".join(f"M{x} {place(8 + ROW * i + 22)}v16" for i in range(len(rows))), -1))
    for i, row in enumerate(rows):
        top = 8 + ROW * i
        room = max(8, 52 - len(row.shown))
        label = short(row.label, room)
        detail = f'<tspan class="soft" dx="6">{escape(printable(row.detail))}</tspan>' if row.detail else ""
        detail = detail if len(label) + len(row.detail) <= room else ""
        body.append(words(0, top + 14, label, css="label").replace("</text>", f"{detail}</text>"))
        body.append(words(360, top + 14, row.shown, "end", "label"))
        if math.isfinite(row.low) and math.isfinite(row.high):
            ends = (frame.at(min(max(v, axis.low), axis.high), 0)[0] for v in (row.low, row.high))
            body.append(_stroke(path([(x, top + 30) for x in ends]), 0, "bar"))
        if math.isfinite(row.value) and axis.low <= row.value <= axis.high:
            body.append(marker(0, (frame.at(row.value, 0)[0], top + 30)))
    return document(key, title, desc, 360, frame.height, body)
