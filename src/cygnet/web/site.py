"""What all pages of one server share, and how a request comes to it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import HTTPConnection

from cygnet.accounts import Accounts
from cygnet.accounts.limit import Failures
from cygnet.archive import Archive
from cygnet.archive.remembered import Remembered
from cygnet.clinic import Clinic
from cygnet.web.events import Events
from cygnet.web.jobs import Jobs
from cygnet.web.settings import Settings


@dataclass(slots=True)
class Site:
    """One server. ``guarded`` says whether accounts are asked for; if not, whoever asks is the one person at this machine.

    ``login_failures`` counts wrong passwords by name and by address. ``facets`` are those asked for last. ``lock`` is for whoever makes something here on first use.
    ``assessing`` lets one assessment have the machine at a time; ``assessment_runs`` has the run of each by its number, ``demo_run``
    is the run that fills a demonstration.
    """

    settings: Settings
    archive: Archive
    accounts: Accounts
    clinic: Clinic
    guarded: bool
    events: Events = field(default_factory=Events)
    login_failures: Failures = field(default_factory=lambda: Failures(most=8, seconds=600))
    facets: Remembered = field(default_factory=Remembered)
    lock: threading.Lock = field(default_factory=threading.Lock)
    assessing: threading.Lock = field(default_factory=threading.Lock)
    assessment_runs: dict[int, str] = field(default_factory=dict)
    demo_run: str = ""
    jobs: Jobs = field(init=False)
    desk: Any = None  # of the challenges, made at their first page: see cygnet.web.challenge.desk

    def __post_init__(self) -> None:
        self.jobs = Jobs(self.settings.site / "runs", self.events)

    def close(self) -> None:
        """Let everything go."""
        self.jobs.close()
        self.clinic.close()
        if self.desk is not None:
            self.desk.close()
        self.accounts.close()
        self.archive.close()


def site_of(request: HTTPConnection) -> Site:
    """The server that a request came to."""
    found: Site = request.app.state.site
    return found
