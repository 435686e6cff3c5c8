"""An evaluation as one HTML page for a sceptical reader: every number with its interval, every chart with its words."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from cygnet.report import words
from cygnet.report.charts import MOST
from cygnet.report.evaluation_figures import drawn, within_patients
from cygnet.report.evaluation_forests import GAINS, compared, controlled, subgroups
from cygnet.report.evaluation_values import (
    aim,
    as_map,
    as_maps,
    bounds,
    digits_for,
    level_of,
    name_of,
    num,
    p_value,
    plain,
    prevalence,
    shown,
    tidy,
    title_of,
    union,
    write,
)
from cygnet.triage import RESEARCH_USE


def evaluation_page(data: Mapping[str, Any]) -> str:
    """The page of a parsed evaluation.json; the same data gives the same text.

    Keys may be missing and numbers null: a part without data is left out, an undefined number is said in words. Only
    the first eight models are drawn; the tables hold all of them.
    """
    known = tidy(data)
    models = as_maps(known.get("models"))
    controls = as_map(known.get("controls"))
    control_models = as_maps(controls.get("models"))
    readers = as_maps(known.get("readers"))
    diagnosed = as_maps(as_map(known.get("multiclass")).get("models"))
    page = (
        _environment()
        .get_template("evaluation.html")
        .render(
            data=known,
            research_use=RESEARCH_USE,
            summary=_summary(known, models),
            prevalence=prevalence(known),
            level=level_of(known),
            models=models,
            names=union(m.get("metrics") for m in models),
            cross_checks=[(name_of(m), auc) for m in models if (auc := as_map(as_map(m.get("delong")).get("auc")))],
            most=MOST,
            figures=drawn(models[:MOST], known),
            ranks=within_patients(models[:MOST]),
            comparisons=as_maps(known.get("comparisons")),
            compared=compared(known),
            controls=controls,
            control_models=control_models,
            control_names=union(m.get("metrics") for m in control_models),
            control_gains=union(controls.get(key) for key, _ in GAINS),
            gains=[(heading, as_map(controls[key])) for key, heading in GAINS if as_map(controls.get(key))],
            controlled=controlled(known),
            subgroups=as_maps(known.get("subgroups")),
            forests=subgroups(known),
            readers=readers,
            reader_rows=[(label, [find(r) for r in readers]) for label, find in _READ],
            diagnosed=diagnosed,
            confusion=_confusion(as_map(as_map(next(iter(diagnosed), {})).get("confusion"))),
            title_of=lambda name: title_of(known, name),
            aim=lambda name: aim(known, name),
        )
    )
    return page.lstrip()


def _summary(data: Mapping[str, Any], models: Sequence[Mapping[str, Any]]) -> str:
    """One sentence: the headline number of the first model, and on what it stands."""
    base = f"{plain(data.get('n'))} scored rows, {plain(data.get('positives'))} of them melanoma"
    if "patients" in data:
        base += f", from {plain(data['patients'])} patients"
    if not models:
        return f"No model was evaluated; the truth holds {base}."
    metrics = as_map(models[0].get("metrics"))
    name = next((k for k in ("auc", *metrics) if math.isfinite(num(as_map(metrics.get(k)).get("value")))), None)
    if name is None:
        return f"No metric of {models[0].get('name', 'the model')} is defined on {base}."
    found = as_map(metrics[name])
    digits = digits_for([num(found.get(k)) for k in ("value", "low", "high")])
    ends = [num(found.get(k)) for k in ("low", "high")]
    text = f"{models[0].get('name', 'The model')} has {title_of(data, name)} {write(num(found['value']), digits)}"
    if all(map(math.isfinite, ends)):
        text += f" ({level_of(data)} interval {write(ends[0], digits)} to {write(ends[1], digits)})"
    return f"{text} on {base}."


def _confusion(matrix: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, int, str]]]]:
    """Rows of (label, cells of text, shade 0-5 by share of the row, share in words)."""
    labels = [str(v) for v in matrix.get("labels", ())]
    table = []
    for label, counts in zip(labels, matrix.get("counts", ()), strict=False):
        known = [num(v) for v in counts]
        total = sum(v for v in known if math.isfinite(v)) or math.nan
        shades = [(v / total if math.isfinite(v / total) else 0.0) for v in known]
        table.append(
            (
                label,
                [
                    (plain(v), min(5, round(5 * s + 0.3)), f"{100 * s:.0f} %")
                    for v, s in zip(known, shades, strict=True)
                ],
            )
        )
    return table


def _read(*keys: str) -> Callable[[Mapping[str, Any]], tuple[Mapping[str, Any], str]]:
    """What finds an estimate in a vote table, and whether it is a value or a difference."""

    def find(table: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
        found: Mapping[str, Any] = table
        for key in keys:
            found = as_map(found.get(key))
        return found, "difference" if "difference" in found else "value"

    return find


_READ = (
    ("Average reader: sensitivity", _read("average", "sensitivity")),
    ("Average reader: specificity", _read("average", "specificity")),
    ("Model: sensitivity at that specificity", _read("model_sensitivity")),
    ("Model minus average reader: sensitivity", _read("model_minus_average_sensitivity")),
    ("Pooled readers: AUC", _read("pooled", "auc")),
    ("Model: AUC on the same images", _read("model_auc")),
    ("Model minus pooled readers: AUC", _read("model_minus_pooled_auc")),
)


@cache
def _environment() -> Environment:
    loader = PackageLoader("cygnet.report", "templates")
    env = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    style = "".join(loader.get_source(env, name)[0] for name in ("style.css", "evaluation.css"))
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    env.globals |= {"style": Markup(style), "style_sha256": digest}
    env.filters |= {
        "shown": shown,
        "plain": plain,
        "p_value": p_value,
        "bounds": bounds,
        "percent": words.percent,
        "stated": words.stated,
        "initial": words.initial,
        "slug": words.slug,
    }
    return env
