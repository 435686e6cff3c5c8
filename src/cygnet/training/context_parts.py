"""Oddness of labelled lesions by every member of the stack, the learned ones out of fold by patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cygnet.context import METHODS, Cohort, Method, Reference
from cygnet.context.cohort import arrange
from cygnet.context.compare import reference_of
from cygnet.context.learned import SetTransformer
from cygnet.context.method import View
from cygnet.models.context import ContextNetwork
from cygnet.training.context_sources import Case

Floats = NDArray[np.float64]

#: Members of the stack, in the order of the columns here.
MEMBERS = (*METHODS, SetTransformer.name)


@dataclass(frozen=True)
class Networks:
    """The learned networks of a training run: one for each fold's patients, and ``all`` for lesions it never met."""

    run: Path

    def of(self, fold: int | None) -> SetTransformer:
        """The method with the network that has not seen this fold."""
        file = self.run / ("all.onnx" if fold is None else f"fold-{fold}.onnx")
        return SetTransformer(ContextNetwork(file))


def oddness_parts(cohort: Cohort, methods: Sequence[Method], reference: Reference, first: int) -> Floats:
    """Oddness of the ``first`` lesions by each method, NaN where one cannot say: (first, methods)."""
    arranged = arrange(cohort, merge=cohort.telling)
    view = View(arranged, reference)  # one for all methods, which share the comparison
    return np.stack([method.oddness(view)[arranged.of[:first]] for method in methods], axis=1)


def real_parts(case: Case, networks: Networks, shuffled: Sequence[Cohort]) -> list[Floats]:
    """Oddness by every member, for true siblings and each shuffle: (n, members) each.

    The numpy methods learn without labels, from the table itself, as ``cygnet context`` does. The learned network of a
    lesion's fold never saw its patient; where the fold is -1, the network that saw all is taken.
    """
    n = len(case.cohort)
    arranged = arrange(case.cohort, merge=case.cohort.telling)
    reference = reference_of(arranged)
    ready = [m.fit(View(arranged, reference)) for m in METHODS.values()]
    made = []
    for cohort in (case.cohort, *shuffled):
        found = oddness_parts(cohort, ready, reference, n)
        learned = np.full(n, np.nan)
        for fold in np.unique(case.fold):
            mine = np.flatnonzero(case.fold == fold)
            beside = np.isin(cohort.patient, np.unique(cohort.patient[:n][mine]))
            some = np.r_[mine, n + np.flatnonzero(beside[n:])]
            learned[mine] = oddness_parts(
                cohort.take(some), [networks.of(None if fold < 0 else int(fold))], reference, len(mine)
            )[:, 0]
        made.append(np.column_stack([found, learned]))
    return made
