"""``cygnet simulate``: made-up patients with known truth."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from cygnet.errors import InputError


def simulate(
    out: Annotated[Path, typer.Argument(help="New folder for images/, masks/, manifest.csv, measurements.csv.")],
    patients: Annotated[int, typer.Option(min=1, help="How many patients.")] = 1,
    lesions: Annotated[int, typer.Option(min=1, help="Lesions per patient.")] = 16,
    odd: Annotated[bool, typer.Option("--odd/--no-odd", help="Give each patient one odd lesion.")] = True,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the first patient; the same seed gives the same bytes.")
    ] = 0,
    size: Annotated[str, typer.Option(help="Width x height in pixels.")] = "600x450",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no closing line.")] = False,
) -> None:
    """Draw simulated dermoscopic patients, with exact masks and measurements.

    A patient has a skin tone and a signature pattern that the nevi share; hair, rulers, gel bubbles and vignettes come and
    go. Every picture is marked as simulated. For demonstrations and tests; never evidence of accuracy.

    Example: cygnet simulate patients/ --patients 3 --seed 7 && cygnet rank patients/
    """
    from cygnet.cli.show import progress
    from cygnet.simulate import write_patients

    match = re.fullmatch(r"(\d+)[xX](\d+)", size)
    if not match:
        raise InputError(f"--size {size}: give width x height in pixels, such as 600x450")
    with progress("drawing", patients * lesions, "images", quiet=quiet) as advance:
        write_patients(
            out,
            n_patients=patients,
            seed=seed,
            n_lesions=lesions,
            odd=odd,
            size=(int(match[1]), int(match[2])),
            progress=lambda done, _: advance(done * lesions),
        )
    if not quiet:
        typer.echo(f"{patients * lesions} simulated images in {out}; rank them with: cygnet rank {out}")
