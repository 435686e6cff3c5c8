"""``cygnet challenge board``, ``log``, ``bundle`` and ``verify``: what can be seen and proved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from cygnet.cli.archive_common import Json, Quiet, show_json
from cygnet.cli.challenge_host import SITE, Name, Place, opened
from cygnet.cli.challenge_score import Metadata
from cygnet.errors import InputError


def board(
    name: Name,
    archive: Place = SITE,
    side: Annotated[
        str | None, typer.Option(help="public or private. \\[default: private once revealed]", show_default=False)
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, nothing else.")] = False,
    json_: Json = False,
) -> None:
    """The board: score with interval, rank with interval, test against the entry above; ties are shown as ties."""
    from cygnet.challenge.store import out, views

    made = views.board(opened(archive), name, side)
    if json_:
        show_json(made)
    elif csv:
        typer.echo(out.table(made).write_csv(), nl=False)
    else:
        _show(made)


def _show(made: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    from cygnet.cli.show import console

    screen = console()
    if not screen.is_terminal:
        screen.width = 140
    screen.print(Text(f"{made['title']}: {made['side']} board, {made['images']:,} images, {made['state']}"))
    table = Table(box=None, pad_edge=False)
    for heading in ("rank", "95 %", "team", "approach", f"{made['headline_title']} [95 %]", "to the one above", "runs"):
        table.add_column(heading)
    for row in made["rows"]:
        table.add_row(*map(Text, _cells(row)))
    screen.print(table)
    screen.print(Text('"=": not told apart from the entry above. Research use only; not a medical device.'))


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    rank = "-" if row["rank"] is None else f"{row['rank']}{' =' if row['tied'] else ''}"
    score = "undefined" if row["value"] is None else f"{row['value']:.4f}"
    if row["low"] is not None:
        score += f" [{row['low']:.4f}, {row['high']:.4f}]"
    test, between = row["above"], ""
    if test is not None:
        p = "-" if test["p_adjusted"] is None else f"{test['p_adjusted']:.3f}"
        between = f"{test['difference']:+.4f}, p {p}"
    span = "" if row["rank_low"] is None else f"{row['rank_low']} to {row['rank_high']}"
    return rank, span, row["team"], row["approach"], score, between, str(row["probes"])


def log(name: Name, archive: Place = SITE, json_: Json = False) -> None:
    """How often the public side was looked at, by team, and what that does to an interval."""
    from cygnet.challenge.store.views import access_log

    made = access_log(opened(archive), name)
    if json_:
        show_json(made)
        return
    typer.echo(f"{name}: the public side was looked at {made['probes']} times")
    for team in made["teams"]:
        typer.echo(f"  {team['team']}: {team['probes']}, its interval must widen {team['widening']:.2f}-fold")


def bundle(
    run: Annotated[int, typer.Argument(help="A scored run.")],
    archive: Place = SITE,
    side: Annotated[str, typer.Option(help="public or private.")] = "private",
    out: Annotated[Path | None, typer.Option(help="File to write. \\[default: print]", show_default=False)] = None,
) -> None:
    """The signed score of a run: hashes, scorer, metrics. Given out when the challenge is revealed."""
    from cygnet.challenge.store.out import bundle as made_bundle
    from cygnet.schema.files import replacing

    made = json.dumps(made_bundle(opened(archive), run, side), indent=1) + "\n"
    if out is None:
        typer.echo(made, nl=False)
        return
    with replacing(out) as part:
        part.write_text(made, encoding="utf-8")


def verify(
    file: Annotated[Path, typer.Argument(help="A score bundle.", metavar="BUNDLE")],
    submission: Annotated[Path | None, typer.Option(help="The file that was scored.", show_default=False)] = None,
    truth: Annotated[Path | None, typer.Option(help="The truth it was scored against.", show_default=False)] = None,
    metadata: Metadata = None,
    split: Annotated[Path | None, typer.Option(help="The published split (split.csv).", show_default=False)] = None,
    key: Annotated[
        str | None, typer.Option(help="Fingerprint that the signing key must have.", show_default=False)
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Check a score bundle: its signature, what it was computed from, and with all files the score anew. Exit 1 if not so."""
    from cygnet.challenge.bundle import check_signature
    from cygnet.challenge.bundle import verify as verified

    try:
        made = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read as a bundle ({error})") from error
    try:
        if key is not None and check_signature(made) != key:
            raise InputError(f"signed by key {check_signature(made)}, not {key}")
        held = verified(made, submission, truth, metadata, split)
    except InputError as error:
        typer.echo(f"cygnet: {file}: {error}", err=True)
        raise typer.Exit(1) from error
    if not quiet:
        typer.echo("\n".join(held))
        if submission is None or truth is None or split is None:
            typer.echo("the score itself was not computed anew: give --submission, --truth and --split")
