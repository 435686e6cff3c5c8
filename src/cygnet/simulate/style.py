"""What a patient's skin and nevi look like, as numbers: drawn once per patient, varied a little per lesion."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cygnet.simulate.records import NEVUS_PATTERNS, Pattern

RGB = tuple[float, float, float]

#: Gains per channel that dermatoscope cameras lay over the scene: none, lilac, pink, salmon.
_CASTS: Final[tuple[RGB, ...]] = ((1.02, 1.0, 1.07), (0.99, 0.99, 1.18), (1.10, 0.94, 1.14), (1.15, 0.88, 0.94))


@dataclass(frozen=True, slots=True)
class Style:
    """How one lesion, or one family of nevi, is drawn.

    density : optical density of the pigment in green, 0 is none. hue : density per channel relative to green.
    radius : mean radius over the image's shorter side. aspect : long over short axis, >= 1. edge : softness of the
    border in radii. irregularity, asymmetry : relative size of the fine and the coarse deviations from an ellipse.
    spacing : distance of network meshes or globules in pixels of a 600x450 image. contrast : strength of the pattern.
    centre : density added at the heart, as a share. mottle : cloudiness. red : blood in the lesion.
    veil, blotch, regression : strength of the blue-grey, black and white areas of a melanoma, 0 for nevi.
    """

    pattern: Pattern
    density: float
    hue: RGB
    radius: float
    aspect: float
    edge: float
    irregularity: float
    asymmetry: float
    spacing: float
    contrast: float
    centre: float
    mottle: float
    red: float
    veil: float = 0.0
    blotch: float = 0.0
    regression: float = 0.0


@dataclass(frozen=True, slots=True)
class Traits:
    """One patient's skin, camera and families of nevi.

    skin_rgb : (r, g, b) in [0, 1], sRGB. cast : the camera's gain per channel. freckles, vessels, hairiness : in
    [0, 1]. second : the smaller family, if the patient has one; ``second_share`` of the nevi belong to it.
    """

    skin_ita: float
    skin_rgb: RGB
    cast: RGB
    freckles: float
    vessels: float
    hairiness: float
    family: Style
    second: Style | None
    second_share: float


def draw_traits(rng: np.random.Generator) -> Traits:
    """The traits of one patient; light skin is commoner than brown, as in the public collections."""
    ita = float(-10 + 75 * rng.beta(3.5, 1.3))
    cast = np.array(_CASTS[rng.integers(len(_CASTS))]) * rng.uniform(0.98, 1.12) * rng.uniform(0.98, 1.02, 3)
    darkness = float(np.clip((45 - ita) / 100, 0, 0.5))
    family = _draw_family(rng, darkness)
    second = None
    if rng.random() < 0.35:
        drawn = _draw_family(rng, darkness)
        second = replace(drawn, radius=family.radius * rng.uniform(0.55, 0.75), hue=family.hue)
    return Traits(
        skin_ita=ita,
        skin_rgb=skin_colour(ita, pinkness=rng.uniform(8, 17)),
        cast=(float(cast[0]), float(cast[1]), float(cast[2])),
        freckles=float(rng.beta(1.2, 3)),
        vessels=float(rng.beta(1.5, 2.5) * (1 - darkness)),
        hairiness=float(rng.beta(1, 2.5)),
        family=family,
        second=second,
        second_share=float(rng.uniform(0.15, 0.3)),
    )


def _draw_family(rng: np.random.Generator, darkness: float) -> Style:
    """The signature of a family of nevi; ``darkness`` of the skin in [0, 0.5] goes with darker nevi."""
    warmth = rng.uniform(0, 1)
    return Style(
        pattern=NEVUS_PATTERNS[rng.integers(len(NEVUS_PATTERNS))],
        density=float(rng.uniform(0.45, 0.95) + 0.5 * darkness),
        hue=(float(0.44 + 0.16 * warmth), 1.0, float(1.0 + 0.3 * warmth)),
        radius=float(rng.uniform(0.14, 0.25)),
        aspect=float(rng.uniform(1.05, 1.4)),
        edge=float(rng.uniform(0.06, 0.20)),
        irregularity=float(rng.uniform(0.05, 0.12)),
        asymmetry=float(rng.uniform(0.01, 0.05)),
        spacing=float(rng.uniform(8, 11.5)),
        contrast=float(rng.uniform(0.45, 0.95)),
        centre=float(rng.uniform(-0.15, 0.6)),
        mottle=float(rng.uniform(0.15, 0.3)),
        red=float(rng.uniform(0, 0.22)),
    )


def vary(rng: np.random.Generator, family: Style) -> Style:
    """One nevus of a family: the same signature with small differences."""

    def near(value: float, share: float) -> float:
        return value * math.exp(share * float(np.clip(rng.standard_normal(), -2, 2)))

    return replace(
        family,
        density=near(family.density, 0.09),
        radius=near(family.radius, 0.11),
        aspect=max(1.0, near(family.aspect, 0.07)),
        edge=near(family.edge, 0.12),
        irregularity=near(family.irregularity, 0.15),
        asymmetry=near(family.asymmetry, 0.2),
        spacing=near(family.spacing, 0.05),
        contrast=near(family.contrast, 0.1),
        centre=family.centre + 0.06 * float(rng.standard_normal()),
        mottle=near(family.mottle, 0.15),
        red=near(family.red, 0.2),
    )


def draw_odd(rng: np.random.Generator, family: Style) -> Style:
    """The ugly duckling of a patient: melanoma-like beside ``family``, larger, darker and of more colours."""
    return Style(
        pattern="multicomponent",
        density=family.density * float(rng.uniform(1.15, 1.4)) + 0.2,
        hue=(family.hue[0] + 0.08, 1.0, family.hue[2]),
        radius=min(0.40, family.radius * float(rng.uniform(1.4, 1.75))),
        aspect=float(rng.uniform(1.1, 1.6)),
        edge=float(rng.uniform(0.07, 0.15)),
        irregularity=float(rng.uniform(0.10, 0.16)),
        asymmetry=float(rng.uniform(0.12, 0.18)),
        spacing=float(rng.uniform(10, 13)),
        contrast=float(rng.uniform(0.3, 0.6)),
        centre=float(rng.uniform(-0.1, 0.2)),
        mottle=float(rng.uniform(0.25, 0.4)),
        red=float(rng.uniform(0.1, 0.6)),
        veil=float(rng.uniform(0.3, 0.7)),
        blotch=float(rng.uniform(0.7, 1.2)),
        regression=float(rng.uniform(0, 0.5)),
    )


def skin_colour(ita: float, pinkness: float) -> RGB:
    """sRGB in [0, 1] of skin with individual typology angle ``ita`` in degrees and CIELAB a* = ``pinkness``.

    ITA = arctan((L* - 50) / b*) (Chardon et al. 1991, Int J Cosmet Sci 13:191), here with b* = 14.
    """
    yellowness = 14.0
    return _srgb(50 + yellowness * math.tan(math.radians(ita)), pinkness, yellowness)


def _srgb(lightness: float, a: float, b: float) -> RGB:
    """CIELAB (D65) to sRGB in [0, 1], clipped to the gamut (IEC 61966-2-1)."""
    middle = (lightness + 16) / 116
    roots = np.array([middle + a / 500, middle, middle - b / 200])
    xyz = np.where(roots > 6 / 29, roots**3, 3 * (6 / 29) ** 2 * (roots - 4 / 29)) * (0.95047, 1.0, 1.08883)
    matrix = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
    linear = np.clip(matrix @ xyz, 0, 1)
    red, green, blue = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055).tolist()
    return red, green, blue
