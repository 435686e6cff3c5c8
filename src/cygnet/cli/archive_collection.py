"""``cygnet archive collection``: named sets of images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cygnet.cli.archive_common import Actor, Json, Place, Query, acting, opened, show_json
from cygnet.errors import InputError

collections = typer.Typer(help="Named sets of images: make, fill, lock, share, list.", no_args_is_help=True)

Which = Annotated[str, typer.Argument(help="Name or number of the collection.", metavar="COLLECTION")]


@collections.command("list")
def list_(place: Place, json_: Json = False) -> None:
    """List all collections.

    Examples:

      cygnet archive collection list images.archive
    """
    from cygnet.archive.collections import listed

    with opened(place) as archive, archive.database.read() as connection:
        found = listed(connection)
    if json_:
        show_json(found)
        return
    for row in found:
        marks = [word for word in ("public", "pinned", "locked") if row[word]]
        typer.echo(f"{row['id']:>4}  {row['name']}: {row['images']:,} images{', ' * bool(marks)}{', '.join(marks)}")
    if not found:
        typer.echo("no collections; make one with: cygnet archive collection create DIR NAME")


@collections.command()
def create(
    place: Place,
    name: Annotated[str, typer.Argument(help="Its name.")],
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    public: Annotated[bool, typer.Option("--public", help="Everyone may see it.")] = False,
    pinned: Annotated[bool, typer.Option("--pinned", help="It stands first; makes it public.")] = False,
    actor: Actor = None,
    json_: Json = False,
) -> None:
    """Make an empty collection.

    Examples:

      cygnet archive collection create images.archive "Teaching set" --public
    """
    from cygnet.archive import collections as kept

    with opened(place) as archive, archive.database.write() as connection:
        number = kept.create(connection, name, acting(actor), description=description, public=public, pinned=pinned)
    show_json({"id": number}) if json_ else typer.echo(f"collection {number}: {name}")


@collections.command()
def add(
    place: Place,
    which: Which,
    query: Query = "",
    file: Annotated[
        Path | None, typer.Option("--list", help="File with an ISIC id a line, instead of a query.", show_default=False)
    ] = None,
    actor: Actor = None,
    json_: Json = False,
) -> None:
    """Put the images that a query finds, or a list names, into a collection.

    Examples:

      cygnet archive collection add images.archive "Teaching set" 'sex:female'
    """
    from cygnet.archive import collections as kept

    if (file is None) == (not query.strip()):
        raise InputError("give a query or --list FILE; 'isic_id:*' means all images")
    with opened(place) as archive, archive.database.write() as connection:
        if file is not None:
            missing = kept.change_members(connection, which, _ids(file), acting(actor))
            said: dict[str, object] = {"missing": missing}
            words = _missing(missing) or "added"
        else:
            n = kept.add(connection, which, archive.matches(query), acting(actor))
            said, words = {"added": n}, f"{n:,} added"
    show_json(said) if json_ else typer.echo(words)


@collections.command()
def remove(
    place: Place,
    which: Which,
    isic_ids: Annotated[list[str], typer.Argument(help="Images to take out.", metavar="ISIC_ID...")],
    actor: Actor = None,
    json_: Json = False,
) -> None:
    """Take images out of a collection; they stay in the archive.

    Examples:

      cygnet archive collection remove images.archive "Teaching set" ISIC_0000001
    """
    from cygnet.archive import collections as kept

    with opened(place) as archive, archive.database.write() as connection:
        missing = kept.change_members(connection, which, isic_ids, acting(actor), remove=True)
    show_json({"missing": missing}) if json_ else typer.echo(_missing(missing) or "removed")


@collections.command()
def change(
    place: Place,
    which: Which,
    name: Annotated[str | None, typer.Option(help="New name.", show_default=False)] = None,
    description: Annotated[str | None, typer.Option(help="New description.", show_default=False)] = None,
    public: Annotated[
        bool | None, typer.Option("--public/--private", help="Who may see it.", show_default=False)
    ] = None,
    pinned: Annotated[
        bool | None, typer.Option("--pin/--unpin", help="Whether it stands first.", show_default=False)
    ] = None,
    locked: Annotated[
        bool | None, typer.Option("--lock/--unlock", help="Whether its images can change.", show_default=False)
    ] = None,
    doi: Annotated[str | None, typer.Option(help="Its DOI.", show_default=False)] = None,
    share: Annotated[str | None, typer.Option(help="Let this user see it.", show_default=False, metavar="USER")] = None,
    actor: Actor = None,
    json_: Json = False,
) -> None:
    """Rename, describe, publish, pin, lock or share a collection.

    Examples:

      cygnet archive collection change images.archive "Teaching set" --lock
    """
    from cygnet.archive import collections as kept

    given = {"name": name, "description": description, "public": public, "pinned": pinned, "locked": locked, "doi": doi}
    values = {k: v for k, v in given.items() if v is not None}
    if not values and share is None:
        raise InputError("nothing to change; see: cygnet archive collection change --help")
    with opened(place) as archive, archive.database.write() as connection:
        if share is not None:
            kept.share(connection, which, share, acting(actor))
        if values:
            kept.change(connection, which, acting(actor), **values)
    changed = [*values, *(["share"] if share is not None else [])]
    show_json({"changed": changed}) if json_ else typer.echo("changed")


def _missing(isic_ids: list[str]) -> str:
    """Which ids are not in the archive, five of them by name; "" where all are."""
    more = f" and {len(isic_ids) - 5:,} more" if len(isic_ids) > 5 else ""
    return f"not in the archive: {', '.join(isic_ids[:5])}{more}" if isic_ids else ""


def _ids(file: Path) -> list[str]:
    try:
        return [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read ({error}); write an ISIC id a line, in UTF-8") from error
