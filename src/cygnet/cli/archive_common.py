"""What the commands of ``cygnet archive`` share: arguments, and how an archive is opened."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from cygnet.archive.archive import Archive

Place = Annotated[str, typer.Argument(help="Folder of the archive, or its catalogue's PostgreSQL URL.", metavar="DIR")]
Query = Annotated[str, typer.Argument(help="What to look for, such as 'diagnosis_1:Malignant age_approx:[50 TO *]'.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Errors only.")]
Actor = Annotated[
    str | None,
    typer.Option("--actor", help="Who acts, for the log. \\[default: the account's name]", show_default=False),
]


def opened(place: str) -> Archive:
    """The archive at a folder or URL."""
    from cygnet.archive import Archive

    return Archive.open(place)


def acting(actor: str | None) -> str:
    """The name that goes into the log."""
    from cygnet.archive.archive import whoami

    return actor or whoami()


def show_json(value: Any) -> None:
    """Print a value as JSON."""
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False))
