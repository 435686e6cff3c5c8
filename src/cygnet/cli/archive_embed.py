"""``cygnet archive embed``: embeddings of the current model for all images of an archive."""

from __future__ import annotations

from typing import Annotated

import typer

from cygnet.cli.archive_common import Actor, Json, Place, Quiet, acting, opened, show_json

_SHOWN = 10


def embed(
    place: Place,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads. \\[default: cores + 1]", show_default=False)
    ] = None,
    actor: Actor = None,
    quiet: Quiet = False,
    json_: Json = False,
) -> None:
    """Embed the images that have no embedding of the current model, so that similar ones are found among all.

    Images come without one from an ingest with --no-embed, and with an older model's from an older Cygnet. Interrupt it at any
    time; run it again to go on.

    Exit codes: 0 done; 1 some images could not be read, the others are done; 2 wrong use or a full disk; 130 interrupted.

    Example: cygnet archive embed images.archive
    """
    from cygnet.archive.embed import lacking
    from cygnet.cli.show import progress
    from cygnet.models import LesionModel

    model = LesionModel()
    with opened(place) as archive:
        total = lacking(archive.database, model.files.sha256)
        try:
            with progress("embedding", total, "images", quiet=quiet or json_) as advance:
                done = archive.embed(model, acting(actor), workers=workers, advance=advance)
        except KeyboardInterrupt:
            typer.echo("\ninterrupted; what was embedded stays. Run the same command again to go on", err=True)
            raise typer.Exit(130) from None
        there = len(archive) - done.images - len(done.unread)
    if json_:
        about = {"model": model.files.name, "model_sha256": model.files.sha256}
        show_json({"embedded": done.images, "present": there, **about, "unread": done.unread})
    elif not quiet:
        typer.echo(f"{done.images:,} embedded by {model.files.name}, {there:,} were already")
    if done.unread:
        if not json_:
            typer.echo(f"{len(done.unread):,} could not be read; see cygnet archive verify", err=True)
            for isic_id, why in list(done.unread.items())[:_SHOWN]:
                typer.echo(f"  {isic_id}: {why}", err=True)
        raise typer.Exit(1)
