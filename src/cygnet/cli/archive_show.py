"""What ``cygnet archive`` puts on the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cygnet.cli.show import console

if TYPE_CHECKING:
    from cygnet.archive.archive import Archive, Page
    from cygnet.archive.exports.manifest import ExportVerdict
    from cygnet.archive.verify import Verdict

_BAR = 24
_MOST_VALUES = 12


def show_page(page: Page) -> None:
    """A table of images and how to see more."""
    if page.count is not None:
        typer.echo(f"{page.count:,} images")
    show_images(page.results)
    if page.next:
        typer.echo(f"more: --cursor {page.next}")


def show_images(results: list[dict[str, Any]]) -> None:
    """One line per image."""
    from rich.table import Table
    from rich.text import Text

    if not results:
        return
    table = Table(box=None, pad_edge=False)
    near = "distance" in results[0]
    for heading in (
        "isic_id",
        "",
        "diagnosis",
        "site",
        "age",
        "sex",
        "patient",
        "licence",
        *(["distance"] if near else []),
    ):
        table.add_column(heading, no_wrap=heading != "diagnosis")
    for result in results:
        clinical = result["metadata"]["clinical"]
        cells = [
            result["isic_id"],
            "" if result["public"] else "private",
            _deepest(clinical, "diagnosis"),
            _deepest(clinical, "anatom_site"),
            str(clinical.get("age_approx", "")),
            clinical.get("sex", ""),
            clinical.get("patient_id", ""),
            result["copyright_license"],
            *([f"{result['distance']:.3f}"] if near else []),
        ]
        table.add_row(*map(Text, cells))
    out = console()
    if not out.is_terminal:
        out.width = 160
    out.print(table)


def _deepest(clinical: dict[str, Any], tree: str) -> str:
    return next((clinical[name] for k in range(5, 0, -1) if clinical.get(name := f"{tree}_{k}")), "")


def show_similar(archive: Archive, like: str, limit: int, *, public: bool, as_json: bool) -> None:
    """The images nearest to one of the archive, or to a file."""
    from cygnet.archive.embed import lacking
    from cygnet.cli.archive_common import show_json
    from cygnet.models import find

    to: Any = like
    if Path(like).is_file():
        from cygnet.imaging import decode
        from cygnet.models import LesionModel

        model = LesionModel()
        to = model.predict(decode(Path(like).read_bytes(), model.size).pixels[None]).embedding[0]
    results = archive.similar(to, limit, public_only=public)
    if left := lacking(archive.database, find(verify=False).sha256):
        typer.echo(
            f"{left:,} images have no embedding of the current model and were not compared; make them: cygnet archive embed DIR",
            err=True,
        )
    if as_json:
        show_json(results)
    else:
        show_images(results)


def show_facets(found: dict[str, Any]) -> None:
    """Each field's values with bars; fields without any value are left out."""
    for name, facet in found.items():
        buckets = facet["buckets"]
        if not buckets:
            continue
        meta = facet["meta"]
        missing = f", {meta['missing_count']:,} without" if meta["missing_count"] else ""
        typer.echo(f"{name} ({meta['present_count']:,}{missing})")
        most = max(bucket["doc_count"] for bucket in buckets)
        for bucket in buckets[:_MOST_VALUES]:
            bar = "#" * max(1, round(_BAR * bucket["doc_count"] / most))
            key = str(bucket["key"]).lower() if isinstance(bucket["key"], bool) else str(bucket["key"])
            typer.echo(f"  {bucket['doc_count']:>9,}  {bar:{_BAR}}  {key}")
        if len(buckets) > _MOST_VALUES:
            typer.echo(f"  (and {len(buckets) - _MOST_VALUES} more values)")


def show_verdict(verdict: Verdict | ExportVerdict, *, quiet: bool) -> None:
    """What verify found; problems go to standard error even when quiet."""
    for problem in verdict.problems[:20]:
        typer.echo(f"PROBLEM  {problem}", err=True)
    if len(verdict.problems) > 20:
        typer.echo(f"PROBLEM  (and {len(verdict.problems) - 20:,} more; --json lists all)", err=True)
    if quiet:
        return
    values = verdict.to_dict()
    if "files" in values:
        counted = f"{values['files']:,} files"
    else:
        counted = f"{values['images']:,} images, {values['blobs']:,} files, {values['log_entries']:,} log entries"
    state = "all is well" if verdict.clean else f"{len(verdict.problems):,} problems"
    typer.echo(f"{counted}: {state}")
    if values.get("unused_blobs"):
        typer.echo(
            f"{values['unused_blobs']:,} files belong to no image, as interruptions leave them; --tidy removes them"
        )
    if "log_head" in values:
        typer.echo(f"log: {values['log_head']} (keep this; later: --head HASH)")
