"""Overlap of masks with the truth's: pixels counted pair by pair on all cores, then the challenges' means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from cygnet.challenge.mask_files import File, Files, Key, pixels
from cygnet.challenge.problems import Problems
from cygnet.errors import CygnetError, InputError
from cygnet.evaluation.masks import LEAST, Overlap, overlap

if TYPE_CHECKING:
    from cygnet.challenge.truth import Truth

Floats = NDArray[np.float64]
METRICS: Final = ("accuracy", "sensitivity", "specificity", "jaccard", "threshold_jaccard", "dice")


@dataclass(frozen=True, slots=True)
class Counts:
    """Pixels of every pair, in the order of ``keys``: (n, 4) true and false positives, false and true negatives."""

    keys: tuple[Key, ...]
    pixels: NDArray[np.int64]


def count(truth: Files, given: Files, problems: Problems, tick: Callable[[int], None] | None = None) -> Counts | None:
    """Compare every pair; a mask that is missing or cannot be read is a problem of its file."""
    from cygnet.triage.workers import in_batches

    keys = tuple(sorted(truth))
    for key in keys:
        if key not in given:
            which = key[0] + (f", {key[1]}" if key[1] else "")
            problems.add("missing-image", f"no mask for {which}", "add one; an empty mask is all 0", value=which)
    shared = [key for key in keys if key in given]

    def work(span: range) -> list[tuple[Overlap | str, str]]:
        return [_pair(truth[shared[k]], given[shared[k]]) for k in span]

    rows = []
    for k, (found, note) in enumerate(in_batches(len(shared), work)):
        name = given[shared[k]].name
        if isinstance(found, str):
            problems.add("mask", found, "send an 8-bit grey PNG of the image's size, 255 lesion, 0 skin", column=name)
        elif note:
            problems.warn("mask-values", note, column=name)
        rows.append(found if isinstance(found, Overlap) else Overlap(0, 0, 0, 0))
        if tick:
            tick(k + 1)
    return None if problems.refused else Counts(keys, np.array(rows, np.int64).reshape(-1, 4))


def _pair(truth: File, given: File) -> tuple[Overlap | str, str]:
    data = truth.read()
    try:
        if isinstance(data, str):
            raise InputError(data)
        true = pixels(data, truth.name).mask
    except InputError as error:
        raise TruthError(f"{truth.name}: {error}") from error
    data = given.read()
    if isinstance(data, str):
        return data, ""
    try:
        mine, note = pixels(data, given.name, true.shape)
    except InputError as error:
        return str(error).removeprefix(f"{given.name}: "), ""
    return overlap(mine, true), note


class TruthError(CygnetError):
    """A mask of the truth cannot be read."""


def sound(truth: Truth) -> None:
    """Open every mask of a truth once, so that no submission is blamed for it later.

    Raises
    ------
    TruthError
        Naming the first that cannot be read.
    """
    for key, file in (truth.files or {}).items():
        if isinstance(file, File):
            data = file.read()
            try:
                pixels(data if isinstance(data, bytes) else b"", file.name)
            except InputError as error:
                raise TruthError(f"{file.name}, the truth of {key[0]}: {error}") from error


def per_image(counts: NDArray[np.integer]) -> dict[str, Floats]:
    """Every metric of each pair (n,) from (n, 4) pixels. Nothing against nothing is a Jaccard index and Dice of 1, as the
    challenges hold; sensitivity without lesion and specificity without skin are NaN."""
    tp, fp, fn, tn = np.asarray(counts, np.float64).T
    with np.errstate(invalid="ignore", divide="ignore"):
        union = tp + fp + fn
        jaccard = np.where(union > 0, tp / union, 1.0)
        return {
            "accuracy": (tp + tn) / (tp + fp + fn + tn),
            "sensitivity": tp / (tp + fn),
            "specificity": tn / (tn + fp),
            "jaccard": jaccard,
            "threshold_jaccard": np.where(jaccard >= LEAST, jaccard, 0.0),
            "dice": np.where(union > 0, 2 * tp / (tp + union), 1.0),
        }


def metrics(counts: NDArray[np.integer]) -> dict[str, Any]:
    """``macro_average``: the mean over images of each metric, over those where it is defined."""
    found = per_image(counts)
    lacking = {name: int(np.isnan(values).sum()) for name, values in found.items()}
    return {
        "macro_average": {
            name: float(np.nanmean(v)) if (~np.isnan(v)).any() else float("nan") for name, v in found.items()
        },
        "undefined": {
            name: f"left out for {n:,} images, whose truth has no {'lesion' if name == 'sensitivity' else 'skin'}"
            for name, n in lacking.items()
            if n
        },
    }


def shares(counts: NDArray[np.integer]) -> Floats:
    """(n, 4) pixels as shares of each image, so that large images count no more than small ones."""
    total = counts.sum(axis=1, keepdims=True)
    return np.asarray(counts / np.maximum(total, 1), np.float64)


def pooled(sums: Floats) -> dict[str, float]:
    """Jaccard index and Dice of pooled shares (4,): nothing against nothing is 1."""
    tp, fp, fn, _ = sums.tolist()
    union = tp + fp + fn
    return {"jaccard": tp / union if union else 1.0, "dice": 2 * tp / (tp + union) if union else 1.0}


def attributes(counts: Counts, classes: tuple[str, ...]) -> dict[str, Any]:
    """Jaccard index and Dice of each attribute and of all together, pooled over images (ISIC 2018 Task 2)."""
    part = shares(counts.pixels)
    which = np.array([key[1] for key in counts.keys])
    made = {name: pooled(part[which == name].sum(axis=0)) for name in sorted(classes) if (which == name).any()}
    return {**made, "micro_average": pooled(part.sum(axis=0))}
