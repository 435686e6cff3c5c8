"""What the network says, as the rows of a challenge submission.

Columns and their meaning come from ``cygnet.schema.labels``. Challenges of several diagnoses are judged by balanced
accuracy, for which the best answer is the likeliest diagnosis if all were equally common (``Prior.UNIFORM``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cygnet.errors import InputError, TableError
from cygnet.schema import DIAGNOSES, ImageRecord
from cygnet.schema.labels import ONE_HOT, labels, to_target
from cygnet.triage.calibration import Calibration, probabilities
from cygnet.triage.features import Seen

Floats = NDArray[np.float64]

#: Images of each diagnosis in HAM10000, the training set of 2018 (Tschandl, Rosendahl & Kittler 2018, doi:10.1038/sdata.2018.161).
HAM10000: Final = {"akiec": 327, "bcc": 514, "bkl": 1099, "df": 115, "mel": 1113, "nv": 6705, "vasc": 142}
_COUNTS: Final = np.array([HAM10000[name] for name in DIAGNOSES], np.float64)
_MEL: Final = DIAGNOSES.index("mel")


class Task(StrEnum):
    """A challenge that takes submissions."""

    ISIC2018 = "isic2018"
    ISIC2019 = "isic2019"
    ISIC2020 = "isic2020"
    ISIC2024 = "isic2024"

    @property
    def year(self) -> str:
        """As ``cygnet.schema.labels`` names the challenge."""
        return self.value.removeprefix("isic")

    @property
    def several(self) -> bool:
        """Whether it asks for several diagnoses rather than one target."""
        return self.year in ONE_HOT

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of a submission; the first names the image."""
        if self.several:
            return ("image", *ONE_HOT[self.year])
        return ("image_name" if self is Task.ISIC2020 else "isic_id", "target")


class Prior(StrEnum):
    """How common each diagnosis is taken to be: all alike; as in HAM10000; or melanoma at a stated prevalence."""

    UNIFORM = "uniform"
    TRAINING = "training"
    STATED = "stated"


@dataclass(frozen=True)
class Answers:
    """Rows of a submission to ``task``; ``prevalence`` of melanoma in (0, 1) counts with ``Prior.STATED``."""

    task: Task
    calibration: Calibration
    prior: Prior
    prevalence: float

    def row(self, one: Seen) -> list[float]:
        """The values of one image, each in [0, 1], in the order of the task's columns after the first.

        An image that could not be read gets ``unread``. In 2019, SCC is 0 for every image, since the network does not know
        it, and an image that does not look like dermoscopy is UNK.
        """
        unknown = self.task is Task.ISIC2019 and one.strangeness > 1
        if one.values is None or unknown:
            return self.unread
        p = probabilities(one.values[None], self.calibration, self.melanoma, self._odds)[0]
        return [round(min(float(v), 1.0), 9) for v in p @ self._columns]

    @cached_property
    def unread(self) -> list[float]:
        """What an image gets that could not be read: UNK in 2019, else what is known without looking at it, melanoma at
        the prevalence and the other diagnoses as in HAM10000 (the likeliest is a nevus)."""
        if self.task is Task.ISIC2019:
            return [float(name == "UNK") for name in self.task.columns[1:]]
        others = np.where(np.arange(len(DIAGNOSES)) == _MEL, 0, _COUNTS)
        p = others / others.sum() * (1 - self.prevalence)
        p[_MEL] = self.prevalence
        return [round(float(v), 9) for v in p @ self._columns]

    @property
    def melanoma(self) -> float:
        """The prevalence of melanoma that the rows are stated at."""
        if self.prior is Prior.STATED:
            return self.prevalence
        return 1 / len(DIAGNOSES) if self.prior is Prior.UNIFORM else float(_COUNTS[_MEL] / _COUNTS.sum())

    @cached_property
    def _odds(self) -> Floats | None:
        """Factors of the other diagnoses: from how often training drew them, by the square root of their number, to how
        common they are taken to be. None leaves them as they are."""
        if self.prior is Prior.STATED:
            return None
        return np.asarray(_COUNTS**-0.5 if self.prior is Prior.UNIFORM else _COUNTS**0.5)

    @cached_property
    def _columns(self) -> Floats:
        """(7, columns): 1 where a diagnosis counts for a column.

        A target takes the diagnoses that are certain to be positive: melanoma in 2020, melanoma and basal cell carcinoma in
        2024 (``akiec`` spans indeterminate and malignant ones).
        """
        year, own = self.task.year, labels("ham10000")
        if self.task.several:
            named = [label.seven for label in labels(year).values()]
            return np.array([[float(name == seven) for seven in named] for name in DIAGNOSES])
        paths = [own[name].diagnosis for name in DIAGNOSES]
        return np.array([[float(path is not None and to_target(path, year) == 1)] for path in paths])


def settled(task: Task, prior: Prior | None, prevalence: float | None, usual: float) -> tuple[Prior, float]:
    """The prior and prevalence of a submission from what was asked for; ``usual`` is the prevalence if none was.

    Several diagnoses are taken to be equally common unless another prior or a prevalence is given; a target is always
    stated at a prevalence.

    Raises
    ------
    InputError
        If a prevalence is outside (0, 1), or prior and prevalence or task contradict each other.
    """
    if prevalence is not None and not 0 < prevalence < 1:
        raise InputError(f"--prevalence {prevalence}: give a share between 0 and 1")
    if not task.several and prior not in (None, Prior.STATED):
        raise InputError(f"--prior {prior}: {task} asks for one target; say --prevalence")
    if prevalence is not None and prior in (Prior.UNIFORM, Prior.TRAINING):
        raise InputError(f"--prior {prior} already says how common melanoma is; leave out --prevalence or the prior")
    stated = not task.several or prevalence is not None
    return prior or (Prior.STATED if stated else Prior.UNIFORM), usual if prevalence is None else prevalence


def refuse_twice(records: Sequence[ImageRecord], task: Task) -> None:
    """Make sure that each image name occurs once, as a submission needs.

    Raises
    ------
    TableError
        Naming the files that share a name.
    """
    first: dict[str, ImageRecord] = {}
    problems = [
        f"{r.path} and {earlier.path} are both called {r.image}"
        for r in records
        if (earlier := first.setdefault(r.image, r)) is not r
    ]
    if problems:
        raise TableError(problems, f"{task} takes one row per image name; rename or leave out one of each")
