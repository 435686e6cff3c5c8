"""Pictures that are no dermoscopy, drawn: what else ends up in a folder of images, for testing that it is noticed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

_SIZE: Final = (480, 360)
Draw = Callable[[np.random.Generator], Image.Image]


def picture(kind: str, seed: int) -> Image.Image:
    """One RGB picture of a kind in ``KINDS``, 480 x 360 pixels; the same for the same seed."""
    return KINDS[kind](np.random.default_rng([seed, *kind.encode()]))


def _screenshot(rng: np.random.Generator) -> Image.Image:
    """Windows with title bars, lines of text and buttons."""
    image = Image.new("RGB", _SIZE, _colour(rng, 20, 120))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(2, 5))):
        left, top = int(rng.integers(0, 220)), int(rng.integers(0, 140))
        right, bottom = left + int(rng.integers(180, 260)), top + int(rng.integers(120, 220))
        draw.rectangle((left, top, right, bottom), fill=_colour(rng, 225, 256), outline=(90, 90, 90))
        draw.rectangle((left, top, right, top + 16), fill=_colour(rng, 40, 200))
        for row in range(top + 26, bottom - 10, 13):
            draw.text((left + 8, row), _words(rng, int(rng.integers(8, 34))), fill=_colour(rng, 0, 90))
    return image


def _drawing(rng: np.random.Generator) -> Image.Image:
    """A child's drawing: a house, a sun, a tree, figures in flat colours."""
    image = Image.new("RGB", _SIZE, _colour(rng, 200, 256))
    draw = ImageDraw.Draw(image)
    ground = int(rng.integers(220, 300))
    draw.rectangle((0, ground, *_SIZE), fill=(60, int(rng.integers(130, 190)), 60))
    x, wide = int(rng.integers(40, 260)), int(rng.integers(80, 150))
    draw.rectangle((x, ground - wide, x + wide, ground), fill=_colour(rng, 60, 256), outline="black", width=3)
    draw.polygon(
        [(x - 10, ground - wide), (x + wide + 10, ground - wide), (x + wide // 2, ground - wide - 70)], "brown", "black"
    )
    sun = int(rng.integers(30, 420))
    draw.ellipse((sun, 15, sun + 60, 75), fill="yellow", outline="orange", width=4)
    for _ in range(int(rng.integers(2, 7))):
        a, b = int(rng.integers(0, 440)), int(rng.integers(120, 320))
        draw.line((a, b, a, b + 40), fill="black", width=3)
        draw.ellipse((a - 9, b - 18, a + 9, b), outline="black", width=3)
    return image


def _chart(rng: np.random.Generator) -> Image.Image:
    """Axes, bars and a curve on white."""
    image = Image.new("RGB", _SIZE, "white")
    draw = ImageDraw.Draw(image)
    draw.line([(40, 20), (40, 320), (460, 320)], fill="black", width=2)
    count = int(rng.integers(5, 12))
    step = 400 // count
    shade = _colour(rng, 30, 220)
    for k, height in enumerate(rng.uniform(20, 280, count)):
        draw.rectangle((50 + k * step, 320 - height, 50 + k * step + step * 0.7, 320), fill=shade)
        draw.text((50 + k * step, 325), str(k), fill="black")
    draw.line(
        [(50 + k * 8, 170 + 100 * np.sin(k / 7 + rng.normal())) for k in range(50)], fill=_colour(rng, 0, 256), width=2
    )
    return image


def _document(rng: np.random.Generator) -> Image.Image:
    """A page of text on paper that is not quite white."""
    image = Image.new("RGB", _SIZE, _colour(rng, 225, 250))
    draw = ImageDraw.Draw(image)
    for row in range(14, 350, int(rng.integers(12, 18))):
        draw.text((20, row), _words(rng, int(rng.integers(30, 74))), fill=(40, 36, 34))
    return image.rotate(float(rng.uniform(-4, 4)), fillcolor=(120, 90, 60))


def _histology(rng: np.random.Generator) -> Image.Image:
    """Cells with purple nuclei on pink, as stained with hematoxylin and eosin."""
    image = Image.new("RGB", _SIZE, (226, 170, 200))
    draw = ImageDraw.Draw(image)
    for _ in range(900):
        x, y, r = rng.uniform(0, _SIZE[0]), rng.uniform(0, _SIZE[1]), rng.uniform(4, 8)
        pink = rng.integers(-18, 18)
        draw.ellipse(
            (x - 2 * r, y - 2 * r, x + 2 * r, y + 2 * r), fill=(int(222 + pink), int(150 + pink), int(190 + pink))
        )
        draw.ellipse((x - r, y - r * 0.8, x + r, y + r * 0.8), fill=(int(90 + pink), int(55 + pink), int(130 + pink)))
    return _noisy(image.filter(ImageFilter.GaussianBlur(0.8)), rng, 6)


def _hand(rng: np.random.Generator) -> Image.Image:
    """A hand of skin colour before a backdrop, from a distance."""
    backdrop = _colour(rng, 20, 235)
    image = Image.new("RGB", _SIZE, backdrop)
    draw = ImageDraw.Draw(image)
    tone = rng.uniform(0.55, 1.0)
    skin = (int(232 * tone), int(180 * tone), int(150 * tone))
    x = int(rng.integers(150, 230))
    draw.ellipse((x, 170, x + 130, 330), fill=skin)
    for k in range(4):
        top = int(rng.integers(40, 90))
        draw.rounded_rectangle((x + 4 + k * 33, top, x + 28 + k * 33, 240), 12, fill=skin)
        draw.rounded_rectangle((x + 9 + k * 33, top + 4, x + 23 + k * 33, top + 18), 5, fill=(240, 205, 195))
    draw.line((x + 10, 280, x - 60, 200), fill=skin, width=28)
    return _noisy(image.filter(ImageFilter.GaussianBlur(1.5)), rng, 4)


def _landscape(rng: np.random.Generator) -> Image.Image:
    """Sky, hills and meadows with texture."""
    down = np.linspace(0, 1, _SIZE[1])[:, None, None]
    sky = np.array([90, 150, 225]) + down * np.array([110, 70, 20])
    pixels = np.broadcast_to(sky, (_SIZE[1], _SIZE[0], 3)).copy()
    across = np.arange(_SIZE[0])
    for k in range(3):
        edge = 150 + 55 * k + 35 * np.sin(across / rng.uniform(40, 110) + rng.uniform(0, 6))
        below = np.arange(_SIZE[1])[:, None] > edge
        pixels[below] = np.array([70 - 12 * k, 130 - 18 * k, 60]) + rng.normal(0, 14, (int(below.sum()), 1))
    return _noisy(_image(pixels), rng, 5)


def _noise(rng: np.random.Generator) -> Image.Image:
    """Noise: white or smooth, in colour."""
    side = int(rng.choice([4, 16, 60, 480]))
    pixels = rng.integers(0, 256, (max(side * 3 // 4, 3), side, 3))
    return _image(pixels).resize(_SIZE, Image.Resampling.BICUBIC)


def _pattern(rng: np.random.Generator) -> Image.Image:
    """Stripes or a chessboard, as of a test card."""
    x, y = np.meshgrid(np.arange(_SIZE[0]), np.arange(_SIZE[1]))
    width = int(rng.integers(6, 40))
    cells = (x // width + (y // width if rng.random() < 0.5 else 0)) % 2
    return _image(np.where(cells[..., None] == 0, _colour(rng, 0, 256), _colour(rng, 0, 256)))


def _colour(rng: np.random.Generator, low: int, high: int) -> tuple[int, int, int]:
    red, green, blue = (int(v) for v in rng.integers(low, high, 3))
    return red, green, blue


def _words(rng: np.random.Generator, length: int) -> str:
    return "".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz    "), length))


def _noisy(image: Image.Image, rng: np.random.Generator, spread: float) -> Image.Image:
    return _image(np.asarray(image, np.float64) + rng.normal(0, spread, (image.height, image.width, 1)))


def _image(pixels: NDArray[np.generic]) -> Image.Image:
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


#: What can be drawn.
KINDS: Final[dict[str, Draw]] = {
    "screenshot": _screenshot,
    "drawing": _drawing,
    "chart": _chart,
    "document": _document,
    "histology": _histology,
    "hand": _hand,
    "landscape": _landscape,
    "noise": _noise,
    "pattern": _pattern,
}
