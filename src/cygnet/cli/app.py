"""The command line's entry: commands are gathered here, errors become one line and an exit code."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from cygnet.cli import (
    archive,
    audit,
    challenge,
    clinic,
    context,
    demo,
    doctor,
    embed,
    evaluate,
    metadata,
    predict,
    pull,
    rank,
    segment,
    serve,
    simulate,
    split,
    train,
)
from cygnet.errors import CygnetError
from cygnet.version import VERSION

app = typer.Typer(
    name="cygnet",
    help="Find the ugly duckling: rank a patient's skin lesions by how far each departs from the others.\n\n"
    "Research use only; not a medical device.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: cygnet demo",
)
app.command("rank")(rank.rank)
app.command("segment")(segment.segment)
app.command("context")(context.context)
app.command("predict")(predict.predict)
app.command("embed")(embed.embed)
app.command("evaluate")(evaluate.evaluate)
app.command("demo")(demo.demo)
app.command("simulate")(simulate.simulate)
app.command("doctor")(doctor.doctor)
app.add_typer(archive.app, name="archive")
app.command("pull")(pull.pull)
app.add_typer(serve.app, name="serve")
app.add_typer(audit.app, name="audit")
app.add_typer(clinic.app, name="clinic")
app.add_typer(challenge.app, name="challenge")
app.command("split")(split.split)
app.add_typer(metadata.app, name="metadata")
app.add_typer(train.app, name="train")


def _version(shown: bool) -> None:
    if shown:
        typer.echo(f"cygnet {VERSION}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Options that stand before a command."""


def main() -> None:
    """Run the command line: exit 0, 1 (nothing could be assessed), 2 (wrong use) or 130 (interrupted)."""
    try:
        app()
    except CygnetError as error:
        typer.echo(f"cygnet: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader of our output has left, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
