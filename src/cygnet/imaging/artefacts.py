"""What lies between the camera and the lesion: hair, ruler, ink, bubbles, the surround of a round field, shading.

They are found at a common size of about 512 x 384, at which a hair is a few pixels wide whatever the camera.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cygnet.errors import InputError
from cygnet.imaging.colour import to_lab
from cygnet.imaging.hair import hair
from cygnet.imaging.lines import WAYS, grown, opened, thin_dark
from cygnet.imaging.ruler import Ruler, ruler
from cygnet.imaging.surround import surround

Bools = NDArray[np.bool_]

#: Longer side of the image that artefacts are looked for in.
SIDE: Final = 512
#: Dark lines thinner than this many pixels may be hair or ticks.
_THIN: Final = 11
#: Bright spots and rims thinner than this, and brighter than their surroundings by this many steps of blue out of 255.
_SPOT: Final = 9
_BRIGHT: Final = 26
#: They are also brighter than three quarters of the image by this: holes of a pigment network are not.
_ABOVE: Final = 14
#: The surround's lightness may be a little off pure black, as photographs have it.
_BLACK: Final = 14.0
#: Share of the image from which on an artefact is worth a flag; a ruler always is.
_FLAG: Final = {"hair": 0.004, "ruler": 0.0, "ink": 0.003, "bubbles": 0.002, "surround": 0.003}
#: Fall of lightness L* towards the corners that is a vignette.
_SHADED: Final = 3.5


@dataclass(frozen=True, slots=True)
class Artefacts:
    """Artefacts of one image.

    ``hair``, ``ruler``, ``ink``, ``bubbles`` and ``surround`` (h, w) bool are masks of the image at reduced size (longer side
    512). ``vignette`` is how much darker in L* the corners are than the middle distance, NaN where a surround hides them.
    ``mm_per_pixel`` is the scale of the image as it was given, None without a certain ruler; it takes ticks to be 1 mm apart,
    as on dermatoscopes.
    """

    hair: Bools
    ruler: Bools
    ink: Bools
    bubbles: Bools
    surround: Bools
    vignette: float
    mm_per_pixel: float | None

    @property
    def masks(self) -> dict[str, Bools]:
        """The five masks by name."""
        return {name: getattr(self, name) for name in _FLAG}

    @property
    def shares(self) -> dict[str, float]:
        """Share of the image under each, in [0, 1]."""
        return {name: float(mask.mean()) for name, mask in self.masks.items()}

    @property
    def flags(self) -> tuple[str, ...]:
        """Names of what is there to a notable extent, "vignette" among them."""
        noted = [name for name, share in self.shares.items() if share > _FLAG[name]]
        return (*noted, *(["vignette"] if self.vignette >= _SHADED else []))

    @property
    def ignore(self) -> Bools:
        """Everything that is neither lesion nor skin: (h, w) bool, for :func:`cygnet.imaging.measure`."""
        return np.asarray(self.hair | self.ruler | self.ink | self.bubbles | self.surround)


def artefacts(pixels: NDArray[np.uint8]) -> Artefacts:
    """Find the artefacts in ``pixels`` (h, w, 3) uint8 sRGB of any size with its own aspect, not squashed.

    Raises
    ------
    InputError
        If the shape or type does not fit.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or min(pixels.shape[:2]) < 8:
        raise InputError(f"pixels are {pixels.shape} {pixels.dtype}; give (height, width, 3) uint8 sRGB")
    small = _common_size(pixels)
    lab = to_lab(small[::2, ::2])
    outside = _whole(surround(lab[None, ..., 0], _BLACK)[0], small.shape)
    edge = grown(outside, 4)
    red = np.ascontiguousarray(small[..., 0])
    thin = thin_dark(red, _THIN)
    thin[edge] = 0
    found = ruler(thin)
    ticks = np.zeros_like(outside) if found is None else grown(found.mask)
    ink = _whole(_ink(lab), small.shape) & ~edge
    return Artefacts(
        hair=hair(red, edge | grown(ticks, 2) | ink) & ~edge & ~ticks,
        ruler=ticks,
        ink=ink,
        bubbles=_bubbles(np.ascontiguousarray(small[..., 2])) & ~edge & ~ticks,
        surround=outside,
        vignette=_vignette(lab[..., 0], outside[::2, ::2]),
        mm_per_pixel=_scale(found, pixels.shape, small.shape),
    )


def _common_size(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    scale = SIDE / max(height, width)
    size = (max(16, round(width * scale)), max(16, round(height * scale)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))


def _whole(half: Bools, shape: tuple[int, ...]) -> Bools:
    """A mask of every second pixel as one of all."""
    return np.asarray(half.repeat(2, 0).repeat(2, 1)[: shape[0], : shape[1]])


def _scale(found: Ruler | None, given: tuple[int, ...], small: tuple[int, ...]) -> float | None:
    return None if found is None else max(small[:2]) / (found.spacing * max(given[:2]))


def _ink(lab: NDArray[np.float32]) -> Bools:
    """Violet, blue or green of a surgical marker, away from the middle where a blue lesion would be.

    Colours are taken relative to the image's usual colour (its median), and must be saturated in themselves: a blue-white
    veil is neither.
    """
    light, red, yellow = np.moveaxis(lab, -1, 0)
    usual = np.median(lab[::4, ::4].reshape(-1, 3), axis=0)
    violet = (yellow < usual[2] - 18) & (yellow < -9)
    green = (red < usual[1] - 18) & (red < -6)
    ink = (violet | green) & (light < usual[0] - 4) & (red**2 + yellow**2 > 14**2)
    height, width = light.shape
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None, :]
    found = ink & (x**2 + y**2 > 0.55)
    while True:  # from there it is followed inwards
        more = grown(found, 2) & ink
        if more.sum() == found.sum():
            return (
                np.asarray(grown(found) & (light < usual[0] - 2)) if found.mean() > _FLAG["ink"] / 2 else found & False
            )
        found = more


def _bubbles(blue: NDArray[np.uint8]) -> Bools:
    """Small bright spots and rims: bubbles in the gel and reflections. Blue, which skin and pigment hardly have."""
    flat = blue
    for way in WAYS:
        flat = np.minimum(flat, opened(blue, way, _SPOT))
    skin = min(float(np.percentile(blue[::4, ::4], 75)), 255.0 - 2 * _ABOVE)
    return grown((blue - flat > _BRIGHT) & (blue > skin + _ABOVE))


def _vignette(light: NDArray[np.float32], outside: Bools) -> float:
    """How much darker the corners are than the middle distance, by the second brightest corner; a light from one side
    darkens others."""
    height, width = light.shape
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None, :]
    radius = np.sqrt((x**2 + y**2) / 2)
    corner, middle = (radius > 0.88) & ~outside, (radius > 0.5) & (radius < 0.68) & ~outside
    quarters = [corner & (up == (y < 0)) & (left == (x < 0)) for up in (True, False) for left in (True, False)]
    seen = sorted(float(np.median(light[q])) for q in quarters if q.sum() > 0.3 * height * width * 0.01)
    if len(seen) < 4 or not middle.any():
        return float("nan")
    return float(np.percentile(light[middle], 60)) - seen[2]
