"""Random views of an image and its lesion mask: whatever moves a pixel moves both, whatever changes a look only the image."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from cygnet.training import augment
from cygnet.training.augment import Pixels

Box = tuple[float, float, float, float]
_WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
#: How often a view shows skin only, so that "there is no lesion" is learnt too.
EMPTY = 0.04
_TRIES = 12


def view(
    image: Image.Image, mask: Image.Image, size: int, rng: np.random.Generator, strength: float = 1.0
) -> tuple[Pixels, Pixels]:
    """A random view: pixels (size, size, 3) uint8, and the mask (size / 2, size / 2) uint8, its values shares of 255.

    ``image`` RGB and ``mask`` L show the same field, at any size each. ``strength`` in [0, 1] scales how often and how
    far the look and the framing are changed; turns by quarters and mirrors stay.
    """
    box = _skin(mask, rng) if rng.random() < EMPTY else None
    box = box or _window(image.size, rng, strength)
    if rng.random() < 0.4 * strength:
        image = augment.degrade(image, size, rng)
    image, mask = _cut(image, box, size), _cut(mask, box, size)
    flips = rng.random() < 0.5, int(rng.integers(0, 4))
    image, mask = _turn(image, *flips), _turn(mask, *flips)
    if rng.random() < 0.45 * strength:
        image, mask = _move(image, mask, rng)
    return _look(image, rng, strength), np.array(mask.reduce(2))


def whole(image: Image.Image, mask: Image.Image, size: int) -> tuple[Pixels, Pixels]:
    """The image as at inference, and its mask at half the size, like ``view``."""
    return augment.plain(image, size), np.asarray(_cut(mask, _WHOLE, size).reduce(2))


def _window(size: tuple[int, int], rng: np.random.Generator, strength: float) -> Box:
    """What part of the image is shown, in shares of its sides."""
    kind = rng.random()
    if kind < 0.4:
        return _WHOLE
    if kind < 0.6:  # the centre square, as other renderings of these photographs are cut
        width, height = size
        side = min(width, height) * rng.uniform(0.85, 1.0)
        across, down = side / width, side / height
        left, top = (float(np.clip((1 - s) / 2 + rng.normal(0, 0.03), 0, 1 - s)) for s in (across, down))
        return left, top, left + across, top + down
    area, aspect = math.exp(rng.uniform(math.log(0.25), 0) * strength), math.exp(rng.uniform(-0.3, 0.3) * strength)
    across, down = min(1.0, math.sqrt(area * aspect)), min(1.0, math.sqrt(area / aspect))
    left, top = rng.uniform(0, 1 - across), rng.uniform(0, 1 - down)
    return left, top, left + across, top + down


def _skin(mask: Image.Image, rng: np.random.Generator) -> Box | None:
    """A window without lesion, if a few tries find one."""
    values = np.asarray(mask)
    height, width = values.shape
    for _ in range(_TRIES):
        across, down = rng.uniform(0.2, 0.5, 2)
        left, top = rng.uniform(0, 1 - across), rng.uniform(0, 1 - down)
        inside = values[int(top * height) : math.ceil((top + down) * height)]
        if not inside[:, int(left * width) : math.ceil((left + across) * width)].any():
            return left, top, left + across, top + down
    return None


def _cut(image: Image.Image, box: Box, size: int) -> Image.Image:
    width, height = image.size
    place = (box[0] * width, box[1] * height, box[2] * width, box[3] * height)
    return image.resize((size, size), Image.Resampling.BILINEAR, box=place)


def _turn(image: Image.Image, mirrored: bool, quarter: int) -> Image.Image:
    if mirrored:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return image.transpose(Image.Transpose(quarter + 1)) if quarter else image


def _move(image: Image.Image, mask: Image.Image, rng: np.random.Generator) -> tuple[Image.Image, Image.Image]:
    """Turned by any angle, shifted, and near or far: a lesion may leave the picture or become a dot in it."""
    size = image.width
    angle = rng.uniform(-math.pi, math.pi) if rng.random() < 0.6 else 0.0
    far = math.exp(rng.uniform(0.4, 1.2) if rng.random() < 0.2 else rng.uniform(-0.3, 0.35))
    squeeze = math.exp(rng.normal(0, 0.1))
    a, b = math.cos(angle) * far * squeeze, math.sin(angle) * far
    c, d = -math.sin(angle) * far * squeeze, math.cos(angle) * far
    shift = rng.normal(0, 0.12, 2) * size
    middle = (size - 1) / 2
    x, y = middle - a * middle - b * middle + shift[0], middle - c * middle - d * middle + shift[1]
    place, fill = (a, b, x, c, d, y), _surround(image, rng)
    return _placed(image, place, fill), _placed(mask, place, 0)


def _placed(image: Image.Image, place: tuple[float, ...], fill: int | tuple[int, ...]) -> Image.Image:
    return image.transform(image.size, Image.Transform.AFFINE, place, Image.Resampling.BILINEAR, fillcolor=fill)


def _surround(image: Image.Image, rng: np.random.Generator) -> tuple[int, ...]:
    """The colour outside the picture: its rim's, now and then that of a mount."""
    if rng.random() < 0.15:
        return (0, 0, 0) if rng.random() < 0.7 else (255, 255, 255)
    edge = np.asarray(image)[:: image.height - 1].reshape(-1, 3)
    return tuple(int(v) for v in np.median(edge, axis=0))


def _look(image: Image.Image, rng: np.random.Generator, strength: float) -> Pixels:
    if rng.random() < 0.15 * strength:
        image = augment.hair(image, rng)
    if rng.random() < 0.06 * strength:
        image = _ruler(image, rng)
    pixels: NDArray[np.float32] = augment.colour(np.asarray(image, np.float32), rng, strength)
    if rng.random() < 0.15 * strength:
        pixels = pixels * augment.vignette(image.width, rng)
    return np.clip(pixels, 0, 255).astype(np.uint8)


def _ruler(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Ticks along one side, as of a dermatoscope's scale."""
    image = image.copy()
    draw, size = ImageDraw.Draw(image), image.width
    step, start = rng.uniform(0.03, 0.12) * size, rng.uniform(0, 0.3) * size
    line, length = rng.uniform(0.02, 0.2) * size, rng.uniform(0.02, 0.06) * size
    shade = (int(rng.uniform(0, 60)),) * 3
    upright = rng.random() < 0.5
    for k in range(int(rng.integers(6, 30))):
        at, reach = start + k * step, length * (2 if k % 5 == 0 else 1)
        points = [(at, line), (at, line + reach)]
        draw.line([(y, x) for x, y in points] if upright else points, fill=shade)
    return image
