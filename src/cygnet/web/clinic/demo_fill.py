"""The worklist of a demonstration fills while the server is already there: patient after patient, drawn and assessed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cygnet.clinic import demo, reading
from cygnet.clinic.admit import admit
from cygnet.clinic.incoming import Incoming
from cygnet.web.clinic.assessing import run_all
from cygnet.web.jobs import Progress
from cygnet.web.site import Site


def fill(site: Site, more: list[Incoming], origin: str = "") -> None:
    """Start the run that adds the simulated patients that are not there yet, then ``more`` from ``origin``."""
    with site.clinic.read() as connection:
        there = {entry.label for entry in reading.worklist(connection, "", demo.PREFIX, 1000)}
    specs = [spec for spec in (demo.Spec(*each) for each in demo.PATIENTS) if demo.label(spec) not in there]
    total = 2 * (sum(map(demo.images, specs)) + len(more))
    if not total:
        return

    def work(progress: Progress) -> dict[str, Any]:
        done = 0
        for spec in specs:
            done = _one(site, progress, demo.items(spec), demo.images(spec), (done, total), simulated=True)
        _one(site, progress, more, len(more), (done, total), source=origin)
        return {"patients": len(specs)}

    site.demo_run = site.jobs.start("demo", "Patients of the demonstration", "local", work).id


def _one(
    site: Site,
    progress: Progress,
    items: Iterable[Incoming],
    count: int,
    place: tuple[int, int],
    *,
    source: str = demo.SOURCE,
    simulated: bool = False,
) -> int:
    """Admit and assess; returns how many of the ``place[1]`` steps are done."""
    done, total = place
    if not count:
        return done
    admitted = admit(
        site.clinic, "demo", items, source, simulated=simulated, on_image=lambda n: progress(done + n, total)
    )
    run_all(site, list(admitted.assessments), progress, before=done + count, total=total)
    return done + 2 * count
