"""Some of a truth's images, and what a submission says of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cygnet.challenge import segmentation
from cygnet.challenge.scoring import Answer
from cygnet.challenge.truth import Truth


def part(answer: Answer, truth: Truth, rows: NDArray[np.bool_]) -> Answer:
    """The answers for some of the truth's images, ``rows`` (n,) bool."""
    if answer.values is not None:
        return Answer(values=answer.values[rows])
    names = np.array(truth.ids, dtype=object)[rows]
    if answer.counts is not None:
        kept = set(names)
        keep = [k for k, key in enumerate(answer.counts.keys) if key[0] in kept]
        counts = segmentation.Counts(tuple(answer.counts.keys[k] for k in keep), answer.counts.pixels[keep])
        return Answer(counts=counts)
    assert answer.superpixels is not None
    mine = np.repeat(rows, [len(truth.files[name]) for name in truth.ids])  # type: ignore[index, arg-type]
    return Answer(superpixels=answer.superpixels[mine])


def truth_part(truth: Truth, rows: NDArray[np.bool_]) -> Truth:
    """The truth of some images, with superpixels of those only."""
    made = truth.only(rows)
    if truth.task.kind != "superpixels":
        return made
    return replace(made, files={name: truth.files[name] for name in made.ids})  # type: ignore[index, arg-type]
