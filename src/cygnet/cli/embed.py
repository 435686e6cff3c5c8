"""``cygnet embed``: images to a table of embeddings."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import Annotated

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
from cygnet.errors import InputError


def embed(
    paths: PathsArgument,
    out: Annotated[Path, typer.Option(help="Parquet file to write.", show_default=False)],
    images: ImagesOption = None,
    float16: Annotated[
        bool, typer.Option("--float16", help="Half the size, numbers to three digits. \\[default: float32]")
    ] = False,
    json_: JsonOption = False,
    model: ModelOption = "fast",
    limit: LimitOption = None,
    resume: ResumeOption = False,
    workers: WorkersOption = None,
    engine: EngineOption = "local",
    quiet: QuietOption = False,
) -> None:
    """Describe each image by numbers in which lesions that look alike are near each other: one Parquet table.

    Columns: image, patient_id, lesion_id, model, model_sha256, and embedding, an array of 128 numbers. An image that
    cannot be read is listed and left out.

    Exit codes: 0 done, also where some images could not be read; 1 none could be read, nothing is written; 2 wrong use;
    130 interrupted.

    Examples:

      cygnet embed ISIC_patient/ --out embeddings.parquet

      cygnet embed manifest.csv --images photos/ --out embeddings.parquet --float16
    """
    from cygnet.models import LesionModel, find_lesion
    from cygnet.triage import collect
    from cygnet.triage.embeddings import schema, write

    if out.suffix.lower() != ".parquet":
        raise InputError(f"{out}: embeddings are written as Parquet; let --out end in .parquet")
    network = LesionModel(find_lesion(model))
    columns = schema(network.width, half=float16)
    records = collect(paths, images=images, facts=False)[:limit]
    run = ImageRun(records, network, "embedding", out, quiet=quiet, err=json_)
    with run.journal("", resume=resume) as journal:
        deque(run.stream(journal, "embedding", workers, engine), maxlen=0)
        run.refuse_nothing()
        write(out, journal, len(records), network.files, columns)
    if json_:
        summary = {
            **{"schema": "cygnet-embeddings-1", "file": str(out), "images": run.seen, "rows": run.good},
            **{"numbers": network.width, "type": "float16" if float16 else "float32", "not_dermoscopy": run.strange},
            "failed": [{"image": image, "problem": problem} for image, problem in run.problems],
            **{"model": network.files.name, "model_sha256": network.files.sha256},
        }
        typer.echo(json.dumps(summary, indent=1, ensure_ascii=False))
    run.close(f"{run.good} embeddings of {network.width} numbers in {out}", "left out")


__all__ = ["embed"]
