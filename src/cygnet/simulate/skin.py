"""Skin and pigment: what the dermatoscope sees before anything gets in its way.

Light passes pigment and blood twice and is dimmed by ``exp(-density)`` per channel (Beer-Lambert), so layers multiply.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from cygnet.simulate.noise import Cells, Field, Shape, cells, fractal, logistic, ridges, smooth

if TYPE_CHECKING:
    from cygnet.simulate.style import RGB, Style, Traits

#: Density per channel of melanin in skin and of blood.
_MELANIN: Final[RGB] = (0.55, 1.0, 1.35)
_BLOOD: Final[RGB] = (0.22, 1.0, 0.85)
_BLUE_GREY: Final[RGB] = (0.46, 0.46, 0.55)
_SCAR: Final[RGB] = (0.93, 0.84, 0.84)


def draw_skin(rng: np.random.Generator, traits: Traits, shape: Shape, unit: float) -> Field:
    """Bare skin, (h, w, 3) float32: mottled, lined, with faint vessels, freckles and fine texture.

    unit : pixels per pixel of a 600x450 image.
    """
    melanin = 0.018 * fractal(rng, shape, 70 * unit) + 0.012 * fractal(rng, shape, 12 * unit, octaves=2)
    cloudy = rng.uniform(0.01, 0.045)
    blood = cloudy * fractal(rng, shape, 90 * unit) + 0.022 * fractal(rng, shape, 16 * unit, octaves=3, gain=0.8)
    lines = cells(rng, shape, 26 * unit, jitter=0.9, warp=0.5)
    melanin -= rng.uniform(0.02, 0.06) * np.exp(-np.square(lines.wall / np.float32(0.13)))
    if traits.vessels > 0.15:
        patchy = np.clip(0.3 + 0.7 * smooth(rng, shape, 90 * unit), 0, 1)
        blood += traits.vessels * 0.22 * patchy * ridges(rng, shape, 60 * unit, 0.07)
    melanin += _freckles(rng, traits.freckles, shape, unit)
    fine = 0.016 * smooth(rng, shape, 2.2 * unit) + 0.014 * smooth(rng, shape, 5 * unit)
    bare = np.array(traits.skin_rgb, np.float32)
    return absorb(np.broadcast_to(bare, (*shape, 3)), (melanin, _MELANIN), (blood, _BLOOD), (fine, (1.0, 1.0, 1.0)))


def _freckles(rng: np.random.Generator, amount: float, shape: Shape, unit: float) -> Field:
    """Density of scattered light brown spots, more with ``amount`` in [0, 1]."""
    spots = cells(rng, shape, 75 * unit, jitter=1.0, warp=0.3)
    rare = np.clip((spots.tone - (1 - 0.45 * np.float32(amount))) * 4, 0, 1)
    return np.asarray(0.35 * rare * np.exp(-np.square(spots.centre / np.float32(0.11))), dtype=np.float32)


def absorb(light: Field, *layers: tuple[Field, RGB]) -> Field:
    """``light`` (h, w, 3) dimmed by layers, each a density (h, w) and its weight per channel; may exceed 1."""
    out = np.empty(light.shape, np.float32)
    for channel in range(3):
        density = sum((field * np.float32(weight[channel]) for field, weight in layers), np.float32(0))
        np.multiply(light[..., channel], np.exp(-density), out=out[..., channel])
    return out


def add_lesion(rng: np.random.Generator, skin: Field, depth: Field, style: Style, unit: float) -> Field:
    """``skin`` (h, w, 3) with a lesion drawn on it; ``depth`` as in :meth:`Outline.depth`. Returns float32."""
    shape = (depth.shape[0], depth.shape[1])
    rough = depth / np.float32(style.edge) + np.float32(0.35) * fractal(rng, shape, 14 * unit)
    cover = logistic(np.float32(-2) * rough)
    heart = np.clip(-depth, 0, 1)
    body = 1 + style.mottle * fractal(rng, shape, 45 * unit, octaves=4, gain=0.7) + style.centre * (heart - 0.45)
    texture = _texture(rng, style, depth, shape, unit)
    melanin = style.density * cover * np.maximum(body * texture, np.float32(0.08))
    blood = style.red * cover * np.maximum(0.6 + 0.4 * fractal(rng, shape, 60 * unit), np.float32(0))
    drawn = absorb(skin, (melanin, style.hue), (blood, _BLOOD))
    if style.pattern == "multicomponent":
        drawn = _add_colours(rng, drawn, cover, depth, style, unit)
    return drawn


def _texture(rng: np.random.Generator, style: Style, depth: Field, shape: Shape, unit: float) -> Field:
    """Relative density of the pigment pattern, about 1 on average."""
    if style.pattern == "homogeneous":
        return np.asarray(1 + 0.07 * style.contrast * fractal(rng, shape, 7 * unit), dtype=np.float32)
    mesh = cells(rng, shape, style.spacing * unit, jitter=0.85, warp=0.4)
    patchy = np.clip(0.75 + 0.35 * smooth(rng, shape, 50 * unit), 0, 1.3)
    if style.pattern == "globular":
        return _globules(mesh, 1.3 * style.contrast * patchy)
    if style.pattern == "network rim":
        rim = np.exp(-np.square((depth + np.float32(0.12)) / np.float32(0.24)))
        return np.asarray(1 + rim * (_network(mesh, 1.2 * style.contrast * patchy) - 0.9), dtype=np.float32)
    if style.pattern == "multicomponent":
        dots = 0.16 * fractal(rng, shape, 8 * unit, octaves=2)
        return _network(mesh, style.contrast * np.square(patchy)) + dots
    return _network(mesh, style.contrast * patchy)


def _network(mesh: Cells, contrast: Field) -> Field:
    """Dark meshes around lighter holes; holes differ in depth."""
    lines = np.exp(-np.square(mesh.wall / np.float32(0.26)))
    return np.asarray(1 + contrast * (0.75 + 0.5 * mesh.tone) * (lines - 0.42), dtype=np.float32)


def _globules(mesh: Cells, contrast: Field) -> Field:
    """Round dark clods, some missing, on a lighter ground."""
    size = np.float32(0.20) + np.float32(0.22) * mesh.tone
    clod = logistic((size - mesh.centre) / np.float32(0.07))
    return np.asarray(1 + contrast * (0.95 * clod - 0.38), dtype=np.float32)


def _add_colours(
    rng: np.random.Generator, drawn: Field, cover: Field, depth: Field, style: Style, unit: float
) -> Field:
    """The areas of a melanoma: an off-centre black blotch, a blue-grey veil, a scar-like white area."""
    shape = (depth.shape[0], depth.shape[1])
    inner = np.clip(-depth / np.float32(0.25), 0, 1) * cover
    blotch = style.blotch * inner * _area(rng, depth, shape, unit)
    drawn = absorb(drawn, (blotch, (0.9, 1.0, 1.0)))
    veil = style.veil * inner * _area(rng, depth, shape, unit)
    scar = style.regression * inner * _area(rng, depth, shape, unit)
    shade = drawn.mean(axis=2, keepdims=True)
    blue = np.array(_BLUE_GREY, np.float32) * (0.45 + shade)
    drawn = drawn + veil[..., None] * (blue - drawn)
    return np.asarray(drawn + scar[..., None] * (np.array(_SCAR, np.float32) * 0.8 - drawn), dtype=np.float32)


def _area(rng: np.random.Generator, depth: Field, shape: Shape, unit: float) -> Field:
    """A cloudy region in [0, 1] on one side of the lesion, its middle well off the lesion's centre."""
    heart_y, heart_x = np.unravel_index(int(depth.argmin()), shape)
    reach = math.sqrt(float(np.count_nonzero(depth < 0)) / math.pi)
    angle = rng.uniform(0, math.tau)
    y = np.arange(shape[0], dtype=np.float32)[:, None] - np.float32(heart_y + 0.5 * reach * math.sin(angle))
    x = np.arange(shape[1], dtype=np.float32)[None, :] - np.float32(heart_x + 0.5 * reach * math.cos(angle))
    distance = np.hypot(x, y) / np.float32(rng.uniform(0.45, 0.75) * reach)
    cloud = (1 - distance) * np.float32(1.2) + 0.3 * fractal(rng, shape, 40 * unit)
    return np.asarray(np.clip(cloud, 0, 1), dtype=np.float32)
