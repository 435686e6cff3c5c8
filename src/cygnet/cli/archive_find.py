"""``cygnet archive init | search | facets | verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cygnet.cli.archive_common import Json, Place, Query, Quiet, opened, show_json
from cygnet.errors import InputError


def init(
    folder: Annotated[Path, typer.Argument(help="Folder to make the archive in.", metavar="DIR")],
    db: Annotated[
        str | None,
        typer.Option(
            help="Catalogue as postgresql://USER@HOST/NAME. \\[default: a SQLite file in DIR]", show_default=False
        ),
    ] = None,
    blobs: Annotated[
        str | None,
        typer.Option(help="Where files go: a folder or s3://BUCKET/PREFIX. \\[default: DIR/blobs]", show_default=False),
    ] = None,
    readers: Annotated[int, typer.Option(min=1, max=2, help="How many readers must accept an image.")] = 1,
    quiet: Quiet = False,
    json_: Json = False,
) -> None:
    """Make an archive in a folder, or bring the one that is there up to date.

    Examples:

      cygnet archive init images.archive
    """
    from cygnet.archive import Archive

    with Archive.init(folder, db=db, blobs=blobs, readers=readers) as archive:
        if json_:
            show_json({"archive": str(folder), "images": len(archive)})
        elif not quiet:
            typer.echo(f"archive: {folder} ({len(archive):,} images)")


def search(
    place: Place,
    query: Query = "",
    limit: Annotated[int, typer.Option(min=1, max=100, help="Images on a page.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Go on where an earlier page ended.", show_default=False)] = None,
    collection: Annotated[
        list[int] | None, typer.Option(help="Only images of this collection's number; repeatable.", show_default=False)
    ] = None,
    public: Annotated[bool, typer.Option("--public", help="Only what everyone may see.")] = False,
    like: Annotated[
        str | None,
        typer.Option(help="Most similar to this image (ISIC id, or a file) instead of a query.", show_default=False),
    ] = None,
    json_: Json = False,
) -> None:
    """Find images in the language of the ISIC Archive.

    FIELD:VALUE, words with * at either end, [1 TO 5] with both ends or {1 TO 5} without, AND, OR, NOT, brackets; side by side
    means AND. Your own archive shows images of every state; --public those that everyone may see. See docs/archive.md.

    Examples:

      cygnet archive search images.archive 'sex:female anatom_site_1:Trunk' --json

      cygnet archive search images.archive --like ISIC_0000001
    """
    with opened(place) as archive:
        if like is not None:
            from cygnet.cli.archive_show import show_similar

            show_similar(archive, like, limit, public=public, as_json=json_)
            return
        page = archive.search(query, limit=limit, cursor=cursor, collections=collection, public_only=public)
    if json_:
        show_json(page.to_dict())
        return
    from cygnet.cli.archive_show import show_page

    show_page(page)


def facets(
    place: Place,
    query: Query = "",
    field: Annotated[list[str] | None, typer.Option(help="Only this field; repeatable.", show_default=False)] = None,
    public: Annotated[bool, typer.Option("--public", help="Only what everyone may see.")] = False,
    json_: Json = False,
) -> None:
    """Count the values of each field among the images that a query finds.

    Examples:

      cygnet archive facets images.archive 'sex:male' --field diagnosis_1
    """
    with opened(place) as archive:
        found = archive.facets(query, public_only=public)
    if field:
        unknown = [name for name in field if name not in found]
        if unknown:
            raise InputError(f"no counts for {unknown[0]!r}; there are {', '.join(found)}")
        found = {name: found[name] for name in field}
    if json_:
        show_json(found)
        return
    from cygnet.cli.archive_show import show_facets

    show_facets(found)


def verify(
    place: Place,
    quick: Annotated[bool, typer.Option("--quick", help="Ask whether files are there; do not read them.")] = False,
    head: Annotated[
        str | None, typer.Option(help="A log hash from an earlier time, which must still be there.", show_default=False)
    ] = None,
    tidy: Annotated[
        bool, typer.Option("--tidy", help="Remove files that no image uses, left by interruptions.")
    ] = False,
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check every file against its hash, the catalogue against itself, and both against the log. DIR may also be an export.

    Exit codes: 0 all is well, 1 something is missing or changed, 2 wrong use.

    Examples:

      cygnet archive verify images.archive
    """
    from cygnet.archive.exports.manifest import is_export, verify_export
    from cygnet.cli.archive_show import show_verdict
    from cygnet.cli.show import progress

    if is_export(place):
        export = verify_export(Path(place))
        show_json(export.to_dict()) if json_ else show_verdict(export, quiet=quiet)
        raise typer.Exit(0 if export.clean else 1)
    with opened(place) as archive:
        with progress("verifying", len(archive), "images", quiet=quiet or json_) as advance:
            verdict = archive.verify(quick=quick, known_head=head, advance=advance)
        if tidy and verdict.clean:
            archive.remove_unused(verdict.unused)
    show_json(verdict.to_dict()) if json_ else show_verdict(verdict, quiet=quiet)
    if not verdict.clean:
        raise typer.Exit(1)
