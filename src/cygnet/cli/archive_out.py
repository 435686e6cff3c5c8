"""``cygnet archive export | snapshot | stats | backup | restore``: what comes out of the archive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cygnet.cli.archive_common import Actor, Json, Place, Query, Quiet, acting, opened, show_json
from cygnet.errors import InputError

if TYPE_CHECKING:
    from cygnet.archive.archive import Archive


class Layout(StrEnum):
    """What an export looks like."""

    ISIC = "isic"
    METADATA = "metadata"
    PARQUET = "parquet"
    KAGGLE = "kaggle"
    DICOM = "dicom"


def export(
    place: Place,
    out: Annotated[Path, typer.Argument(help="Folder, or a file that ends in .zip or .parquet.", metavar="OUT")],
    query: Annotated[str, typer.Option(help="Only what this finds.")] = "",
    layout: Annotated[
        Layout,
        typer.Option(help="isic: images and metadata.csv; metadata: no images; kaggle: as in 2020; dicom; parquet."),
    ] = Layout.ISIC,
    collection: Annotated[
        list[int] | None, typer.Option(help="Only images of this collection's number; repeatable.", show_default=False)
    ] = None,
    snapshot: Annotated[
        str | None, typer.Option(help="What this snapshot froze, instead of a query.", show_default=False)
    ] = None,
    public: Annotated[bool, typer.Option("--public/--all", help="Published images only, or of every state.")] = True,
    quiet: Quiet = False,
    json_: Json = False,
) -> None:
    """Write images with metadata.csv, attribution.txt, licences and a manifest of hashes.

    Into a folder it can be interrupted and run again; what is there already is not written twice. Check it with
    cygnet archive verify OUT, or sha256sum --check manifest.sha256.

    Examples:

      cygnet archive export images.archive melanomas/ --query 'diagnosis_2:*Melanoma*'

      cygnet archive export images.archive all.zip --all
    """
    from cygnet.archive import search as searching
    from cygnet.archive.exports.rows import rows_matching
    from cygnet.archive.exports.snapshots import found, rows_of_snapshot

    with opened(place) as archive, archive.database.read() as connection:
        if snapshot is not None:
            row = found(connection, snapshot)
            rows: Iterable[dict[str, Any]] = rows_of_snapshot(archive.blobs, row.manifest_sha256)
            total = row.images
        else:
            matches = archive.matches(query, collections=collection, public_only=public)
            total = searching.count(connection, matches)
            rows = rows_matching(connection, matches)
        if not total:
            raise InputError(
                "nothing to export" + ("; only published images are exported without --all" if public else "")
            )
        _write(archive, rows, total, out, layout, quiet or json_)
    if json_:
        show_json({"images": total, "layout": str(layout), "out": str(out)})
    elif not quiet:
        typer.echo(f"{total:,} images: {out}")


def _write(
    archive: Archive, rows: Iterable[dict[str, Any]], total: int, out: Path, layout: Layout, quiet: bool
) -> None:
    from cygnet.archive.exports import layouts
    from cygnet.archive.exports.targets import write_folder, write_zip
    from cygnet.cli.show import progress

    with progress("exporting", total, "images", quiet=quiet) as advance:

        def counted() -> Iterator[dict[str, Any]]:
            for n, row in enumerate(rows, start=1):
                yield row
                advance(n)

        if layout is Layout.PARQUET or out.suffix == ".parquet":
            layouts.write_parquet(counted(), out)
            return
        files = {
            Layout.ISIC: lambda: layouts.isic_layout(counted(), archive.blobs),
            Layout.METADATA: lambda: layouts.isic_layout(counted(), archive.blobs, images=False),
            Layout.KAGGLE: lambda: layouts.kaggle_layout(counted(), archive.blobs),
            Layout.DICOM: lambda: layouts.dicom_layout(counted(), archive.blobs),
        }[layout]()
        if out.suffix == ".zip":
            write_zip(out, files)
        else:
            write_folder(out, files)


def snapshot(
    place: Place,
    name: Annotated[str, typer.Argument(help="Name of the new snapshot; without one, all are listed.")] = "",
    query: Query = "",
    collection: Annotated[
        list[int] | None, typer.Option(help="Only images of this collection's number; repeatable.", show_default=False)
    ] = None,
    actor: Actor = None,
    json_: Json = False,
) -> None:
    """Freeze the published images that a query finds, with metadata and hashes, under a name to cite. It never changes.

    Examples:

      cygnet archive snapshot images.archive "Trunk 2026" 'anatom_site_1:Trunk'

      cygnet archive export images.archive trunk/ --snapshot "Trunk 2026"
    """
    from cygnet.archive.exports.rows import rows_matching
    from cygnet.archive.exports.snapshots import freeze, listed

    with opened(place) as archive:
        if not name:
            with archive.database.read() as connection:
                known = listed(connection)
            if json_:
                show_json(known)
            for row in [] if json_ else known:
                typer.echo(f"{row['name']}: {row['images']:,} images, {row['created'][:10]}")
            return
        matches = archive.matches(query, collections=collection, public_only=True)
        with archive.database.write() as connection:
            made = freeze(connection, archive.blobs, name, query, rows_matching(connection, matches), acting(actor))
    show_json(made) if json_ else typer.echo(made["citation"])


def stats(place: Place, json_: Json = False) -> None:
    """Count images by state and licence, people, bytes, what is held back, and readers' agreement.

    Examples:

      cygnet archive stats images.archive
    """
    from cygnet.archive.stats import statistics

    with opened(place) as archive, archive.database.read() as connection:
        found = statistics(connection)
    if json_:
        show_json(found)
        return
    for name, value in found.items():
        if isinstance(value, dict):
            words = ", ".join(f"{k} {_shown(name, v)}" for k, v in value.items())
        elif isinstance(value, list):
            words = "; ".join(f"{' and '.join(v['readers'])}: kappa {v['kappa']}" for v in value)
        else:
            words = f"{value:,}"
        typer.echo(f"{name.replace('_', ' '):15} {words or 'none'}")


def _shown(name: str, value: int) -> str:
    return f"{value / 1e6:,.1f} MB" if name == "bytes" else f"{value:,}"


def backup(
    place: Place,
    file: Annotated[Path, typer.Argument(help="Zip file to write.", metavar="FILE")],
    quiet: Quiet = False,
    json_: Json = False,
) -> None:
    """Write the whole archive, catalogue and files, into one zip file. Others may go on working meanwhile.

    Examples:

      cygnet archive backup images.archive backup.zip
    """
    from cygnet.archive import backup as backing
    from cygnet.cli.show import progress

    with opened(place) as archive, progress("backing up", len(archive), "images", quiet=quiet or json_) as advance:
        summary = backing.backup(archive, file, advance)
    if json_:
        show_json(summary)
    elif not quiet:
        typer.echo(f"{summary['rows']['image']:,} images, {summary['blobs']:,} files: {file}")
        typer.echo(f"log: {summary['log_head']} (after restoring: cygnet archive verify DIR --head HASH)")


def restore(
    file: Annotated[Path, typer.Argument(help="Zip file of cygnet archive backup.", metavar="FILE")],
    folder: Annotated[Path, typer.Argument(help="Folder for the archive, new or empty.", metavar="DIR")],
    db: Annotated[
        str | None, typer.Option(help="Catalogue as postgresql://... \\[default: SQLite in DIR]", show_default=False)
    ] = None,
    blobs: Annotated[
        str | None, typer.Option(help="Files in a folder or s3://... \\[default: DIR/blobs]", show_default=False)
    ] = None,
    quiet: Quiet = False,
    json_: Json = False,
) -> None:
    """Make an archive from a backup, also onto another kind of database or file store.

    Examples:

      cygnet archive restore backup.zip again.archive
    """
    from cygnet.archive import Archive
    from cygnet.archive import backup as backing
    from cygnet.cli.show import progress

    total = backing.files_in(file)
    with (
        Archive.init(folder, db=db, blobs=blobs) as archive,
        progress("restoring", total, "files", quiet=quiet or json_) as advance,
    ):
        summary = backing.restore(file, archive, advance)
    if json_:
        show_json(summary)
    elif not quiet:
        typer.echo(f"{summary['rows']['image']:,} images, {summary['blobs']:,} files: {folder}")
        typer.echo(f"check it: cygnet archive verify {folder} --head {summary['log_head']}")
