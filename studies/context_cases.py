"""What the context study computes: scores with true and with shuffled siblings, for every method, out of fold by patient."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cygnet.context import METHODS, Cohort, Method, Reference, in_context, learn
from cygnet.context.cohort import arrange
from cygnet.context.learned import SetTransformer
from cygnet.context.method import View
from cygnet.context.stack import Stack, combine, learn_weights, logistic
from cygnet.evaluation.bootstrap import Resamples
from cygnet.evaluation.judge import Estimate, judge
from cygnet.evaluation.study import Study
from cygnet.models.context import ContextFiles, ContextNetwork
from cygnet.training.context_sources import FOLDS, Case

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SHUFFLES = 3
NAMES = (*METHODS, "set_transformer", "stack")
_FEW = 8


@dataclass(frozen=True)
class Networks:
    """The learned networks of a training run: one for each fold's patients, and ``all`` for lesions it never met."""

    run: Path

    def of(self, fold: int | None) -> SetTransformer:
        """The method with the network that has not seen this fold."""
        file = self.run / ("all.onnx" if fold is None else f"fold-{fold}.onnx")
        return SetTransformer(ContextNetwork(ContextFiles(file.stem, file, {})))

    def method(self, name: str, fold: int | None) -> Method:
        """A method by name; the stack has all the others as members."""
        if name in METHODS:
            return METHODS[name]
        if name == "set_transformer":
            return self.of(fold)
        return Stack((*METHODS.values(), self.of(fold)))


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


def odd(cohort: Cohort, method: Method, reference: Reference) -> Floats:
    """Oddness of given lesions; 0 where there is none, so that a second stage can read it."""
    arranged = arrange(cohort, merge=cohort.telling)
    return np.nan_to_num(method.oddness(View(arranged, reference))[arranged.of])


def parts(cohort: Cohort, stack: Stack, reference: Reference) -> Floats:
    """Oddness by each member of a stack: (n, members)."""
    arranged = arrange(cohort, merge=cohort.telling)
    return stack.parts(View(arranged, reference))[arranged.of]


@dataclass(frozen=True)
class Scores:
    """Scores (n,) of one method on a case: with true siblings, and with each draw of shuffled ones. ``stated``: the layer as
    it ships; ``fitted``: a second stage out of fold; ``metadata``: the same beside age, sex and site; ``oddness`` itself."""

    stated: list[Floats]
    fitted: list[Floats]
    metadata: list[Floats]
    oddness: list[Floats]


def real_scores(case: Case, name: str, networks: Networks, shuffled: list[Cohort]) -> Scores:
    """One method on real patients, everything learned out of fold by patient. Entry 0 of each list has true siblings."""
    n = len(case.cohort)
    cohorts = [case.cohort, *shuffled]
    made = Scores(*([np.zeros(n) for _ in cohorts] for _ in range(4)))
    for fold in range(FOLDS):
        held, rest = case.fold == fold, case.fold != fold
        if not held.any() or not case.labels[rest].any():
            continue
        ready, reference = learn(case.cohort.take(rest), networks.method(name, fold))
        if isinstance(ready, Stack):
            found = parts(case.cohort, ready, reference)
            weights = learn_weights(found[rest], case.cohort.score[rest], case.labels[rest])
            ready = replace(ready, weights=tuple(weights.tolist()))
        values = [odd(cohort, ready, reference)[:n] for cohort in cohorts]
        fits = [stage(case, values[0], rest, extra) for extra in (False, True)]
        for k, value in enumerate(values):
            made.oddness[k][held] = value[held]
            adjusted = in_context(cohorts[k], ready, reference).change[:n] + case.cohort.score
            made.stated[k][held] = adjusted[held]
            made.fitted[k][held] = (design(case, value, False) @ fits[0])[held]
            made.metadata[k][held] = (design(case, value, True) @ fits[1])[held]
    return made


def design(case: Case, oddness: Floats | None, extra: bool) -> Floats:
    """Columns of a second stage: the score, and where asked oddness (for enough lesions) and metadata."""
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
    for fold in range(FOLDS):
        held, rest = case.fold == fold, case.fold != fold
        if not held.any() or not case.labels[rest].any():
            continue
        made["no siblings"][held] = (design(case, None, False) @ stage(case, None, rest, False))[held]
        made["no siblings, with metadata"][held] = (design(case, None, True) @ stage(case, None, rest, True))[held]
        about = design(case, None, True)[:, [0, *range(3, 3 + case.extra.shape[1])]]
        made["metadata alone"][held] = (about @ logistic(about[rest], case.labels[rest].astype(np.float64)))[held]
    count = np.bincount(case.cluster)[case.cluster].astype(np.float64)
    made["lesion count alone (fewer is higher)"] = -count
    return made


def trained_scores(case: Case, ready: Method, reference: Reference, shuffled: list[Cohort]) -> Scores:
    """One method that learned from other lesions altogether."""
    n = len(case.cohort)
    cohorts = [case.cohort, *shuffled]
    found = [in_context(cohort, ready, reference) for cohort in cohorts]
    stated = [f.change[:n] + case.cohort.score for f in found]
    return Scores(stated, [], [], [np.nan_to_num(f.oddness[:n]) for f in found])


def learned_on(case: Case, name: str, networks: Networks) -> tuple[Method, Reference]:
    """A method ready for use, learned on training lesions; the stack's weights with their labels."""
    ready, reference = learn(case.cohort, networks.method(name, None))
    if isinstance(ready, Stack):
        weights = learn_weights(parts(case.cohort, ready, reference), case.cohort.score, case.labels)
        ready = replace(ready, weights=tuple(weights.tolist()))
    return ready, reference


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


def kept(folder: Path, key: str, make: Callable[[], Scores]) -> Scores:
    """Scores out of the cache, or made and put there; ``key`` names case, method and everything they depend on."""
    file = folder / f"scores-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"
    if not file.is_file():
        made = make()
        arrays = {
            f"{field}_{k}": v for field in Scores.__dataclass_fields__ for k, v in enumerate(getattr(made, field))
        }
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".{file.name}"
        with part.open("wb") as stream:
            np.savez(stream, **arrays)
        os.replace(part, file)
    with np.load(file) as stored:
        names = list(stored)
        return Scores(*(list(_series(stored, names, field)) for field in Scores.__dataclass_fields__))


def _series(stored: dict[str, Floats], names: list[str], field: str) -> Iterator[Floats]:
    k = 0
    while f"{field}_{k}" in names:
        yield stored[f"{field}_{k}"]
        k += 1


def look_of_scores(case: Case) -> Case:
    """A case of scores only, with three rising functions of the score for measurements, so that methods which compare looks
    can be tried on a score."""
    score = case.cohort.score
    place = np.argsort(np.argsort(score, kind="stable"), kind="stable") / len(score)
    rising = np.column_stack([score, 4 * place, 4 / (1 + np.exp(-score / 2))])
    return replace(case, cohort=replace(case.cohort, measurements=rising))


__all__ = [
    "NAMES",
    "SHUFFLES",
    "Networks",
    "Scores",
    "averaged",
    "baselines",
    "combine",
    "kept",
    "learned_on",
    "look_of_scores",
    "measured",
    "real_scores",
    "strangers",
    "trained_scores",
]
