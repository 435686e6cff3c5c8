"""``cygnet challenge list``, ``check`` and ``score``: what needs no store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cygnet.cli.archive_common import Json, Quiet, show_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cygnet.challenge.problems import Problem
    from cygnet.challenge.tasks import Task

TaskName = Annotated[
    str, typer.Argument(help="Name of a task (cygnet challenge list), or a TOML file that defines one.", metavar="TASK")
]
TruthPath = Annotated[Path, typer.Argument(help="Truth: a table, or a folder or zip of masks.", metavar="TRUTH")]
Submission = Annotated[Path, typer.Argument(help="CSV, Parquet, or a zip or folder of masks.", metavar="SUBMISSION")]
Metadata = Annotated[
    Path | None,
    typer.Option(help="Table of the same images with patient_id, lesion_id, age, sex or site.", show_default=False),
]


def list_(
    archive: Annotated[
        Path | None,
        typer.Option(help="List the challenges that are hosted in this folder instead.", show_default=False),
    ] = None,
    json_: Json = False,
) -> None:
    """The tasks of ISIC's challenges, 2016 to 2024: names, what ranks, titles. With --archive those hosted there."""
    from cygnet.challenge.tasks import known

    if archive is not None:
        _list_hosted(archive, json_=json_)
        return
    tasks = list(known().values())
    if json_:
        show_json([{**t.as_json(), "layout": t.layout} for t in tasks])
        return
    width = max(len(t.name) for t in tasks)
    for t in tasks:
        typer.echo(f"{t.name:<{width}}  {t.headline_title:<20}  {t.title}")
    typer.echo(
        "\nDefine a new one in a TOML file: docs/challenges.md. Score with: cygnet challenge score TASK TRUTH SUBMISSION"
    )


def _list_hosted(archive: Path, *, json_: bool) -> None:
    from cygnet.challenge.store.hosted import Challenges

    hosted = Challenges(archive / "site").all()
    if json_:
        show_json(
            [{**c.task.as_json(), "state": c.state, "images": c.images, "split_sha256": c.commitment} for c in hosted]
        )
        return
    for c in hosted:
        typer.echo(f"{c.name}  {c.state}  {c.images:,} images  {c.task.title}")
    if not hosted:
        typer.echo(f"no challenge in {archive}; make one with: cygnet challenge new FILE.toml --archive {archive}")


def check(
    task_name: TaskName,
    submission: Submission,
    images: Annotated[
        Path | None,
        typer.Option(
            help="Table of the images that must be there (image column), or their masks' folder. The truth need not be known.",
            show_default=False,
        ),
    ] = None,
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check a submission before it is sent: every problem with line, column, value and fix. Exit 1 when it would be refused."""
    from cygnet.challenge.check import check as checked
    from cygnet.challenge.tasks import task

    problems = checked(task(task_name), submission, images)
    refused = any(p.severity == "error" for p in problems)
    if json_:
        show_json({"accepted": not refused, "problems": [p.as_json() for p in problems]})
    else:
        _show_problems(problems)
        if not refused and not quiet:
            scope = "" if images else " (image names were not compared; name them with --images)"
            typer.echo(f"{submission.name}: sound{scope}")
    if refused:
        raise typer.Exit(1)


def score(
    task_name: TaskName,
    truth: TruthPath,
    submission: Submission,
    metadata: Metadata = None,
    replicates: Annotated[
        int, typer.Option(help="Resamples for a 95 % interval of the headline metric; 0 for none.", min=0)
    ] = 0,
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score a submission: the challenge's own metrics, with every problem if it is refused (exit 1)."""
    from cygnet.challenge.packed import Source
    from cygnet.challenge.problems import RefusedError
    from cygnet.challenge.scoring import read_answer, score_answer
    from cygnet.challenge.tasks import task
    from cygnet.challenge.truth import truth_of
    from cygnet.cli.show import progress

    wanted = task(task_name)
    known = truth_of(wanted, truth, metadata)
    pairs = len(known.files) if known.files is not None else 0
    try:
        with progress("comparing masks", pairs, "masks", quiet=quiet or json_ or not pairs) as advance:
            answer = read_answer(known, Source.of(submission), advance)
    except RefusedError as error:
        if json_:
            nothing: dict[str, Any] = {"overall": None, "validation": None, "metrics": {}}
            show_json({**nothing, "problems": [p.as_json() for p in error.problems]})
            raise typer.Exit(1) from error
        raise
    found = score_answer(known, answer)
    made = found.as_json()
    if replicates:
        from cygnet.challenge.estimate import estimate
        from cygnet.evaluation.bootstrap import Resamples
        from cygnet.evaluation.evaluate import plain

        drawn = estimate(known, answer, Resamples(known.units, replicates))
        made["interval"] = plain(
            {"metric": wanted.headline, "unit": known.unit, "replicates": replicates, **drawn.as_json(0.95)}
        )
    if json_:
        typer.echo(json.dumps(made, indent=1))
    elif not quiet:
        _show(wanted, made, len(known.ids))
        _show_problems(found.problems)


def _show_problems(problems: Sequence[Problem], most: int = 20) -> None:
    for p in problems[:most]:
        typer.echo(f"{p.severity}: {p}", err=True)
    if len(problems) > most:
        typer.echo(f"(and {len(problems) - most} more; --json lists all)", err=True)


def _show(task: Task, made: dict[str, Any], images: int) -> None:
    typer.echo(f"{task.title}, {images:,} images")
    typer.echo(f"{task.headline_title}: {_number(made['overall'])}" + _interval(made.get("interval")))
    if made["validation"] != made["overall"]:
        typer.echo(f"  by the validation weights: {_number(made['validation'])}")
    metrics = made["metrics"]
    for name, value in {**metrics.get("macro_average", {}), **metrics.get("aggregate", {})}.items():
        typer.echo(f"  {name:<20} {_number(value)}")
    for name in [k for k, v in metrics.items() if isinstance(v, dict) and "jaccard" in v]:
        typer.echo(f"  {name:<20} Jaccard {_number(metrics[name]['jaccard'])}, Dice {_number(metrics[name]['dice'])}")
    for name, value in metrics.get("patient", {}).items():
        typer.echo(f"  {name:<20} {_number(value)}")
    for name, why in metrics.get("undefined", {}).items():
        typer.echo(f"undefined: {name}, {why}")


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"


def _interval(found: dict[str, Any] | None) -> str:
    if not found or found["low"] is None:
        return ""
    units = {"patient": "patients", "lesion": "lesions", "image": "images"}[found["unit"]]
    return f" [{found['low']:.4f}, {found['high']:.4f}] (95 %, {found['replicates']:,} resamples of {units})"
