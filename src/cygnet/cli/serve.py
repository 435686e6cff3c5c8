"""``cygnet serve``: the local app, and its accounts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cygnet.errors import InputError

if TYPE_CHECKING:
    from cygnet.accounts import Accounts

app = typer.Typer(help="Open the local app: patients, archive, challenges.", invoke_without_command=True)
account = typer.Typer(help="Who may use a server that others can reach.", no_args_is_help=True)
app.add_typer(account, name="account")

_DEFAULT = Path("cygnet-archive")
Place = Annotated[Path, typer.Option("--archive", help="Folder of the archive.", metavar="DIR")]
Name = Annotated[str, typer.Argument(help="Name of the account.")]


@app.callback()
def serve(
    context: typer.Context,
    archive: Place = _DEFAULT,
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than this machine's need accounts.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8000,
    demo: Annotated[bool, typer.Option("--demo", help="Fill a new archive with simulated patients.")] = False,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="With --demo: also a few patients from this folder, file, table or folder of data sets.",
            metavar="DIR",
        ),
    ] = None,
    accounts: Annotated[bool, typer.Option("--accounts", help="Ask for accounts on this machine, too.")] = False,
) -> None:
    """Open the local app in a browser: patients, archive, challenges. Nothing leaves this machine.

    Ctrl-C ends it, once what runs is finished; a second Ctrl-C does not wait.

    Examples:

      cygnet serve --archive images.archive --port 8000

      cygnet serve --demo

      cygnet serve --demo --data photos/
    """
    if context.invoked_subcommand is not None:
        return
    from cygnet.clinic.demo_data import some_patients
    from cygnet.web import Settings, create_app
    from cygnet.web.clinic.demo_fill import fill
    from cygnet.web.server import Server

    if data is not None and not demo:
        raise InputError("--data goes with --demo; add patients with: cygnet clinic add SOURCE")
    more = [] if data is None else some_patients(data)
    if demo:
        from cygnet.cli.serve_demo import demo_archive

        demo_archive(archive)
    built = create_app(Settings(archive, host, port, demo=demo, accounts=accounts))
    if demo:
        fill(built.state.site, more, str(data))

    def started(at: int) -> None:
        typer.echo(f"Cygnet is at http://{f'[{host}]' if ':' in host else host}:{at}/ (Ctrl-C ends it)")

    def waiting() -> None:
        typer.echo("Finishing what runs; Ctrl-C again leaves at once.", err=True)

    server = Server(built, host, port, started, waiting)
    server.run()
    if server.force_exit:
        raise typer.Exit(130)
    if not server.started:
        raise InputError(f"port {port} of {host} cannot be used; choose another --port")


@account.command("add")
def add(
    name: Name,
    role: Annotated[
        list[str],
        typer.Option(help="viewer, contributor, reviewer, curator, clinician or organiser; repeatable."),
    ],
    archive: Place = _DEFAULT,
    password: Annotated[
        str,
        typer.Option(
            prompt=True,
            hide_input=True,
            confirmation_prompt=True,
            envvar="CYGNET_PASSWORD",
            help="12 characters or more.",
        ),
    ] = "",
) -> None:
    """Make an account. A server that is running has to be started again when this is its first.

    Example:

      cygnet serve account add anna --role curator --archive images.archive
    """
    from cygnet.accounts import Role

    unknown = [text for text in role if text not in set(Role)]
    if unknown:
        raise InputError(f"--role {unknown[0]}: choose from {', '.join(Role)}")
    _accounts(archive).add(name, password, map(Role, role))
    typer.echo(f"{name} may log in as {', '.join(role)}")


@account.command("remove")
def remove(name: Name, archive: Place = _DEFAULT) -> None:
    """Remove an account with its tokens and sessions."""
    _accounts(archive).remove(name)


@account.command("list")
def list_(archive: Place = _DEFAULT) -> None:
    """Accounts with their roles and tokens."""
    for one in _accounts(archive).listed():
        tokens = f"; tokens: {', '.join(one['tokens'])}" if one["tokens"] else ""
        typer.echo(f"{one['name']}: {', '.join(one['roles'])}{tokens}")


@account.command("password")
def password_(
    name: Name,
    archive: Place = _DEFAULT,
    password: Annotated[
        str,
        typer.Option(
            prompt=True,
            hide_input=True,
            confirmation_prompt=True,
            envvar="CYGNET_PASSWORD",
            help="12 characters or more.",
        ),
    ] = "",
) -> None:
    """Change a password, which ends the account's sessions."""
    _accounts(archive).set_password(name, password)


@account.command("token")
def token(
    name: Name, archive: Place = _DEFAULT, label: Annotated[str, typer.Option(help="What it is for.")] = "command line"
) -> None:
    """Make an API token, for programs: Authorization: Bearer TOKEN. It is shown this once."""
    typer.echo(_accounts(archive).new_token(name, label))


def _accounts(archive: Path) -> Accounts:
    from cygnet.archive.archive import CONFIG
    from cygnet.web.settings import Settings

    if not (archive / CONFIG).exists():
        raise InputError(f"{archive}: no archive here; make one with: cygnet archive init {archive}")
    from cygnet.accounts import Accounts

    return Accounts(Settings(archive).site / "accounts.sqlite")
