"""Why each of many lesions stands where it does, one line each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cygnet.context.layer import Context
from cygnet.context.ranking import MIN_LESIONS
from cygnet.context.reasons import (
    NOTABLE,
    Deviation,
    counts_for,
    describe,
    describe_look,
    describe_score,
    sentence,
)
from cygnet.context.visits import GROWTH, Changes

Words = Sequence[tuple[str, str, str]]


def plain_words(names: Sequence[str]) -> Words:
    """Words for measurements that have only a name: "higher in area than 13 of 14 siblings"."""
    return [(name, f"higher in {name}", f"lower in {name}") for name in names]


def deviations(context: Context, row: int, words: Words, *, notable: bool = True) -> list[Deviation]:
    """The deviations of one lesion, the largest first; with ``notable`` only those that give a reason to look twice."""
    found = context.compared
    n, local = int(found.siblings[row]), bool(found.same_site[row])
    made = [
        describe(name, higher, lower, float(z), int(below), int(above), n, same_site=local)
        for (name, higher, lower), z, below, above in zip(
            words, found.z_measurements[row], found.below[row], found.above[row], strict=True
        )
        if not notable or abs(z) >= NOTABLE
    ]
    if not np.isnan(found.z_look[row]):
        made.append(describe_look(float(found.z_look[row]), n, same_site=local))
    if not np.isnan(found.z_score[row]):
        made.append(describe_score(float(found.z_score[row]), n, same_site=local))
    kept = [d for d in made if not notable or (abs(d.z) >= NOTABLE and counts_for(d))]
    return sorted(kept, key=lambda d: (-abs(d.z), d.feature))


def reasons(context: Context, words: Words) -> list[str]:
    """One line for each lesion: what is notable, or why there is little to compare."""
    found = context.compared
    loud = np.maximum(np.nan_to_num(found.z_look), np.nan_to_num(found.z_score))
    if found.z_measurements.shape[1]:
        loud = np.maximum(loud, np.nan_to_num(np.abs(found.z_measurements)).max(axis=1))
    usual = sentence([])
    made = [usual] * len(loud)
    for row in np.flatnonzero(loud >= NOTABLE):
        made[row] = sentence(deviations(context, int(row), words))
    for row in np.flatnonzero(found.siblings < MIN_LESIONS - 1):
        made[row] = _few(int(found.siblings[row]), int(context.apart[row]), made[row])
    return made


def _few(siblings: int, apart: int, words: str) -> str:
    elsewhere = (
        f" ({apart} other{'s' * (apart > 1)} of another image type or device cannot be compared)" if apart else ""
    )
    if not siblings:
        return f"no siblings to compare with{elsewhere}; absolute score only"
    return f"too few siblings to compare well{elsewhere}; {words}"


def company_words(context: Context) -> list[str]:
    """How good the comparison of each lesion is: "good", "few" (the score is not moved), "none", or "not comparable" where
    the patient has enough other lesions, but of another image type or device."""
    siblings, apart = context.compared.siblings, context.apart
    few = siblings < MIN_LESIONS - 1
    words = np.where(few, np.where(siblings > 0, "few", "none"), "good")
    return list(np.where(few & (siblings + apart >= MIN_LESIONS - 1), "not comparable", words))


def change_words(found: Changes, spreads: NDArray[np.floating], names: Sequence[str]) -> list[str]:
    """What is new about each photograph's lesion: "new", "area grew 34 % in 180 days", "darkness +2.1 SD in 90 days".

    ``spreads`` (m,) is a population SD of each measurement. Empty where nothing is notable.
    """
    made = [""] * len(found.days)
    for row in np.flatnonzero(found.fresh):
        made[row] = "new since an earlier visit"
    limit = np.where(found.relative, GROWTH, NOTABLE * spreads)
    loud = np.abs(np.nan_to_num(found.beyond)) >= limit
    for row in np.flatnonzero(loud.any(axis=1)):
        size = np.abs(found.beyond[row]) / limit
        order = [k for k in np.argsort(-np.nan_to_num(size), kind="stable") if loud[row, k]][:3]
        made[row] = "; ".join(_moved(found, int(row), int(k), float(spreads[k]), names[k]) for k in order)
    return made


def _moved(found: Changes, row: int, k: int, spread: float, name: str) -> str:
    value, days = float(found.moved[row, k]), int(found.days[row])
    if found.relative[k]:
        amount = f"{name} {'grew' if value >= 0 else 'shrank'} {abs(value):.0%}".replace("%", " %")
    else:
        amount = f"{name} {value / spread:+.1f} SD"
    others = value - float(found.beyond[row, k])
    beside = ""
    if abs(others) > 1e-12:
        beside = (
            f" (other lesions {others:+.0%})".replace("%", " %")
            if found.relative[k]
            else f" (other lesions {others / spread:+.1f})"
        )
    return f"{amount} in {days} day{'s' * (days != 1)}{beside}"
