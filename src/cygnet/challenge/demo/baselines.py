"""Baselines that look at no image, or at the image with what ships with Cygnet."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cygnet.evaluation.delong import midranks
from cygnet.imaging.png import mask_png
from cygnet.schema import ImageRecord

Floats = NDArray[np.float64]
Tick = Callable[[int], None]

FOLDS: Final = 5
#: Share of melanomas that the shipped model's answers to a target are stated at.
PREVALENCE: Final = 0.02


def from_metadata(
    known: pl.DataFrame, classes: NDArray[np.int64], asked: pl.DataFrame, n: int, flat: bool = False
) -> Floats:
    """Naive Bayes on text columns, each value's share smoothed by one: (rows of ``asked``, n) summing to 1.

    ``classes`` (rows of ``known``,) numbers below ``n``; with ``flat`` all classes are taken to be equally common.
    """
    counts = np.bincount(classes, minlength=n).astype(np.float64)
    log = np.tile(np.zeros(n) if flat else np.log((counts + 1) / (counts.sum() + n)), (asked.height, 1))
    for column in asked.columns:
        words = sorted({*known[column].unique().to_list(), *asked[column].unique().to_list()})
        number = {word: k for k, word in enumerate(words)}
        table = np.ones((len(words), n))
        np.add.at(table, (np.array([number[v] for v in known[column]], np.int64), classes), 1)
        log += np.log(table / table.sum(axis=0))[[number[v] for v in asked[column]]]
    weight = np.exp(log - log.max(axis=1, keepdims=True))
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))


def out_of_fold(columns: pl.DataFrame, labels: NDArray[np.bool_], unit: NDArray[np.int64]) -> Floats:
    """The share of positives that metadata suggest for each row (n,), from rows of other patients ``unit`` (n,) only."""
    fold = unit % FOLDS
    made = np.empty(len(labels))
    for k in range(FOLDS):
        mine = fold == k
        known, asked = columns.filter(~mine), columns.filter(mine)
        made[mine] = from_metadata(known, labels[~mine].astype(np.int64), asked, 2)[:, 1]
    return made


def ranks(scores: Floats) -> Floats:
    """Scores as their place from 0 to 1, ties sharing theirs: for scores on any scale."""
    return np.asarray((midranks(scores) - 0.5) / len(scores))


def words(frame: pl.DataFrame, columns: Sequence[str], age: str | None = None) -> pl.DataFrame:
    """Columns as text, "" where unknown; ``age`` in steps of ten years."""
    made = [pl.col(c).cast(pl.String).fill_null("") for c in columns]
    if age is not None:
        decade = pl.col(age).cast(pl.Float64, strict=False) // 10
        made.append(decade.cast(pl.String).fill_null("").alias("age"))
    return frame.select(made)


def seen(records: Sequence[ImageRecord], challenge: str, tick: Tick) -> Floats:
    """What ``cygnet predict --task CHALLENGE`` would write for each image: (n, columns), in the order of its columns."""
    from cygnet.models import LesionModel
    from cygnet.triage.calibration import Calibration
    from cygnet.triage.features import see
    from cygnet.triage.submission import Answers, Task, settled

    model = LesionModel()
    prior, prevalence = settled(Task(challenge), None, None, PREVALENCE)
    answers = Answers(Task(challenge), Calibration.from_card(model.card), prior, prevalence)
    made = []
    for k, one in enumerate(see(records, model, "logits")):
        made.append(answers.row(one))
        tick(k + 1)
    return np.array(made)


def outlines(records: Sequence[ImageRecord], sizes: Sequence[tuple[int, int]], file: Path, tick: Tick) -> None:
    """A zip of the fast outline model's masks, at ``sizes`` (width, height) in pixels."""
    from PIL import Image

    from cygnet.models import SegmentModel
    from cygnet.triage.segmentation import segment

    model = SegmentModel()

    def draw(k: int) -> NDArray[np.bool_]:
        mask = segment(records[k].path, model).mask
        grey = Image.fromarray(mask.astype(np.uint8) * 255).resize(sizes[k], Image.Resampling.BILINEAR)
        tick(k + 1)
        return np.asarray(grey) > 127

    masks_zip(file, [r.image for r in records], draw)


def ellipses(names: Sequence[str], sizes: Sequence[tuple[int, int]], file: Path) -> None:
    """A zip of one ellipse in the middle of every picture, half as wide and high: what needs no look at it."""

    def draw(k: int) -> NDArray[np.bool_]:
        wide, high = sizes[k]
        y, x = np.mgrid[-1 : 1 : high * 1j, -1 : 1 : wide * 1j]
        return np.asarray(x**2 + y**2 <= 0.25)

    masks_zip(file, names, draw)


def masks_zip(file: Path, names: Sequence[str], draw: Callable[[int], NDArray[np.bool_]]) -> None:
    """A zip of IMAGE_segmentation.png; ``draw(k)`` gives each mask (h, w)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as packed:
        for k, name in enumerate(names):
            packed.writestr(zipfile.ZipInfo(f"{name}_segmentation.png"), mask_png(draw(k)))
    file.write_bytes(buffer.getvalue())
