"""Augmentation that hides which source an image came from.

The sources differ in size, sharpness, JPEG quality, crop, aspect ratio and colour. A network that can see those learns
the source instead of the lesion, so every image is given a random version of each. Pillow and numpy only.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Pixels = NDArray[np.uint8]

_FILTERS = (
    Image.Resampling.BOX,
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
)


def load(path: str, size: int) -> Image.Image:
    """The image in RGB, decoded at the smallest JPEG scale that still covers ``size`` pixels."""
    with Image.open(path) as image:
        image.draft("RGB", (size, size))
        return image.convert("RGB")


def plain(image: Image.Image, size: int) -> Pixels:
    """The whole image squashed to ``size`` x ``size``, as at inference: (size, size, 3) uint8."""
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=2.0))


def renderings(
    image: Image.Image, size: int, rng: np.random.Generator, strength: float = 1.0, *, clear: bool = False
) -> list[Pixels]:
    """A random view of the image, (size, size, 3) uint8, and, if ``clear``, the same part turned the same way, its look as it was.

    ``strength`` in [0, 1] scales how often and how far the look is changed; turns and mirrors stay. Ending a training
    with weak augmentation brings it nearer to the images as they are (He et al. 2019).
    """
    part = image = _crop(image, rng, strength)
    if rng.random() < 0.5 * strength:
        image = degrade(image, size, rng)
    resample = _FILTERS[rng.integers(1, 3)]
    turn = _turning(rng)
    image = turn(image.resize((size, size), resample))
    if rng.random() < 0.12 * strength:
        image = hair(image, rng)
    pixels = colour(np.asarray(image, np.float32), rng, strength)
    if rng.random() < 0.15 * strength:
        pixels *= vignette(size, rng)
    view = np.clip(pixels, 0, 255).astype(np.uint8)
    return [view, np.array(turn(part.resize((size, size), resample)))] if clear else [view]


def _crop(image: Image.Image, rng: np.random.Generator, strength: float) -> Image.Image:
    width, height = image.size
    kind = rng.random()
    if kind < 0.2:
        return image
    if kind < 0.4:  # the centre square, as in the 224 px version of HAM10000
        side = int(min(width, height) * rng.uniform(0.85, 1.0))
        left = (width - side) // 2 + int(rng.normal(0, 0.03) * width)
        top = (height - side) // 2 + int(rng.normal(0, 0.03) * height)
        left, top = min(max(left, 0), width - side), min(max(top, 0), height - side)
        return image.crop((left, top, left + side, top + side))
    area, aspect = rng.uniform(1 - 0.5 * strength, 1.0), np.exp(rng.uniform(-0.3, 0.3) * strength)
    across = int(np.clip(width * np.sqrt(area * aspect), 16, width))
    down = int(np.clip(height * np.sqrt(area / aspect), 16, height))
    left, top = int(rng.integers(0, width - across + 1)), int(rng.integers(0, height - down + 1))
    return image.crop((left, top, left + across, top + down))


def degrade(image: Image.Image, size: int, rng: np.random.Generator) -> Image.Image:
    """Resample, blur or sharpen, and compress: the image as another camera and archive would have kept it."""
    if rng.random() < 0.6:
        scale = rng.uniform(0.45, 1.0) * size / max(image.size)
        if scale < 1:
            target = (max(16, round(image.width * scale)), max(16, round(image.height * scale)))
            image = image.resize(target, _FILTERS[rng.integers(0, 4)])
    chance = rng.random()
    if chance < 0.3:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.3)))
    elif chance < 0.5:
        image = image.filter(ImageFilter.UnsharpMask(rng.uniform(0.5, 2.0), int(rng.uniform(40, 150)), 0))
    if rng.random() < 0.6:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=int(rng.integers(35, 93)), subsampling=int(rng.integers(0, 3)))
        image = Image.open(buffer).convert("RGB")
    return image


def _turning(rng: np.random.Generator) -> Callable[[Image.Image], Image.Image]:
    """A random mirroring and turn, the same for every image that it is applied to."""
    mirrored = rng.random() < 0.5
    quarter = int(rng.integers(0, 4))
    angle = rng.uniform(-45, 45) if rng.random() < 0.5 else None

    def turn(image: Image.Image) -> Image.Image:
        if mirrored:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if quarter:
            image = image.transpose(Image.Transpose(quarter + 1))
        if angle is not None:
            edge = np.asarray(image)[:: image.height - 1].reshape(-1, 3)
            fill = tuple(int(v) for v in np.median(edge, axis=0))
            image = image.rotate(angle, Image.Resampling.BILINEAR, fillcolor=fill)
        return image

    return turn


def colour(pixels: NDArray[np.float32], rng: np.random.Generator, strength: float) -> NDArray[np.float32]:
    """Gamma, white balance, brightness, contrast and saturation; now and then colour constancy."""
    unit = pixels / 255.0
    if rng.random() < 0.1 * strength:  # shades of grey, p = 6 (Finlayson & Trezzi 2004)
        light = np.power(np.mean(np.power(unit, 6), axis=(0, 1)), 1 / 6)
        unit = np.minimum(unit * (np.linalg.norm(light) / np.sqrt(3) / np.maximum(light, 1e-3)), 1.0)
    unit = np.power(unit, np.exp(rng.normal(0, 0.15) * strength))
    unit = unit * np.exp(rng.normal(0, 0.07, 3) * strength) * np.exp(rng.normal(0, 0.12) * strength)
    mean = unit.mean(axis=(0, 1))
    unit = (unit - mean) * (1 + rng.uniform(-0.25, 0.25) * strength) + mean
    grey = unit @ np.array([0.299, 0.587, 0.114])
    unit = grey[..., None] + (unit - grey[..., None]) * (1 + rng.uniform(-0.3, 0.3) * strength)
    return np.asarray(unit * 255.0, np.float32)


def vignette(size: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """A dark or white surround, as of a dermatoscope's round field, hard or soft: (size, size, 1) in [0, 1]."""
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    centre = rng.normal(0, 0.06, 2)
    radius = np.hypot(axis[None, :] - centre[0], axis[:, None] - centre[1])
    edge, width = rng.uniform(0.92, 1.35), rng.choice([0.02, 0.1, 0.4])
    floor = rng.uniform(0.0, 0.5)
    shade = 1 - (1 - floor) / (1 + np.exp(-(radius - edge) / (width * 0.3)))
    return np.asarray(shade[..., None], np.float32)


def hair(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The image with a few dark hairs drawn over it."""
    image = image.copy()
    draw = ImageDraw.Draw(image)
    size = image.width
    shade = rng.uniform(10, 90)
    for _ in range(int(rng.integers(3, 18))):
        start, angle = rng.uniform(-0.1, 1.1, 2) * size, rng.uniform(0, 2 * np.pi)
        bend = rng.normal(0, 0.25)
        steps = np.linspace(0, rng.uniform(0.3, 1.1) * size, 10)
        turn = angle + bend * steps / size * 3
        points = np.stack([start[0] + steps * np.cos(turn), start[1] + steps * np.sin(turn)], axis=1)
        colour = (int(shade), int(shade * 0.8), int(shade * 0.65))
        draw.line([tuple(p) for p in points], fill=colour, width=int(rng.choice([1, 1, 2])))
    return image
