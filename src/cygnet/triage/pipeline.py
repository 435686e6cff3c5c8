"""Files to features, on all cores, with memory that does not grow."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cygnet.errors import DecodeError
from cygnet.imaging import Decoded, Finding, Reason, decode, inspect, measure_stack, middles, scene
from cygnet.models import LesionModel, SegmentModel
from cygnet.schema import ImageRecord
from cygnet.triage.outlines import Outline, default_segmenter, doubts, draw
from cygnet.triage.workers import in_batches


@dataclass(frozen=True, slots=True)
class Look:
    """What the networks and measurements say of one image that could be assessed.

    ``logits`` (7,), ``embedding`` (128,), ``measurements`` (9,) float32,
    in the order of ``cygnet.imaging.MEASUREMENTS``, NaN where no lesion was found; ``outline`` then is None.
    ``attention`` (g, g) as in ``cygnet.models.Prediction``, None where the model does not say.
    """

    logits: NDArray[np.float32]
    embedding: NDArray[np.float32]
    measurements: NDArray[np.float32]
    outline: Outline | None = None
    attention: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class Examined:
    """One image after the pipeline. ``look`` is None when a finding refuses it; ``thumbnail`` JPEG bytes or None."""

    record: ImageRecord
    sha256: str
    width: int
    height: int
    findings: tuple[Finding, ...]
    look: Look | None
    thumbnail: bytes | None


def examine(
    records: Sequence[ImageRecord],
    model: LesionModel,
    segmenter: SegmentModel | None = None,
    *,
    workers: int | None = None,
    thumbnail: int = 0,
    known: Callable[[int, ImageRecord], Examined | None] | None = None,
) -> Iterator[Examined]:
    """Examine images, yielding them in the order given.

    ``segmenter`` draws the outlines, by default the one that comes with the package.
    ``thumbnail`` is the longer side of the picture to keep, 0 for none. ``known(position, record)`` may return a result
    from an earlier, interrupted run. At most a few batches are in memory at a time.
    """
    outliner = segmenter or default_segmenter()

    def work(span: range) -> list[Examined]:
        return _examine_batch([records[i] for i in span], span, model, outliner, thumbnail, known)

    return in_batches(len(records), work, workers)


def _examine_batch(
    records: list[ImageRecord],
    positions: range,
    model: LesionModel,
    segmenter: SegmentModel,
    thumbnail: int,
    known: Callable[[int, ImageRecord], Examined | None] | None,
) -> list[Examined]:
    if known is not None:
        earlier = [known(i, record) for i, record in zip(positions, records, strict=True)]
        if all(e is not None for e in earlier):  # whole batches only, so that a resumed run computes the same bits
            return [e for e in earlier if e is not None]
    opened = [open_image(record, model.size, thumbnail, middle=model.middle) for record in records]
    looks = iter(_look([image for _, image, _ in opened if image is not None], model, segmenter))
    return [_result(record, o, next(looks) if o[1] else None) for record, o in zip(records, opened, strict=True)]


def _look(
    images: list[Decoded], model: LesionModel, segmenter: SegmentModel
) -> list[tuple[tuple[Finding, ...], Look | None]]:
    """Findings of each image, and what there is to see unless one of them refuses it."""
    if not images:
        return []
    pixels = np.stack([image.pixels for image in images])
    drawn = draw(pixels, segmenter)
    seen = scene(pixels, drawn.masks)
    findings = [(*found, *doubts(drawn, i)) for i, found in enumerate(inspect(seen))]
    measured = measure_stack(seen, np.array([image.aspect for image in images]))
    measured[drawn.none_found] = np.nan
    looks: list[tuple[tuple[Finding, ...], Look | None]] = [(found, None) for found in findings]
    run = [i for i, found in enumerate(findings) if not any(f.refuses for f in found)]
    if not run:
        return looks
    chosen = slice(None) if len(run) == len(images) else run
    predicted = model.predict(pixels[chosen], seen.lab[chosen], middles([images[i] for i in run]))
    for row, (i, strange) in enumerate(zip(run, predicted.strangeness.tolist(), strict=True)):
        if strange > 1:
            words = f"does not look like dermoscopy ({strange:.1f} times the limit)"
            looks[i] = ((*findings[i], Finding(Reason.NOT_DERMOSCOPY, words, True)), None)
        else:
            outline = None if drawn.none_found[i] else Outline.of(drawn.masks[i], drawn.confidence[i])
            where = None if predicted.attention is None else predicted.attention[row]
            look = Look(predicted.logits[row], predicted.embedding[row], measured[i], outline, where)
            looks[i] = (findings[i], look)
    return looks


def open_image(
    record: ImageRecord, size: int, thumbnail: int, picture: int = 0, middle: float = 0
) -> tuple[str, Decoded | None, Finding | None]:
    """SHA-256 of a record's file ("" if it cannot be read), and its pixels or what is wrong with it."""
    try:
        data = record.path.read_bytes()
    except FileNotFoundError:
        return "", None, Finding(Reason.MISSING, f"no such file: {record.path}", True)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        return "", None, Finding(Reason.UNREADABLE, f"cannot be read ({why})", True)
    digest = hashlib.sha256(data).hexdigest()
    try:
        return digest, decode(data, size, thumbnail=thumbnail, picture=picture, middle=middle), None
    except DecodeError as error:
        return digest, None, Finding(Reason(error.code), str(error), True)


def _result(
    record: ImageRecord,
    opened: tuple[str, Decoded | None, Finding | None],
    seen: tuple[tuple[Finding, ...], Look | None] | None,
) -> Examined:
    digest, image, problem = opened
    if image is None or seen is None:
        assert problem is not None
        return Examined(record, digest, 0, 0, (problem,), None, None)
    findings, look = seen
    return Examined(record, digest, image.width, image.height, findings, look, image.thumbnail)
