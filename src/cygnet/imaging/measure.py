"""ABCD measurements of one lesion from its photograph and its mask, at any size."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cygnet.errors import InputError
from cygnet.imaging.colour import (
    COLOURS,
    PRESENT,
    colour_shares,
    difference,
    mean_colour,
    skin_tone,
    to_lab,
    typology_angle,
    variety,
)
from cygnet.imaging.hull import hull, hull_area, largest_diameter
from cygnet.imaging.shape import border_irregularity, ellipse_radius, folded, moments, perimeter
from cygnet.imaging.skin import around, within
from cygnet.imaging.surround import surround

Bools = NDArray[np.bool_]

#: Pixels on the longer side of the lesion's box that shape, and of its surroundings that colour, is worked out at.
_SHAPE: Final = 512
_COLOUR: Final = 320
#: Width of the surroundings that are looked at for skin, in sizes of the lesion's box on each side.
_AROUND: Final = 0.45
_NAN: Final = math.nan


@dataclass(frozen=True, slots=True)
class Measurements:
    """One lesion's ABCD measurements; what is undefined is NaN, and ``undefined`` says why.

    Lengths are in ``unit``: "mm" where the scale is known, else "image widths" (shares of the image's width); areas in its
    square. docs/measurements.md has every definition with its source.

    mm_per_pixel : the scale used, NaN without one. area_share : of the image, in [0, 1]. major_axis, minor_axis : of the
    ellipse with the same second moments. equivalent_diameter : of the disc of the same area. maximum_diameter : largest
    distance of two border points (Feret). perimeter : length of the border (Crofton). eccentricity : of the ellipse, in
    [0, 1). compactness : perimeter^2 / (4 pi area), about 1 for a disc. solidity : area over that of the convex hull, in
    (0, 1]. border_irregularity : how much longer the border is than that of a smooth ellipse of the same area and
    elongation, 0 for an ellipse. asymmetry_major, asymmetry_minor : share of the lesion that does not fall on itself folded
    along that axis, in [0, 1]; asymmetry : their mean. lightness : mean L* of the lesion, in [0, 100]. contrast : Delta E
    to the skin around, darkness : skin L* - lesion L*, redness : lesion a* - skin a*, blueness : skin b* - lesion b*.
    colour_variety : root mean square distance from the mean colour, in Delta E. shares : of the six colours of dermoscopy
    in the order of ``COLOURS``, in [0, 1]; colours : names of those of at least 5 %, colour_count : how many.
    blue_white_share : blue-grey and white together; red_share. skin_ita : individual typology angle of the skin around,
    in degrees; skin_tone : its class in words.
    """

    unit: str
    mm_per_pixel: float
    area: float
    area_share: float
    perimeter: float
    major_axis: float
    minor_axis: float
    equivalent_diameter: float
    maximum_diameter: float
    eccentricity: float
    compactness: float
    solidity: float
    border_irregularity: float
    asymmetry_major: float
    asymmetry_minor: float
    asymmetry: float
    lightness: float = _NAN
    contrast: float = _NAN
    darkness: float = _NAN
    redness: float = _NAN
    blueness: float = _NAN
    colour_variety: float = _NAN
    shares: tuple[float, ...] = (_NAN,) * 6
    colours: tuple[str, ...] = ()
    colour_count: float = _NAN
    blue_white_share: float = _NAN
    red_share: float = _NAN
    skin_ita: float = _NAN
    skin_tone: str = ""
    undefined: dict[str, str] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """JSON-ready: NaN becomes None, shares are named by their colour."""

        def plain(value: Any) -> Any:
            return None if isinstance(value, float) and math.isnan(value) else value

        named = {f.name: plain(getattr(self, f.name)) for f in fields(self)}
        named["shares"] = {name: plain(share) for name, share in zip(COLOURS, self.shares, strict=True)}
        return named | {"colours": list(self.colours), "undefined": dict(self.undefined)}


def measure(
    pixels: NDArray[np.uint8],
    mask: Bools,
    *,
    ignore: Bools | None = None,
    mm_per_pixel: float | None = None,
) -> Measurements:
    """Measure the lesion under ``mask`` (h, w) bool in ``pixels`` (h, w, 3) uint8 sRGB.

    ``ignore`` is true where an artefact lies, such as ``artefacts(pixels).ignore``; it may be of another size and is then
    stretched over the image. ``mm_per_pixel`` is the scale, from a ruler or the file's metadata.

    Raises
    ------
    InputError
        If shapes or types do not fit, or the scale is not above 0.
    """
    _check(pixels, mask, ignore, mm_per_pixel)
    unit = "image widths" if mm_per_pixel is None else "mm"
    scale = 1 / mask.shape[1] if mm_per_pixel is None else mm_per_pixel
    box = _box(mask)
    if box is None:
        nothing = {f.name: _NAN for f in fields(Measurements) if f.type == "float"}
        why = {name: "the mask is empty: no lesion" for name in nothing if name != "mm_per_pixel"}
        found: dict[str, Any] = {**nothing, "undefined": why}
    else:
        found = {**_shape(mask[box], scale, mask.size), **_colour(pixels, mask, ignore, box)}
    return Measurements(**{**found, "unit": unit, "mm_per_pixel": mm_per_pixel or _NAN})


def _check(pixels: NDArray[np.uint8], mask: Bools, ignore: Bools | None, mm_per_pixel: float | None) -> None:
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise InputError(f"pixels are {pixels.shape} {pixels.dtype}; give (height, width, 3) uint8 sRGB")
    if mask.shape != pixels.shape[:2] or mask.dtype != np.bool_:
        raise InputError(f"mask is {mask.shape} {mask.dtype}; give {pixels.shape[:2]} bool, as large as the image")
    if ignore is not None and (ignore.ndim != 2 or ignore.dtype != np.bool_ or not ignore.size):
        raise InputError(f"ignore is {ignore.shape} {ignore.dtype}; give (height, width) bool")
    if mm_per_pixel is not None and not 0 < mm_per_pixel < math.inf:
        raise InputError(f"mm_per_pixel is {mm_per_pixel}; give millimetres per pixel above 0, or None if not known")


def _box(mask: Bools) -> tuple[slice, slice] | None:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)) if len(rows) else None


def _shape(lesion: Bools, scale: float, pixels: int) -> dict[str, float]:
    """Shape of the lesion in its box; ``scale`` is the size of a pixel, ``pixels`` how many the image has."""
    step = -(-max(lesion.shape) // _SHAPE)
    soft = _shrunk(lesion, step)
    size = np.array([scale * step])
    found = moments(soft[None], size, size)
    hard = soft >= np.float32(0.5)
    border = perimeter(hard[None], size, size)
    major, minor, length = float(found.major[0]), float(found.minor[0]), float(border[0])
    area = int(np.count_nonzero(lesion)) * scale**2
    corners = hull(hard) * scale * step
    folds = folded(soft[None], found, size, size, side=256)[0].tolist()
    return {
        "area": area,
        "area_share": area / scale**2 / pixels,
        "perimeter": length,
        "major_axis": major,
        "minor_axis": minor,
        "equivalent_diameter": math.sqrt(4 * area / math.pi),
        "maximum_diameter": largest_diameter(corners),
        "eccentricity": math.sqrt(max(0.0, 1 - (minor / major) ** 2)),
        "compactness": length**2 / (4 * math.pi * area),
        "solidity": min(1.0, area / max(hull_area(corners), area * 1e-9)),
        "border_irregularity": float(border_irregularity(border, found)[0]),
        "asymmetry_major": folds[0],
        "asymmetry_minor": folds[1],
        "asymmetry": sum(folds) / 2,
    }


def _shrunk(lesion: Bools, step: int) -> NDArray[np.float32]:
    """Share of lesion in blocks of step x step pixels; a rim that fills no block counts as no lesion."""
    if step == 1:
        return lesion.astype(np.float32)
    height, width = (-side % step for side in lesion.shape)
    whole = np.pad(lesion, ((0, height), (0, width)))
    return np.asarray(Image.fromarray(whole.view(np.uint8) * 255).reduce(step), np.float32) * np.float32(1 / 255)


def _colour(pixels: NDArray[np.uint8], mask: Bools, ignore: Bools | None, box: tuple[slice, slice]) -> dict[str, Any]:
    """Colours of the lesion and of the skin around it, at reduced size."""
    near = tuple(_widened(part, side) for part, side in zip(box, mask.shape, strict=True))
    step = -(-max(part.stop - part.start for part in near) // _COLOUR)
    lab = to_lab(np.asarray(Image.fromarray(np.ascontiguousarray(pixels[near])).reduce(step)))
    cover = _reduced(mask[near], step)
    seen = ~surround(lab[None, ..., 0])[0]
    if ignore is not None:
        seen &= _reduced(_stretched(ignore, mask.shape, near), step) < 0.25
    one = np.ones(1)
    radius = ellipse_radius(moments(cover[None], one, one), one, one, cover.shape)
    ring, known = around(radius, cover[None], seen[None])
    flat, inside = lab.reshape(1, -1, 3), within(cover[None], seen[None]).reshape(1, -1)
    lesion, skin = mean_colour(flat, inside), mean_colour(flat, ring.reshape(1, -1))
    if inside.sum() < 1:
        return {"undefined": dict(_all_colour("artefacts cover the lesion")), "colour_count": _NAN}
    made: dict[str, Any] = {
        "lightness": float(lesion[0, 0]),
        "colour_variety": float(variety(flat, inside, lesion)[0]),
    }
    if not known[0]:
        why = {name: words for name, words in _all_colour("no skin in sight around the lesion") if name not in made}
        return made | {"undefined": why}
    shares = colour_shares(flat, inside, skin)[0].astype(np.float64).tolist()
    apart = (lesion - skin)[0].astype(np.float64).tolist()
    by_name = dict(zip(COLOURS, shares, strict=True))
    ita = float(typology_angle(skin)[0])
    why = {"skin_ita": "the skin's b* is not above 0: the white balance is off"} if math.isnan(ita) else {}
    return made | {
        "undefined": why,
        "contrast": float(difference(lesion, skin)[0]),
        "darkness": -apart[0],
        "redness": apart[1],
        "blueness": -apart[2],
        "shares": tuple(shares),
        "colours": tuple(name for name, share in by_name.items() if share >= PRESENT),
        "colour_count": float(sum(share >= PRESENT for share in shares)),
        "blue_white_share": by_name["blue-grey"] + by_name["white"],
        "red_share": by_name["red"],
        "skin_ita": ita,
        "skin_tone": skin_tone(ita),
    }


def _all_colour(words: str) -> Iterator[tuple[str, str]]:
    names = [f.name for f in fields(Measurements)]
    start, stop = names.index("lightness"), names.index("skin_ita") + 1
    return ((name, words) for name in names[start:stop] if name != "colours")


def _widened(part: slice, side: int) -> slice:
    more = math.ceil(_AROUND * (part.stop - part.start)) + 2
    return slice(max(0, part.start - more), min(side, part.stop + more))


def _reduced(mask: Bools, step: int) -> NDArray[np.float32]:
    """Share of true pixels in blocks as Pillow's ``reduce`` lays them."""
    image = Image.fromarray(np.ascontiguousarray(mask).view(np.uint8) * 255)
    return np.asarray(image.reduce(step), np.float32) * np.float32(1 / 255)


def _stretched(ignore: Bools, shape: tuple[int, int], part: tuple[slice, ...]) -> Bools:
    """``ignore`` of any size as seen in one part of an image of that shape."""
    rows, columns = (
        np.arange(p.start, p.stop) * have // side for p, have, side in zip(part, ignore.shape, shape, strict=True)
    )
    return np.asarray(ignore[rows[:, None], columns])
