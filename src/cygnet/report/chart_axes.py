"""The ground of a chart: nice ticks, and the way from data to places in an SVG."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

Point = tuple[float, float]

_FAR = 9999.0
_UNPRINTABLE = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """The text with everything that XML forbids, or that turns the writing direction, replaced by U+FFFD."""
    return _UNPRINTABLE.sub("\ufffd", text)


def short(text: str, most: int) -> str:
    """The text, its middle left out where it has more than ``most`` characters."""
    if len(text) <= most:
        return text
    tail = (most - 1) // 2
    return f"{text[: most - 1 - tail]}…{text[-tail:]}" if tail else f"{text[: most - 1]}…"


def place(value: float) -> str:
    """A coordinate with at most one decimal, never farther than the page reaches."""
    return f"{round(min(max(value, -_FAR), _FAR), 1) + 0.0:g}"


def words(x: float, y: float, text: str, anchor: str = "start", css: str = "") -> str:
    """A line of text; ``anchor`` is start, middle or end."""
    style = f' class="{css}"' if css else ""
    return (
        f'<text{style} x="{place(x)}" y="{place(y)}" text-anchor="{anchor}" fill="currentColor">'
        f"{escape(printable(text))}</text>"
    )


def nice_ticks(low: float, high: float, count: int = 5) -> tuple[float, ...]:
    """Multiples of 1, 2 or 5 times a power of ten in [``low``, ``high``], rising, evenly spaced.

    At most ``count`` + 1 of them and, for a ``count`` of 5 or more, at least two. Empty where the range is empty.
    """
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        return ()
    step, digits = _step(low, high, count)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(min(max(round(i * step, digits), low), high) for i in range(first, last + 1))


def _step(low: float, high: float, count: int) -> tuple[float, int]:
    raw = (high - low) / count
    power = math.floor(math.log10(raw))
    size = next((m for m in (1, 2, 5) if m * 10.0**power >= raw * (1 - 1e-9)), 10)
    return size * 10.0**power, max(0, -power)


@dataclass(frozen=True, slots=True)
class Axis:
    """One direction of a chart: what it shows and from where to where; ``marks`` are places with their labels."""

    label: str
    low: float = 0.0
    high: float = 1.0
    marks: tuple[tuple[float, str], ...] = ()

    @classmethod
    def over(cls, label: str, values: Iterable[float], *, count: int = 5) -> Axis:
        """An axis from tick to tick that holds every finite value; without any it runs from 0 to 1."""
        known = [v for v in values if math.isfinite(v)] or [0.0, 1.0]
        low, high = min(known), max(known)
        if high - low <= 1e-9 * max(abs(low), abs(high), 1e-9):
            spread = abs(low) / 2 or 0.5
            low, high = low - spread, high + spread
        step, digits = _step(low, high, count)
        ends = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
        return cls(label, round(ends[0], digits), round(ends[1], digits))

    def ticks(self) -> tuple[tuple[float, str], ...]:
        """Places and their labels."""
        if self.marks or not self.low < self.high:
            return self.marks
        digits = _step(self.low, self.high, 5)[1]
        return tuple((v, f"{v + 0.0:,.{digits}f}".replace("-", "−")) for v in nice_ticks(self.low, self.high))

    def share(self, value: float) -> float:
        """0 at the low end, 1 at the high end."""
        return (value - self.low) / (self.high - self.low)


@dataclass(frozen=True, slots=True)
class Frame:
    """Where the axes lie on a drawing; the default plot is 300 by 300 units."""

    x: Axis
    y: Axis
    width: float = 366
    height: float = 370
    left: float = 52
    right: float = 14
    top: float = 28
    bottom: float = 42

    def at(self, x: float, y: float) -> Point:
        """The place of a value; NaN stays NaN."""
        across, down = self.width - self.left - self.right, self.height - self.top - self.bottom
        return self.left + across * self.x.share(x), self.height - self.bottom - down * self.y.share(y)

    def runs(self, xs: Sequence[float], ys: Sequence[float]) -> Iterator[list[Point]]:
        """Stretches of points between undefined ones, as places."""
        run: list[Point] = []
        for x, y in zip(xs, ys, strict=False):
            if math.isfinite(x) and math.isfinite(y):
                run.append(self.at(x, y))
            elif run:
                yield run
                run = []
        if run:
            yield run

    def svg(self) -> str:
        """Grid, axis lines, tick labels, and the names of both axes."""
        right, floor = self.width - self.right, self.height - self.bottom
        columns = [(self.at(v, self.y.low)[0], label) for v, label in self.x.ticks()]
        rows = [(self.at(self.x.low, v)[1], label) for v, label in self.y.ticks()]
        grid = "".join(f"M{place(self.left)} {place(y)}H{place(right)}" for y, _ in rows)
        ticks = "".join(f"M{place(x)} {place(floor)}v4" for x, _ in columns)
        parts = [
            f'<path class="grid" d="{grid}" fill="none" stroke="currentColor"/>' if grid else "",
            f'<path class="axes" d="M{place(self.left)} {place(floor)}H{place(right)}{ticks}" fill="none" '
            'stroke="currentColor"/>',
            *(words(x, floor + 17, label, "middle", "tick") for x, label in columns),
            *(words(self.left - 6, y + 4, label, "end", "tick") for y, label in rows),
            words((self.left + right) / 2, floor + 36, self.x.label, "middle"),
            words(4, 14, self.y.label),
        ]
        return "".join(parts)


def path(points: Sequence[Point]) -> str:
    """The points as path data; a single one is a dot where line ends are round."""
    if len(points) == 1:
        return f"M{place(points[0][0])} {place(points[0][1])}h0"
    return "M" + "L".join(f"{place(x)} {place(y)}" for x, y in points)
