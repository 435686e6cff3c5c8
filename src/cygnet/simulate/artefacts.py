"""What gets between the dermatoscope and the lesion: hair, ruler, bubbles, dark corners, uneven light, noise.

Every function takes an image (h, w, 3) float32, nominally in [0, 1], and returns it with what was laid over it. ``unit`` is
pixels per pixel of a 600x450 image.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from cygnet.simulate.noise import Field, Shape, smooth

_SUPERSAMPLE: Final = 2
#: Coverage from which on a pixel belongs to an artefact.
_COVERED: Final = 0.25


@dataclass(frozen=True, slots=True)
class Laid:
    """An image with one artefact.

    mask : (h, w) bool where it covers a quarter of a pixel or more; None for what is everywhere, such as noise.
    mm_per_px : the scale that a ruler's millimetre ticks show, None for others.
    """

    image: Field
    mask: npt.NDArray[np.bool_] | None = None
    mm_per_px: float | None = None


@dataclass(frozen=True, slots=True)
class Artefacts:
    """What was laid over an image, in that order: names, masks by name, and the scale if a ruler was laid."""

    names: tuple[str, ...]
    masks: dict[str, npt.NDArray[np.bool_]]
    mm_per_px: float | None


_Artefact = Callable[[np.random.Generator, Field, float], Laid]


def add_artefacts(rng: np.random.Generator, image: Field, unit: float, hairiness: float) -> tuple[Field, Artefacts]:
    """Lay each artefact over ``image`` with its own probability; returns the image and what was laid."""
    laid: dict[str, Laid] = {}
    for name, (share, artefact) in _ARTEFACTS.items():
        chance = share * (0.4 + 2.0 * hairiness) if name == "hair" else share
        stream = np.random.default_rng(rng.integers(2**63))
        if stream.random() < chance:
            laid[name] = artefact(stream, image, unit)
            image = laid[name].image
    return image, Artefacts(
        names=tuple(laid),
        masks={name: one.mask for name, one in laid.items() if one.mask is not None},
        mm_per_px=next((one.mm_per_px for one in laid.values() if one.mm_per_px is not None), None),
    )


def _canvas(shape: Shape) -> Image.Image:
    return Image.new("L", (shape[1] * _SUPERSAMPLE, shape[0] * _SUPERSAMPLE))


def _coverage(canvas: Image.Image, shape: Shape, blur: float = 0.0) -> Field:
    """A drawn canvas as coverage in [0, 1] of shape (h, w, 1)."""
    if blur > 0:
        canvas = canvas.filter(ImageFilter.GaussianBlur(blur * _SUPERSAMPLE))
    small = canvas.resize((shape[1], shape[0]), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32)[..., None] * np.float32(1 / 255)


def _hair(rng: np.random.Generator, image: Field, unit: float) -> Laid:
    """Curved dark hairs, most of them running the same way."""
    height, width = image.shape[:2]
    canvas = _canvas((height, width))
    pen = ImageDraw.Draw(canvas)
    main = rng.uniform(0, math.pi)
    t = np.linspace(0, 1, 24)[:, None]
    for _ in range(1 + int(rng.gamma(1.5, 4))):
        start = rng.uniform(-0.1, 1.1, 2) * (width, height)
        angle = main + rng.normal(0, 0.5)
        way = np.array([math.cos(angle), math.sin(angle)])
        length = rng.uniform(120, 500) * unit
        bow = np.array([-way[1], way[0]]) * rng.normal(0, 0.25) * length
        curve = start + t * length * way + 4 * t * (1 - t) * bow
        points = [(float(x), float(y)) for x, y in curve * _SUPERSAMPLE]
        thick = max(1, round(rng.uniform(1.0, 2.4) * unit * _SUPERSAMPLE))
        pen.line(points, fill=int(rng.uniform(110, 235)), width=thick, joint="curve")
    colour = np.array((0.16, 0.10, 0.09), np.float32) + np.float32(rng.uniform(0, 0.18))
    cover = _coverage(canvas, (height, width), blur=0.4)
    return Laid(np.asarray(image + cover * (colour - image), dtype=np.float32), cover[..., 0] >= _COVERED)


def _bubbles(rng: np.random.Generator, image: Field, unit: float) -> Laid:
    """Air bubbles in the gel: bright rims, a dark outer line and a glint."""
    height, width = image.shape[:2]
    bright, dark = _canvas((height, width)), _canvas((height, width))
    light_pen, dark_pen = ImageDraw.Draw(bright), ImageDraw.Draw(dark)
    home = rng.uniform(0, 1, 2) * (width, height)
    for _ in range(2 + int(rng.gamma(1.5, 5))):
        x, y = (home + rng.normal(0, 0.22, 2) * (width, height)) * _SUPERSAMPLE
        r = min(rng.gamma(2.0, 2.6) + 1.5, 22) * unit * _SUPERSAMPLE
        line = max(1, round(0.16 * r))
        dark_pen.ellipse((x - r - line, y - r - line, x + r + line, y + r + line), outline=120, width=line)
        light_pen.ellipse((x - r, y - r, x + r, y + r), outline=170, width=line)
        glint = 0.22 * r
        light_pen.ellipse((x - 0.5 * r, y - 0.5 * r, x - 0.5 * r + glint, y - 0.5 * r + glint), fill=255)
    shade = _coverage(dark, (height, width), blur=0.6 * unit)
    image = image * (1 - 0.45 * shade)
    cover = 0.6 * _coverage(bright, (height, width), blur=0.5 * unit)
    mask = np.maximum(cover, shade)[..., 0] >= _COVERED
    return Laid(np.asarray(image + cover * (np.float32(0.97) - image), dtype=np.float32), mask)


def _ruler(rng: np.random.Generator, image: Field, unit: float) -> Laid:
    """Millimetre ticks along one edge, every fifth longer."""
    height, width = image.shape[:2]
    canvas = _canvas((height, width))
    pen = ImageDraw.Draw(canvas)
    step = rng.uniform(24, 34) * unit
    offset = rng.uniform(0, step)
    edge = rng.integers(4)
    along = width if edge < 2 else height
    for n in range(int((along - offset) / step) + 1):
        at = (offset + n * step) * _SUPERSAMPLE
        tick = (26 if n % 5 == 0 else 15) * unit * _SUPERSAMPLE
        far = (height if edge < 2 else width) * _SUPERSAMPLE
        near, end = (0.0, tick) if edge % 2 == 0 else (far - tick, float(far))
        ends = [(at, near), (at, end)] if edge < 2 else [(near, at), (end, at)]
        pen.line(ends, fill=225, width=max(1, round(2 * unit * _SUPERSAMPLE)))
    cover = _coverage(canvas, (height, width), blur=0.4)
    shown = np.asarray(image + cover * (np.float32(0.10) - image), dtype=np.float32)
    return Laid(shown, cover[..., 0] >= _COVERED, mm_per_px=1 / step)


def _off_centre(rng: np.random.Generator, shape: Shape) -> Field:
    """Distance from about the middle of the image over half its diagonal, (h, w, 1) float32."""
    middle = 0.5 + rng.uniform(-0.03, 0.03, 2)
    y = np.arange(shape[0], dtype=np.float32)[:, None] - np.float32(middle[0] * shape[0])
    x = np.arange(shape[1], dtype=np.float32)[None, :] - np.float32(middle[1] * shape[1])
    return np.asarray(np.hypot(x, y) / np.float32(0.5 * math.hypot(*shape)), dtype=np.float32)[..., None]


def _vignette(rng: np.random.Generator, image: Field, unit: float) -> Laid:
    """Light that falls off towards the corners."""
    distance = _off_centre(rng, (image.shape[0], image.shape[1]))
    return Laid(np.asarray(image * (1 - np.float32(rng.uniform(0.12, 0.4)) * distance**3), dtype=np.float32))


def _dark_field(rng: np.random.Generator, image: Field, unit: float) -> Laid:
    """The round field of view of the lens: black corners with a soft edge."""
    distance = _off_centre(rng, (image.shape[0], image.shape[1]))
    radius = np.float32(rng.uniform(0.82, 0.95))
    seen = np.clip((radius - distance) / np.float32(rng.uniform(0.01, 0.04)) + 0.5, 0, 1)
    dimmed = image * (1 - np.float32(0.35) * (distance / radius) ** 4)
    shown = np.asarray(np.float32(0.03) + seen * (dimmed - np.float32(0.03)), dtype=np.float32)
    return Laid(shown, seen[..., 0] < 0.5)


def _lighting(rng: np.random.Generator, image: Field, unit: float) -> Laid:
    """Light that is slightly stronger on one side."""
    height, width = image.shape[:2]
    angle = rng.uniform(0, math.tau)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None, None] * np.float32(math.sin(angle))
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :, None] * np.float32(math.cos(angle))
    return Laid(np.asarray(image * (1 + np.float32(rng.uniform(0.02, 0.08)) * (x + y)), dtype=np.float32))


def _noise(rng: np.random.Generator, image: Field, unit: float) -> Laid:
    """Grain of the sensor, the same in all channels but for a little colour."""
    height, width = image.shape[:2]
    strength = np.float32(rng.uniform(0.004, 0.012))
    grain = smooth(rng, (height, width), 1.0)[..., None] + 0.4 * rng.standard_normal((height, width, 3), np.float32)
    return Laid(np.asarray(image + strength * grain, dtype=np.float32))


_ARTEFACTS: Final[dict[str, tuple[float, _Artefact]]] = {
    "hair": (0.35, _hair),
    "bubbles": (0.15, _bubbles),
    "ruler": (0.12, _ruler),
    "vignette": (0.35, _vignette),
    "dark field": (0.10, _dark_field),
    "lighting": (0.60, _lighting),
    "noise": (0.90, _noise),
}

#: Names of all artefacts, in the order in which they are laid over an image.
ARTEFACTS: Final[tuple[str, ...]] = tuple(_ARTEFACTS)
