"""``cygnet metadata``: check a table of metadata, and look words up in the vocabulary."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Check a table of metadata against the ISIC vocabulary, and look words up in it.", no_args_is_help=True
)


@app.command()
def check(
    table: Annotated[Path, typer.Argument(help="CSV, TSV or Parquet table with a row per image.")],
    out: Annotated[
        Path | None, typer.Option(help="The full list of problems, .csv or .json.", show_default=False)
    ] = None,
    cleaned: Annotated[
        Path | None,
        typer.Option(help="The sound rows in ISIC's fields and words, .csv or .parquet.", show_default=False),
    ] = None,
    examples: Annotated[int, typer.Option(min=0, help="How many problems to show.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON on standard output.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Nothing but the exit code.")] = False,
) -> None:
    """Check metadata: names and numbers, rows that contradict each other, personal data.

    Column names may be those of any ISIC challenge since 2016, of HAM10000 or of Kaggle.

    Exit codes: 0 no error, 1 errors found, 2 wrong use.

    Example: cygnet metadata check metadata.csv --out problems.csv
    """
    from cygnet.schema import tables
    from cygnet.schema.check import check as examine

    done = examine(tables.read(table))
    if out is not None:
        done.report.write(out)
    if cleaned is not None:
        tables.write(done.sound(), cleaned)
    if as_json:
        typer.echo(json.dumps({**done.report.to_dict(), "columns": done.columns}, indent=1, ensure_ascii=False))
    elif not quiet:
        typer.echo(done.report.summary(examples))
        read = ", ".join(f"{column} as {field}" for field, column in done.columns.items() if column != field)
        if read:
            typer.echo(f"read: {read}")
        if done.extra.columns[1:]:
            typer.echo(f"not in ISIC's vocabulary, kept apart: {_some(done.extra.columns[1:])}")
        for file in (f for f in (out, cleaned) if f is not None):
            typer.echo(f"written: {file}")
    if done.report.errors:
        raise typer.Exit(1)


@app.command()
def values(
    field: Annotated[
        str | None, typer.Argument(help="A field, such as diagnosis. \\[default: list the fields]")
    ] = None,
    find: Annotated[str | None, typer.Argument(help="Only values with this in their name.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List the fields of ISIC's metadata, or what may stand in one of them.

    Example: cygnet metadata values anatom_site back
    """
    from cygnet.errors import InputError
    from cygnet.schema.vocabulary import vocabulary

    known = vocabulary()
    if field is None:
        found = [f"{name}: {_kind(described.kind, described.values)}" for name, described in known.fields.items()]
    elif field in known.trees:
        found = [path for path in known.trees[field].paths if find is None or find.lower() in path.lower()]
    elif field in known.fields:
        described = known.fields[field]
        found = list(described.values) or [_kind(described.kind, ())]
        found = [value for value in found if find is None or find.lower() in value.lower()]
    else:
        raise InputError(f"no field {field!r}; there are {', '.join(known.fields)}")
    typer.echo(json.dumps(found, indent=1, ensure_ascii=False) if as_json else "\n".join(found))


def _kind(kind: str, choices: tuple[str, ...]) -> str:
    words = {
        "integer": "a whole number",
        "decimal": "millimetres; um and cm are converted",
        "boolean": "true or false",
        "text": "any text",
        "tree": "a name of the hierarchy, or a path such as a:b:c",
    }
    return words.get(kind) or "; ".join(choices)


def _some(names: list[str], most: int = 12) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
