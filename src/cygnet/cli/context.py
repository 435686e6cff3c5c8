"""``cygnet context``: the patient's other lesions, added to anyone's scores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cygnet.errors import InputError, TableError


def context(
    scores: Annotated[
        Path,
        typer.Argument(
            help="CSV, TSV or Parquet with image, patient_id and score; site, lesion_id, acquisition_day, image_type, device "
            "are used where present.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="The same rows with what context says, .csv or .parquet.")],
    embeddings: Annotated[
        Path | None,
        typer.Option(
            help="How each image looks to a network: .npy with one row per row of SCORES, or a table with an image column.",
            show_default=False,
        ),
    ] = None,
    measurements: Annotated[
        Path | None,
        typer.Option(help="Table with an image column and numbers such as size or colour.", show_default=False),
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            help="How lesions are compared: robust_z, lof, pca_cosine or whitened; set_transformer and stack where their model is installed."
        ),
    ] = "robust_z",
    guard: Annotated[float, typer.Option(help="Probability from which on context never lowers a lesion.")] = 0.05,
    score: Annotated[
        str | None, typer.Option(help="Column of the score. \\[default: score, ...]", show_default=False)
    ] = None,
    logits: Annotated[bool, typer.Option("--logits", help="The scores are log odds, not probabilities.")] = False,
    memory: Annotated[int, typer.Option(min=1, help="Largest table that is read, in megabytes.")] = 2000,
    problems: Annotated[
        Path | None, typer.Option(help="Write the full list of problems with rows to this file.", show_default=False)
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the summary as JSON, nothing else.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No summary, no progress; errors only.")] = False,
) -> None:
    """Compare each lesion with its patient's others, and add that to anyone's scores.

    Adds oddness (0 to 1), rank with its interval, family, nearest sibling, adjusted_score and the reason in words. A patient
    with fewer than 8 comparable lesions keeps the scores as they are.

    Exit codes: 0 done, 2 wrong use, 130 interrupted.

    Example: cygnet context scores.csv --measurements measured.csv --out context.csv
    """
    from cygnet.cli.evaluate import write_table, write_whole
    from cygnet.cli.show import progress
    from cygnet.context import Options
    from cygnet.triage.context_methods import context_method
    from cygnet.triage.context_run import ADDED, STAGES, run
    from cygnet.triage.context_table import read
    from cygnet.version import VERSION

    if not 0 <= guard <= 1:
        raise InputError(f"--guard {guard} is not between 0 and 1; 0.05 means five in a hundred")
    if out.suffix.lower() not in (".csv", ".parquet"):
        raise InputError(f"--out {out}: end its name in .csv or .parquet")
    chosen = context_method(method)
    try:
        given = read(
            scores, embeddings=embeddings, measurements=measurements, score=score, logits=logits, memory=memory
        )
    except TableError as error:
        if problems is not None:
            write_whole(problems, "\n".join(error.problems) + "\n")
            raise InputError(f"{error}\nall of them are in {problems}") from error
        raise
    if taken := sorted(set(given.frame.columns) & set(ADDED)):
        raise InputError(f"{scores}: has a column {', '.join(taken)} already, which context would add; rename it first")
    with progress(f"context of {len(given.images):,} images", len(STAGES), "stages", quiet=quiet or json_) as advance:
        judged = run(given, chosen.method, Options(guard=guard), tick=lambda k: advance(k, STAGES[k - 1]))
    write_table(judged.frame, out)
    summary = {**judged.summary, "learned_sha256": chosen.learned, "code_version": VERSION}
    if json_:
        import json

        typer.echo(json.dumps(summary, indent=1))
    elif not quiet:
        _show(summary, out)


def _show(summary: dict[str, Any], out: Path) -> None:
    from rich.text import Text

    from cygnet.cli.show import console

    screen = console()
    words = {
        "good": "with enough siblings",
        "few": "with too few siblings: score not moved",
        "none": "with no sibling: score not moved",
        "not comparable": "whose siblings are of another image type or device: score not moved",
    }
    lines = [
        f"{summary['rows']:,} images of {summary['lesions']:,} lesions, {summary['patients']:,} patients; compared by "
        f"{summary['method']} on {' and '.join(summary['used'])}",
        *(f"  {n:,} {words[kind]}" for kind, n in summary["company"].items()),
        f"scores raised {summary['raised']:,}, lowered {summary['lowered']:,}; {summary['guarded']:,} kept from falling by the "
        f"guard at {summary['guard']:.0%}",
        *(f"note: {note}" for note in summary["notes"]),
        f"written to {out}",
        "Research use only; not a medical device. A low rank does not mean that a lesion is safe.",
    ]
    screen.print(Text("\n".join(lines)))
