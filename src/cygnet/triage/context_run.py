"""Rows of anyone's score table, judged in context: the same rows with what their siblings say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cygnet.context import MIN_LESIONS, Cohort, Context, Method, Options, in_context, learn
from cygnet.context.explain import change_words, company_words, plain_words, reasons
from cygnet.context.visits import Company, Photographs, changes, company, photographs
from cygnet.imaging import MEASUREMENTS
from cygnet.triage.context_table import Given
from cygnet.triage.rows import letter

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: Stages that ``tick`` is called after.
STAGES = ("joined", "learned", "compared", "explained")
#: Columns that context adds; ``change`` only where there are days.
ADDED = (
    "oddness",
    "rank",
    "rank_low",
    "rank_high",
    "family",
    "nearest",
    "siblings",
    "company",
    "adjusted_score",
    "change",
    "reason",
)


@dataclass(frozen=True, slots=True)
class Judged:
    """``frame``: the rows as given, with the columns of context. ``summary``: counts and notes, ready for JSON."""

    frame: pl.DataFrame
    summary: dict[str, Any]


def run(
    given: Given,
    method: Method,
    options: Options | None = None,
    *,
    tick: Callable[[int], None] = lambda done: None,
) -> Judged:
    """Judge every row among its patient's lesions.

    What is usual is learned from the table's own lesions, labels aside. Several images of one lesion on one day are taken together, an earlier day's are never siblings.
    """
    options = options or Options()
    shown = photographs(given.patient, given.lesion, given.day)
    stands = company(shown)
    pooled, probability = _pooled(given, shown)
    beside = replace(pooled.take(stands.photograph), patient=stands.group)
    tick(1)
    ready, reference = learn(beside.take(stands.present), method)
    tick(2)
    found = in_context(beside, ready, reference, options, probability=probability[stands.photograph])
    tick(3)
    entry = np.empty(len(shown.patient), np.int64)
    entry[stands.photograph[stands.judged]] = np.flatnonzero(stands.judged)
    row = entry[shown.of]
    changed = _changed(given, shown, pooled, reference.measurement_spread) if given.dated else None
    frame = given.frame.drop("__row", "__image").with_columns(_columns(given, found, shown, stands, row, changed))
    tick(4)
    return Judged(frame, _summary(given, shown, found, row, ready, options))


def _pooled(given: Given, shown: Photographs) -> tuple[Cohort, Floats]:
    """One lesion per photograph, its images averaged, and its probability: bit for bit that of its only image."""
    order = np.argsort(shown.of, kind="stable")
    count = np.bincount(shown.of, minlength=len(shown.patient))
    starts = np.r_[0, np.cumsum(count)][:-1]
    single = len(order) == len(count)

    def mean(values: NDArray[Any]) -> NDArray[Any]:
        if single:
            return values[order]
        total = np.add.reduceat(values[order], starts, axis=0)
        return np.asarray(total / count.reshape(-1, *[1] * (values.ndim - 1)).astype(values.dtype))

    score = mean(given.score)
    cohort = Cohort.build(
        shown.patient,
        score,
        embedding=None if given.embedding is None else mean(given.embedding),
        measurements=mean(given.measurements),
        site=np.maximum.reduceat(given.site[order], starts),
        kind=given.kind[order][starts],
        age=given.age[order][starts],
    )
    own = given.probability[order][starts]
    return cohort, np.where(count == 1, own, 1 / (1 + np.exp(-score)))


def _changed(given: Given, shown: Photographs, pooled: Cohort, spread: tuple[float, ...]) -> list[str]:
    """What is new about each photograph; changes of scores are not, since another camera moves those as well."""
    found = changes(shown, pooled.measurements, given.sizes)
    return change_words(found, np.asarray(spread, np.float64), given.names)


def _columns(
    given: Given, found: Context, shown: Photographs, stands: Company, row: Ints, changed: list[str] | None
) -> list[pl.Series]:
    first = np.empty(len(shown.patient), np.int64)
    first[shown.of[::-1]] = np.arange(len(row))[::-1]
    near = found.compared.nearest
    near_row = np.where(near >= 0, first[stands.photograph[near]], -1)[row]
    images = np.array([*given.images, None], object)
    known = {words[0]: words for words in MEASUREMENTS}
    words = reasons(found, [known.get(words[0], words) for words in plain_words(given.names)])
    texts = np.array(words, object)[row]
    if changed is not None:
        notes = [changed[p] for p in shown.of]
        texts = np.array([f"{note}; {text}" if note else text for note, text in zip(notes, texts, strict=True)], object)
    return [
        pl.Series("oddness", found.oddness[row]).fill_nan(None),
        pl.Series("rank", found.rank[row]),
        pl.Series("rank_low", found.rank_low[row]),
        pl.Series("rank_high", found.rank_high[row]),
        pl.Series("family", list(_letters(found, stands.group)[row]), pl.String),
        pl.Series("nearest", list(images[near_row]), pl.String),
        pl.Series("siblings", found.compared.siblings[row]),
        pl.Series("company", list(np.array(company_words(found), object)[row]), pl.String),
        pl.Series("adjusted_score", found.adjusted[row]),
        *([] if changed is None else [pl.Series("change", [changed[p] for p in shown.of], pl.String)]),
        pl.Series("reason", list(texts), pl.String),
    ]


def _letters(found: Context, group: Ints) -> NDArray[np.object_]:
    """Families of each group as letters: A is the largest; of equal ones the one with the best rank. None for none."""
    family = found.compared.family
    made = np.full(len(family), None, object)
    mine = np.flatnonzero(family >= 0)
    if not len(mine):
        return made
    pair, code, size = np.unique(
        np.stack([group[mine], family[mine]], axis=1), axis=0, return_inverse=True, return_counts=True
    )
    best = np.full(len(pair), np.iinfo(np.int64).max)
    np.minimum.at(best, code, found.rank[mine])
    order = np.lexsort((best, -size, pair[:, 0]))
    owner = pair[order, 0]
    start = np.maximum.accumulate(np.where(np.r_[True, owner[1:] != owner[:-1]], np.arange(len(order)), 0))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order)) - start
    letters = np.array([letter(k) for k in range(int(place.max()) + 1)], object)
    made[mine] = letters[place[code]]
    return made


def _summary(
    given: Given, shown: Photographs, found: Context, row: Ints, method: Method, options: Options
) -> dict[str, Any]:
    moved = found.change[row]
    words, counts = np.unique(np.array(company_words(found), object)[row].astype(str), return_counts=True)
    notes = []
    if not (found.compared.siblings[row] > 0).any():
        notes.append("no patient has a second lesion: there is nothing to compare, and every score is as it was")
    elif not (found.compared.siblings[row] >= MIN_LESIONS - 1).any():
        notes.append(f"no patient has {MIN_LESIONS} comparable lesions: oddness is shown, and every score is as it was")
    return {
        "rows": len(row),
        "patients": len(np.unique(given.patient)),
        "lesions": len(np.unique(given.lesion)),
        "photographs": len(shown.patient),
        "method": method.name,
        "paper": method.paper,
        "used": [
            "scores",
            *(["embeddings"] if given.embedding is not None else []),
            *([f"{len(given.names)} measurements"] if given.names else []),
        ],
        "company": dict(zip(words.tolist(), counts.tolist(), strict=True)),
        "raised": int((moved > 0).sum()),
        "lowered": int((moved < 0).sum()),
        "guarded": int(found.guarded[row].sum()),
        "guard": options.guard,
        "weight": options.weight,
        "notes": notes,
    }
