"""The millimetre scale of a dermatoscope: evenly spaced dark ticks along a straight line.

A ruler is certain or it is none: hairs and pigment network make lines too, and a wrong scale is worse than none.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Contrast of a tick, in steps out of 255, and how many of the strongest places are looked at.
_DARK: Final = 18
_PLACES: Final = 4000
#: Angles tried, in degrees, height of the band that holds the ticks and width of a bin along it, in pixels of an image of
#: about 512 x 384.
_ANGLES: Final = tuple(range(0, 180, 4))
_TURNS: Final = (0.0, -1.3, 1.3)
_BAND: Final = 12
_BIN: Final = 2
_TRIED: Final = 6
#: Places by which a tick stands out in its bin, at the least.
_SCORE: Final = 5
#: Ticks that must stand in line (more where they are close, as texture may be), pixels between them, and how far one may stray, in spacings.
MIN_TICKS: Final = 7
MIN_CLOSE_TICKS: Final = 10
_WIDE: Final = 18.0
_SPACING: Final = (7.0, 90.0)
_STRAY: Final = 0.12
_EVEN: Final = 0.05
#: Dark places that belong to a tick are this near to its middle; they are this share of all in the band, and a tick has as
#: many.
_NEAR: Final = 2.5
_NARROW: Final = 0.2
_CLEAN: Final = 0.75
_LONG: Final = 8


@dataclass(frozen=True, slots=True)
class Ruler:
    """``spacing`` of the ticks in pixels, ``ticks`` how many were found, and ``mask`` (h, w) bool where they are."""

    spacing: float
    ticks: int
    mask: Bools


@dataclass(frozen=True, slots=True)
class _Scale:
    """Ticks at ``start + k * spacing``, k = 0 to ``count - 1``, along a line."""

    start: float
    spacing: float
    count: int


def ruler(thin: NDArray[np.uint8]) -> Ruler | None:
    """The ruler in an image of about 512 x 384, from how dark its thin lines are (h, w) uint8; None unless certain.

    At least seven ticks in line, ten where they are close, none missing between them but one, each within 12 % of its place and together within 5 %
    (root mean square), and little else in between.
    """
    y, x = np.nonzero(thin > _DARK)
    if len(y) < 4 * MIN_TICKS:
        return None
    if len(y) > _PLACES:
        strongest = np.argsort(thin[y, x], kind="stable")[-_PLACES:]
        y, x = y[strongest], x[strongest]
    places = np.stack([x, y]).astype(np.float32)
    best: tuple[_Scale, float, float] | None = None
    for degrees, band in _candidates(places):
        for turn in _TURNS:
            found = _read(places, math.radians(degrees + turn), band)
            if found is not None and (best is None or found[0].count > best[0].count):
                best = (found[0], math.radians(degrees + turn), found[1])
    return None if best is None else Ruler(best[0].spacing, best[0].count, _mask(thin, *best))


def _turned(places: Floats, angle: float) -> tuple[Floats, Floats]:
    """Positions along a line at ``angle`` (from x towards y) and beside it."""
    cos, sin = math.cos(angle), math.sin(angle)
    return places[0] * cos + places[1] * sin, places[1] * cos - places[0] * sin


def _candidates(places: Floats) -> list[tuple[float, float]]:
    """Angles in degrees, and positions beside the line, of the bands in which the most separate short lines stand."""
    scored: list[tuple[float, float, float]] = []
    for degrees in _ANGLES:
        along, aside = _turned(places, math.radians(degrees))
        low = float(aside.min())
        # Bands overlap by half, so that one of them holds the ticks whole.
        half = ((aside - low) * (2 / _BAND)).astype(np.int32)
        bins = ((along - along.min()) * (1 / _BIN)).astype(np.int32)
        rows, columns = int(half.max()) + 2, int(bins.max()) + 8
        counts = np.bincount(half * columns + bins + 3, minlength=rows * columns).reshape(rows, columns)
        counts = np.minimum(counts, _BAND).astype(np.int16)
        filled = np.minimum(counts[:-1] + counts[1:], _BAND)
        lone = filled[:, 3:-3] - np.maximum(filled[:, :-6], filled[:, 6:])
        score = np.maximum(lone, 0).sum(1)
        top = int(score.argmax())
        scored.append((float(score[top]), float(degrees), low + (top + 1) * _BAND / 2))
    best = sorted(scored, reverse=True)[:_TRIED]
    return [(degrees, band) for score, degrees, band in best if score >= _SCORE * MIN_TICKS]


def _read(places: Floats, angle: float, band: float) -> tuple[_Scale, float] | None:
    """The scale in one band, and the middle of its ticks beside the line; None if there is none for certain."""
    along, aside = _turned(places, angle)
    inside = np.abs(aside - band) <= _BAND / 2 + 1
    if inside.sum() < 4 * MIN_TICKS:
        return None
    start = float(along[inside].min()) - 3
    profile = np.bincount((along[inside] - start).astype(np.int64), minlength=8).astype(np.float64)
    peaks = _peaks(np.convolve(profile, [0.5, 1.0, 0.5], "same"))
    scale = _even(peaks)
    if scale is None or not _clean(profile, scale):
        return None
    return _Scale(scale.start + start + 0.5, scale.spacing, scale.count), float(np.median(aside[inside]))


def _clean(profile: Doubles, scale: _Scale) -> bool:
    """Whether ticks are lines of some length and there is little between them."""
    number = (np.arange(len(profile)) + 0.5 - scale.start - 0.5) / scale.spacing
    within = (number > -0.5) & (number < scale.count - 0.5)
    near = np.abs(number - np.rint(number)) * scale.spacing <= min(_NEAR, _NARROW * scale.spacing)
    ticks = profile[within & near].sum()
    return bool(ticks >= _CLEAN * profile[within].sum() and ticks >= _LONG * scale.count)


def _peaks(profile: Doubles) -> Doubles:
    """Positions of the separate peaks of a profile, to a fraction of a bin."""
    middle = profile[2:-2]
    top = (middle >= profile[1:-3]) & (middle > profile[3:-1]) & (middle >= profile[:-4]) & (middle > profile[4:])
    at = np.flatnonzero(top) + 2
    if not len(at):
        return np.zeros(0)
    height = np.sort(profile[at])
    at = at[profile[at] >= 0.4 * height[int(0.8 * len(height))]]
    offsets = np.arange(-2, 3)
    near = profile[at[:, None] + offsets]
    return np.asarray(at + (near @ offsets) / near.sum(1))


def _even(peaks: Doubles) -> _Scale | None:
    """The longest evenly spaced run among sorted peaks; None unless it is certain."""
    if len(peaks) < MIN_TICKS:
        return None
    first = np.concatenate([peaks[:-1], peaks[:-2]])
    spacing = np.concatenate([peaks[1:] - peaks[:-1], peaks[2:] - peaks[:-2]])
    # Worth following only if most of the next four ticks are there.
    wanted = first[:, None] + spacing[:, None] * np.arange(2, 6)
    after = np.searchsorted(peaks, wanted).clip(1, len(peaks) - 1)
    away = np.minimum(np.abs(peaks[after] - wanted), np.abs(wanted - peaks[after - 1]))
    promising = (away <= 2 * _STRAY * spacing[:, None]).sum(1) >= 3
    promising &= (spacing >= _SPACING[0]) & (spacing <= _SPACING[1])
    ordered = peaks.tolist()
    best: _Scale | None = None
    for i in np.flatnonzero(promising):
        found = _run(ordered, float(first[i]), float(spacing[i]))
        if found is not None and (best is None or found.count > best.count):
            best = found
    return best


def _run(peaks: list[float], start: float, spacing: float) -> _Scale | None:
    """The run of peaks from ``start`` on, its spacing improved by each further tick."""
    line = _Line()
    line.add(0, start)
    line.add(1, start + spacing)
    missing, k, last = 0, 2, start + spacing
    while missing < 2 and last < peaks[-1]:
        wanted = line.at(k)
        nearest = _nearest(peaks, wanted)
        if abs(nearest - wanted) <= _STRAY * spacing:
            line.add(k, nearest)
            last = nearest
        else:
            missing += 1
        k += 1
    between = bisect_left(peaks, last) - bisect_right(peaks, start) + 2 - line.n
    slope = line.slope
    if (
        line.n < (MIN_TICKS if slope >= _WIDE else MIN_CLOSE_TICKS)
        or line.astray > _EVEN * slope
        or between > line.n // 4
    ):
        return None
    return _Scale(line.at(0), slope, line.n)


def _nearest(peaks: list[float], wanted: float) -> float:
    i = bisect_left(peaks, wanted)
    return min(peaks[max(0, i - 1) : i + 1], key=lambda peak: abs(peak - wanted))


class _Line:
    """The least-squares line through points (k, position) added one by one."""

    def __init__(self) -> None:
        self.n = 0
        self._k = self._kk = self._y = self._ky = self._yy = 0.0

    def add(self, k: int, y: float) -> None:
        self.n += 1
        self._k += k
        self._kk += k * k
        self._y += y
        self._ky += k * y
        self._yy += y * y

    @property
    def slope(self) -> float:
        return (self.n * self._ky - self._k * self._y) / (self.n * self._kk - self._k**2)

    def at(self, k: float) -> float:
        return self._y / self.n + self.slope * (k - self._k / self.n)

    @property
    def astray(self) -> float:
        """Root mean square distance of the points from the line."""
        vary = self._yy - self._y**2 / self.n
        explained = self.slope * (self._ky - self._k * self._y / self.n)
        return math.sqrt(max(0.0, vary - explained) / self.n)


def _mask(thin: NDArray[np.uint8], scale: _Scale, angle: float, middle: float) -> Bools:
    """Dark thin places at the ticks, long ticks to their ends."""
    y, x = np.nonzero(thin > _DARK)
    along, aside = _turned(np.stack([x, y]).astype(np.float32), angle)
    place = (along - scale.start) / scale.spacing
    off = np.abs(place - np.rint(place)) * scale.spacing
    inside = (off <= 3) & (place > -1.5) & (place < scale.count + 1.5) & (np.abs(aside - middle) <= 2 * _BAND)
    mask = np.zeros(thin.shape, bool)
    mask[y[inside], x[inside]] = True
    return mask
