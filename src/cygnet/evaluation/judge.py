"""All metrics of one model with their bootstrap values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cygnet.evaluation import calibration, curve, decisions
from cygnet.evaluation.bootstrap import Resamples, interval
from cygnet.evaluation.curve import Climb, Ladder
from cygnet.evaluation.definitions import SENSITIVITIES, SPECIFICITIES
from cygnet.evaluation.patients import MIN_LESIONS, ByPatient, by_patient, first_rank_chance, mean_over
from cygnet.evaluation.study import Study

Floats = NDArray[np.float64]

#: False-positive rates and recalls at which curves are stated; finer at the left, where melanoma finders work.
GRID: Final = np.unique(np.r_[np.linspace(0, 0.1, 21), np.linspace(0, 1, 81)])
THRESHOLDS: Final = np.unique(np.r_[np.linspace(0.005, 0.1, 20), np.linspace(0.1, 0.5, 41)])
_BINS: Final = 10
_WIDE: Final = 64
_RANKS: Final = 10

CURVE: Final[dict[str, Callable[[Climb], Floats]]] = {
    "auc": curve.auc,
    "pauc": curve.pauc,
    "average_precision": curve.average_precision,
    **{
        f"sensitivity_at_specificity_{s * 100:.0f}": partial(curve.sensitivity_at, specificity=s) for s in SPECIFICITIES
    },
    **{
        f"specificity_at_sensitivity_{s * 100:.0f}": partial(curve.specificity_at, sensitivity=s) for s in SENSITIVITIES
    },
    **{f"review_per_melanoma_at_{s * 100:.0f}": partial(curve.review_at, sensitivity=s) for s in SENSITIVITIES},
}


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric's value on all rows, and on each resample (r,); ``n`` rows or patients that it rests on; ``note`` why it is
    undefined (NaN)."""

    value: float
    replicates: Floats
    n: int
    note: str = ""

    def as_json(self, level: float) -> dict[str, Any]:
        """``value``, ``low``, ``high``, ``n`` and the note, if there is one."""
        low, high = interval(self.replicates, level)
        return {
            "value": self.value,
            "low": low,
            "high": high,
            "n": self.n,
            **({"note": self.note} if self.note else {}),
        }


@dataclass(frozen=True, slots=True)
class Judgement:
    """``metrics`` by name, ``curves`` as ``evaluation.json`` has them, ``chance`` levels that depend on the data."""

    metrics: Mapping[str, Estimate]
    curves: Mapping[str, Any]
    chance: Mapping[str, float]


def judge(
    study: Study,
    scores: Floats,
    resamples: Resamples,
    *,
    threshold: float = 0.05,
    curves: bool = True,
    level: float = 0.95,
    tick: Callable[[int], None] | None = None,
) -> Judgement:
    """Judge ``scores`` (n,) on a study. ``tick(replicates)`` is called after each block of resamples."""
    metrics, drawn = from_curve(study, scores, resamples, curves=curves, level=level, tick=tick)
    chance = {"auc": 0.5}
    patients: dict[str, Any] = {}
    if study.patient is not None and study.unit == "patient":
        found = by_patient(scores, study.labels, study.patient)
        metrics |= patient_metrics(found, resamples)
        seen = found.lesions >= MIN_LESIONS
        chance |= {f"hit_at_{k}": float(found.chance(k)[seen].mean()) for k in (1, 3) if seen.any()}
        patients = {"within_patient": _first_ranks(found)} if curves and len(found.patient) else {}
    probable, probable_curves = _probability(study, scores, resamples, threshold, level, curves=curves)
    return Judgement({**metrics, **probable}, {**drawn, **probable_curves, **patients}, chance)


def from_curve(
    study: Study,
    scores: Floats,
    resamples: Resamples,
    *,
    names: tuple[str, ...] = tuple(CURVE),
    curves: bool = False,
    level: float = 0.95,
    tick: Callable[[int], None] | None = None,
) -> tuple[dict[str, Estimate], dict[str, Any]]:
    """The metrics of the threshold curve, and with ``curves`` the ROC and precision-recall curves with their bands."""
    ladder = Ladder.build(scores, study.labels, study.member, study.weights)
    whole = ladder.climb(np.ones((1, resamples.units), np.float32))
    one_class = not (0 < study.labels.sum() < len(study.labels))
    note = "only one class in the truth" if one_class else ""
    values: dict[str, list[Floats]] = {name: [] for name in names}
    tpr: list[Floats] = []
    precision: list[Floats] = []
    for counts in resamples.blocks(ladder.block):
        c = ladder.climb(counts)
        for name in names:
            values[name].append(np.full(len(counts), np.nan) if one_class else CURVE[name](c))
        if curves and not one_class:
            tpr.append(curve.roc_on(c, GRID))
            precision.append(curve.precision_on(c, GRID[1:]))
        if tick:
            tick(len(counts))
    metrics = {
        name: Estimate(
            float("nan") if one_class else float(CURVE[name](whole)[0]),
            np.concatenate(values[name]),
            len(study.labels),
            note,
        )
        for name in names
    }
    if not curves or one_class:
        return metrics, {}
    roc = {"fpr": GRID, "tpr": curve.roc_on(whole, GRID)[0], **_band(np.concatenate(tpr), level)}
    exact = {"recall": GRID[1:], "precision": curve.precision_on(whole, GRID[1:])[0]}
    return metrics, {"roc": roc, "precision_recall": {**exact, **_band(np.concatenate(precision), level)}}


def _band(values: Floats, level: float) -> dict[str, Floats]:
    """The percentile interval of each of (r, t) bootstrap curves' points."""
    low, high = np.array([interval(column, level) for column in values.T]).T
    return {"low": low, "high": high}


def patient_metrics(found: ByPatient, resamples: Resamples) -> dict[str, Estimate]:
    """Within-patient AUC and hit@k, on whole patients; ``resamples`` must draw patients."""
    large = found.lesions >= MIN_LESIONS
    per_patient = {
        "within_patient_auc": (found.auc, "no patient has both a melanoma and another lesion"),
        **{
            f"hit_at_{k}": (
                np.where(large, found.hit(k), np.nan),
                f"no patient has a melanoma and at least {MIN_LESIONS} lesions",
            )
            for k in (1, 3)
        },
    }
    drawn: dict[str, list[Floats]] = {name: [] for name in per_patient}
    for counts in resamples.blocks(_WIDE):
        for name, (values, _) in per_patient.items():
            drawn[name].append(mean_over(values, found.patient, counts))
    return {
        name: Estimate(
            float(np.nanmean(values)) if (n := int((~np.isnan(values)).sum())) else float("nan"),
            np.concatenate([np.zeros(0), *drawn[name]]),
            n,
            "" if n else why,
        )
        for name, (values, why) in per_patient.items()
    }


def _first_ranks(found: ByPatient) -> dict[str, Any]:
    counted = np.bincount(np.minimum(np.floor(found.first), _RANKS + 1).astype(int), minlength=_RANKS + 2)
    return {
        "rank": list(range(1, _RANKS + 1)),
        "patients": counted[1 : _RANKS + 1],
        "beyond": int(counted[_RANKS + 1]),
        "chance": first_rank_chance(found, _RANKS),
    }


def _probability(
    study: Study, scores: Floats, resamples: Resamples, threshold: float, level: float, *, curves: bool
) -> tuple[dict[str, Estimate], dict[str, Any]]:
    """Everything that takes the scores as probabilities: linear in the counts, so from sums over units."""
    n = len(scores)
    if study.ranked or scores.min() < 0 or scores.max() > 1:
        empty = np.full(resamples.replicates, np.nan)
        why = "were ranked within folds" if study.ranked else "are not all within [0, 1]"
        note = f"scores {why}, so they are no probabilities"
        names = ("brier", "ece", "calibration_slope", "calibration_intercept", *_AT_THRESHOLD)
        return {name: Estimate(float("nan"), empty, n, note) for name in names}, {}
    w = np.ones(n) if study.weights is None else study.weights
    y = study.labels.astype(np.float64)
    fitted = calibration.slope_and_intercept(scores, study.labels, study.weights)
    sums = _Sums(study.member, resamples.units)
    sums.add("weight", w[:, None])
    sums.add("positive", (w * y)[:, None])
    sums.add("brier", (w * (scores - y) ** 2)[:, None])
    bins = _equal_bins(scores, w)
    for name, values in (("bin_weight", w), ("bin_p", w * scores), ("bin_y", w * y)):
        sums.add_binned(name, values, bins, _BINS)
    if fitted[0] == fitted[0]:
        sums.add("calibration", calibration.scores_of_units(scores, study.labels, w, fitted))
    thresholds = np.r_[threshold, THRESHOLDS] if curves else np.array([threshold])
    sums.add_above("true", w * y, scores, thresholds)
    sums.add_above("false", w * (1 - y), scores, thresholds)
    whole = _from_sums(sums.total(), fitted, thresholds)
    blocks = [_from_sums(sums.resample(c), fitted, thresholds) for c in resamples.blocks(_WIDE)]
    drawn = {name: np.concatenate([b[name] for b in blocks]) for name in whole}
    names = ("brier", "ece", "calibration_slope", "calibration_intercept", *_AT_THRESHOLD)
    metrics = {name: Estimate(float(whole[name][0]), drawn[name], n, _why(name, whole[name][0])) for name in names}
    if not curves:
        return metrics, {}
    with np.errstate(all="ignore"):
        bands = {name: _band(drawn[name], level) for name in ("observed", "benefit")}
    reliability = [
        {
            "mean_probability": whole["stated"][0, b],
            "observed": whole["observed"][0, b],
            "low": bands["observed"]["low"][b],
            "high": bands["observed"]["high"][b],
            "n": int((bins == b).sum()),
        }
        for b in range(_BINS)
        if (bins == b).any()
    ]
    decision = {
        "threshold": THRESHOLDS,
        "net_benefit": whole["benefit"][0, 1:],
        "low": bands["benefit"]["low"][1:],
        "high": bands["benefit"]["high"][1:],
        "treat_all": whole["all"][0, 1:],
        "avoided_per_100": decisions.avoided(whole["benefit"], whole["all"], thresholds)[0, 1:],
    }
    return metrics, {"reliability": reliability, "decision": decision}


_AT_THRESHOLD: Final = ("sensitivity", "specificity", "balanced_accuracy", "number_needed_to_biopsy", "net_benefit")


def _why(name: str, value: float) -> str:
    if value == value:
        return ""
    if name.startswith("calibration"):
        return "only one class, or the scores separate the classes without an error"
    return (
        "no melanoma at or above the threshold" if name == "number_needed_to_biopsy" else "only one class in the truth"
    )


def _equal_bins(scores: Floats, w: Floats) -> NDArray[np.int64]:
    """The reliability bin of each row: ten of equal weight, equal scores kept together."""
    order = np.argsort(scores, kind="stable")
    share = (np.cumsum(w[order]) - w[order] / 2) / w.sum()
    cuts = scores[order][np.minimum(np.searchsorted(share, np.arange(1, _BINS) / _BINS), len(scores) - 1)]
    return np.searchsorted(np.unique(cuts), scores, side="right")


class _Sums:
    """Columns summed over the rows of each unit; resampling is then one matrix product."""

    def __init__(self, member: NDArray[np.int64], units: int) -> None:
        self._member, self._units = member, units
        self._columns: list[Floats] = []
        self._named: dict[str, slice] = {}

    def add(self, name: str, rows: Floats) -> None:
        self._take(name, [self._over_units(self._member, rows[:, k]) for k in range(rows.shape[1])])

    def add_binned(self, name: str, values: Floats, bins: NDArray[np.int64], count: int) -> None:
        cells = np.bincount(self._member * count + bins, weights=values, minlength=self._units * count)
        self._take(name, list(cells.reshape(self._units, count).T))

    def add_above(self, name: str, values: Floats, scores: Floats, thresholds: Floats) -> None:
        mine = np.flatnonzero(values)
        made = []
        for t in thresholds:
            mine_t = mine[scores[mine] >= t]
            made.append(self._over_units(self._member[mine_t], values[mine_t]))
        self._take(name, made)

    def _over_units(self, member: NDArray[np.int64], values: Floats) -> Floats:
        return np.asarray(np.bincount(member, weights=values, minlength=self._units), np.float64)

    def _take(self, name: str, made: list[Floats]) -> None:
        self._named[name] = slice(len(self._columns), len(self._columns) + len(made))
        self._columns.extend(made)

    def total(self) -> dict[str, Floats]:
        return self._split(np.array([[c.sum() for c in self._columns]]))

    def resample(self, counts: NDArray[np.floating]) -> dict[str, Floats]:
        if not hasattr(self, "_matrix"):
            self._matrix = np.stack(self._columns, axis=1)
        return self._split(counts.astype(np.float64) @ self._matrix)

    def _split(self, made: Floats) -> dict[str, Floats]:
        return {name: made[:, where] for name, where in self._named.items()}


def _from_sums(s: Mapping[str, Floats], fitted: tuple[float, float], thresholds: Floats) -> dict[str, Floats]:
    """Metrics (b,) and curves (b, t) from sums of b resamples."""
    total, positive = s["weight"], s["positive"]
    negative = total - positive
    true, false = s["true"], s["false"]
    nan = np.full(len(total), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        stated, observed = s["bin_p"] / s["bin_weight"], s["bin_y"] / s["bin_weight"]
        gap = np.abs(s["bin_p"] - s["bin_y"])
        sensitivity, specificity = true[:, 0] / positive[:, 0], 1 - false[:, 0] / negative[:, 0]
        slope, intercept = calibration.one_step(s["calibration"], fitted) if "calibration" in s else (nan, nan)
        benefit = decisions.net_benefit(true, false, total, thresholds)
        return {
            "brier": (s["brier"] / total)[:, 0],
            "ece": gap.sum(axis=1) / total[:, 0],
            "calibration_slope": slope,
            "calibration_intercept": intercept,
            "sensitivity": sensitivity,
            "specificity": specificity,
            "balanced_accuracy": (sensitivity + specificity) / 2,
            "number_needed_to_biopsy": np.where(true[:, 0] > 0, (true[:, 0] + false[:, 0]) / true[:, 0], np.nan),
            "net_benefit": benefit[:, 0],
            "stated": stated,
            "observed": observed,
            "benefit": benefit,
            "all": decisions.net_benefit(positive, negative, total, thresholds),
        }
