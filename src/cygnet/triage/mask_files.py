"""Many images to mask files: what ``cygnet segment`` does.

Each worker takes a batch from bytes to written files by itself, so that no full-size mask waits in memory. A file is
written beside its place and moved there; a line of ``.cygnet-segment.jsonl`` says that it is done, so that an interrupted
run can go on.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cygnet.errors import InputError, OutputError
from cygnet.imaging import Decoded, artefacts
from cygnet.imaging.given_masks import find_mask
from cygnet.imaging.overlay import outlined
from cygnet.imaging.png import mask_png
from cygnet.models import SegmentModel
from cygnet.schema import ImageRecord
from cygnet.triage.lesion_measurements import LOOKED_AT, artefact_record, measured
from cygnet.triage.pipeline import open_image
from cygnet.triage.segmentation import Segmentation, given, outline_images
from cygnet.triage.workers import in_batches

#: Longer side in pixels of an overlay picture.
OVERLAY: Final = 1024


@dataclass(frozen=True, slots=True)
class Outlined:
    """What became of one image.

    ``sha256`` of the image file ("" if it could not be read); ``width`` and ``height`` in pixels after EXIF orientation;
    ``mask`` the name of the mask file and ``mask_sha256`` its hash, "" where there is none; ``area_share`` the lesion's share of
    the picture; ``confidence`` as in ``Segmentation``, None for given masks; ``flags`` as there. ``problem`` says why there
    is no mask, "" if there is one. ``artefacts`` and ``measurements`` as in ``lesion_measurements``, None where not asked for.
    """

    image: str
    file: str
    patient_id: str
    sha256: str
    width: int
    height: int
    mask: str
    mask_sha256: str
    area_share: float | None
    confidence: float | None
    flags: tuple[str, ...]
    problem: str
    artefacts: Mapping[str, Any] | None = None
    measurements: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Where masks go and where they come from: ``masks`` is a folder of given ones, ``overlay`` asks for pictures, ``flags``
    for artefacts, ``measure`` for measurements, at ``mm_per_pixel`` of the image files where that is known."""

    out: Path
    masks: Path | None = None
    overlay: bool = False
    flags: bool = False
    measure: bool = False
    mm_per_pixel: float | None = None


def segment_files(
    records: Sequence[ImageRecord],
    model: SegmentModel,
    plan: Plan,
    *,
    workers: int | None = None,
    known: Callable[[int], Outlined | None] | None = None,
) -> Iterator[Outlined]:
    """Outline the lesion of each image and write its mask; results come in the order of ``records``.

    ``known(position)`` may return the result of an earlier, interrupted run. An image that cannot be outlined never stops
    the others.

    Raises
    ------
    OutputError
        If the disk is full or the folder has become unwritable.
    """

    def work(span: range) -> list[Outlined]:
        earlier = {i: known(i) if known else None for i in span}
        fresh = iter(_batch([records[i] for i in span if earlier[i] is None], model, plan))
        return [earlier[i] or next(fresh) for i in span]

    return in_batches(len(records), work, workers)


def refuse_same_names(records: Sequence[ImageRecord]) -> None:
    """Make sure that no two images would write the same file.

    Raises
    ------
    InputError
        Naming the first two that would.
    """
    first: dict[str, ImageRecord] = {}
    for record in records:
        earlier = first.setdefault(_name(record), record)
        if earlier is not record:
            raise InputError(
                f"{record.path} and {earlier.path} would both write {_name(record)}_segmentation.png; "
                "rename one, or outline their folders one by one into folders of their own"
            )


def _name(record: ImageRecord) -> str:
    return record.image.replace("/", "_").replace("\\", "_")


def _batch(records: Sequence[ImageRecord], model: SegmentModel, plan: Plan) -> list[Outlined]:
    picture = LOOKED_AT if plan.flags or plan.measure else 0
    opened = [open_image(record, model.size, OVERLAY if plan.overlay else 0, picture) for record in records]
    images = [image for _, image, _ in opened if image is not None]
    drawn = iter([] if plan.masks else outline_images(images, model))
    made = []
    for record, (sha256, image, problem) in zip(records, opened, strict=True):
        if image is None:
            made.append(_failed(record, sha256, None, problem.message if problem else ""))
        elif plan.masks is None:
            made.append(_written(record, sha256, image, next(drawn), plan))
        else:
            made.append(_from_given(record, sha256, image, plan.masks, plan))
    return made


def _from_given(record: ImageRecord, sha256: str, image: Decoded, folder: Path, plan: Plan) -> Outlined:
    try:
        found = given(find_mask(folder, record.image), image.width, image.height)
    except InputError as error:
        return _failed(record, sha256, image, str(error))
    return _written(record, sha256, image, found, plan)


def _written(record: ImageRecord, sha256: str, image: Decoded, found: Segmentation, plan: Plan) -> Outlined:
    name = f"{_name(record)}_segmentation.png"
    data = mask_png(found.mask)
    try:
        _put(plan.out / name, data)
        if image.thumbnail:
            _put(plan.out / f"{_name(record)}_overlay.jpg", _overlay(image.thumbnail, found))
    except OSError as error:
        raise OutputError(
            f"{plan.out / name}: cannot be written ({error.strerror}); free some space, then run again with --resume"
        ) from error
    looked = _looked(image.picture, found, plan) if image.picture is not None else {}
    return Outlined(
        image=record.image,
        file=str(record.path),
        patient_id=record.patient_id,
        sha256=sha256,
        width=image.width,
        height=image.height,
        mask=name,
        mask_sha256=hashlib.sha256(data).hexdigest(),
        area_share=round(found.area, 5),
        confidence=None if math.isnan(found.confidence) else found.confidence,
        flags=tuple(str(flag) for flag in found.flags),
        problem="",
        **looked,
    )


def _looked(picture: NDArray[np.uint8], found: Segmentation, plan: Plan) -> dict[str, Any]:
    laid = artefacts(picture)
    return {
        "artefacts": artefact_record(laid, picture.shape[1] / found.mask.shape[1]),
        "measurements": measured(picture, found.mask, laid, plan.mm_per_pixel) if plan.measure else None,
    }


def _failed(record: ImageRecord, sha256: str, image: Decoded | None, problem: str) -> Outlined:
    width, height = (image.width, image.height) if image else (0, 0)
    return Outlined(
        record.image, str(record.path), record.patient_id, sha256, width, height, "", "", None, None, (), problem
    )


def _overlay(thumbnail: bytes, found: Segmentation) -> bytes:
    with Image.open(io.BytesIO(thumbnail)) as picture:
        mask = np.asarray(Image.fromarray(found.mask).resize(picture.size, Image.Resampling.NEAREST), np.bool_)
        drawn = outlined(picture.convert("RGB"), mask)
    buffer = io.BytesIO()
    drawn.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def _put(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    os.replace(part, path)
