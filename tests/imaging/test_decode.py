"""Bytes to pixels: formats, orientation, colour, size and damage."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from cygnet.errors import DecodeError
from cygnet.imaging import Reason, decode, middles

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZE = 120


def picture(width: int = 240, height: int = 180) -> Image.Image:
    """Smooth, and without any symmetry: each of the eight orientations looks different."""
    y, x = np.mgrid[0:height, 0:width]
    red, green = 40 + 180 * x / width, 30 + 190 * y / height
    blue = 60 + 120 * np.exp(-(((x / width - 0.3) ** 2 + (y / height - 0.2) ** 2) / 0.02))
    return Image.fromarray(np.stack([red, green, blue], -1).astype(np.uint8))


def saved(image: Image.Image, format_: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def squashed(image: Image.Image, size: int = SIZE) -> NDArray[np.float64]:
    return np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BOX), np.float64)


def code_of(data: bytes) -> str:
    with pytest.raises(DecodeError) as caught:
        decode(data, SIZE)
    assert len(str(caught.value)) > 10
    return caught.value.code


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def patched_srgb(*, swap: bool, description: str) -> bytes:
    """Pillow's own sRGB profile under another name, with red and green swapped if asked."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert len("sRGB") == len(description)
    profile = profile.replace("sRGB".encode("utf-16-be"), description.encode("utf-16-be"))
    if swap:
        for colour in (b"XYZ", b"TRC"):
            table = profile.replace(b"r" + colour, b"#" + colour).replace(b"g" + colour, b"r" + colour)
            profile = table.replace(b"#" + colour, b"g" + colour)
    return profile


@pytest.mark.parametrize(
    ("format_", "options", "tolerance"),
    [
        ("PNG", {}, 1.0),
        ("TIFF", {}, 1.0),
        ("TIFF", {"compression": "tiff_lzw"}, 1.0),
        ("BMP", {}, 1.0),
        ("WEBP", {"lossless": True}, 1.0),
        ("WEBP", {"quality": 95}, 3.0),
        ("JPEG", {"quality": 95}, 3.0),
        ("JPEG", {"quality": 95, "progressive": True}, 3.0),
    ],
)
def test_every_format_gives_the_same_picture(format_: str, options: dict[str, Any], tolerance: float) -> None:
    found = decode(saved(picture(), format_, **options), SIZE)
    assert found.pixels.shape == (SIZE, SIZE, 3)
    assert found.pixels.dtype == np.uint8
    assert (found.width, found.height) == (240, 180)
    assert found.thumbnail is None
    assert np.abs(found.pixels - squashed(picture())).mean() < tolerance


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_as_pillow_applies_it(orientation: int, format_: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(picture(), format_, exif=exif)
    with Image.open(io.BytesIO(data)) as opened:
        upright = ImageOps.exif_transpose(opened)
    found = decode(data, SIZE, thumbnail=120)
    assert (found.width, found.height) == upright.size
    assert np.abs(found.pixels - squashed(upright)).mean() < 2.5
    assert found.thumbnail is not None
    with Image.open(io.BytesIO(found.thumbnail)) as thumbnail:
        assert thumbnail.size == (upright.width // 2, upright.height // 2)
        assert np.abs(squashed(thumbnail) - squashed(upright)).mean() < 4


@pytest.mark.parametrize("orientation", [None, 6, 3, 5])
@pytest.mark.parametrize(("size", "box"), [((240, 180), (48, 18, 192, 162)), ((150, 250), (15, 65, 135, 185))])
def test_the_middle_is_a_square_of_the_photograph(
    size: tuple[int, int], box: tuple[int, int, int, int], orientation: int | None
) -> None:
    """Eight tenths of the shorter side: 144 of 180 pixels, 120 of 150, around the middle; nothing is squashed."""
    image = picture(*size)
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    found = decode(saved(image, exif=exif), SIZE, middle=0.8)
    wanted = squashed(ImageOps.exif_transpose(Image.open(io.BytesIO(saved(image.crop(box), exif=exif)))))
    assert found.near is not None
    assert np.abs(found.near - wanted).max() < 6  # another filter
    assert found.aspect == (size[1] / size[0] if orientation in (5, 6) else size[0] / size[1])
    np.testing.assert_array_equal(found.pixels, decode(saved(image, exif=exif), SIZE).pixels)


def test_middles_are_stacked_where_they_were_cut_out() -> None:
    data = saved(picture())
    cut = [decode(data, SIZE, middle=share) for share in (0.8, 1.0)]
    stack = middles(cut)
    assert stack is not None
    assert stack.shape == (2, SIZE, SIZE, 3)
    assert not np.array_equal(stack[0], stack[1])
    assert middles([decode(data, SIZE)]) is None
    assert middles([]) is None


def test_an_orientation_that_does_not_exist_is_ignored() -> None:
    exif = Image.Exif()
    exif[0x0112] = 42
    found = decode(saved(picture(), "JPEG", exif=exif), SIZE)
    assert (found.width, found.height) == (240, 180)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("kind", ["LAB", "XYZ", "bytes"])
def test_a_profile_that_does_not_fit_is_no_error(kind: Any, mode: str) -> None:
    profile = b"not a profile" if kind == "bytes" else ImageCms.ImageCmsProfile(ImageCms.createProfile(kind)).tobytes()
    found = decode(saved(picture().convert(mode), "JPEG", icc_profile=profile), SIZE)
    assert found.pixels.shape == (SIZE, SIZE, 3)


def test_an_srgb_profile_leaves_the_pixels() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    with_it, without = (
        decode(saved(picture(), icc_profile=profile), SIZE),
        decode(saved(picture()), SIZE),
    )
    assert np.array_equal(with_it.pixels, without.pixels)


def test_a_profile_is_applied_to_pixels_and_thumbnail() -> None:
    # In this profile the first channel is green and the second red, so that orange means green.
    data = saved(Image.new("RGB", (200, 150), (200, 60, 30)), icc_profile=patched_srgb(swap=True, description="Swap"))
    found = decode(data, SIZE, thumbnail=100)
    assert np.abs(found.pixels.astype(int) - [60, 200, 30]).max() <= 3
    assert found.thumbnail is not None
    with Image.open(io.BytesIO(found.thumbnail)) as thumbnail:
        assert np.abs(np.asarray(thumbnail).astype(int) - [60, 200, 30]).max() <= 5


def test_an_srgb_profile_of_another_name_leaves_the_pixels_within_rounding() -> None:
    data = saved(picture(), icc_profile=patched_srgb(swap=False, description="Same"))
    assert np.abs(decode(data, SIZE).pixels.astype(int) - decode(saved(picture()), SIZE).pixels).max() <= 2


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "TIFF"])
def test_grey_becomes_three_equal_channels(format_: str) -> None:
    found = decode(saved(Image.new("L", (150, 150), 93), format_), SIZE)
    assert (found.pixels == 93).all()


def test_transparency_is_laid_on_white() -> None:
    # 128/255 red over white: (255, 127, 127).
    found = decode(saved(Image.new("RGBA", (150, 150), (255, 0, 0, 128))), SIZE)
    assert np.abs(found.pixels.astype(int) - [255, 127, 127]).max() <= 1
    clear = decode(saved(Image.new("LA", (150, 150), (0, 0))), SIZE)
    assert (clear.pixels == 255).all()


def test_palette_with_transparency() -> None:
    image = Image.new("P", (200, 200), 0)
    image.putpalette([220, 10, 20, 0, 90, 0])
    image.paste(1, (100, 0, 200, 200))
    found = decode(saved(image, transparency=1), SIZE)
    assert (found.pixels[:, : SIZE // 2 - 3] == [220, 10, 20]).all()
    assert (found.pixels[:, SIZE // 2 + 3 :] == 255).all()
    opaque = decode(saved(image), SIZE)
    assert (opaque.pixels[:, SIZE // 2 + 3 :] == [0, 90, 0]).all()


def test_rgb_png_with_a_transparent_colour() -> None:
    image = Image.new("RGB", (200, 200), (10, 20, 30))
    image.paste((200, 0, 0), (0, 0, 100, 200))
    found = decode(saved(image, transparency=(10, 20, 30)), SIZE)
    assert (found.pixels[:, : SIZE // 2 - 3] == [200, 0, 0]).all()
    assert (found.pixels[:, SIZE // 2 + 3 :] == 255).all()


def test_black_and_white_png() -> None:
    image = Image.new("1", (200, 200), 1)
    image.paste(0, (0, 0, 100, 200))
    found = decode(saved(image), SIZE)
    assert (found.pixels[:, : SIZE // 2 - 3] == 0).all()
    assert (found.pixels[:, SIZE // 2 + 3 :] == 255).all()


@pytest.mark.parametrize("format_", ["TIFF", "JPEG"])
def test_cmyk(format_: str) -> None:
    # No cyan, all magenta and yellow, no black: red.
    found = decode(saved(Image.new("CMYK", (150, 150), (0, 255, 255, 0)), format_), SIZE)
    assert np.abs(found.pixels.astype(int) - [255, 0, 0]).max() <= 3


@pytest.mark.parametrize("format_", ["PNG", "TIFF"])
def test_sixteen_bit_grey(format_: str) -> None:
    values = np.full((150, 200), 257 * 100, np.uint16)
    values[:, 100:] = 65535
    found = decode(saved(Image.fromarray(values), format_), SIZE)
    assert (found.pixels[:, : SIZE // 2 - 3] == 100).all()
    assert (found.pixels[:, SIZE // 2 + 3 :] == 255).all()


@pytest.mark.parametrize(("thumbnail", "scale"), [(0, 8), (500, 8), (900, 4), (1400, 2)])
def test_a_large_jpeg_is_never_decoded_whole(monkeypatch: pytest.MonkeyPatch, thumbnail: int, scale: int) -> None:
    sizes: list[tuple[int, int]] = []
    resize = Image.Image.resize

    def spy(self: Image.Image, *args: Any, **kwargs: Any) -> Image.Image:
        sizes.append(self.size)
        return resize(self, *args, **kwargs)

    y, x = np.mgrid[0:4000, 0:6000].astype(np.float32)
    grey = (x / 6000 * 200 + y / 4000 * 50).astype(np.uint8)
    data = saved(Image.fromarray(grey), "JPEG", quality=70)
    monkeypatch.setattr(Image.Image, "resize", spy)
    found = decode(data, SIZE, thumbnail=thumbnail)
    # The codec's scale that still covers what is wanted on both sides; nothing larger is ever resized.
    assert max(sizes) == (6000 // scale, 4000 // scale)
    assert (found.width, found.height) == (6000, 4000)
    centres = (np.arange(SIZE) + 0.5) / SIZE
    assert np.abs(found.pixels[..., 0] - (centres[None, :] * 200 + centres[:, None] * 50)).max() < 3


@pytest.mark.parametrize(("width", "height"), [(50000, 50000), (8001, 8000), (2**31 - 1, 100)])
def test_a_bomb_is_refused_unread(width: int, height: int) -> None:
    assert code_of(png_header(width, height)) == Reason.TOO_LARGE


@pytest.mark.parametrize("share", [0.9, 0.5, 0.2])
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "TIFF", "WEBP", "BMP"])
def test_a_file_cut_short(format_: str, share: float) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (150, 200, 3), np.uint8)
    data = saved(Image.fromarray(noise), format_)
    code = code_of(data[: int(len(data) * share)])
    if format_ in ("JPEG", "PNG", "BMP"):
        assert code == Reason.TRUNCATED
    else:
        assert code in (Reason.TRUNCATED, Reason.UNREADABLE)


def test_an_empty_file_is_truncated() -> None:
    assert code_of(b"") == Reason.TRUNCATED


@pytest.mark.parametrize("data", [b"patient,age\nA,50\n" * 50, b"\0" * 5000, b"GIF89a" + b"\1" * 500])
def test_what_is_no_image_is_unreadable(data: bytes) -> None:
    assert code_of(data) == Reason.UNREADABLE


def test_a_gif_is_not_read() -> None:
    assert code_of(saved(picture(), "GIF")) == Reason.UNREADABLE


@pytest.mark.parametrize(
    ("size", "fits"), [((50, 50), False), ((95, 500), False), ((500, 95), False), ((96, 96), True)]
)
def test_small_images(size: tuple[int, int], *, fits: bool) -> None:
    data = saved(Image.new("RGB", size, "pink"))
    if fits:
        assert decode(data, SIZE).pixels.shape == (SIZE, SIZE, 3)
    else:
        assert code_of(data) == Reason.TOO_SMALL


@pytest.mark.parametrize(("size", "wanted"), [((400, 200), (100, 50)), ((150, 600), (25, 100)), ((96, 96), (96, 96))])
def test_thumbnails_keep_the_aspect_and_never_grow(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    found = decode(saved(picture(*size)), SIZE, thumbnail=100)
    assert found.thumbnail is not None
    with Image.open(io.BytesIO(found.thumbnail)) as thumbnail:
        assert thumbnail.format == "JPEG"
        assert thumbnail.size == wanted


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.sampled_from(["JPEG", "PNG", "TIFF", "BMP", "WEBP"]), st.data())
def test_damage_gives_pixels_or_a_decode_error_and_nothing_else(format_: str, data: st.DataObject) -> None:
    whole = bytearray(saved(picture(120, 100), format_))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = decode(bytes(whole), 40)
    except DecodeError as error:
        assert error.code in set(Reason)  # noqa: PT017 - either outcome will do
    else:
        assert found.pixels.shape == (40, 40, 3)
