"""``cygnet split``: folds that share no patient, no lesion and no picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cygnet.errors import InputError


def split(
    table: Annotated[Path, typer.Argument(help="CSV or Parquet table with a row per image.")],
    out: Annotated[Path, typer.Option(help="The table with a column for the fold, .csv or .parquet.")],
    folds: Annotated[int | None, typer.Option(min=2, help="Number of equal folds.", show_default=False)] = None,
    shares: Annotated[
        str | None, typer.Option(help="Named shares, such as train=0.7,val=0.1,test=0.2.", show_default=False)
    ] = None,
    images: Annotated[
        list[Path] | None,
        typer.Option(help="Folder with the images: duplicates then stay together; repeatable.", show_default=False),
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="Column with the truth. \\[default: target, diagnosis...]", show_default=False)
    ] = None,
    lenient: Annotated[bool, typer.Option("--lenient", help="Let rows without their image pass.")] = False,
    column: Annotated[str, typer.Option(help="Name of the new column.")] = "fold",
    seed: Annotated[int, typer.Option(min=0, help="The same seed and rows give the same folds.")] = 0,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads. \\[default: cores]", show_default=False)] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No balance, no progress.")] = False,
) -> None:
    """Split a table by patient, balanced by target, lesion count and site.

    Rows that share a patient, a lesion or (with --images) a picture are never separated.

    Exit codes: 0 done, 2 wrong use, 130 interrupted.

    Example: cygnet split all.csv --shares train=0.7,val=0.1,test=0.2 --out folds.csv
    """
    import polars as pl

    from cygnet.cli import audit
    from cygnet.cli.evaluate import write_table
    from cygnet.evaluation import split as method
    from cygnet.evaluation.entries import Reading, read_table
    from cygnet.evaluation.lookalikes import looks_alike

    if (folds is None) == (shares is None):
        raise InputError("give either --folds 5 or --shares train=0.8,test=0.2")
    wanted = _shares(shares) if shares else {str(k): 1.0 for k in range(folds or 2)}
    if not table.is_file():
        raise InputError(f"{table}: no such table; check the path")
    frame = read_table(table)
    if column in frame.columns:
        raise InputError(f"{table}: has a column {column!r} already; choose another name with --column")
    entries = audit.read([table], Reading(tuple(images or ()), label, lenient=lenient), None)
    pairs = audit.compare(entries, workers, quiet=quiet)[2] if images else []
    ties = [(p.i, p.j) for p in pairs if looks_alike(p)]  # keeping two apart that belong together is the worse error
    placed = method.split(entries, wanted, seed=seed, pairs=ties)
    write_table(frame.with_columns(pl.Series(column, placed)), out)
    if not quiet:
        for b in method.balance(entries, placed, wanted):
            typer.echo(
                f"{b.fold}: {b.images} images ({b.share:.1%}, wanted {b.wanted:.1%}), {b.groups} groups,"
                f" {b.positive:.2%} positive"
            )
        typer.echo(f"{len(ties)} duplicate pairs kept together; written to {out}")


def _shares(text: str) -> dict[str, float]:
    try:
        pairs = [part.split("=") for part in text.split(",")]
        shares = {name.strip(): float(value) for name, value in pairs}
    except ValueError:
        raise InputError(f"--shares {text}: give names and numbers, such as train=0.7,val=0.1,test=0.2") from None
    if len(shares) < len(pairs):
        raise InputError(f"--shares {text}: a name is there twice; name each fold once")
    return shares
