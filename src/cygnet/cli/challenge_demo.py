"""``cygnet challenge demo``: a site with challenges and boards that are filled."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from cygnet.cli.archive_common import Quiet
from cygnet.cli.challenge_host import SITE, Place, opened
from cygnet.errors import InputError


def demo(
    archive: Place = SITE,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the public ISIC data; without it, simulated patients are made.", show_default=False
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=20, help="Take only so many images into what looks at pictures.", show_default=False),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Past and open challenges whose boards are filled by honest baselines. Then: cygnet serve --archive DIR.

    With --data the past ISIC challenges on the public data, without it simulated patients. Entries are the shipped models on
    lesions that they never saw, other people's out-of-fold scores, human readers' votes, metadata alone, lesion count alone.
    """
    from cygnet.challenge.demo import real, simulated
    from cygnet.challenge.demo.build import host
    from cygnet.cli.show import progress

    if data is not None and not data.is_dir():
        raise InputError(f"{data}: no such folder; leave out --data for simulated patients")
    store = opened(archive)
    total = (
        2 * simulated.PATIENTS * simulated.LESIONS + simulated.OUTLINED
        if data is None
        else (limit or 1610) + real.MASKS
    )
    with tempfile.TemporaryDirectory() as place, progress("looking at images", total, "images", quiet=quiet) as advance:
        plans = (
            simulated.challenges(Path(place), advance)
            if data is None
            else real.challenges(data, Path(place), advance, limit)
        )
        names = []
        for planned in plans:
            states = host(store, planned)
            names.append(planned.name)
            if not quiet:
                said = f"{len(states)} entries" if states else "is there already"
                typer.echo(f"{planned.name}: {said}")
    if not names:
        raise InputError(f"{data}: none of the challenges' data are there; see docs/challenges.md")
    if not quiet:
        typer.echo(f"look at them with: cygnet serve --archive {archive}")
