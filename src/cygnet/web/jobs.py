"""Work that takes longer than a request: in a thread, with progress that any page can show and that is still there after a restart."""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from cygnet.errors import CygnetError
from cygnet.web.events import Events

State = Literal["running", "done", "failed", "cancelled", "interrupted"]
_ID: Final = re.compile(r"[0-9]{14}-[0-9a-f]{8}")
#: Seconds between two publications of progress.
_OFTEN: Final = 0.2
#: Runs of which the details stay.
_KEPT: Final = 200
_log = logging.getLogger("cygnet.web")


class Cancelled(Exception):
    """Raised within the work when somebody asked for its end."""


@dataclass(slots=True)
class Job:
    """One piece of work. ``done`` of ``total`` (0 while unknown); ``result`` is JSON, and what the page shows at the end."""

    id: str
    kind: str
    title: str
    actor: str
    started: float
    state: State = "running"
    done: int = 0
    total: int = 0
    message: str = ""
    result: Any = None
    ended: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        return asdict(self)


class Progress:
    """What the work says of itself."""

    def __init__(self, job: Job, tell: Callable[[Job], None], cancelled: threading.Event) -> None:
        self._job, self._tell, self._cancelled = job, tell, cancelled
        self._last = 0.0

    def __call__(self, done: int, total: int | None = None, message: str | None = None) -> None:
        """How far the work is.

        Raises
        ------
        Cancelled
            If somebody asked for its end; let it pass.
        """
        if self._cancelled.is_set():
            raise Cancelled
        self._job.done = done
        self._job.total = self._job.total if total is None else total
        self._job.message = self._job.message if message is None else message
        if time.monotonic() - self._last >= _OFTEN:
            self._last = time.monotonic()
            self._tell(self._job)


class Jobs:
    """The runs of one server, kept as JSON files in a folder. Progress is published on the topic ``run-{id}``."""

    def __init__(self, folder: Path, events: Events) -> None:
        self._folder, self._events = folder, events
        self._running: dict[str, tuple[Job, threading.Thread, threading.Event]] = {}
        self._lock = threading.Lock()

    def start(self, kind: str, title: str, actor: str, work: Callable[[Progress], Any]) -> Job:
        """Begin; ``work`` returns its result as JSON takes it, and calls its progress now and then."""
        job = Job(
            f"{time.strftime('%Y%m%d%H%M%S', time.gmtime())}-{secrets.token_hex(4)}", kind, title, actor, time.time()
        )
        stop = threading.Event()
        thread = threading.Thread(target=self._run, args=(job, work, stop), name=f"run-{job.id}")
        with self._lock:
            self._running[job.id] = (job, thread, stop)
        self._save(job)
        thread.start()
        return job

    def get(self, id_: str) -> Job | None:
        """A run, None if there is none of that name. One that a restart cut off is "interrupted"."""
        with self._lock:
            if id_ in self._running:
                return self._running[id_][0]
        if not _ID.fullmatch(id_):
            return None
        try:
            job = Job(**json.loads((self._folder / f"{id_}.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        if job.state == "running":
            job.state = "interrupted"
        return job

    def latest(self, number: int = 20) -> list[Job]:
        """The newest runs first."""
        names = sorted((p.stem for p in self._folder.glob("*.json")), reverse=True)[:number]
        return [job for name in names if (job := self.get(name)) is not None]

    def cancel(self, id_: str) -> bool:
        """Ask a run to end; whether it was running."""
        with self._lock:
            found = self._running.get(id_)
        if found is not None:
            found[2].set()
        return found is not None

    def busy(self) -> bool:
        """Whether anything runs."""
        with self._lock:
            return bool(self._running)

    def close(self) -> None:
        """Ask every run to end, and wait until it has."""
        with self._lock:
            running = list(self._running.values())
        for _, _, stop in running:
            stop.set()
        for _, thread, _ in running:
            thread.join()

    def _run(self, job: Job, work: Callable[[Progress], Any], stop: threading.Event) -> None:
        try:
            job.result = work(Progress(job, self._tell, stop))
            job.state = "done"
        except Cancelled:
            job.state = "cancelled"
        except CygnetError as error:
            job.state, job.message = "failed", str(error)
        except Exception:  # noqa: BLE001 - whatever goes wrong, the run's page says that it did
            _log.exception("run %s failed", job.id)
            job.state, job.message = "failed", "an error of Cygnet's own; the server's log has the details"
        job.ended = time.time()
        self._save(job)
        with self._lock:
            del self._running[job.id]
        self._tell(job)

    def _tell(self, job: Job) -> None:
        shown = {k: v for k, v in job.to_dict().items() if k != "result"}
        self._events.publish(f"run-{job.id}", shown)

    def _save(self, job: Job) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"{job.id}.json"
            beside = path.with_suffix(".part")
            beside.write_text(json.dumps(job.to_dict(), ensure_ascii=False), encoding="utf-8")
            os.replace(beside, path)
            for old in sorted(self._folder.glob("*.json"), reverse=True)[_KEPT:]:
                old.unlink(missing_ok=True)
        except OSError:
            _log.exception("run %s cannot be kept", job.id)
