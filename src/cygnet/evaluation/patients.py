"""Metrics that only comparison within a patient can move: they are blind to how patients differ from one another."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Lesions a patient must have for hit@k to mean something; with three, any order hits among the first three.
MIN_LESIONS = 10


@dataclass(frozen=True, slots=True)
class ByPatient:
    """One entry per patient who has a positive, in the order of ``patient``.

    ``patient`` (m,) its number; ``lesions`` and ``positives`` (m,) how many rows and positives; ``auc`` (m,) the AUC among
    its own rows, NaN without negatives; ``first`` (m,) the rank from 1 of its highest-scoring positive, tied rows sharing
    their mean rank; ``_before`` and ``_tied`` describe the tie that this positive stands in.
    """

    patient: Ints
    lesions: Ints
    positives: Ints
    auc: Floats
    first: Floats
    _before: Ints
    _tied: Ints
    _tied_positives: Ints

    def hit(self, k: int) -> Floats:
        """The chance that a positive is among the first ``k``, ties broken at random: (m,) in [0, 1]."""
        return np.array(
            [
                0.0 if before >= k else 1 - _miss(tied, positives, min(k - before, tied))
                for before, tied, positives in zip(self._before, self._tied, self._tied_positives, strict=True)
            ]
        )

    def chance(self, k: int) -> Floats:
        """The chance that a random order has a positive among the first ``k``: (m,) in [0, 1]."""
        pairs = zip(self.lesions, self.positives, strict=True)
        return np.array([1 - _miss(n, positives, min(k, n)) for n, positives in pairs])


def _miss(n: int, positives: int, drawn: int) -> float:
    """The chance that ``drawn`` of ``n`` things, without replacement, hold none of the ``positives`` among them."""
    return comb(int(n - positives), int(drawn)) / comb(int(n), int(drawn))


def by_patient(scores: NDArray[np.floating], labels: NDArray[np.bool_], patient: NDArray[np.integer]) -> ByPatient:
    """Judge each patient's order by itself.

    ``scores`` (n,) higher is more suspicious; ``labels`` (n,) bool; ``patient`` (n,) numbers.
    """
    owner = np.asarray(patient, np.int64)
    bearing = np.unique(owner[labels])
    mine = np.flatnonzero(np.isin(owner, bearing))
    order = mine[np.lexsort((-np.asarray(scores, np.float64)[mine], owner[mine]))]
    who, score, positive = owner[order], np.asarray(scores, np.float64)[order], np.asarray(labels, bool)[order]
    starts = np.searchsorted(who, bearing)
    lesions = np.diff(np.r_[starts, len(who)])
    positives = _sums(positive, starts)
    tie = np.flatnonzero(np.r_[True, (who[1:] != who[:-1]) | (score[1:] != score[:-1])]) if len(who) else starts
    size = np.diff(np.r_[tie, len(who)])
    group = np.repeat(np.arange(len(tie)), size)
    inside = tie - np.repeat(starts, lesions)[tie] if len(who) else tie
    midrank = (inside + (size + 1) / 2)[group]
    rank_sum = _sums(np.where(positive, midrank, 0.0), starts)
    negatives = lesions - positives
    # Ranks run downwards here: the sum is lowest when the positives stand first.
    with np.errstate(invalid="ignore", divide="ignore"):
        auc = 1 - (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)
    top = np.flatnonzero(positive)[np.searchsorted(np.flatnonzero(positive), starts)]
    of = group[top]
    return ByPatient(
        bearing,
        lesions,
        positives.astype(np.int64),
        np.where(negatives > 0, auc, np.nan),
        midrank[top],
        inside[of],
        size[of],
        _sums(positive, tie)[of].astype(np.int64) if len(tie) else positives.astype(np.int64),
    )


def _sums(values: NDArray[np.generic], starts: Ints) -> Floats:
    if not len(starts):
        return np.zeros(0)
    return np.asarray(np.add.reduceat(np.asarray(values, np.float64), starts))


def mean_over(values: Floats, patient: Ints, counts: NDArray[np.floating]) -> Floats:
    """Mean of one value per patient for each of (b, patients) bootstrap counts: (b,). NaN values are left out."""
    defined = ~np.isnan(values)
    drawn = counts[:, patient[defined]].astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(drawn @ values[defined] / drawn.sum(axis=1))


def first_rank_chance(found: ByPatient, ranks: int) -> Floats:
    """How many patients would have their first positive at rank 1 ... ``ranks`` in a random order: (ranks,)."""
    expected = np.zeros(ranks)
    for n, m in zip(found.lesions.tolist(), found.positives.tolist(), strict=True):
        for r in range(1, min(ranks, n - m + 1) + 1):
            expected[r - 1] += comb(n - r, m - 1) / comb(n, m)
    return expected
