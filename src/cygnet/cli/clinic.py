"""``cygnet clinic``: patients in and out of the local app without a browser."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cygnet.archive import Archive
    from cygnet.clinic import Clinic

app = typer.Typer(help="Patients of the local app: add, back up, restore, measure, erase.", no_args_is_help=True)

Place = Annotated[Path, typer.Option("--archive", help="Folder that cygnet serve uses.", metavar="DIR")]
_DEFAULT = Path("cygnet-archive")


@app.command("add")
def add(
    sources: Annotated[
        list[Path], typer.Argument(help="Folders, pictures, DICOM files or tables.", metavar="SOURCE...")
    ],
    archive: Place = _DEFAULT,
    patient: Annotated[str | None, typer.Option(help="Name of the patient; by default the folder's.")] = None,
    visit: Annotated[str | None, typer.Option(help="Day of the visit, as 2026-11-20; by default today.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing but errors.")] = False,
) -> None:
    """Add pictures to a patient and assess them.

    Example:

      cygnet clinic add ISIC_patient/ --patient "P-0042"
    """
    from cygnet.archive.archive import whoami
    from cygnet.cli.show import progress
    from cygnet.clinic import assess
    from cygnet.clinic.admit import admit
    from cygnet.clinic.incoming import from_paths

    items = from_paths(sources, patient=patient, day=visit)
    with _clinic(archive) as clinic:
        with progress("adding", len(items), "images", quiet=quiet) as advance:
            done = admit(clinic, whoami(), items, "command line", on_image=advance)
        for number in done.assessments:
            with progress("assessing", len(items), "images", quiet=quiet) as advance:
                assess.run(clinic, number, progress=partial(_first, advance))
    if not quiet:
        typer.echo(f"{done.added} images added, {done.known} were there already; {len(done.patients)} patients")


def _first(advance: Callable[[int], None], done: int, _of: int) -> None:
    advance(done)


@app.command("backup")
def backup(
    file: Annotated[Path, typer.Argument(help="ZIP file to write.")],
    archive: Place = _DEFAULT,
) -> None:
    """Everything of the clinic in one file: patients, pictures, verdicts, log.

    Example:

      cygnet clinic backup clinic.zip
    """
    from cygnet.archive.archive import whoami
    from cygnet.clinic.backup import backup as write

    with _clinic(archive) as clinic:
        made = write(clinic, whoami(), file)
    typer.echo(f"{made['patients']} patients, {made['pictures']} pictures; log ends with {made['log_head'][:16]}")


@app.command("restore")
def restore(
    file: Annotated[Path, typer.Argument(help="ZIP file of cygnet clinic backup.")],
    archive: Annotated[Path, typer.Option("--archive", help="Folder without patients.", metavar="DIR")],
) -> None:
    """Put a backup back, every picture checked.

    Example:

      cygnet clinic restore clinic.zip --archive restored
    """
    from cygnet.clinic.backup import restore as put_back

    made = put_back(file, archive / "site")
    typer.echo(f"{made['patients']} patients, {made['pictures']} pictures are back in {archive}")


@app.command("verify")
def verify(archive: Place = _DEFAULT) -> None:
    """Check the audit log and every picture; exit 1 where something is wrong.

    Example:

      cygnet clinic verify
    """
    from cygnet.clinic.verify import problems

    with _clinic(archive) as clinic:
        found = problems(clinic)
    for problem in found:
        typer.echo(problem)
    typer.echo(f"{len(found)} problems" if found else "the log's chain holds, and every picture is as it was stored")
    if found:
        raise typer.Exit(1)


@app.command("study")
def study(
    out: Annotated[Path, typer.Argument(help="CSV file to write, one row per reading.")],
    archive: Place = _DEFAULT,
) -> None:
    """What readers said before and after they saw Cygnet, under pseudonyms; prints what changed, with 95 % intervals.

    Example:

      cygnet clinic study readings.csv
    """
    from cygnet.archive.archive import whoami
    from cygnet.clinic.study import readings_csv
    from cygnet.clinic.study import study as make

    with _clinic(archive) as clinic:
        made = make(clinic, whoami())
    out.write_text(readings_csv(made["readings"]), encoding="utf-8")
    for change in made["changes"]:
        typer.echo(_change(change))
    typer.echo(f"{len(made['readings'])} readings in {out}")


def _change(change: dict[str, Any]) -> str:
    if not change["n"]:
        return f"{change['name']}: no readings with an outcome yet"
    known = change["low"] is not None
    spread = (
        f" (95 % interval {change['low']:+.1%} to {change['high']:+.1%})"
        if known
        else " (too few patients for an interval)"
    )
    return (
        f"{change['name']}: {change['before']:.1%} before, {change['after']:.1%} after, "
        f"{change['difference']:+.1%}{spread}, {change['n']} readings"
    )


@app.command("erase")
def erase(
    patient: Annotated[str, typer.Argument(help="Name of the patient, as in the worklist.")],
    why: Annotated[str, typer.Option(help="Reason, for the audit log. Do not name the patient here.")],
    archive: Place = _DEFAULT,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    clinic_only: Annotated[bool, typer.Option("--clinic-only", help="Leave the archive's copies.")] = False,
) -> None:
    """Erase a patient for good, here and in the archive of the folder; prints the proof as JSON.

    Of the archive goes what has the same pictures, with the rest of its patient where that is only one.

    Example:

      cygnet clinic erase SIM-0003 --why "asked by the patient" --yes
    """
    import json

    from cygnet.archive.archive import whoami
    from cygnet.clinic import reading
    from cygnet.clinic.elsewhere import Elsewhere, in_archive
    from cygnet.clinic.erase import erase as remove
    from cygnet.errors import InputError

    with _clinic(archive) as clinic, _archive(archive) as kept:
        with clinic.read() as connection:
            found = [e for e in reading.worklist(connection, "", patient, 10_000) if e.label == patient]
        if not found:
            raise InputError(f"{patient}: no such patient in {archive}; the worklist has their names")
        one = found[0]
        if not yes:
            there = in_archive(clinic, kept, one.patient_id) if kept and not clinic_only else Elsewhere()
            also = f", and {len(there.images)} images of the archive" if there.images else ""
            typer.confirm(f"Erase {patient} with {one.lesions} lesions{also} for good?", abort=True)
        proof = remove(clinic, whoami(), one.patient_id, why, kept, copies=not clinic_only)
        typer.echo(json.dumps(proof, indent=1))


@contextmanager
def _archive(folder: Path) -> Iterator[Archive | None]:
    """The archive in the folder, None where there is none."""
    from cygnet.archive import Archive
    from cygnet.archive.archive import CONFIG

    if not (folder / CONFIG).exists():
        yield None
        return
    with Archive.open(folder) as found:
        yield found


@contextmanager
def _clinic(archive: Path) -> Iterator[Clinic]:
    from cygnet.clinic import Clinic
    from cygnet.errors import InputError

    if not archive.is_dir():
        raise InputError(f"{archive}: no such folder; cygnet serve makes it, or name another with --archive")
    with Clinic(archive / "site") as clinic:
        yield clinic
