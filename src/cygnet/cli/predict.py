"""``cygnet predict``: images to a challenge submission."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cygnet.cli.images import (
    EngineOption,
    ImageRun,
    ImagesOption,
    JsonOption,
    LimitOption,
    ModelOption,
    PathsArgument,
    QuietOption,
    ResumeOption,
    WorkersOption,
)
from cygnet.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cygnet.triage.features import Seen
    from cygnet.triage.submission import Answers

#: Share of melanomas among imaged lesions where none is stated, as in ``cygnet rank``.
PREVALENCE = 0.02
_TILES = (
    "warning: the images of ISIC 2024 are tiles of 3D total-body photographs; this model was trained on dermoscopy, so that "
    "its answers on tiles mean little"
)


def predict(
    paths: PathsArgument,
    task: Annotated[
        Literal["isic2018", "isic2019", "isic2020", "isic2024"],
        typer.Option(help="The challenge to write a submission for.", show_default=False),
    ],
    out: Annotated[Path, typer.Option(help="CSV file to write.", show_default=False)],
    images: ImagesOption = None,
    prevalence: Annotated[
        float | None,
        typer.Option(
            help="Share of melanomas that probabilities are stated at. \\[default: 0.02, where no prior says otherwise]",
            show_default=False,
        ),
    ] = None,
    prior: Annotated[
        Literal["uniform", "training", "stated"] | None,
        typer.Option(
            help="isic2018 and isic2019, how common the diagnoses are taken to be: all alike (best where balanced accuracy is "
            "scored), as in HAM10000, or melanoma at --prevalence. \\[default: uniform]",
            show_default=False,
        ),
    ] = None,
    json_: JsonOption = False,
    model: ModelOption = "accurate",
    limit: LimitOption = None,
    resume: ResumeOption = False,
    workers: WorkersOption = None,
    engine: EngineOption = "local",
    quiet: QuietOption = False,
) -> None:
    """Write a submission to an ISIC or Kaggle challenge: a row per image, columns as the challenge wants them.

    isic2018 (Task 3) and isic2019 ask for the probability of each diagnosis, isic2020 for melanoma, isic2024 for any
    malignant lesion. An image that cannot be read is listed and still gets a row: in isic2019 it is UNK, elsewhere it gets
    what is known without looking, melanoma at the prevalence and the other diagnoses as in HAM10000.

    Exit codes: 0 done, also where some images could not be read; 1 none could be read, nothing is written; 2 wrong use;
    130 interrupted.

    Examples:

      cygnet predict ISIC_patient/ --task isic2020 --out submission.csv

      cygnet predict manifest.csv --images photos/ --task isic2018 --out submission.csv --json
    """
    from cygnet.models import LesionModel, find_lesion
    from cygnet.triage import collect
    from cygnet.triage.calibration import Calibration
    from cygnet.triage.submission import Answers, Prior, Task, refuse_twice, settled

    wanted = Task(task)
    chosen, at = settled(wanted, Prior(prior) if prior else None, prevalence, PREVALENCE)
    records = collect(paths, images=images, facts=False)[:limit]
    refuse_twice(records, wanted)
    network = LesionModel(find_lesion(model))
    answers = Answers(wanted, Calibration.from_card(network.card), chosen, at)
    if wanted is Task.ISIC2024 and not quiet:
        typer.echo(_TILES, err=True)
    run = ImageRun(records, network, "logits", out, quiet=quiet, err=json_)
    with run.journal("", resume=resume) as journal:
        _write(out, answers, run.stream(journal, "predicting", workers, engine), run)
    summary = {
        **{"schema": "cygnet-submission-1", "research_use": True, "task": task, "file": str(out), "images": run.seen},
        "prior": str(chosen),
        "prevalence": round(answers.melanoma, 6),
        "not_dermoscopy": run.strange,
        "failed": [{"image": image, "problem": problem} for image, problem in run.problems],
        "value_of_failed": dict(zip(wanted.columns[1:], answers.unread, strict=True)),
        **{"model": network.files.name, "model_sha256": network.files.sha256},
    }
    if json_:
        typer.echo(json.dumps(summary, indent=1, ensure_ascii=False))
    given = ", ".join(f"{k} {v:.3g}" for k, v in zip(wanted.columns[1:], answers.unread, strict=True) if v)
    run.close(
        f"{run.seen} rows for {task} in {out} (melanoma at a prevalence of {answers.melanoma:.3g})",
        f"each has a row with {given}",
    )


def _write(out: Path, answers: Answers, seen: Iterator[Seen], run: ImageRun) -> None:
    """The submission, written beside its place and moved there; nothing where no image could be read."""
    part = out.with_name(f".{out.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(answers.task.columns)
            rows.writerows((one.record.image, *(format(v, ".9g") for v in answers.row(one))) for one in seen)
        run.refuse_nothing()
        os.replace(part, out)
    except OSError as error:
        raise OutputError(
            f"{out}: cannot be written ({error.strerror or error}); free some space, then run again with --resume"
        ) from error
    finally:
        part.unlink(missing_ok=True)


__all__ = ["predict"]
