"""What the context study computes: oddness and scores with true and with shuffled siblings, for every method, out of fold by patient."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cygnet.context import METHODS, Cohort, Method, Options, Reference
from cygnet.context.cohort import arrange
from cygnet.context.compare import reference_of
from cygnet.context.method import View
from cygnet.context.ranking import change
from cygnet.context.stack import Stack, combine, learn_weights, logistic
from cygnet.evaluation.bootstrap import Resamples
from cygnet.evaluation.judge import Estimate, judge
from cygnet.evaluation.study import Study
from cygnet.training.context_parts import MEMBERS, Networks, oddness_parts
from cygnet.training.context_sources import Case

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SHUFFLES = 3
NAMES = (*MEMBERS, Stack.name)


def strangers(cohort: Cohort, rng: np.random.Generator) -> Cohort:
    """The lesions, each with as many siblings as before, but drawn from other patients: the lesions come first.

    Siblings are of the lesion's own kind (image type), as its true ones are.
    """
    n = len(cohort)
    _, company = np.unique(np.stack([cohort.patient, cohort.kind]), axis=1, return_inverse=True)
    size = np.bincount(company)[company]
    owner = np.repeat(np.arange(n), size - 1)
    drawn = np.empty(len(owner), np.int64)
    for kind in np.unique(cohort.kind):
        pool = np.flatnonzero(cohort.kind == kind)
        open_ = np.flatnonzero(cohort.kind[owner] == kind)
        if len(np.unique(cohort.patient[pool])) < 2:
            drawn[open_] = pool[rng.integers(0, len(pool), len(open_))]
            continue
        while len(open_):
            drawn[open_] = pool[rng.integers(0, len(pool), len(open_))]
            open_ = open_[cohort.patient[drawn[open_]] == cohort.patient[owner[open_]]]
    return replace(cohort.take(np.r_[np.arange(n), drawn]), patient=np.r_[np.arange(n), owner])


@dataclass(frozen=True)
class Scores:
    """Scores (n,) of one method on a case: with true siblings, and with each draw of shuffled ones. ``stated``: the layer as
    it ships; ``fitted``: a second stage out of fold; ``metadata``: the same beside age, sex and site; ``oddness`` itself."""

    stated: list[Floats]
    fitted: list[Floats]
    metadata: list[Floats]
    oddness: list[Floats]


def real_scores(case: Case, found: Sequence[Floats], guard: float) -> dict[str, Scores]:
    """Every method's scores on real patients out of the oddness of its members, the labels' use out of fold by patient."""
    made = {name: _scores(case, [np.nan_to_num(p[:, k]) for p in found], guard) for k, name in enumerate(NAMES[:-1])}
    stacked = [np.zeros(len(case.labels)) for _ in found]
    for fold in np.unique(case.fold):
        held, rest = case.fold == fold, case.fold != fold
        weights = learn_weights(found[0][rest], case.cohort.score[rest], case.labels[rest])
        weights = weights if weights.sum() > 0 else np.ones_like(weights)
        for values, parts in zip(stacked, found, strict=True):
            values[held] = np.nan_to_num(combine(parts[held], weights))
    made[NAMES[-1]] = _scores(case, stacked, guard)
    return made


def _scores(case: Case, oddness: list[Floats], guard: float) -> Scores:
    """Scores from oddness (n,) with true and with shuffled siblings; a second stage is fitted with true ones."""
    fitted, beside = ([np.zeros(len(o)) for o in oddness] for _ in range(2))
    made = Scores([shipped(case, o, guard) for o in oddness], fitted, beside, oddness)
    for fold in np.unique(case.fold):
        held, rest = case.fold == fold, case.fold != fold
        for extra, series in ((False, made.fitted), (True, made.metadata)):
            beta = stage(case, oddness[0], rest, extra)
            for value, out in zip(oddness, series, strict=True):
                out[held] = design(case, value, extra)[held] @ beta
    return made


def shipped(case: Case, oddness: Floats, guard: float = Options().guard) -> Floats:
    """Log odds as the layer changes them: its weight and guard, and nothing under eight lesions."""
    company = np.unique(np.stack([case.cohort.patient, case.cohort.kind]), axis=1, return_inverse=True)[1]
    lesions = np.bincount(company)[company]
    probability = 1 / (1 + np.exp(-case.cohort.score))
    return np.asarray(case.cohort.score + change(probability, oddness, guard, lesions)[0])


def design(case: Case, oddness: Floats | None, extra: bool) -> Floats:
    """Columns of a second stage: the score, and where asked oddness and metadata."""
    score = case.cohort.score
    columns = [np.ones(len(score)), score, score**2 / 10]
    if oddness is not None:
        columns.append(oddness)
    if extra:
        spread = case.extra.std(axis=0)
        columns.extend(((case.extra - case.extra.mean(axis=0)) / np.where(spread > 0, spread, 1)).T)
    return np.column_stack(columns)


def stage(case: Case, oddness: Floats | None, rest: NDArray[np.bool_], extra: bool) -> Floats:
    """Coefficients of the second stage on the patients that are not held out."""
    return logistic(design(case, oddness, extra)[rest], case.labels[rest].astype(np.float64))


def baselines(case: Case) -> dict[str, Floats]:
    """The controls that know no siblings' looks or scores."""
    n = len(case.cohort)
    made = {"no siblings": np.zeros(n), "no siblings, with metadata": np.zeros(n), "metadata alone": np.zeros(n)}
    for fold in np.unique(case.fold):
        held, rest = case.fold == fold, case.fold != fold
        made["no siblings"][held] = (design(case, None, False) @ stage(case, None, rest, False))[held]
        made["no siblings, with metadata"][held] = (design(case, None, True) @ stage(case, None, rest, True))[held]
        about = design(case, None, True)[:, [0, *range(3, 3 + case.extra.shape[1])]]
        made["metadata alone"][held] = (about @ logistic(about[rest], case.labels[rest].astype(np.float64)))[held]
    count = np.bincount(case.cluster)[case.cluster].astype(np.float64)
    made["lesion count alone (fewer is higher)"] = -count
    return made


@dataclass(frozen=True)
class Trained:
    """Every method as it is after learning on training lesions: the members, the stack's weights, the reference."""

    members: tuple[Method, ...]
    weights: Floats
    reference: Reference


def learned_on(case: Case, networks: Networks) -> Trained:
    """Learn every method on training lesions; the stack's weights with their labels."""
    arranged = arrange(case.cohort, merge=case.cohort.telling)
    reference = reference_of(arranged)
    view = View(arranged, reference)
    members = (*(m.fit(view) for m in METHODS.values()), networks.of(None))
    found = np.stack([m.oddness(view)[arranged.of] for m in members], axis=1)
    weights = learn_weights(found, case.cohort.score, case.labels)
    return Trained(members, weights if weights.sum() > 0 else np.ones_like(weights), reference)


def trained_parts(case: Case, trained: Trained, shuffled: Sequence[Cohort]) -> list[Floats]:
    """Oddness by every member that learned from other lesions altogether, true siblings first."""
    n = len(case.cohort)
    return [oddness_parts(cohort, trained.members, trained.reference, n) for cohort in (case.cohort, *shuffled)]


def trained_scores(case: Case, trained: Trained, found: Sequence[Floats]) -> dict[str, Scores]:
    """Every method's scores without any fitting to the case."""
    by_name = {name: [np.nan_to_num(p[:, k]) for p in found] for k, name in enumerate(NAMES[:-1])}
    by_name[NAMES[-1]] = [np.nan_to_num(combine(p, trained.weights)) for p in found]
    return {name: Scores([shipped(case, o) for o in odd], [], [], odd) for name, odd in by_name.items()}


def measured(case: Case, scores: Floats, resamples: Resamples) -> dict[str, Estimate]:
    """Metrics with their resamples of patients."""
    study = Study((), case.labels, {}, "patient", case.cluster, case.cluster, ranked=True)
    return dict(judge(study, scores, resamples, curves=False).metrics)


def averaged(found: list[dict[str, Estimate]]) -> dict[str, Estimate]:
    """The mean over shuffles, replicate by replicate."""
    return {
        name: replace(
            e,
            value=float(np.mean([f[name].value for f in found])),
            replicates=np.mean([f[name].replicates for f in found], axis=0),
        )
        for name, e in found[0].items()
    }


def kept(folder: Path, key: str, make: Callable[[], list[Floats]]) -> list[Floats]:
    """Arrays out of the cache, or made and put there; ``key`` names everything they depend on."""
    file = folder / f"oddness-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".{file.name}"
        with part.open("wb") as stream:
            np.savez(stream, *make())
        os.replace(part, file)
    with np.load(file) as stored:
        return [np.asarray(stored[f"arr_{k}"]) for k in range(len(stored))]


def scored_by_measurements(case: Case) -> Case:
    """A case whose score is what its measurements alone say: ridge logistic regression, out of fold by patient."""
    values = case.cohort.measurements
    spread = values.std(axis=0)
    x = np.column_stack([np.ones(len(values)), (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1)])
    score = np.zeros(len(values))
    for fold in np.unique(case.fold):
        held, rest = case.fold == fold, case.fold != fold
        score[held] = x[held] @ logistic(x[rest], case.labels[rest].astype(np.float64))
    return replace(case, cohort=replace(case.cohort, score=score))


def look_of_scores(case: Case) -> Case:
    """A case of scores only, with three rising functions of the score for measurements, so that methods which compare looks
    can be tried on a score."""
    score = case.cohort.score
    place = np.argsort(np.argsort(score, kind="stable"), kind="stable") / len(score)
    rising = np.column_stack([score, 4 * place, 4 / (1 + np.exp(-score / 2))])
    return replace(case, cohort=replace(case.cohort, measurements=rising))
