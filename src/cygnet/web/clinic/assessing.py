"""Assessments as runs of the server: one at a time, with progress, and taken up again after a restart."""

from __future__ import annotations

from functools import cache
from typing import Any

from cygnet.clinic import assess
from cygnet.models import LesionModel
from cygnet.web.jobs import Job, Progress
from cygnet.web.site import Site


@cache
def lesion_model() -> LesionModel:
    """The model, loaded when first needed."""
    return LesionModel()


def go_on(site: Site) -> None:
    """Take up what a restart has left waiting."""
    left = assess.waiting(site.clinic)
    if left:
        start(site, left, "cygnet")


def start(site: Site, numbers: list[int], who: str) -> Job:
    """Run assessments one after the other; returns the run that shows how far they are."""
    job = site.jobs.start("assess", "Assessment", who, lambda progress: run_all(site, numbers, progress))
    site.assessment_runs.update(dict.fromkeys(numbers, job.id))
    return job


def run_all(
    site: Site, numbers: list[int], progress: Progress, before: int = 0, total: int | None = None
) -> dict[str, Any]:
    """The work of a run; ``before`` counts steps that are already done, of ``total`` where there are others to come."""
    done = before
    with site.assessing:
        for number in numbers:
            start_at = done

            def tell(n: int, of: int, base: int = start_at) -> None:
                nonlocal done
                done = base + n
                progress(done, total or base + of)

            assess.run(site.clinic, number, lesion_model(), progress=tell)
    return {"assessments": numbers}
