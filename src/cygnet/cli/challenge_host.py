"""``cygnet challenge new``, ``open``, ``submit``, ``choose``, ``freeze``, ``reveal``: a challenge of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cygnet.cli.archive_common import Json, Quiet, acting, show_json
from cygnet.errors import InputError

if TYPE_CHECKING:
    from cygnet.challenge.store.hosted import Challenges

Place = Annotated[Path, typer.Option("--archive", help="Folder of the site, as for cygnet serve.")]
Name = Annotated[str, typer.Argument(help="Name of a hosted challenge.", metavar="NAME")]
Team = Annotated[str, typer.Option("--team", help="Name of the team; made when it is new.")]
SITE = Path("cygnet-archive")


def opened(place: Path) -> Challenges:
    """The challenges of a site."""
    from cygnet.challenge.store.hosted import Challenges

    return Challenges(place / "site")


def new(
    file: Annotated[Path, typer.Argument(help="TOML file that says what the challenge is (docs/challenges.md).")],
    archive: Place = SITE,
    truth: Annotated[
        Path | None, typer.Option(help="Truth, instead of the file's own truth = ... .", show_default=False)
    ] = None,
    metadata: Annotated[
        Path | None,
        typer.Option(help="Table of patients and attributes, instead of the file's own.", show_default=False),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Make a challenge from a TOML file: its truth is kept, its split drawn and the split's hash fixed. Then: open."""
    from cygnet.challenge.tasks import read_toml

    table = read_toml(file)
    truth = truth or _beside(file, table.get("truth"))
    if truth is None:
        raise InputError(f'{file}: no truth; add truth = "truth.csv", or give --truth')
    made = opened(archive).create(
        file.stem, table, truth, metadata or _beside(file, table.get("metadata")), acting(None)
    )
    if not quiet:
        typer.echo(f"{made.name}: {made.images:,} images, {made.public_images:,} of them public; a draft")
        typer.echo(f"hash of the split, to be published: {made.commitment}")
        typer.echo(f"take submissions with: cygnet challenge open {made.name} --archive {archive}")


def _beside(file: Path, value: object) -> Path | None:
    return file.parent / value if isinstance(value, str) else None


def open_(name: Name, archive: Place = SITE, quiet: Quiet = False) -> None:
    """Take submissions from now on."""
    made = opened(archive).open(name, acting(None))
    if not quiet:
        until = f" until {made.hosting.closes}" if made.hosting.closes else ""
        typer.echo(f"{name} takes submissions{until}; hash of the split: {made.commitment}")


def submit(
    name: Name,
    file: Annotated[Path, typer.Argument(help="CSV, Parquet, or a zip of masks.", metavar="SUBMISSION")],
    team: Team,
    archive: Place = SITE,
    approach: Annotated[
        str, typer.Option(help="Name of the approach; runs of one approach belong together.")
    ] = "first",
    description: Annotated[str, typer.Option(help="What the approach is, for the board.")] = "",
    external_data: Annotated[str, typer.Option(help="Data beyond the challenge's own, or none.")] = "",
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """Send a submission and score it at once. Exit 1 when it is refused; refused runs do not count."""
    from cygnet.challenge.store import runs, views

    store = opened(archive)
    if file.is_dir():
        raise InputError(f"{file}: a folder; pack its files into a .zip and send that")
    try:
        with file.open("rb") as stream:
            team_id = runs.join(store, name, team)
            run_id = runs.send(
                store,
                name,
                team_id,
                stream,
                file.name,
                approach=approach,
                description=description,
                external_data=external_data,
                actor=acting(None),
            )
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror or error})") from error
    runs.score_run(store, run_id)
    made = views.run(store, run_id, own=True)
    if json_:
        show_json(made)
    else:
        _say(made, quiet=quiet)
    if made["state"] != "scored":
        raise typer.Exit(1)


def _say(made: dict[str, Any], *, quiet: bool) -> None:
    for problem in made["problems"][:20]:
        place = f"line {problem['line']}, " if problem["line"] else ""
        typer.echo(
            f"{problem['severity']}: {place}{problem['column']}: {problem['message']}; {problem['fix']}", err=True
        )
    if quiet:
        return
    if made["state"] == "scored":
        found = made["public"]
        typer.echo(f"run {made['run']} (number {made['number']} of the team) is scored")
        typer.echo(f"public: {found['value']} [{found['low']}, {found['high']}], {found['images']:,} images")
    else:
        typer.echo(f"run {made['run']} is {made['state']} and does not count")


def choose(
    name: Name,
    run: Annotated[int, typer.Argument(help="A scored run of the team.")],
    team: Team,
    archive: Place = SITE,
    quiet: Quiet = False,
) -> None:
    """Choose the run that counts in the end; possible until the challenge is frozen. Without a choice the latest counts."""
    from cygnet.challenge.store import runs

    store = opened(archive)
    runs.choose(store, name, runs.join(store, name, team), run, acting(None))
    if not quiet:
        typer.echo(f"run {run} is the final one of {team}")


def freeze(
    name: Name,
    archive: Place = SITE,
    out: Annotated[Path | None, typer.Option(help="Folder for a permanent snapshot.", show_default=False)] = None,
    quiet: Quiet = False,
) -> None:
    """Take no submissions and no choices any more, and write the board as JSON, CSV and one HTML page."""
    from cygnet.challenge.store.out import snapshot

    store = opened(archive)
    if store.get(name).state == "open":
        store.freeze(name, acting(None))
    written = snapshot(store, name, out or Path(f"{name}-board"))
    if not quiet:
        typer.echo("\n".join(map(str, written)))


def reveal(
    name: Name,
    archive: Place = SITE,
    out: Annotated[Path | None, typer.Option(help="Folder for a permanent snapshot.", show_default=False)] = None,
    quiet: Quiet = False,
) -> None:
    """Open the private score, publish the split, and write both boards. It cannot be undone."""
    from cygnet.challenge.store.out import snapshot

    store = opened(archive)
    store.reveal(name, acting(None))
    written = snapshot(store, name, out or Path(f"{name}-board"))
    if not quiet:
        typer.echo("\n".join(map(str, written)))
