"""Forest plots of an evaluation: differences of models and controls, metrics by subgroup."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from cygnet.report.chart_axes import Axis
from cygnet.report.charts import MOST, ForestRow, forest
from cygnet.report.evaluation_figures import Figure
from cygnet.report.evaluation_values import aim, as_map, as_maps, num, plain, shown, title_of

#: The differences between controls: key in the JSON, words.
GAINS = (("true_minus_shuffled", "True minus shuffled siblings"), ("true_minus_none", "True minus no siblings"))


def _differences(key: str, title: str, metrics: Mapping[str, Any], data: Mapping[str, Any]) -> Figure | None:
    """A forest of the differences that fit on an axis from -1 to 1; others are in the table only."""
    rows = []
    for name, m in metrics.items():
        v, low, high = (num(as_map(m).get(k)) for k in ("difference", "low", "high"))
        if max((abs(x) for x in (v, low, high) if math.isfinite(x)), default=9) <= 1:
            turn = "" if aim(data, name)[0] == "↑" else aim(data, name)[1]
            rows.append(ForestRow(title_of(data, name), shown(m, "difference", "+"), v, low, high, turn))
    if not rows:
        return None
    axis = Axis.over("Difference", [0.0, *(x for r in rows for x in (r.value, r.low, r.high))])
    desc = "; ".join(f"{r.label}: {r.shown}" for r in rows)
    return Figure(
        title, Markup(forest(key, title, desc, rows, axis, 0.0)), "An interval that holds 0 shows no difference."
    )


def compared(data: Mapping[str, Any]) -> list[Figure]:
    """One forest per pair of models."""
    pairs = as_maps(data.get("comparisons"))[:MOST]
    made = [
        _differences(f"pair{i}", f"{c.get('a', 'a')} minus {c.get('b', 'b')}", as_map(c.get("metrics")), data)
        for i, c in enumerate(pairs)
    ]
    return [figure for figure in made if figure]


def controlled(data: Mapping[str, Any]) -> list[Figure]:
    """What the true siblings add, beside shuffled ones and beside none."""
    controls = as_map(data.get("controls"))
    made = [_differences(key.replace("_", "-"), heading, as_map(controls.get(key)), data) for key, heading in GAINS]
    return [figure for figure in made if figure]


def subgroups(data: Mapping[str, Any]) -> list[Figure]:
    """One forest per variable, on one common axis."""
    known = as_maps(data.get("subgroups"))
    parts = [(str(s.get("variable", "group")), as_maps(s.get("groups"))) for s in known]
    ends = [num(g.get(k)) for _, groups in parts for g in groups for k in ("value", "low", "high")]
    overall = num(
        as_map(as_map(as_map(next(iter(as_maps(data.get("models"))), {})).get("metrics")).get("auc")).get("value")
    )
    made = []
    for i, (variable, groups) in enumerate(parts):
        name = str(next((g["metric"] for g in groups if g.get("metric")), "auc"))
        reference = overall if name == "auc" else math.nan
        rows = [
            ForestRow(
                str(g.get("group", "not stated")),
                shown(g) if math.isfinite(num(g.get("value"))) else str(g.get("note", "undefined")),
                num(g.get("value")),
                num(g.get("low")),
                num(g.get("high")),
                f"{plain(g.get('positives'))} of {plain(g.get('n'))}",
            )
            for g in groups
        ]
        axis = Axis.over(title_of(data, name), [*ends, reference])
        desc = "; ".join(f"{r.label}: {r.shown}, melanomas {r.detail}" for r in rows)
        drawing = forest(f"sub{i}", f"{title_of(data, name)} by {variable}", desc, rows, axis, reference)
        unknown = num(known[i].get("unknown"))
        note = f"{plain(unknown)} rows are in no group: not stated." if unknown > 0 else ""
        made.append(Figure(f"By {variable.replace('_', ' ')}", Markup(drawing if rows else ""), note))
    return made
