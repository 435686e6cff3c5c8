"""Two photographs of one lesion laid on each other: turn, scale and shift by phase correlation.

Reddy & Chatterji 1996 (doi:10.1109/83.506761): the amplitude spectrum does not move with the picture, and on a log-polar grid turn and
scale become shifts, so that both are found by the same correlation. numpy only; a pair takes some tens of milliseconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float64]

#: Side of the square that both pictures are brought to, and of the log-polar grid.
SIDE: Final = 256
#: Radii of the spectrum that are compared, in cycles a picture: below is lighting, above is noise.
_RADII: Final = (3.0, 90.0)
#: Turns of half a circle and scales outside these are not photographs of one lesion in one frame.
_SCALES: Final = (0.6, 1.6)
#: Correlation of the overlapping pictures from which on they count as matched.
MATCHED: Final = 0.5


@dataclass(frozen=True, slots=True)
class Similarity:
    """How a second picture is brought onto a first: scaled by ``scale``, turned by ``turn`` degrees (counter-clockwise) about its
    centre, then shifted by ``right`` and ``down`` in shares of the frame. ``correlation`` in [-1, 1] of the two after that;
    ``matched`` whether it is high enough to trust."""

    scale: float
    turn: float
    right: float
    down: float
    correlation: float

    @property
    def matched(self) -> bool:
        """Whether the two can be laid on each other."""
        return self.correlation >= MATCHED


def register(first: Image.Image, second: Image.Image) -> Similarity:
    """The similarity that brings ``second`` onto ``first``; both are fitted into squares."""
    a, b = _grey(first), _grey(second)
    turn, scale = _turn_and_scale(a, b)
    best = Similarity(1.0, 0.0, 0.0, 0.0, -1.0)
    for t, s in {(turn, scale), (turn + 180.0, scale), (0.0, 1.0)}:
        moved = _warp_array(b, s, t, 0.0, 0.0)
        down, right = _shift(_windowed(a), _windowed(moved))
        laid = _warp_array(b, s, t, right / SIDE, down / SIDE)
        found = Similarity(s, (t + 180) % 360 - 180, right / SIDE, down / SIDE, _correlation(a, laid))
        best = max(best, found, key=lambda x: x.correlation)
    return best


def laid_on(second: Image.Image, by: Similarity, size: tuple[int, int]) -> Image.Image:
    """``second`` as it lies on a first picture of ``size`` (width, height); mid grey where it does not reach."""
    side = max(size)
    square = _square(second.convert("RGB"), side, (128, 128, 128))
    made = square.transform(
        (side, side), Image.Transform.AFFINE, _inverse(by, side), Image.Resampling.BICUBIC, fillcolor=(128, 128, 128)
    )
    left, top = (side - size[0]) // 2, (side - size[1]) // 2
    return made.crop((left, top, left + size[0], top + size[1]))


def _inverse(by: Similarity, side: int) -> tuple[float, float, float, float, float, float]:
    """Pillow's six numbers: from a place in the result to the place in the source."""
    angle, middle = math.radians(by.turn), side / 2
    cos, sin = math.cos(angle) / by.scale, math.sin(angle) / by.scale
    x, y = middle + by.right * side, middle + by.down * side
    return cos, -sin, middle - cos * x + sin * y, sin, cos, middle - sin * x - cos * y


def _square(image: Image.Image, side: int, fill: tuple[int, int, int] | int) -> Image.Image:
    """The picture fitted into a square, its aspect kept."""
    scale = side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    made = Image.new(image.mode, (side, side), fill)
    made.paste(image.resize(size, Image.Resampling.BILINEAR), ((side - size[0]) // 2, (side - size[1]) // 2))
    return made


def _grey(image: Image.Image) -> Floats:
    """(SIDE, SIDE), mean 0; beyond the picture 0."""
    grey = image.convert("L")
    values = np.asarray(_square(grey, SIDE, round(float(np.asarray(grey).mean()))), np.float64)
    return np.asarray(values - values.mean())


def _windowed(values: Floats) -> Floats:
    ramp = np.hanning(SIDE)
    return np.asarray(values * ramp[:, None] * ramp[None, :])


def _turn_and_scale(a: Floats, b: Floats) -> tuple[float, float]:
    """Degrees and factor that bring ``b`` onto ``a``, the turn up to half a circle."""
    rows, cols = (_log_polar(np.abs(np.fft.fftshift(np.fft.fft2(_windowed(x))))) for x in (a, b))
    down, right = _shift(rows, cols)
    step = math.log(_RADII[1] / _RADII[0]) / SIDE
    scale = math.exp(right * step)
    turn = -down * 180.0 / SIDE
    low, high = _SCALES
    return turn, 1 / scale if low <= 1 / scale <= high else 1.0


def _log_polar(spectrum: Floats) -> Floats:
    """Half of a centred spectrum, by angle (rows) and logarithm of radius (columns), its middle frequencies raised."""
    angle = np.linspace(0, math.pi, SIDE, endpoint=False)[:, None]
    radius = np.geomspace(*_RADII, SIDE, endpoint=False)[None, :]
    y, x = SIDE / 2 + radius * np.sin(angle), SIDE / 2 + radius * np.cos(angle)
    values = _sampled(np.log1p(spectrum), y, x)
    return np.asarray(values - values.mean(axis=0))


def _sampled(values: Floats, y: Floats, x: Floats) -> Floats:
    """Bilinear; places beyond the edge take the edge's value."""
    y, x = np.clip(y, 0, values.shape[0] - 1.001), np.clip(x, 0, values.shape[1] - 1.001)
    top, left = np.floor(y).astype(int), np.floor(x).astype(int)
    fy, fx = y - top, x - left
    above = values[top, left] * (1 - fx) + values[top, left + 1] * fx
    below = values[top + 1, left] * (1 - fx) + values[top + 1, left + 1] * fx
    return np.asarray(above * (1 - fy) + below * fy)


def _shift(a: Floats, b: Floats) -> tuple[float, float]:
    """Rows and columns that ``b`` is to be moved by, with parts of a pixel (Kuglin & Hines 1975)."""
    cross = np.fft.fft2(a) * np.conj(np.fft.fft2(b))
    peak = np.real(np.fft.ifft2(cross / np.maximum(np.abs(cross), 1e-9)))
    down, right = np.unravel_index(int(peak.argmax()), peak.shape)
    parts = [_refined(peak, int(down), int(right), axis) for axis in (0, 1)]
    return parts[0], parts[1]


def _refined(peak: Floats, down: int, right: int, axis: int) -> float:
    """The peak's place along an axis, by a parabola through its neighbours, from -n/2 to n/2."""
    n = peak.shape[axis]
    line = peak[:, right] if axis == 0 else peak[down]
    at = down if axis == 0 else right
    before, here, after = line[at - 1], line[at], line[(at + 1) % n]
    bend = before - 2 * here + after
    place = at + (0.5 * (before - after) / bend if bend < 0 else 0.0)
    return float(place - n if place > n / 2 else place)


def _warp_array(values: Floats, scale: float, turn: float, right: float, down: float) -> Floats:
    """``values`` scaled, turned and shifted, 0 where they do not reach."""
    a, b, c, d, e, f = _inverse(Similarity(scale, turn, right, down, 0.0), SIDE)
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    source_x, source_y = a * x + b * y + c - 0.5, d * x + e * y + f - 0.5
    inside = (source_x >= 0) & (source_x < SIDE) & (source_y >= 0) & (source_y < SIDE)
    return np.where(inside, _sampled(values, source_y, source_x), 0.0)


def _correlation(a: Floats, b: Floats) -> float:
    """Pearson's, where both have something."""
    both = (b != 0) & (a != 0)
    if both.sum() < SIDE * SIDE / 10:
        return -1.0
    x, y = a[both] - a[both].mean(), b[both] - b[both].mean()
    size = math.sqrt(float((x * x).sum() * (y * y).sum()))
    return float((x * y).sum() / size) if size else -1.0
