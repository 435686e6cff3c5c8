"""What every context method is: lesions in, oddness out, learning only from lesions without labels.

The layer around a method (``cygnet.context.layer``) adds what all share: copies of a lesion count once, a lesion alone
keeps its absolute score, and the sensitivity guard has the last word.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from cygnet.context.cohort import Arranged, Pool, pools
from cygnet.context.compare import Comparison, Reference, compare_all, look_of
from cygnet.context.likeness import unit
from cygnet.errors import InputError

Floats = NDArray[np.float64]


class View:
    """All lesions as a method sees them: arranged, with what is usual in the population and every lesion's standing."""

    def __init__(self, arranged: Arranged, reference: Reference) -> None:
        self.arranged = arranged
        self.reference = reference

    @cached_property
    def comparison(self) -> Comparison:
        """Robust z of look, score and measurements, computed once for all methods."""
        return compare_all(self.arranged, self.reference)

    def points(self, pool: Pool) -> Floats:
        """The looks of a pool's lesions as points whose Euclidean distance is meant: (b, n, d)."""
        look, angle = look_of(self.arranged.cohort, pool.rows, self.reference)
        return np.asarray(unit(look) if angle else look, np.float64)

    def over_pools(self, judge: Callable[[Pool], Floats]) -> Floats:
        """``judge`` (b, n) values of each pool, gathered for the lesions that count there: (k,)."""
        made = np.full(len(self.arranged.cohort), np.nan)
        for pool in pools(self.arranged):
            made[pool.rows[pool.judged]] = judge(pool)[pool.judged]
        return made


class Method(Protocol):
    """One way to say how unlike a patient's other lesions each lesion is.

    ``name`` as on the command line; ``paper`` where the idea comes from; ``vectors`` whether it needs embeddings or at
    least three measurements.
    """

    @property
    def name(self) -> str:
        """As on the command line."""

    @property
    def paper(self) -> str:
        """Where the idea comes from."""

    @property
    def vectors(self) -> bool:
        """Whether scores alone are not enough."""

    def fit(self, view: View) -> Self:
        """The same method with what is usual learned from lesions without labels."""

    def oddness(self, view: View) -> Floats:
        """(k,) in [0, 1] for the arranged lesions, higher is more unlike the siblings; NaN where it cannot say."""


def require_vectors(view: View, name: str) -> None:
    """Refuse a cohort of scores only.

    Raises
    ------
    InputError
        If there are neither embeddings nor three measurements.
    """
    if not view.arranged.cohort.telling:
        raise InputError(
            f"method {name} compares looks: give --embeddings, or --measurements with at least three columns; "
            "for scores alone there is robust_z"
        )
