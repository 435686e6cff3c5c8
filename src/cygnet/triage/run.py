"""Rank many patients: the main job, as a stream of assessments."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from cygnet.models import LesionModel, SegmentModel, find_lesion
from cygnet.models.registry import PREFERRED
from cygnet.schema import ImageRecord
from cygnet.triage.assess import Options, Yardstick, assess
from cygnet.triage.assessment import Assessment, Provenance
from cygnet.triage.collect import collect, collect_table
from cygnet.triage.outlines import default_segmenter
from cygnet.triage.pipeline import Examined, examine
from cygnet.version import VERSION

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class Ranked:
    """One patient of a stream: the assessment, and pictures (JPEG bytes by image name) if they were asked for."""

    assessment: Assessment
    pictures: Mapping[str, bytes]


def stream(
    records: Sequence[ImageRecord],
    model: LesionModel,
    options: Options,
    segmenter: SegmentModel | None = None,
    *,
    workers: int | None = None,
    thumbnail: int = 0,
    known: Callable[[int, ImageRecord], Examined | None] | None = None,
    on_image: Callable[[int, Examined], None] | None = None,
) -> Iterator[Ranked]:
    """Assess patient after patient; ``records`` of a patient stand together. Memory holds one patient at a time.

    ``on_image(position, examined)`` is called after each image, in order.
    """
    yardstick = Yardstick.from_model(model)
    segmenter = segmenter or default_segmenter()
    provenance = provenance_of(model, options, segmenter)
    examined = examine(records, model, segmenter, workers=workers, thumbnail=thumbnail, known=known)

    def watched() -> Iterator[Examined]:
        for position, e in enumerate(examined):
            if on_image:
                on_image(position, e)
            yield e

    for _, group in groupby(watched(), key=lambda e: e.record.patient_id):
        images = list(group)
        notes = ("no patient_id given: all images are taken as one patient",) if _nameless(images) else ()
        pictures = {e.record.image: e.thumbnail for e in images if e.thumbnail}
        yield Ranked(assess(images, yardstick, options, provenance, notes), pictures)


def _nameless(images: Sequence[Examined]) -> bool:
    return len(images) > 1 and images[0].record.patient_id == "patient" and " row " in images[0].record.origin


def provenance_of(model: LesionModel, options: Options, segmenter: SegmentModel | None = None) -> Provenance:
    """What every output of a run carries."""
    outliner = segmenter or default_segmenter()
    return Provenance(
        code_version=VERSION,
        model=model.files.name,
        model_sha256=model.files.sha256,
        segmenter=outliner.files.name,
        segmenter_sha256=outliner.files.sha256,
        prevalence=options.prevalence,
        guard=options.guard,
    )


def rank(
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | pl.DataFrame,
    *,
    images: str | os.PathLike[str] | None = None,
    prevalence: float = 0.02,
    guard: float = 0.05,
    model: LesionModel | None = None,
    workers: int | None = None,
) -> list[Assessment]:
    """Rank each patient's lesions by how much they need a look, most suspicious first.

    Parameters
    ----------
    source
        A folder (one patient; folders below it are patients of their own), image files (one patient), a CSV, TSV or
        Parquet table, a list of these, or a polars data frame with at least an image column.
    images
        The folder that a table's images lie in; by default the table's own.
    prevalence
        Share of melanomas among imaged lesions that probabilities are stated at, in (0, 1).
    guard
        Probability in [0, 1] from which on context never lowers a lesion.
    model
        By default the accurate one, as `cygnet rank` takes it; ``LesionModel()`` is the fast one.
    workers
        Threads, by default one per core.

    Returns
    -------
    list[Assessment]
        One per patient, in the order first met.

    Raises
    ------
    cygnet.errors.InputError
        If the source cannot be worked with; the message names the place and the fix.
    """
    import polars as pl

    if isinstance(source, pl.DataFrame):
        records = collect_table(source, images=images)
    else:
        paths = [source] if isinstance(source, str | os.PathLike) else list(source)
        records = collect(paths, images=images)
    options, judge = Options(prevalence, guard), model or LesionModel(find_lesion(PREFERRED))
    return [r.assessment for r in stream(records, judge, options, workers=workers)]
