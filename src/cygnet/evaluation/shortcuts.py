"""Labels that can be told without looking at the lesion: from file size, image size, JPEG quality, counts, source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cygnet.evaluation.entries import Entry
from cygnet.evaluation.metrics import auc, bootstrap_weights, interval, weighted_auc
from cygnet.imaging.fingerprint import Fingerprint

#: A shortcut is warned of when even the lower end of its interval exceeds this.
LIMIT: Final = 0.60
_FOLDS: Final = 10
#: Resamplings, drawn in portions that keep memory small.
_PORTIONS: Final = 10
_PORTION: Final = 100

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shortcut:
    """How well ``feature`` alone tells the positives. ``auc`` 0.5 to 1 for numbers, with ``direction`` "higher" or
    "lower" among positives; for words (``direction`` "by value") it may fall below 0.5. ``low`` and ``high`` are the
    95 % interval with whole ``clustered_by`` units resampled; NaN where undefined.
    """

    feature: str
    n: int
    positives: int
    auc: float
    low: float
    high: float
    direction: str
    clustered_by: str

    @property
    def warns(self) -> bool:
        """Whether the lower end of the interval exceeds the limit."""
        return self.low > LIMIT


def shortcuts(entries: Sequence[Entry], prints: Sequence[Fingerprint | None] | None = None) -> list[Shortcut]:
    """Every shortcut that can be computed, strongest first; empty without both classes."""
    kept = [i for i, e in enumerate(entries) if e.target is not None]
    rows = [entries[i] for i in kept]
    labels = np.array([bool(e.target) for e in rows])
    if not labels.any() or labels.all():
        return []
    groups, unit = clusters(rows)
    marks = [prints[i] for i in kept] if prints is not None else [None] * len(rows)
    found = [_numeric(name, values, labels, groups, unit) for name, values in _numbers(rows, marks).items()]
    found += [_by_value(name, values, labels, groups, unit) for name, values in _words(rows, marks).items()]
    return sorted((s for s in found if s is not None), key=lambda s: -s.auc if s.auc == s.auc else 1.0)


def clusters(rows: Sequence[Entry]) -> tuple[NDArray[np.str_], str]:
    """(n,) names of what belongs together, and in words: the patient where it is known, else lesion, else image."""
    unit = next((u for u in ("patient", "lesion") if any(getattr(e, f"{u}_id") for e in rows)), "image")
    return np.array([_unit(e) for e in rows]), unit


def _unit(entry: Entry) -> str:
    if entry.patient_id:
        return f"patient {entry.patient_id}"
    return f"lesion {entry.lesion_id}" if entry.lesion_id else f"image {entry.split} {entry.image}"


def _numbers(rows: Sequence[Entry], marks: Sequence[Fingerprint | None]) -> Mapping[str, NDArray[np.float64]]:
    def of(name: str) -> NDArray[np.float64]:
        return np.array([float("nan") if m is None else float(getattr(m, name)) for m in marks])

    width, height = of("width"), of("height")
    return {
        "file size in bytes": of("n_bytes"),
        "width": width,
        "height": height,
        "aspect ratio": width / height,
        "megapixels": width * height / 1e6,
        "bytes per pixel": of("n_bytes") / (width * height),
        "JPEG quality": of("jpeg_quality"),
        "images of the patient": _per_patient([e.image for e in rows], rows),
        "lesions of the patient": _per_patient([e.lesion_id or e.image for e in rows], rows),
    }


def _per_patient(things: Sequence[str], rows: Sequence[Entry]) -> NDArray[np.float64]:
    count = Counter(p for p, _ in {(e.patient_id, t) for e, t in zip(rows, things, strict=True)})
    return np.array([count[e.patient_id] if e.patient_id else float("nan") for e in rows], np.float64)


def _words(rows: Sequence[Entry], marks: Sequence[Fingerprint | None]) -> Mapping[str, list[str | None]]:
    splits = {e.split for e in rows}
    words: dict[str, list[str | None]] = {
        "source": [e.source for e in rows],
        "format": [None if m is None else m.format for m in marks],
        "image size": [None if m is None else f"{m.width} x {m.height}" for m in marks],
    }
    return {**words, "split": [e.split for e in rows]} if len(splits) > 1 else words


def _numeric(
    name: str, values: NDArray[np.float64], labels: NDArray[np.bool_], groups: NDArray[np.str_], unit: str
) -> Shortcut | None:
    known = ~np.isnan(values)
    x, y, g = values[known], labels[known], groups[known]
    if not len(x) or x.min() == x.max() or y.all() or not y.any():
        return None
    value = auc(x, y)
    sign = 1.0 if value >= 0.5 else -1.0
    low, high = _interval(sign * x, y, g)
    direction = "higher" if sign > 0 else "lower"
    return Shortcut(name, len(x), int(y.sum()), max(value, 1 - value), low, high, direction, unit)


def _by_value(
    name: str, values: Sequence[str | None], labels: NDArray[np.bool_], groups: NDArray[np.str_], unit: str
) -> Shortcut | None:
    known = np.array([v is not None for v in values])
    x, y, g = np.array([v for v in values if v is not None]), labels[known], groups[known]
    if len(set(x.tolist())) < 2 or y.all() or not y.any():
        return None
    rates = out_of_fold_rates(x, y, g)
    low, high = _interval(rates, y, g)
    return Shortcut(name, len(x), int(y.sum()), auc(rates, y), low, high, "by value", unit)


def _interval(scores: Floats, labels: NDArray[np.bool_], groups: NDArray[np.str_]) -> tuple[float, float]:
    draws = [weighted_auc(scores, labels, bootstrap_weights(groups, _PORTION, seed=1 + k)) for k in range(_PORTIONS)]
    return interval(np.concatenate(draws))


def out_of_fold_rates(values: NDArray[np.str_], labels: NDArray[np.bool_], groups: NDArray[np.str_]) -> Floats:
    """(n,) share of positives among the images of the same value in the other folds; the overall share where none is.

    Groups stay whole in one of 10 folds, so that no image helps to predict itself or its patient. Shares are drawn
    towards the overall share with the weight of one image.
    """
    names, member = np.unique(groups, return_inverse=True)
    fold = np.random.default_rng(1).permutation(len(names))[member] % min(_FOLDS, len(names))
    kind, of = np.unique(values, return_inverse=True)
    rates = np.zeros(len(labels))
    for k in np.unique(fold):
        rest = fold != k
        n = np.bincount(of[rest], minlength=len(kind))
        hits = np.bincount(of[rest], weights=labels[rest], minlength=len(kind))
        prior = float(labels[rest].mean()) if rest.any() else 0.5
        rates[~rest] = ((hits + prior) / (n + 1))[of[~rest]]
    return rates
