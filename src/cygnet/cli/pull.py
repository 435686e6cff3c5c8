"""``cygnet pull``: images and metadata from an archive that speaks the ISIC API v2."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cygnet.errors import InputError

if TYPE_CHECKING:
    from cygnet.cli.show import Advance
    from cygnet.interop import Pulled
    from cygnet.interop.asked import Progress

_SHOWN = 10


def pull(
    query: Annotated[
        str | None,
        typer.Argument(
            help="What to take, such as 'sex:male diagnosis_1:Malignant'; '' for everything.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write into, or to go on in.", show_default=False, metavar="DIR")
    ] = None,
    archive: Annotated[
        Path | None,
        typer.Option(help="Cygnet archive to add to, through all its checks.", show_default=False, metavar="DIR"),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from", help="Address of the archive; without it, the ISIC Archive.", metavar="URL", show_default=False
        ),
    ] = None,
    collection: Annotated[
        list[int] | None,
        typer.Option(help="Only images of this collection's number; repeatable.", show_default=False),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="A known data set, such as isic2020 or ham10000.", show_default=False, metavar="NAME"),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="The first N images only.", show_default=False)] = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Files that come at a time.")] = 8,
    publish: Annotated[
        bool, typer.Option("--publish", help="With --archive: publish what no check holds back.")
    ] = False,
    verify: Annotated[
        Path | None,
        typer.Option(
            help="Fetch nothing; check an earlier pull against its manifest.", show_default=False, metavar="DIR"
        ),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON, nothing else.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Errors only.")] = False,
) -> None:
    """Fetch images and metadata from the ISIC Archive, or another that works like it. Interrupted, run the same again.

    Every file is checked: size, hash where the server states one, and that the image is whole. The folder then holds
    images/, metadata.csv, attribution.txt, licenses/ and manifest.json. Mind the terms of use in licenses/.

    Exit codes: 0 everything is here; 1 something is missing or wrong, and is listed; 2 wrong use, no answer, or no
    space; 130 interrupted.

    Examples:

      cygnet pull 'diagnosis_3:Nevus image_type:dermoscopic' --limit 500 --out nevi/

      cygnet pull --dataset isic2020 --out isic2020/

      cygnet pull --verify isic2020/
    """
    if verify is not None:
        _verify(verify, json_=json_, quiet=quiet)
        return
    _understood(query, collection, dataset, source)
    from cygnet.interop import pull as fetch
    from cygnet.interop.site import ISIC

    with _progress(quiet=quiet or json_) as tell:
        try:
            pulled = fetch(
                query or "",
                out=out,
                archive=archive,
                source=source or ISIC,
                collections=collection or (),
                data_set=dataset,
                limit=limit,
                jobs=jobs,
                publish=publish,
                token=os.environ.get("CYGNET_TOKEN"),
                on_progress=tell,
            )
        except KeyboardInterrupt:
            typer.echo("\ninterrupted; what is here stays. Run the same command again to go on", err=True)
            raise typer.Exit(130) from None
    if json_:
        typer.echo(json.dumps(pulled.to_dict(), indent=1, ensure_ascii=False))
    else:
        _show(pulled, quiet)
    raise typer.Exit(0 if pulled.complete else 1)


def _understood(query: str | None, collection: list[int] | None, dataset: str | None, source: str | None) -> None:
    if query is None and not collection and dataset is None and source is None:
        raise InputError(
            "what to take? Give a query, --collection or --dataset; an empty query, '', takes the whole ISIC Archive, "
            "hundreds of thousands of images"
        )


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """A bar that appears once it is known how much will come."""
    from cygnet.cli.show import progress

    with ExitStack() as stack:
        bars: list[Advance] = []

        def tell(now: Progress) -> None:
            if not bars and now.total:
                bars.append(stack.enter_context(progress("pulling", now.total, "images", quiet=quiet)))
            for advance in bars:
                advance(now.done, now.note)

        yield tell


def _show(pulled: Pulled, quiet: bool) -> None:
    """What is here, and what is not."""
    where = " and ".join(str(place) for place in (pulled.out, pulled.archive) if place is not None)
    size = f" ({pulled.bytes / 1e6:,.1f} MB)" if pulled.bytes else ""
    if not quiet:
        before = pulled.received - pulled.fetched
        typer.echo(
            f"{pulled.received:,} images{size} in {where}" + (f", {before:,} of them from before" if before > 0 else "")
            if pulled.listed
            else f"nothing in {pulled.source} matches; {where} has no images"
        )
        if pulled.out is not None and pulled.received:
            typer.echo(f"whom to credit: {pulled.out / 'attribution.txt'}; terms of use: {pulled.out / 'licenses'}")
    if pulled.problems:
        n = len(pulled.problems)
        typer.echo(f"incomplete: {n:,} problem{'s' if n > 1 else ''}", err=True)
        for problem in pulled.problems[:_SHOWN]:
            typer.echo(f"  {problem}", err=True)
        if n > _SHOWN:
            rest = f"manifest.json in {pulled.out} lists" if pulled.out is not None else "--json prints"
            typer.echo(f"  (and {n - _SHOWN:,} more; {rest} all)", err=True)


def _verify(folder: Path, *, json_: bool, quiet: bool) -> None:
    from cygnet.interop import verify as check
    from cygnet.interop.asked import Progress

    with _progress(quiet=quiet or json_) as tell:
        found = check(folder, on_progress=lambda done, total: tell(Progress(done, total, 0)))
    if json_:
        typer.echo(json.dumps(found.to_dict(), indent=1, ensure_ascii=False))
        raise typer.Exit(0 if found.sound else 1)
    for problem in found.problems[:_SHOWN]:
        typer.echo(str(problem), err=True)
    if len(found.problems) > _SHOWN:
        typer.echo(f"(and {len(found.problems) - _SHOWN:,} more; --json prints all)", err=True)
    if not quiet:
        n = len(found.problems)
        said = "all as they came" if found.sound else f"{n:,} problem{'s' if n > 1 else ''}"
        typer.echo(f"{found.files:,} files ({found.bytes / 1e6:,.1f} MB): {said}")
        if found.strangers:
            typer.echo(f"{len(found.strangers):,} images here are not part of the pull, such as {found.strangers[0]}")
    raise typer.Exit(0 if found.sound else 1)


__all__ = ["pull"]
