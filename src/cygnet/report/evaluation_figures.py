"""The curves of an evaluation: ROC, precision and recall, reliability, decisions, ranks within patients."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from markupsafe import Markup

from cygnet.report import words
from cygnet.report.chart_axes import Axis, Frame, Point, short
from cygnet.report.charts import Chart
from cygnet.report.evaluation_values import as_map, as_maps, level_of, name_of, num, nums, plain, prevalence, shown

_AVOIDED = "Net, beside a biopsy of every lesion: each missed melanoma is charged for at the threshold's rate."
_BANDS = 3
_PAUC_FROM = 0.8
_READERS = (6, 7, 5, 4)


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart with its heading and a line below it."""

    heading: str
    svg: Markup
    note: str = ""


def drawn(models: Sequence[Mapping[str, Any]], data: Mapping[str, Any]) -> list[Figure]:
    """The figures that hold all models."""
    made = (
        _roc(models, data),
        _precision_recall(models, data),
        _reliability(models, data),
        *_decision(models, data),
    )
    return [figure for figure in made if figure]


def _curves(models: Sequence[Mapping[str, Any]], kind: str) -> list[tuple[int, str, Any]]:
    found = ((i, name_of(m), as_map(m.get("curves")).get(kind)) for i, m in enumerate(models))
    return [(i, name, curve) for i, name, curve in found if curve]


def _lines(chart: Chart, curves: Sequence[tuple[int, str, Any]], x: str, y: str, level: str) -> str:
    """Draw the curves with their bands; returns what to say about the bands."""
    for i, _, curve in curves:
        known = as_map(curve)
        if len(curves) <= _BANDS or i == curves[0][0]:
            chart.band(nums(known, x), nums(known, "low"), nums(known, "high"), i)
    for i, name, curve in curves:
        chart.line(nums(as_map(curve), x), nums(as_map(curve), y), i, name)
    which = "" if len(curves) <= _BANDS else f", drawn for {curves[0][1]} only"
    return f"Shaded along the line: {level} interval{which}."


def _roc(models: Sequence[Mapping[str, Any]], data: Mapping[str, Any]) -> Figure | None:
    curves = _curves(models, "roc")
    readers = as_maps(data.get("readers"))
    if not (curves or readers):
        return None
    aucs = "; ".join(f"{n}: AUC {shown(as_map(models[i].get('metrics')).get('auc'))}" for i, n, _ in curves)
    desc = f"Sensitivity against one minus specificity. {aucs or 'No model'}. {words.plural(len(readers), 'average reader')} marked."
    frame = Frame(Axis("1 − specificity (false positive rate)"), Axis("Sensitivity (true positive rate)"))
    chart = Chart("roc", "ROC curve", desc, frame)
    chart.line((0, 1), (0, 1), -1, "chance")
    note = _lines(chart, curves, "fpr", "tpr", level_of(data)) if curves else ""
    if curves:
        corners = _above(nums(as_map(curves[0][2]), "fpr"), nums(as_map(curves[0][2]), "tpr"), _PAUC_FROM)
        area = shown(as_map(as_map(models[curves[0][0]].get("metrics")).get("pauc")))
        chart.region(corners, f"pAUC {area}" if area != "undefined" else "pAUC")
        note += (
            f" Hatched: pAUC of {curves[0][1]}, the area between its curve and a sensitivity of 80 %, from 0 to 0.2."
        )
    _read(chart, readers)
    if readers:
        note += f" Marks: the average reader of each vote table with its {level_of(data)} interval of sensitivity, on the images that were read."
    return Figure("ROC curve", Markup(chart.svg()), note)


def _read(chart: Chart, readers: Sequence[Mapping[str, Any]]) -> None:
    """The average reader of each vote table, and the curve of the first table's pooled votes."""
    pooled = as_map(as_map(next(iter(readers), {})).get("pooled"))
    if readers:
        curve = as_map(pooled.get("roc"))
        chart.line(nums(curve, "fpr"), nums(curve, "tpr"), _READERS[0], f"{name_of(readers[0])}, pooled")
    labelled: list[Point] = []
    for k, table in enumerate(readers[: len(_READERS)]):
        average = as_map(table.get("average"))
        found = as_map(average.get("sensitivity"))
        x, y = 1 - num(as_map(average.get("specificity")).get("value")), num(found.get("value"))
        name, low, high = name_of(table), [num(found.get("low"))], [num(found.get("high"))]
        chart.points([x], [y], low, high, _READERS[k], f"{name}, average reader")
        if all(abs(x - a) > 0.3 or abs(y - b) > 0.06 for a, b in labelled):
            right = x < 0.6
            chart.note(x, y, short(name, 20), "start" if right else "end", (8 if right else -8, 4))
            labelled.append((x, y))


def _above(xs: Sequence[float], ys: Sequence[float], level: float) -> list[Point]:
    """Corners of the area between a rising curve and a level below it, up to x = 1."""
    points = sorted((x, y) for x, y in zip(xs, ys, strict=False) if math.isfinite(x) and math.isfinite(y))
    corners: list[Point] = []
    for (x0, y0), (x1, y1) in pairwise(points):
        if y0 < level < y1:
            corners.append((x0 + (x1 - x0) * (level - y0) / (y1 - y0), level))
        if y1 >= level:
            corners += [(x0, y0)] * (y0 >= level and not corners) + [(x1, y1)]
    return [*corners, (corners[-1][0], level), (corners[0][0], level)] if corners else []


def _precision_recall(models: Sequence[Mapping[str, Any]], data: Mapping[str, Any]) -> Figure | None:
    curves = _curves(models, "precision_recall")
    if not curves:
        return None
    share = prevalence(data)
    aps = "; ".join(f"{n}: {shown(as_map(models[i].get('metrics')).get('average_precision'))}" for i, n, _ in curves)
    desc = f"Precision against recall. Average precision: {aps}. Chance is the prevalence, {plain(share)}."
    frame = Frame(Axis("Recall (sensitivity)"), Axis("Precision (share of melanomas among the flagged)"))
    chart = Chart("pr", "Precision and recall", desc, frame)
    chart.line((0, 1), (share, share), -1, f"chance: prevalence {words.percent(share)}")
    note = _lines(chart, curves, "recall", "precision", level_of(data))
    return Figure("Precision and recall", Markup(chart.svg()), note)


def _reliability(models: Sequence[Mapping[str, Any]], data: Mapping[str, Any]) -> Figure | None:
    curves = [(i, name, as_maps(bins)) for i, name, bins in _curves(models, "reliability") if as_maps(bins)]
    if not curves:
        return None
    ends = [num(b.get(k)) for _, _, bins in curves for b in bins for k in ("mean_probability", "observed", "high")]
    axis = Axis.over("Predicted probability", [0.0, *(min(v, 1.0) for v in ends)])
    slopes = "; ".join(f"{n}: {shown(as_map(models[i].get('metrics')).get('calibration_slope'))}" for i, n, _ in curves)
    desc = f"Observed share of melanomas against predicted probability, by bin. Calibration slope: {slopes}."
    observed = Axis("Observed share of melanomas", axis.low, axis.high)
    chart = Chart("rel", "Reliability", desc, Frame(axis, observed))
    chart.line((axis.low, axis.high), (axis.low, axis.high), -1, "predicted = observed")
    for i, name, bins in curves:
        xs, ys, lows, highs = ([num(b.get(k)) for b in bins] for k in ("mean_probability", "observed", "low", "high"))
        chart.points(xs, ys, lows, highs, i, name)
    note = f"Bars: {level_of(data)} interval. Below the dashed line the model promises more melanomas than there are. "
    note += f"A bin with few rows (below, for {curves[0][1]}) says little."
    return Figure("Reliability", Markup(chart.svg() + _counts(axis, curves[0])), note)


def _counts(axis: Axis, curve: tuple[int, str, list[Mapping[str, Any]]]) -> str:
    series, name, bins = curve
    counts = [num(b.get("n")) for b in bins]
    logs = [math.log10(c) if c >= 1 else math.nan for c in counts]
    top = max(1, math.ceil(max((v for v in logs if math.isfinite(v)), default=1.0)))
    marks = tuple((float(k), f"{10**k:,}") for k in range(top + 1))
    frame = Frame(axis, Axis("Rows per bin (logarithmic)", math.log10(0.5), top, marks), height=180)
    desc = f"How many rows of {name} fall into each bin of the reliability plot: {', '.join(map(plain, counts))}."
    chart = Chart("bins", "Rows per bin", desc, frame)
    xs = [num(b.get("mean_probability")) for b in bins]
    chart.bars(xs, logs, (axis.high - axis.low) / 60, series, name)
    return chart.svg()


def _decision(models: Sequence[Mapping[str, Any]], data: Mapping[str, Any]) -> list[Figure]:
    curves = [(i, name, as_map(curve)) for i, name, curve in _curves(models, "decision") if as_map(curve)]
    if not curves:
        return []
    first = curves[0][2]
    edges = [v for _, _, c in curves for v in nums(c, "threshold") if math.isfinite(v)] or [0.0, 1.0]
    across = Axis("Threshold probability for a biopsy", min(edges), max(max(edges), min(edges) + 1e-6))
    tops = [v for _, _, c in curves for k in ("net_benefit", "high") for v in nums(c, k) if math.isfinite(v)]
    tops += [v for v in nums(first, "treat_all") if math.isfinite(v)]
    top = max([v for v in tops if v > 0], default=0.01)
    up = Axis.over("Net benefit", (-top / 4, top))
    desc = "Net benefit against the threshold probability, beside a biopsy of every lesion and of none."
    chart = Chart("dca", "Decision curve", desc, Frame(across, up))
    xs = nums(first, "threshold")
    chart.line(xs, nums(first, "treat_all"), 6, "biopsy of all")
    chart.line((across.low, across.high), (0, 0), -1, "biopsy of none")
    note = _lines(chart, curves, "threshold", "net_benefit", level_of(data))
    made = [
        Figure("Decision curve", Markup(chart.svg()), f"{note} A model helps only where it lies above both others.")
    ]
    avoided = [v for _, _, c in curves for v in nums(c, "avoided_per_100")]
    if any(map(math.isfinite, avoided)):
        frame = Frame(across, Axis.over("Biopsies avoided per 100 lesions", [0.0, *avoided]))
        saved = Chart("saved", "Biopsies avoided", "Net biopsies avoided per 100 lesions, by threshold.", frame)
        for i, name, c in curves:
            saved.line(nums(c, "threshold"), nums(c, "avoided_per_100"), i, name)
        made.append(Figure("Biopsies avoided", Markup(saved.svg()), _AVOIDED))
    return made


def within_patients(models: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """One histogram per model of the rank of each patient's best-ranked melanoma, against chance."""
    made = []
    for i, name, curve in _curves(models, "within_patient"):
        patients, chance = nums(as_map(curve), "patients"), nums(as_map(curve), "chance")
        ranks = len(patients)
        labels = [str(k) for k in range(1, ranks + 1)]
        beyond = num(as_map(curve).get("beyond"))
        if beyond > 0:
            patients.append(beyond)
            labels.append(f"> {ranks}")
            if len(chance) == ranks and all(map(math.isfinite, [*patients, *chance])):
                chance.append(max(sum(patients) - sum(chance), 0.0))
        total = sum(v for v in patients if math.isfinite(v))
        if total <= 0:
            continue
        size = len(patients)
        across = Axis("Rank of the best-ranked melanoma", 0.4, size + 0.6, tuple(enumerate(labels, 1)))
        frame = Frame(across, Axis.over("Patients", [0.0, *patients, *chance]), height=270)
        desc = f"{name}: of {plain(total)} patients with a melanoma, {plain(patients[0])} have it at rank 1"
        desc += f"; by chance {plain(chance[0])} would." if chance else "."
        chart = Chart(f"rank{i}", f"Rank of the melanoma within the patient, {name}", desc, frame)
        chart.bars(range(1, size + 1), patients, 0.72, i, name)
        chart.steps(range(1, len(chance) + 1), chance, 0.9, "expected by chance")
        made.append(Figure("Rank of the melanoma within its patient", Markup(chart.svg()), desc))
    return made
