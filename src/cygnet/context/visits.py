"""Lesions seen more than once: who is a sibling when, and what has changed since the last visit.

An earlier photograph of a lesion is never its sibling. The latest photograph of every lesion is compared with the latest
of the others; an earlier one with the others as they were known on its day.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cygnet.context.robust import medians_without_self

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Growth, beyond what the patient's other lesions show, from which on it is named.
GROWTH: Final = 0.2
#: Other lesions seen again from which on their median change is taken for that of the camera.
_OTHERS: Final = 3


@dataclass(frozen=True, slots=True)
class Photographs:
    """Rows that show one lesion on one day, taken together. ``of`` (n,): the photograph of each row; for each of the u
    photographs its ``patient``, ``lesion`` and ``day`` (NaN where unknown), (u,), sorted by these three."""

    of: Ints
    patient: Ints
    lesion: Ints
    day: Floats


def photographs(patient: Ints, lesion: Ints, day: Floats) -> Photographs:
    """Group rows by patient, lesion and day; each (n,). Rows of unknown day of one lesion belong together, before others."""
    keys = np.stack([patient.astype(np.float64), lesion.astype(np.float64), np.nan_to_num(day, nan=-np.inf)], axis=1)
    order = np.lexsort(keys.T[::-1])
    ordered = keys[order]
    new = np.r_[True, (ordered[1:] != ordered[:-1]).any(axis=1)] if len(order) else np.zeros(0, bool)
    of = np.empty(len(order), np.int64)
    of[order] = np.cumsum(new) - 1
    first = order[new]
    return Photographs(of, patient[first], lesion[first], day[first])


@dataclass(frozen=True, slots=True)
class Company:
    """Who stands beside whom: ``photograph`` (e,) and the ``group`` (e,) it is in, a patient at a time; ``judged`` (e,)
    bool: each photograph counts in exactly one group. ``present`` (e,) bool: the groups of latest photographs."""

    photograph: Ints
    group: Ints
    judged: NDArray[np.bool_]
    present: NDArray[np.bool_]


def company(shown: Photographs) -> Company:
    """The patients as they are now, and as they were on the day of each earlier photograph."""
    u = len(shown.patient)
    same = (shown.patient[1:] == shown.patient[:-1]) & (shown.lesion[1:] == shown.lesion[:-1])
    latest = np.r_[~same, True][:u]
    photograph, group = [np.flatnonzero(latest)], [shown.patient[latest]]
    judged = [np.ones(len(photograph[0]), bool)]
    number = int(shown.patient.max(initial=-1)) + 1
    starts = np.searchsorted(shown.patient, np.unique(shown.patient[~latest]))
    ends = np.searchsorted(shown.patient, np.unique(shown.patient[~latest]), side="right")
    for start, end in zip(starts, ends, strict=True):
        days = np.nan_to_num(shown.day[start:end], nan=-np.inf)
        for today in np.unique(days[~latest[start:end]]):
            known = days <= today
            later = np.r_[known[1:] & same[start : end - 1], False]
            there = start + np.flatnonzero(known & ~later)
            photograph.append(there)
            group.append(np.full(len(there), number))
            judged.append((days[there - start] == today) & ~latest[there])
            number += 1
    present = np.arange(sum(map(len, photograph))) < len(photograph[0])
    return Company(np.concatenate(photograph), np.concatenate(group), np.concatenate(judged), present)


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened to each of u photographs' lesions since its last one.

    ``days`` (u,) since then, NaN without one. ``moved`` (u, m) the change of each measurement: where ``relative`` (m,) the
    share by which it grew, else in the measurement's unit; ``beyond`` (u, m) the same less the median change of the
    patient's other lesions, so that another camera distance is not growth. ``fresh`` (u,) bool: the lesion was not
    there at an earlier visit of this patient.
    """

    days: Floats
    moved: Floats
    beyond: Floats
    relative: NDArray[np.bool_]
    fresh: NDArray[np.bool_]


def changes(shown: Photographs, measurements: Floats, relative: NDArray[np.bool_]) -> Changes:
    """Changes of ``measurements`` (u, m) between the photographs of each lesion, one after the other."""
    u, m = measurements.shape
    again = (shown.patient[1:] == shown.patient[:-1]) & (shown.lesion[1:] == shown.lesion[:-1])
    again &= ~np.isnan(shown.day[:-1]) & ~np.isnan(shown.day[1:])
    now = np.flatnonzero(np.r_[False, again][:u])
    days, moved = np.full(u, np.nan), np.full((u, m), np.nan)
    days[now] = shown.day[now] - shown.day[now - 1]
    before, after = measurements[now - 1], measurements[now]
    sized = relative & (before > 0)
    moved[now] = np.where(relative, np.nan, after - before)
    moved[now] = np.where(sized, after / np.where(sized, before, 1.0) - 1, moved[now])
    first_day = np.full(int(shown.patient.max(initial=-1)) + 1, np.inf)
    np.minimum.at(first_day, shown.patient, np.nan_to_num(shown.day, nan=np.inf))
    first_seen = ~np.r_[False, (shown.patient[1:] == shown.patient[:-1]) & (shown.lesion[1:] == shown.lesion[:-1])][:u]
    fresh = first_seen & (shown.day > first_day[shown.patient])
    return Changes(days, moved, moved - _usual(shown, now, moved), relative, fresh)


def _usual(shown: Photographs, now: Ints, moved: Floats) -> Floats:
    """Median change of the patient's other lesions seen again on the same day, 0 where they are too few: (u, m)."""
    usual = np.zeros(moved.shape)
    visit = np.stack([shown.patient[now], shown.day[now]], axis=1)
    _, code = np.unique(visit, axis=0, return_inverse=True)
    order = np.argsort(code, kind="stable")
    for rows in np.split(now[order], np.flatnonzero(np.diff(code[order])) + 1):
        for k in range(moved.shape[1]):
            known = rows[~np.isnan(moved[rows, k])]
            if len(known) > _OTHERS:
                usual[known, k] = medians_without_self(moved[known, k])
    return usual
