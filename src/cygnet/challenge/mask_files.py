"""Mask files in a folder or a zip: which image (and attribute) each is for, and its pixels in the challenge's sense."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from cygnet.challenge.packed import MEMBER_BYTES, Source, content, in_folder, members, opened_zip
from cygnet.challenge.problems import Problems
from cygnet.challenge.tasks import Task
from cygnet.errors import InputError
from cygnet.imaging.given_masks import mask_values

Mask = NDArray[np.bool_]
#: Image and attribute ("" in a segmentation) that a file is for.
Key = tuple[str, str]

_ENDING: Final = re.compile(r"(_(segmentation|mask|lesion|features))+$", re.I)
_ISIC: Final = re.compile(r"(?<![A-Za-z0-9])ISIC_\d{7}(?!\d)")
_MOST: Final = 250_000
#: Above this of 255 a pixel is lesion, as in the challenges' scorer.
_CUT: Final = 128


@dataclass(frozen=True, slots=True)
class File:
    """One file: ``name`` for messages, ``read`` its bytes, or why there are none."""

    name: str
    read: Callable[[], bytes | str]


Files = Mapping[Key, File]


def collect(source: Source, task: Task, problems: Problems, known: frozenset[str] | None = None) -> dict[Key, File]:
    """The files of a folder or zip by what they are for. Names that say nothing, and two files for one mask, are problems.

    ``known`` are the images that a submission may have; a truth names its own.
    """
    ending = ".json" if task.kind == "superpixels" else ".png"
    found: dict[Key, File] = {}
    for file in _files(source, problems):
        path = PurePosixPath(file.name.replace("\\", "/"))
        if path.suffix.lower() != ending:
            problems.add("file-type", f"not a {ending[1:].upper()} file", f"send {task.layout}", column=file.name)
            continue
        key, why = _key(path.stem, task, known)
        if key is None:
            problems.add("unknown-image", why, "name files as the challenge does: " + task.layout, column=file.name)
        elif key in found:
            fix = "keep one of them"
            problems.add("duplicate-image", f"{found[key].name} is for the same image", fix, column=file.name)
        else:
            found[key] = file
    return found


def _files(source: Source, problems: Problems) -> Iterable[File]:
    if source.folder:
        assert source.path is not None
        return [File(p.name, partial(_from_disk, p)) for p in in_folder(source.path)]
    archive = opened_zip(source, problems)
    if archive is None:
        return []
    return [File(i.filename, partial(_from_zip, archive, i)) for i in members(archive, _MOST, problems)]


def _from_disk(path: Path) -> bytes | str:
    try:
        return path.read_bytes() if path.stat().st_size <= MEMBER_BYTES else "the file is larger than any mask"
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"


def _from_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes | str:
    return content(archive, info)


def _key(stem: str, task: Task, known: frozenset[str] | None) -> tuple[Key | None, str]:
    """What a file is for, or why that cannot be said."""
    attribute, rest = "", stem
    if task.kind == "attributes":
        lower = stem.lower()
        matching = [c for c in task.classes if lower.endswith(f"_{c.lower()}")]
        if not matching:
            return None, f"names none of the attributes {', '.join(task.classes)}"
        attribute = max(matching, key=len)
        rest = re.sub(r"_attribute$", "", stem[: -len(attribute) - 1], flags=re.I)
    for name in (rest, _ENDING.sub("", rest)):
        if known is not None and name in known:
            return (name, attribute), ""
    numbers = set(_ISIC.findall(stem))
    if len(numbers) == 1:
        name = numbers.pop()
        if known is None or name in known:
            return (name, attribute), ""
        return None, f"{name} is none of the {len(known):,} images"
    if known is None:
        return (_ENDING.sub("", rest), attribute), ""
    return None, f"{_ENDING.sub('', rest)!r} is none of the {len(known):,} images"


class Pixels(NamedTuple):
    """A mask, and what was taken for granted about it ("" if nothing)."""

    mask: Mask
    note: str


def pixels(data: bytes, name: str, shape: tuple[int, int] | None = None) -> Pixels:
    """The mask (h, w) in a PNG file: above 128 of 255 is lesion.

    Three equal channels, 16 bits, and 0 and 1 are understood, the last with a note, since 1 means lesion there. ``shape``
    (h, w) is the size that it must have, looked at before any pixel is unpacked.

    Raises
    ------
    InputError
        If it is no PNG, animated, of another size, or its meaning is not certain.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            if getattr(image, "is_animated", False):
                raise InputError(f"an animated PNG of {getattr(image, 'n_frames', 2)} pictures; save a single one")
            high, wide = shape or (image.height, image.width)
            if (image.width, image.height) != (wide, high):
                turned = " (it is turned)" if (image.width, image.height) == (high, wide) else ""
                raise InputError(f"{image.width} x {image.height} pixels, the image has {wide} x {high}{turned}")
            if image.mode == "L":
                return _grey(image)
            if image.mode == "1":
                return Pixels(np.asarray(image), "")
    except InputError:
        raise
    except UnidentifiedImageError as error:
        raise InputError("not a PNG file; save the mask as an 8-bit PNG of 0 and 255") from error
    except Image.DecompressionBombError as error:
        raise InputError("more pixels than any image of a challenge has; save the mask again") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"a damaged PNG ({error}); save the mask again") from error
    return _deep(mask_values(data, name))


def _grey(image: Image.Image) -> Pixels:
    """An 8-bit mask; its histogram tells what its values mean."""
    counts = np.array(image.histogram())
    highest = int(np.flatnonzero(counts)[-1])
    between = 1 - (counts[0] + counts[-1]) / counts.sum()
    return _cut(np.asarray(image), highest, float(between))


def _deep(values: NDArray[Any]) -> Pixels:
    """A mask of other depth."""
    if values.dtype == np.bool_:
        return Pixels(np.asarray(values), "")
    top = _top(values)
    between = np.count_nonzero((values != 0) & (values != top)) / values.size
    return _cut(values, int(values.max(initial=0)), between)


def _top(values: NDArray[Any]) -> int:
    return 255 if values.dtype == np.uint8 else 65535


def _cut(values: NDArray[Any], highest: int, between: float) -> Pixels:
    """The mask, from the highest value and the share of pixels between the ends."""
    top = _top(values)
    if highest == 1:
        return Pixels(np.asarray(values > 0), "values 0 and 1: 1 was taken for lesion")
    if highest and highest <= _CUT * top // 255:
        raise InputError(f"values from 0 to {highest}; lesion must be 255, skin 0")
    note = (
        f"{between:.1%} of its pixels are neither 0 nor {top}; above one half was taken for lesion"
        if between > 0
        else ""
    )
    return Pixels(np.asarray(values > _CUT * top // 255), note)
