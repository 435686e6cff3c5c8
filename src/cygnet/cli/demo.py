"""``cygnet demo``: the whole path on a simulated patient, without any data of one's own."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from cygnet.errors import InputError

_SEED = 11
_LESIONS = 16
_MARK = ".cygnet-demo"


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the simulated images and the report.")] = Path("cygnet-demo"),
    seed: Annotated[int, typer.Option(min=0, help="Which simulated patient.")] = _SEED,
    open_: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the report in the browser, where there is a display.")
    ] = True,
) -> None:
    """Rank a simulated patient with one odd lesion, and show where the report is.

    Works offline, needs no data, and writes to --out only. The patient is drawn by a simulator: what you see shows how
    Cygnet works, and is no evidence of how accurate it is.
    """
    from cygnet.cli.rank import Run
    from cygnet.cli.show import progress
    from cygnet.models import LesionModel, find_lesion
    from cygnet.models.registry import PREFERRED
    from cygnet.simulate import write_patients
    from cygnet.triage import Options, collect

    patient = out / f"patient-{seed}"
    if out.exists() and any(out.iterdir()) and not (out / _MARK).exists():
        raise InputError(f"{out}: this folder is in use for something else; choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    (out / _MARK).touch()
    if not patient.exists():
        with progress("drawing a simulated patient", _LESIONS, "images") as advance:
            write_patients(
                patient, n_patients=1, seed=seed, n_lesions=_LESIONS, progress=lambda done, _: advance(done * _LESIONS)
            )
    run = Run(collect([patient]), LesionModel(find_lesion(PREFERRED)), Options(), None, "table", False)
    report = out / "report"
    run.to_folder(report, resume=(report / ".cygnet-journal.sqlite").exists())
    run.close()
    typer.echo("This patient is SIMULATED. With your own images: cygnet rank FOLDER --out report/")
    if open_ and sys.stdout.isatty() and (os.environ.get("DISPLAY") or sys.platform in ("darwin", "win32")):
        import webbrowser

        webbrowser.open((report / "report.html").resolve().as_uri())
