"""``cygnet archive ingest``: images into the archive."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cygnet.cli.archive_common import Actor, Json, Place, Quiet, acting, opened, show_json
from cygnet.errors import InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cygnet.archive.ingest.commit import Outcome
    from cygnet.archive.ingest.items import Item
    from cygnet.archive.ingest.run import Summary

_SHOWN = 10


def ingest(
    place: Place,
    source: Annotated[
        str, typer.Argument(help="Folder, zip or DICOM file, or the https:// address of an ISIC-compatible archive.")
    ],
    metadata: Annotated[
        Path | None,
        typer.Option(
            help="Table (CSV, TSV, Parquet) with a row per image; only its images are taken.", show_default=False
        ),
    ] = None,
    license_: Annotated[
        str | None,
        typer.Option("--license", help="CC-0, CC-BY or CC-BY-NC, for images that state none.", show_default=False),
    ] = None,
    attribution: Annotated[
        str | None, typer.Option(help="Whom to credit, for images that state none.", show_default=False)
    ] = None,
    publish: Annotated[bool, typer.Option("--publish", help="Publish what no check holds back.")] = False,
    embargo: Annotated[
        str | None, typer.Option(help="Keep private until this day (2027-01-31).", show_default=False, metavar="DATE")
    ] = None,
    cohort: Annotated[str, typer.Option(help="Name within which a patient_id means one person.")] = "default",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="FIELD=VALUE for all images that lack it; repeatable.", show_default=False),
    ] = None,
    drop: Annotated[
        list[str] | None, typer.Option(help="Column to leave out unread; repeatable.", show_default=False)
    ] = None,
    query: Annotated[str, typer.Option(help="Of another archive, take what this finds.")] = "",
    keep_ids: Annotated[bool, typer.Option("--keep-ids", help="Keep ISIC_, IP_ and IL_ ids of the table.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing; say what would happen.")] = False,
    report: Annotated[
        Path | None, typer.Option(help="CSV file for what became of each image, with reasons.", show_default=False)
    ] = None,
    embed: Annotated[
        bool, typer.Option("--embed/--no-embed", help="Run the lesion model: similar images, and is it dermoscopy?")
    ] = True,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads. \\[default: cores]", show_default=False)] = None,
    actor: Actor = None,
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check images and add what passes. Run it again at any time: nothing is added twice, nothing half.

    Original files are kept byte for byte; what is shown and handed out carries licence and credit and nothing personal. Refused
    images stay out, each with a reason; held ones are drafts until a reader accepts them (cygnet archive review).

    Exit codes: 0 done, 1 no image could be added, 2 wrong use, 130 interrupted.

    Examples:

      cygnet archive ingest images.archive photos/ --metadata manifest.csv --license CC-0 --attribution "Clinic" --dry-run
    """
    from cygnet.archive.ingest.run import Options

    with opened(place) as archive:
        constants = _constants(set_ or [])
        if source.startswith(("http://", "https://")):
            from cygnet.interop.source import Remote

            remote = Remote.at(source, query)
            items: Iterable[Item] = remote.items()
            total = remote.count()
            license_, attribution = license_ or "CC-BY-NC", attribution or source
        else:
            items, total, left = _local(Path(source), metadata, drop or [], constants, keep_ids, quiet=quiet)
            if left and not quiet:
                typer.echo(f"{left:,} files of {source} are in no row of {metadata} and are left out", err=True)
        if license_ is None or attribution is None:
            raise InputError(
                "--license and --attribution are needed: under which terms may the images be used, and whose are they?"
            )
        until = day(embargo)
        options = Options(license_, attribution, cohort, publish, until, dry_run, acting(actor), workers)
        model = None
        if embed:
            from cygnet.models import LesionModel

            model = LesionModel()
        refused: list[Outcome] = []
        with _written(report) as write, _progress(total, quiet=quiet or json_) as done:

            def on_outcome(outcome: Outcome) -> None:
                write(outcome)
                if outcome.result == "refused" and len(refused) < _SHOWN:
                    refused.append(outcome)
                done()

            try:
                summary = archive.ingest(items, _name(source), options, model=model, on_outcome=on_outcome)
            except KeyboardInterrupt:
                typer.echo("\ninterrupted; what was added stays. Run the same command again to go on", err=True)
                raise typer.Exit(130) from None
    if json_:
        show_json({"dry_run": dry_run, **summary.to_dict()})
    elif not quiet:
        _show(summary, refused, dry_run, report)
    if not summary.added and not summary.present:
        raise typer.Exit(1)


def _name(source: str) -> str:
    return source if "://" in source else str(Path(source).absolute())


def _local(
    source: Path, metadata: Path | None, drop: list[str], constants: Mapping[str, str], keep_ids: bool, *, quiet: bool
) -> tuple[Iterable[Item], int, int]:
    """Items, how many, and the number of files that no row names."""
    from cygnet.archive.ingest.rows import pair, read_rows, without_table
    from cygnet.archive.ingest.sources import files_of

    files = files_of(source)
    if metadata is None:
        if not files:
            raise InputError(f"{source}: holds no image or DICOM file")
        return without_table(files, constants), len(files), 0
    rows = read_rows(metadata, drop=drop, constants=constants)
    for problem in rows.about_table[: 0 if quiet else _SHOWN]:
        typer.echo(f"{metadata}: {problem.message}", err=True)
    return pair(files, rows, keep_ids=keep_ids), len(rows), max(0, len(files) - len(rows))


def _constants(given: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    for name, sign, value in pairs:
        if not (name and sign and value):
            raise InputError(f"--set {name}{sign}{value}: write FIELD=VALUE, such as image_type=dermoscopic")
    return {name.strip(): value.strip() for name, _, value in pairs}


def day(text: str | None) -> str | None:
    """A day as ISO 8601 writes it, None for none."""
    from datetime import date

    try:
        return None if text is None else date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise InputError(f"--embargo {text}: write a day such as 2027-01-31") from error


@contextmanager
def _progress(total: int, *, quiet: bool) -> Iterator[Callable[[], None]]:
    from cygnet.cli.show import progress

    with progress("ingesting", total, "images", quiet=quiet) as advance:
        count = 0

        def one_more() -> None:
            nonlocal count
            count += 1
            advance(count)

        yield one_more


@contextmanager
def _written(report: Path | None) -> Iterator[Callable[[Outcome], Any]]:
    """Writes outcomes to a CSV file, whole or not at all."""
    if report is None:
        yield lambda outcome: None
        return
    from cygnet.schema.cells import safe

    beside = report.with_name(f".{report.name}.part")
    try:
        with beside.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(("file", "result", "isic_id", "state", "level", "group", "code", "message"))

            def write(o: Outcome) -> None:
                start = (o.name, o.result, o.isic_id, o.state)
                ends: list[tuple[str, ...]] = [(f.level, f.group, f.code, f.message) for f in o.findings]
                for end in ends or [("", "", "", "")]:
                    writer.writerow([safe(text) for text in (*start, *end)])

            yield write
        os.replace(beside, report)
    except OSError as error:
        raise OutputError(f"{report}: cannot be written ({error.strerror}); choose another place") from error
    finally:
        beside.unlink(missing_ok=True)


def _show(summary: Summary, refused: list[Outcome], dry: bool, report: Path | None) -> None:
    from cygnet.archive.findings import meaning

    would = "would be " if dry else ""
    states = ", ".join(f"{n:,} {state}" for state, n in summary.by_state.most_common())
    typer.echo(
        f"{summary.added:,} {would}added{f' ({states})' if states else ''}, {summary.present:,} there already, "
        f"{summary.refused:,} {would}refused"
    )
    for (level, code), n in sorted(
        summary.by_code.items(), key=lambda item: ("refuse hold note".index(item[0][0]), -item[1])
    ):
        word = {"refuse": "refused", "hold": "held", "note": "noted"}[level]
        typer.echo(f"  {word:8}{n:>7,}  {code}: {meaning(code)}")
    for outcome in refused:
        why = next((f.message for f in outcome.findings if f.level == "refuse"), "")
        typer.echo(f"  {outcome.name}: {why}")
    if summary.refused > len(refused):
        typer.echo(f"  (and {summary.refused - len(refused):,} more)")
    if report is not None:
        typer.echo(f"every image with its reasons: {report}")
    elif summary.by_code:
        typer.echo("--report FILE.csv writes every image with its reasons")
