"""Superpixel files of 2016 and 2017: a JSON file per image with a list of values per feature."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cygnet.challenge.mask_files import Files, collect
from cygnet.challenge.problems import Problems
from cygnet.challenge.tasks import Task

__all__ = ["Answers", "aligned", "collect", "read"]

Floats = NDArray[np.float64]
#: By image, the values (superpixels, features) in [0, 1].
Answers = Mapping[str, Floats]


def read(files: Files, task: Task, problems: Problems) -> dict[str, Floats]:
    """The values of every file; whatever is no number in [0, 1] is a problem of its file."""
    made = {}
    for (image, _), file in files.items():
        data = file.read()
        if isinstance(data, str):
            problems.add("file", data, "send it again", column=file.name)
            continue
        try:
            given = json.loads(data)
        except (ValueError, RecursionError) as error:
            problems.add("json", f"no JSON ({error})", "write a JSON object of lists", column=file.name)
            continue
        values = _values(given, task, file.name, problems)
        if values is not None:
            made[image] = values
    return made


def _values(given: object, task: Task, name: str, problems: Problems) -> Floats | None:
    if not isinstance(given, dict):
        problems.add("json", "not a JSON object", f"write an object with {', '.join(task.classes)}", column=name)
        return None
    lists = []
    for feature in task.classes:
        values = given.get(feature)
        if not isinstance(values, list):
            problems.add(
                "missing-column", f"no list {feature}", f"add {feature}, one value per superpixel", column=name
            )
            continue
        wrong = [k for k, v in enumerate(values) if isinstance(v, bool) or not _share(v)]
        if wrong:
            at = f"{feature}, superpixel {wrong[0]}"
            fix = "write a number from 0 to 1"
            problems.add(
                "out-of-range", f"{at} is no share ({len(wrong)} such)", fix, column=name, value=values[wrong[0]]
            )
            continue
        lists.append(np.array(values, np.float64))
    for feature in sorted(set(map(str, given)) - set(task.classes)):
        problems.add("extra-column", f"{feature} does not belong there", "remove it", column=name)
    if len(lists) < len(task.classes):
        return None
    if len({len(v) for v in lists}) > 1:
        problems.add("length", "the lists differ in length", "one value per superpixel in each list", column=name)
        return None
    return np.stack(lists, axis=1)


def _share(value: object) -> bool:
    return isinstance(value, int | float) and 0 <= value <= 1


def aligned(truth: Answers, given: Answers, problems: Problems) -> Floats | None:
    """The values of all superpixels (m, features) in the truth's order; None where a file has another number of them."""
    rows = []
    for image, values in truth.items():
        mine = given.get(image)
        if mine is None:
            continue
        if len(mine) != len(values):
            message = f"{len(mine):,} superpixels, the image has {len(values):,}"
            problems.add("length", message, "number them as the challenge's superpixel mask does", column=image)
        rows.append(mine)
    return None if problems.refused else np.concatenate(rows)
