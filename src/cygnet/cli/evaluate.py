"""``cygnet evaluate``: anyone's scores against a truth."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cygnet.errors import InputError, OutputError, TableError

if TYPE_CHECKING:
    import polars as pl

    from cygnet.evaluation.study import Study

_SHOWN = (
    "auc",
    "pauc",
    "average_precision",
    "within_patient_auc",
    "hit_at_1",
    "hit_at_3",
    "sensitivity_at_specificity_90",
    "specificity_at_sensitivity_95",
    "review_per_melanoma_at_80",
    "brier",
    "ece",
    "calibration_slope",
    "calibration_intercept",
    "number_needed_to_biopsy",
    "net_benefit",
)


def evaluate(
    scores: Annotated[
        Path, typer.Argument(help="CSV, TSV or Parquet with an image column and a score.", show_default=False)
    ],
    truth: Annotated[
        Path,
        typer.Option(
            help="Table with the same images and target (1 melanoma); patient_id, lesion_id, age, sex, site, skin tone, "
            "institution, score_weight are used where present.",
            show_default=False,
        ),
    ],
    compare: Annotated[
        list[Path] | None, typer.Option(help="Another score table; may be given again.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for evaluation.json and evaluation.html.", show_default=False)
    ] = None,
    controls: Annotated[
        bool, typer.Option("--controls", help="Add the context controls: shuffled siblings, count, metadata.")
    ] = False,
    readers: Annotated[
        list[str] | None,
        typer.Option(help="NAME=FILE, a table of human votes; may be given again.", show_default=False),
    ] = None,
    subgroups: Annotated[bool, typer.Option(help="Divide by age, sex, site, skin tone and institution.")] = True,
    score: Annotated[
        list[str] | None,
        typer.Option(
            help="Column of the scores; again for several, or 'all' for each numeric one.", show_default=False
        ),
    ] = None,
    target: Annotated[str | None, typer.Option(help="Column of the truth to predict.", show_default=False)] = None,
    unit: Annotated[
        str | None,
        typer.Option(
            help="What is resampled: patient, lesion or image. \\[default: the largest known]", show_default=False
        ),
    ] = None,
    fold: Annotated[
        str | None, typer.Option(help="Rank scores within this column before pooling.", show_default=False)
    ] = None,
    subset: Annotated[bool, typer.Option("--subset", help="Judge only images that every table scores.")] = False,
    threshold: Annotated[float, typer.Option(help="Probability from which on a lesion would be taken out.")] = 0.05,
    replicates: Annotated[int, typer.Option(min=100, help="Resamples.")] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of the resamples.")] = 1,
    memory: Annotated[int, typer.Option(min=1, help="Largest table that is read, in megabytes.")] = 2000,
    problems: Annotated[
        Path | None, typer.Option(help="Write the full list of problems with rows to this file.", show_default=False)
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print evaluation.json, nothing else.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No table, no progress; errors only.")] = False,
) -> None:
    """Judge scores: metrics with patient-clustered 95 % intervals, comparisons, subgroups, controls.

    Works on anyone's scores. Intervals come from resampling whole patients (or lesions, or images, whatever the truth
    knows); the same resamples serve every table, so that differences are paired.
    """
    from cygnet.evaluation.study import Reading

    if not 0 < threshold < 1:
        raise InputError(f"--threshold {threshold} is not between 0 and 1")
    if unit not in (None, "patient", "lesion", "image"):
        raise InputError(f"--unit {unit}: choose patient, lesion or image")
    how = Reading(target, tuple(score or ()), unit, subset, fold)
    try:
        study = read_study(truth, [scores, *(compare or [])], how, memory)
        votes = _votes(readers or [], memory)
    except TableError as error:
        if problems is not None:
            write_whole(problems, "\n".join(error.problems) + "\n")
            raise InputError(f"{error}\nall of them are in {problems}") from error
        raise
    found = _evaluate(study, votes, replicates, seed, threshold, controls=controls, subgroups=subgroups, quiet=quiet)
    found = {"truth": truth.name, **found}
    if out is not None:
        _write_folder(out, found)
    if json_:
        import json

        typer.echo(json.dumps(found, indent=1))
    elif not quiet:
        _show(found, out)


def read_study(truth: Path, scores: list[Path], how: Any, memory: int) -> Study:
    """Truth and scores, read and joined; models are called after their files."""
    from cygnet.evaluation import table
    from cygnet.evaluation.study import build

    names = [path.stem for path in scores]
    names = [name if names.count(name) == 1 else str(path) for name, path in zip(names, scores, strict=True)]
    if len(set(names)) < len(names):
        raise InputError("the same score table is given twice; name each once")
    return build(table.read(truth, memory), {n: table.read(p, memory) for n, p in zip(names, scores, strict=True)}, how)


def _votes(readers: list[str], memory: int) -> dict[str, Any]:
    from cygnet.evaluation import table

    made = {}
    for given in readers:
        name, equals, path = given.partition("=")
        if not equals or not name:
            raise InputError(f"--readers {given}: write NAME=FILE, such as dermatologists=votes.csv")
        made[name] = table.read(path, memory)
    return made


def _evaluate(
    study: Study,
    votes: dict[str, Any],
    replicates: int,
    seed: int,
    threshold: float,
    *,
    controls: bool,
    subgroups: bool,
    quiet: bool,
) -> dict[str, Any]:
    from cygnet.cli.show import progress
    from cygnet.evaluation.bootstrap import Resamples
    from cygnet.evaluation.controls import SHUFFLES
    from cygnet.evaluation.controls import controls as control
    from cygnet.evaluation.evaluate import Plan, evaluate, plain
    from cygnet.evaluation.readers import anchor
    from cygnet.evaluation.subgroups import by_group

    main = next(iter(study.scores.values()))
    resamples = Resamples(study.units, replicates, seed)
    total = replicates * (len(study.scores) + (SHUFFLES + 4 if controls else 0))
    done = 0
    with progress("resampling", total, "resamples", quiet=quiet) as advance:

        def tick(more: int) -> None:
            nonlocal done
            done += more
            advance(done)

        found = evaluate(study, Plan(replicates, seed, threshold=threshold), tick)
        if controls:
            found["controls"] = control(study, main, resamples, seed=seed, tick=tick)
        if subgroups and study.attributes:
            found["subgroups"] = by_group(study, main, resamples)
        if votes:
            found["readers"] = [anchor(study, main, table, name, resamples) for name, table in votes.items()]
    made: dict[str, Any] = plain(found)
    return made


def _write_folder(out: Path, found: dict[str, Any]) -> None:
    import json

    from cygnet.report.evaluation_page import evaluation_page

    page = evaluation_page(found)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be made ({error.strerror}); choose another --out") from error
    write_whole(out / "evaluation.json", json.dumps(found, indent=1) + "\n")
    write_whole(out / "evaluation.html", page)


def write_whole(path: Path, text: str) -> None:
    """Under a temporary name first, so that nothing half-written stays."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise OutputError(f"{path}: cannot be written ({error.strerror}); choose another place") from error


def write_table(frame: pl.DataFrame, out: Path) -> None:
    """A data frame as CSV or Parquet, as its name says, under a temporary name first."""
    part = out.with_name(f".{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.suffix.lower() == ".parquet":
            frame.write_parquet(part)
        else:
            frame.write_csv(part)
        part.replace(out)
    except OSError as error:
        raise OutputError(f"{out}: could not be written ({error.strerror or error}); choose another --out") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _show(found: dict[str, Any], out: Path | None) -> None:
    from rich.table import Table
    from rich.text import Text

    from cygnet.cli.show import console

    screen = console()
    if not screen.is_terminal:
        screen.width = 120
    kinds = "patients" if found["unit"] == "patient" else f"{found['unit']}s"
    screen.print(
        Text(
            f"{found['n']:,} images, {found['positives']:,} melanomas ({found['prevalence']:.1%}); "
            f"{found['replicates']:,} resamples of {found['units']:,} {kinds}, {found['level']:.0%} intervals"
        )
    )
    table = Table(box=None, pad_edge=False)
    table.add_column("metric")
    for model in found["models"]:
        table.add_column(Text(model["name"]), justify="right")
    for name in _SHOWN:
        if any(name in model["metrics"] for model in found["models"]):
            table.add_row(
                found["definitions"][name]["title"], *(_cell(model["metrics"].get(name)) for model in found["models"])
            )
    screen.print(table)
    for line in _lines(found):
        screen.print(Text(line))
    if out is not None:
        screen.print(Text(f"all metrics, curves and definitions: {out / 'evaluation.html'}, {out / 'evaluation.json'}"))
    screen.print(Text("Research use only; not a medical device."))


def _cell(metric: dict[str, Any] | None) -> str:
    if metric is None or metric["value"] is None:
        return "undefined"
    values = [metric[key] for key in ("value", "low", "high")]
    digits = 1 if any(v is not None and abs(v) >= 10 for v in values) else 3
    value, low, high = ("-" if v is None else f"{v:.{digits}f}" for v in values)
    return f"{value} [{low}, {high}]"


def _lines(found: dict[str, Any]) -> list[str]:
    made = []
    for c in found["comparisons"]:
        d = c["metrics"]["auc"]
        if d["difference"] is not None:
            made.append(
                f"{c['a']} minus {c['b']}: AUC {d['difference']:+.4f} [{d['low']:+.4f}, {d['high']:+.4f}], "
                f"adjusted p {d['p_adjusted']:.3g}"
            )
    if "controls" in found:
        for name, words in (
            ("true_minus_shuffled", "true minus shuffled siblings"),
            ("true_minus_none", "true minus none"),
        ):
            parts = [
                f"{found['definitions'][m]['title']} {d['difference']:+.4f} [{d['low']:+.4f}, {d['high']:+.4f}]"
                for m, d in found["controls"][name].items()
                if m in ("auc", "within_patient_auc", "hit_at_1") and d["difference"] is not None
            ]
            made.append(f"{words}: {'; '.join(parts)}")
    for r in found.get("readers", []):
        d = r["model_minus_average_sensitivity"]
        made.append(
            f"{r['name']} ({r['n']:,} images): average sensitivity {r['average']['sensitivity']['value']:.3f} at "
            f"specificity {r['average']['specificity']['value']:.3f}; model there {r['model_sensitivity']['value']:.3f} "
            f"({d['difference']:+.3f} [{d['low']:+.3f}, {d['high']:+.3f}]); pooled AUC {r['pooled']['auc']['value']:.3f}"
        )
    for v in found.get("subgroups", []):
        judged = [g for g in v["groups"] if "value" in g]
        if len(judged) > 1:
            worst = min(judged, key=lambda g: g["value"])
            made.append(
                f"{v['variable']}: lowest AUC {worst['value']:.3f} ({worst['group']}, n {worst['n']:,}), gap to the best "
                f"{worst['gap']:+.3f} [{worst['gap_low']:+.3f}, {worst['gap_high']:+.3f}]"
            )
    undefined = {m["note"] for model in found["models"] for m in model["metrics"].values() if m.get("note")}
    return [*made, *(f"undefined: {note}" for note in sorted(undefined)), *(f"note: {note}" for note in found["notes"])]
