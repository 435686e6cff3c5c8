"""The archive of ``cygnet serve --demo``: simulated patients, some published, some waiting for review."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

if TYPE_CHECKING:
    from cygnet.archive import Archive

_PATIENTS, _LESIONS, _SEED = 3, 12, 21
_WAITING: Final = 6
_SITES: Final = {
    "anterior torso": "Anterior trunk",
    "posterior torso": "Posterior trunk",
    "upper extremity": "Upper extremity",
    "lower extremity": "Lower extremity",
    "head/neck": "Head and neck",
}
CREDIT: Final = "Cygnet simulator"


def demo_archive(folder: Path) -> None:
    """An archive of simulated patients in ``folder``; one that is there stays as it is."""
    from cygnet.archive import Archive
    from cygnet.archive.archive import CONFIG
    from cygnet.cli.show import progress
    from cygnet.simulate import write_patients

    if (folder / CONFIG).exists():
        return
    with tempfile.TemporaryDirectory() as scratch:
        with progress("drawing simulated patients", _PATIENTS, "patients") as advance:
            made = write_patients(
                Path(scratch) / "set",
                n_patients=_PATIENTS,
                seed=_SEED,
                n_lesions=_LESIONS,
                progress=lambda done, _: advance(done),
            )
        with Archive.init(folder) as archive:
            fill(archive, made)
    typer.echo("These patients are SIMULATED.")


def fill(archive: Archive, made: Path, *, embed: bool = True) -> None:
    """Take simulated patients into an archive; the last few images stay drafts."""
    from cygnet.archive.ingest.rows import pair, read_rows
    from cygnet.archive.ingest.run import Options
    from cygnet.archive.ingest.sources import files_of
    from cygnet.models import LesionModel

    table = made / "isic.csv"
    _write(table, made / "manifest.csv")
    items = list(pair(files_of(made / "images"), read_rows(table), keep_ids=False))
    model = LesionModel() if embed else None
    for some, publish in ((items[:-_WAITING], True), (items[-_WAITING:], False)):
        options = Options("CC-0", CREDIT, cohort="simulated", publish=publish, actor="demo")
        archive.ingest(some, "simulated", options, model=model)


def _write(table: Path, manifest: Path) -> None:
    """The simulator's manifest in the terms of ISIC 6.1. What a drawn lesion is called is made up, as it is."""
    with manifest.open(encoding="utf-8") as stream:
        rows = [_row(row) for row in csv.DictReader(stream)]
    with table.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _row(row: dict[str, Any]) -> dict[str, Any]:
    odd = row["odd"].lower() == "true"
    return {
        "image": row["image"],
        "patient_id": row["patient_id"],
        "lesion_id": row["lesion_id"],
        "age": row["age"],
        "sex": row["sex"],
        "anatom_site": _SITES.get(row["site"], row["site"]),
        "diagnosis": "Melanoma, NOS" if odd else "Nevus",
        "diagnosis_confirm_type": "histopathology" if odd else "single contributor clinical assessment",
        "image_type": "dermoscopic",
    }
