"""The outline of a lesion, its mask, and the exact measurements of both."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cygnet.simulate.records import ExactMeasurements

if TYPE_CHECKING:
    from cygnet.simulate.noise import Field, Shape
    from cygnet.simulate.style import Style

_POINTS = 720
_MARGIN = 0.03


@dataclass(frozen=True, slots=True)
class Outline:
    """A star-shaped contour around ``centre_xy`` in pixels: ``radius`` (n,) at n equally spaced angles from -pi."""

    centre_xy: tuple[float, float]
    radius: npt.NDArray[np.float64]

    def polygon(self) -> npt.NDArray[np.float64]:
        """Corners of the contour, (n, 2), as x and y in pixels."""
        return np.asarray(_unit_circle(len(self.radius)) * self.radius[:, None] + np.array(self.centre_xy))

    def depth(self, shape: Shape) -> Field:
        """Distance from the centre over the contour's radius in that direction, minus 1: negative inside, -1 at heart.

        Returns (height, width) float32.
        """
        y = np.arange(shape[0], dtype=np.float32)[:, None] - np.float32(self.centre_xy[1])
        x = np.arange(shape[1], dtype=np.float32)[None, :] - np.float32(self.centre_xy[0])
        n = len(self.radius)
        at = (np.arctan2(y, x) + np.float32(math.pi)) * np.float32(n / math.tau)
        low = np.minimum(at.astype(np.int32), n - 1)
        closed = np.append(self.radius, self.radius[0]).astype(np.float32)
        radius = closed[low] + (at - low) * np.diff(closed)[low]
        return np.asarray(np.hypot(x, y) / radius - 1, dtype=np.float32)


def draw_outline(rng: np.random.Generator, style: Style, shape: Shape) -> Outline:
    """An ellipse roughened by Fourier harmonics, near the middle of the image and wholly inside it."""
    angle = np.linspace(-math.pi, math.pi, _POINTS, endpoint=False)
    long = style.radius * min(shape) * math.sqrt(style.aspect)
    short = long / style.aspect
    turned = angle - rng.uniform(0, math.pi)
    ellipse = long * short / np.hypot(short * np.cos(turned), long * np.sin(turned))
    radius = ellipse * np.clip(1 + _harmonics(rng, angle, style), 0.45, 1.9)
    wanted = np.array([shape[1], shape[0]]) * (0.5 + rng.uniform(-0.07, 0.07, 2))
    return _fit(radius, wanted, shape)


def _harmonics(rng: np.random.Generator, angle: npt.NDArray[np.float64], style: Style) -> npt.NDArray[np.float64]:
    """Relative change of the radius per angle: lobes (order 1 to 4) and a finer, weaker jag (order 3 to 40)."""
    order = np.arange(1, 41)
    lobes = style.asymmetry * (order <= 4) * np.array(1 / np.sqrt(order))
    jag = style.irregularity * (order > 2) * order**-0.9
    amplitude = np.hypot(lobes, jag) * rng.standard_normal(len(order))
    phase = rng.uniform(0, math.tau, len(order))
    return np.asarray(amplitude @ np.cos(order[:, None] * angle + phase[:, None]))


def _fit(radius: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64], shape: Shape) -> Outline:
    """The outline shrunk and moved as far as needed to stay clear of the image's edges."""
    frame = np.array([shape[1], shape[0]], dtype=np.float64) - 1
    margin = np.maximum(1.0, _MARGIN * min(shape))
    corners = _unit_circle(len(radius)) * radius[:, None]
    low, high = corners.min(axis=0), corners.max(axis=0)
    scale = min(1.0, float(((frame - 2 * margin) / (high - low)).min()))
    centre = np.clip(wanted, margin - scale * low, frame - margin - scale * high)
    return Outline((float(centre[0]), float(centre[1])), radius * scale)


def _unit_circle(n: int) -> npt.NDArray[np.float64]:
    """Points (n, 2) on the circle of radius 1, from angle -pi on."""
    angle = np.linspace(-math.pi, math.pi, n, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def measure(mask: npt.NDArray[np.bool_], outline: Outline, clean: Field) -> ExactMeasurements:
    """Measure a drawn lesion.

    mask : (h, w) bool, not empty. clean : (h, w, 3) float32 in [0, 1], the image before any artefact.
    """
    y, x = np.nonzero(mask)
    minor, major = np.sqrt(np.linalg.eigvalsh(np.cov(np.stack([x, y]), bias=True)).clip(0)) * 4
    corners = outline.polygon()
    red, green, blue = (clean[mask].mean(axis=0, dtype=np.float64) * 255).tolist()
    return ExactMeasurements(
        area_px=len(x),
        area_share=len(x) / mask.size,
        major_axis_px=float(major),
        minor_axis_px=float(minor),
        eccentricity=math.sqrt(max(0.0, 1 - (float(minor) / float(major)) ** 2)),
        perimeter_px=float(np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1).sum()),
        centroid_xy=(float(x.mean()), float(y.mean())),
        mean_rgb=(red, green, blue),
    )
