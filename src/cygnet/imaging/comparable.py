"""The measurements that a patient's lesions are compared by: a short vector per image, hundreds of images a second."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cygnet.imaging.colour import colour_count, colour_shares, mean_colour, variety
from cygnet.imaging.scene import Scene
from cygnet.imaging.shape import border_irregularity, ellipse_radius, folded, moments, perimeter
from cygnet.imaging.skin import around, within

Floats = NDArray[np.float32]

#: Name, word for a higher value, word for a lower one: the order of every measurement vector.
MEASUREMENTS: Final[tuple[tuple[str, str, str], ...]] = (
    ("size", "larger", "smaller"),
    ("darkness", "darker", "lighter"),
    ("redness", "redder", "less red"),
    ("blueness", "bluer", "less blue"),
    ("colour_variety", "more varied in colour", "more uniform in colour"),
    ("colours", "more colours", "fewer colours"),
    ("asymmetry", "more asymmetric", "more symmetric"),
    ("border_irregularity", "more irregular in its border", "more regular in its border"),
    ("elongation", "more elongated", "rounder"),
)


def measure_stack(seen: Scene, aspect: NDArray[np.floating]) -> Floats:
    """Measurements of the lesions of n images in the order of ``MEASUREMENTS``: (n, 9) float32, always finite.

    ``aspect`` (n,) is width / height of the file. Definitions are those of :func:`cygnet.imaging.measure`, at the network's
    size: size is the equivalent diameter in image widths; darkness, redness and blueness the CIELAB difference between
    lesion and skin (skin L* - lesion L*, lesion a* - skin a*, skin b* - lesion b*); colour_variety the spread in CIELAB;
    colours the number of the six dermoscopic colours; asymmetry the mean over both principal axes; border_irregularity
    0 for a smooth ellipse; elongation the logarithm of major over minor axis.

    Where ``seen.found`` is false all are 0; where no skin is in sight, what is measured against it is 0.
    """
    n, side = seen.mask.shape[:2]
    dx = np.full(n, 1 / side)
    dy = dx / np.asarray(aspect, np.float64)
    found = moments(seen.mask, dy, dx)
    border = perimeter(seen.mask >= np.float32(0.5), dy, dx)
    flat = seen.lab.reshape(n, -1, 3)
    inside = within(seen.cover, seen.field).reshape(n, -1)
    grid = seen.cover.shape[1]
    step = side / grid
    radius = ellipse_radius(found, dy * step, dx * step, (grid, grid))
    ring, known = around(radius, seen.cover, seen.field)
    lesion, skin = mean_colour(flat, inside), mean_colour(flat, ring.reshape(n, -1))
    apart = (lesion - skin) * known[:, None]
    shares = colour_shares(flat, inside, np.where(known[:, None], skin, lesion))
    values = np.stack(
        [
            np.sqrt(found.area * (4 / np.pi)),
            -apart[:, 0],
            apart[:, 1],
            -apart[:, 2],
            variety(flat, inside, lesion),
            colour_count(shares),
            folded(seen.mask, found, dy, dx).mean(1),
            border_irregularity(border, found),
            np.log(found.major / found.minor),
        ],
        axis=1,
    )
    return np.where(seen.found[:, None], values, 0).astype(np.float32)
