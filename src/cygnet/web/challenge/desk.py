"""What the pages share: the store, the scorer, and who may see what."""

from __future__ import annotations

import logging
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Lock, Timer
from typing import Any, Final

from fastapi import HTTPException
from starlette.requests import Request

from cygnet.challenge.judged import curves
from cygnet.challenge.packed import Source
from cygnet.challenge.parts import part, truth_part
from cygnet.challenge.scoring import read_answer
from cygnet.challenge.store import runs, views
from cygnet.challenge.store.hosted import Challenge, Challenges
from cygnet.errors import OutputError
from cygnet.web.auth import Role, actor
from cygnet.web.events import Events
from cygnet.web.site import Site, site_of

_log = logging.getLogger("cygnet.web")
#: What a board shows; of other events only the run's own page hears.
_SHOWN: Final = frozenset({"scored", "final", "open", "frozen", "revealed"})
_CURVES: Final = 64
#: Seconds after which a run that could not be written down is scored again.
AGAIN: Final = 20.0


class Desk:
    """The challenges of one server, scored as they come by ``workers`` threads."""

    def __init__(self, folder: Path, events: Events, workers: int = 2) -> None:
        self.store = Challenges(folder, self._tell)
        self._events = events
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="scorer")
        self._curves: OrderedDict[tuple[int, str], dict[str, Any] | None] = OrderedDict()
        self._lock = Lock()
        for run_id in runs.waiting(self.store):  # what a crash left
            self.score(run_id)

    def close(self) -> None:
        """Finish what is being scored; the rest waits for the next start."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self.store.close()

    def score(self, run_id: int) -> None:
        """Score a run soon."""
        with suppress(RuntimeError):  # the server is leaving; the next start finds the run
            self._pool.submit(self._score, run_id)

    def _score(self, run_id: int) -> None:
        try:
            runs.score_run(self.store, run_id)
        except OutputError as error:  # a full disk, say: there may be room later
            _log.error("run %s could not be scored: %s", run_id, error)
            self._later(run_id)
        except Exception:  # noqa: BLE001, the run waits for the next start; the thread goes on
            _log.exception("run %s could not be scored", run_id)

    def _later(self, run_id: int) -> None:
        timer = Timer(AGAIN, self.score, [run_id])
        timer.daemon = True  # the next start would find the run, too
        timer.start()

    def _tell(self, name: str, what: dict[str, Any]) -> None:
        if "run" in what:
            self._events.publish(f"challenge-run-{what['run']}", what)
        if what["what"] in _SHOWN:
            self._events.publish(f"challenge-{name}", {"what": what["what"]})

    def curves_of(self, challenge: Challenge, row: dict[str, Any], which: str) -> dict[str, Any] | None:
        """ROC and decision curve of a board's entry; only of a revealed challenge, since a fine curve tells the labels."""
        key = (int(row["run"]), which)
        with self._lock:
            if key in self._curves:
                return self._curves[key]
        secret = self.store.secret(challenge.name)
        rows = secret.public if which == "public" else ~secret.public
        with self.store.database.read() as c:
            sha256 = runs.file_of(c, key[0])
        answer = read_answer(secret.truth, Source("submission", self.store.files.path(sha256)))
        name = f"{row['team']}: {row['approach']}"
        found = curves(truth_part(secret.truth, rows), part(answer, secret.truth, rows), name)
        with self._lock:
            self._curves[key] = found
            while len(self._curves) > _CURVES:
                self._curves.popitem(last=False)
        return found


def desk_of(request: Request) -> Desk:
    """The desk of the server that a request came to."""
    return desk_for(site_of(request))


def desk_for(site: Site) -> Desk:
    """The desk of a server; made at the first need, and at its start where challenges are hosted already."""
    with site.lock:
        if site.desk is None:
            site.desk = Desk(site.settings.site, site.events)
        found: Desk = site.desk
    return found


def challenge_of(request: Request, name: str) -> Challenge:
    """A challenge that the actor may see; drafts are the organisers'."""
    challenge = desk_of(request).store.get(name)
    if challenge.state == "draft" and not actor(request).may(Role.ORGANISER):
        raise HTTPException(404, f"no challenge {name[:60]!r} is hosted here")
    return challenge


def my_team(request: Request, challenge: Challenge) -> int | None:
    """The actor's team, None where it has none."""
    who = actor(request)
    return runs.team_of(desk_of(request).store, challenge.name, who.name) if who.known else None


def own_team(request: Request, challenge: Challenge) -> int:
    """The actor's team; who has none is told to make one."""
    team_id = my_team(request, challenge)
    if team_id is None:
        raise HTTPException(403, "you are in no team of this challenge; make one first")
    return team_id


def run_of(request: Request, challenge: Challenge, run_id: int) -> dict[str, Any]:
    """A run as the actor may see it: all of it for its team, the score alone for others."""
    store = desk_of(request).store
    made = views.run(store, run_id, own=True)
    if made["challenge"] != challenge.name:
        raise HTTPException(404, f"no run {run_id}")
    own = made["team_id"] == my_team(request, challenge)
    return {**(made if own else views.run(store, run_id, own=False)), "own": own}


def summary(challenge: Challenge) -> dict[str, Any]:
    """A challenge as lists and headings show it."""
    task, hosting = challenge.task, challenge.hosting
    return {
        "name": challenge.name,
        "title": task.title,
        "state": challenge.state,
        "kind": task.kind,
        "headline": task.headline_title,
        "year": task.year or None,
        "images": challenge.images,
        "public_images": challenge.public_images,
        "closes": hosting.closes or None,
    }
