"""CIELAB, and what is said of a lesion's colours: contrast to the skin, variety, the six colours of dermoscopy, ITA.

Everything works on stacks of n images with p places each, so that the measurements of one large photograph and of a
batch on a coarse grid are the same arithmetic. ``weight`` (n, p) >= 0 says how much each place belongs.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

#: The six colours of the ABCD rule of dermatoscopy (Stolz et al. 1994; Nachbar et al. 1994), in its order.
COLOURS: Final = ("white", "red", "light brown", "dark brown", "blue-grey", "black")
#: a* and b* of light skin in daylight, round numbers of our own, which the limits of the colours are stated for.
LIGHT_SKIN: Final = (12.0, 16.0)
_RED_HUE: Final = 0.84  # tangent of 40 degrees
#: Share of the lesion from which on a colour counts as present.
PRESENT: Final = 0.05

_LINEAR: Final = np.where(
    np.arange(256) <= 10, np.arange(256) / 255 / 12.92, ((np.arange(256) / 255 + 0.055) / 1.055) ** 2.4
).astype(np.float32)
_TO_XYZ: Final = (
    np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]], np.float32)
    / np.array([[0.95047], [1.0], [1.08883]], np.float32)
).T
#: From the three cube roots to L*, a*, b*.
_TO_LAB: Final = np.array([[0, 500, 0], [116, -500, 200], [0, 0, -200]], np.float32)
_OFFSET: Final = np.array([16, 0, 0], np.float32)
_TINY: Final = np.float32(1e-6)


def to_lab(pixels: NDArray[np.uint8]) -> Floats:
    """(..., 3) uint8 sRGB to CIELAB under D65 (CIE 15:2004): L* in [0, 100]."""
    xyz = np.maximum(_LINEAR.take(pixels).reshape(-1, 3) @ _TO_XYZ, 0)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.asarray(f @ _TO_LAB - _OFFSET).reshape(pixels.shape)


def mean_colour(lab: Floats, weight: Floats) -> Floats:
    """Weighted mean CIELAB (n, 3) of places (n, p, 3); zeros where there is no weight."""
    total = np.maximum(weight.sum(1), _TINY)
    return np.asarray((weight[:, None] @ lab)[:, 0] / total[:, None])


def variety(lab: Floats, weight: Floats, mean: Floats) -> Floats:
    """Root mean square CIELAB distance from the lesion's ``mean`` (n, 3): (n,), in units of Delta E, >= 0."""
    apart = lab - mean[:, None]
    squared = np.einsum("npc,npc->np", apart, apart)
    return np.asarray(np.sqrt((weight * squared).sum(1) / np.maximum(weight.sum(1), _TINY)))


def difference(one: Floats, other: Floats) -> Floats:
    """Delta E*ab (CIE 15:2004, the distance in CIELAB) of colours (..., 3): (...), >= 0; about 2.3 is just noticeable."""
    return np.asarray(np.sqrt(((one - other) ** 2).sum(-1)))


def typology_angle(lab: Floats) -> Floats:
    """Individual typology angle of skin colours (..., 3) in degrees (Chardon, Cretois & Hourseau 1991).

    ITA = atan((L* - 50) / b*), in (-90, 90), higher is lighter; NaN where b* is not above 0, which no skin is in white light.
    """
    light, yellow = lab[..., 0] - 50, lab[..., 2]
    angle = np.degrees(np.arctan2(light, np.maximum(yellow, _TINY)))
    return np.asarray(np.where(yellow > 0, angle, np.float32(np.nan)))


#: Chardon's classes with Del Bino's (2013) sixth: lower limit in degrees, name.
SKIN_TONES: Final = (
    (55.0, "very light"),
    (41.0, "light"),
    (28.0, "intermediate"),
    (10.0, "tan"),
    (-30.0, "brown"),
    (-91.0, "dark"),
)


def skin_tone(ita: float) -> str:
    """The class of a typology angle; empty for NaN."""
    return next((name for limit, name in SKIN_TONES if ita > limit), "")


def colour_shares(lab: Floats, weight: Floats, skin: Floats) -> Floats:
    """Share of each of ``COLOURS`` in the lesion: (n, 6), each in [0, 1], together at most 1.

    ``skin`` (n, 3) is the colour of the skin around. Cameras differ so much in white balance that skin itself is often
    pink or bluish; a* and b* are therefore shifted until the skin has those of ``LIGHT_SKIN``. The rule is worded by eye
    ("white only if whiter than the surrounding skin"); the limits put it into CIELAB and are ours:

    - black: L* < 22, where no hue is seen any more;
    - white: more than 4 lighter than the skin and less chromatic;
    - blue-grey: darker than the skin by 6 and b* below 12, a quarter less than the skin; melanin in the dermis looks blue-grey
      but measures grey-brown (Sakai et al. 2017);
    - red: a* at least 8 above the skin's and hue angle under 40 degrees, where brown begins;
    - brown: the rest that is darker than the skin by 6, dark below L* 42, the middle between black and light skin.

    What is none of these has the skin's own colour. A place takes the first colour that fits, in the order above.
    """
    light = lab[..., 0]
    red = lab[..., 1] + (LIGHT_SKIN[0] - skin[:, 1:2])
    yellow = lab[..., 2] + (LIGHT_SKIN[1] - skin[:, 2:3])
    skin_light = skin[:, :1]
    darker = light < skin_light - 6
    black = light < 22
    white = (light > skin_light + 4) & (red**2 + yellow**2 < np.float32(LIGHT_SKIN[0] ** 2 + LIGHT_SKIN[1] ** 2))
    blue = darker & (yellow < 12)
    crimson = (red > LIGHT_SKIN[0] + 8) & (yellow < np.float32(_RED_HUE) * red)
    dark = darker & (light < 42)
    free = weight.copy()
    sums = {}
    for name, here in (
        ("black", black),
        ("white", white),
        ("blue-grey", blue),
        ("red", crimson),
        ("dark brown", dark),
        ("light brown", darker),
    ):
        taken = free * here
        free -= taken
        sums[name] = taken.sum(1)
    total = np.maximum(weight.sum(1), _TINY)
    return np.asarray(np.stack([sums[name] for name in COLOURS], 1) / total[:, None])


def colour_count(shares: Floats) -> Floats:
    """How many colours a lesion has: (n,) in [0, 6]; a share under 5 % counts in part, so that nothing jumps."""
    return np.asarray(np.minimum(shares / np.float32(PRESENT), 1).sum(-1))
