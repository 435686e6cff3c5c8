"""Hosted challenges: made, opened, entered, scored, frozen, revealed."""

from __future__ import annotations

import datetime
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cygnet.archive.archive import NotFoundError
from cygnet.archive.database import Database
from cygnet.archive.extras import needs
from cygnet.challenge import segmentation, split
from cygnet.challenge.board import Score
from cygnet.challenge.packed import Source
from cygnet.challenge.store import hosting, log
from cygnet.challenge.store.files import Files
from cygnet.challenge.store.hosting import Hosting
from cygnet.challenge.tasks import Task, made
from cygnet.challenge.truth import Truth, read_truth
from cygnet.errors import InputError

with needs("sqlalchemy"):
    from sqlalchemy import Connection, Row, insert, select, update

    from cygnet.challenge.store import tables

__all__ = ["Challenge", "Challenges", "NotFoundError", "Secret", "challenge_of"]

NAME: Final = "challenge.sqlite"
_CACHED: Final = 4
_DRAWS: Final = 50


@dataclass(frozen=True, slots=True)
class Challenge:
    """A hosted challenge as everyone may know it; the truth and the split are not part of it."""

    id: int
    name: str
    state: str
    task: Task
    hosting: Hosting
    commitment: str
    images: int
    public_images: int
    created_at: str
    frozen_at: str | None
    revealed_at: str | None
    truth_sha256: str

    @property
    def revealed(self) -> bool:
        """Whether private scores are open."""
        return self.state == "revealed"

    def takes(self, now: datetime.datetime) -> bool:
        """Whether submissions are taken."""
        return self.state == "open" and not self.hosting.closed(now)


@dataclass(frozen=True, slots=True)
class Secret:
    """What only scoring and the organiser may see."""

    truth: Truth
    public: NDArray[np.bool_]
    salt: str


class Challenges:
    """All hosted challenges of one site: ``challenge.sqlite`` and ``challenge-files`` in ``folder``.

    ``told`` is called after something that a board shows has changed, with the challenge's name and what happened.
    """

    def __init__(self, folder: Path, told: Callable[[str, dict[str, Any]], None] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.database = Database(f"sqlite:///{folder / NAME}")
        self.files = Files(folder / "challenge-files")
        self.told = told or (lambda _name, _what: None)
        self.token = secrets.token_hex(8)
        #: Boards by challenge and side, with the last event that they know of.
        self.boards: dict[tuple[str, str], tuple[int, dict[str, Any]]] = {}
        #: Scores of the runs on each of these boards, with what stands beside them, by whether the challenge is revealed; a
        #: scored run never changes.
        self.scores: dict[tuple[str, str, bool], dict[int, tuple[Score, dict[str, Any]]]] = {}
        #: Runs that threads of this process are scoring.
        self.scoring: set[int] = set()
        self.claiming = Lock()
        self._secrets: OrderedDict[int, Secret] = OrderedDict()
        self._lock = Lock()
        with self.database.write() as connection:
            tables.metadata.create_all(connection)

    def close(self) -> None:
        """Let go of the database."""
        self.database.close()

    def all(self) -> list[Challenge]:
        """Every challenge, the newest first."""
        with self.database.read() as c:
            found = c.execute(select(tables.challenge).order_by(tables.challenge.c.id.desc())).all()
        return [challenge_of(row) for row in found]

    def get(self, name: str) -> Challenge:
        """One challenge.

        Raises
        ------
        NotFoundError
            If there is none of that name.
        """
        with self.database.read() as c:
            return challenge_of(self.row(c, name))

    def row(self, connection: Connection, name: str) -> Row[Any]:
        """The row of one challenge."""
        found = connection.execute(select(tables.challenge).where(tables.challenge.c.name == name)).first()
        if found is None:
            raise NotFoundError(f"no challenge {name!r} is hosted here; see cygnet challenge list --archive DIR")
        return found

    def create(
        self, name: str, table: Mapping[str, Any], truth: Path, metadata: Path | None = None, actor: str = "organiser"
    ) -> Challenge:
        """Make a challenge from its TOML table and truth; it is a draft until it is opened.

        Raises
        ------
        InputError
            If the table or the truth is wrong, a side would be empty, or the name is taken.
        """
        task, settings = hosting.read(name, table)
        held = read_truth(task, Source.of(truth), Source.of(metadata) if metadata else None)
        segmentation.sound(held)
        salt, public = _drawn(held, settings)
        values = {
            "name": task.name,
            "state": "draft",
            "definition": {"task": task.as_json(), "hosting": settings.as_json()},
            "truth_sha256": self.files.put_path(truth),
            "truth_name": truth.name,
            "metadata_sha256": self.files.put_path(metadata) if metadata else None,
            "salt": salt,
            "commitment": split.commitment(split.document(held.ids, public, salt)),
            "images": len(held.ids),
            "public_images": int(public.sum()),
            "created_at": log.now(),
            "created_by": actor,
        }
        with self.database.write() as c:
            if c.execute(select(tables.challenge.c.id).where(tables.challenge.c.name == task.name)).first():
                raise InputError(f"a challenge {task.name!r} is already hosted; choose another name")
            made_id = c.execute(insert(tables.challenge).values(values)).inserted_primary_key
            assert made_id is not None
            log.add(c, made_id[0], actor, "created", f"split {values['commitment']}")
        return self.get(task.name)

    def open(self, name: str, actor: str = "organiser") -> Challenge:
        """Take submissions from now on."""
        return self._turn(name, "draft", "open", actor)

    def freeze(self, name: str, actor: str = "organiser") -> Challenge:
        """Take no submissions and no choices any more; the private score can then be opened."""
        return self._turn(name, "open", "frozen", actor, "frozen_at")

    def reveal(self, name: str, actor: str = "organiser") -> Challenge:
        """Open the private score and the split."""
        return self._turn(name, "frozen", "revealed", actor, "revealed_at")

    def _turn(self, name: str, before: str, after: str, actor: str, stamp: str = "") -> Challenge:
        with self.database.write() as c:
            row = self.row(c, name)
            if row.state != before:
                raise InputError(f"{name} is {row.state}; only a challenge that is {before} becomes {after}")
            if after == "frozen":
                self._nothing_waits(c, row.id)
            changed = {"state": after, **({stamp: log.now()} if stamp else {})}
            c.execute(update(tables.challenge).where(tables.challenge.c.id == row.id).values(changed))
            log.add(c, row.id, actor, after)
        self.told(name, {"what": after})
        return self.get(name)

    def _nothing_waits(self, c: Connection, challenge_id: int) -> None:
        states = tables.run.c.state.in_(("waiting", "scoring"))
        if c.execute(select(tables.run.c.id).where(tables.run.c.challenge_id == challenge_id, states)).first():
            raise InputError("runs are still being scored; freeze when they are done")

    def secret(self, name: str) -> Secret:
        """Truth and split, for scoring and the organiser; kept in memory for the challenges met last."""
        with self.database.read() as c:
            row = self.row(c, name)
        with self._lock:
            if row.id in self._secrets:
                self._secrets.move_to_end(row.id)
                return self._secrets[row.id]
        task = made(row.name, row.definition["task"])
        held = read_truth(task, self._kept(row.truth_sha256), self._kept(row.metadata_sha256))  # type: ignore[arg-type]
        settings = Hosting(**row.definition["hosting"])
        public = _sides(held, settings, row.salt)
        found = Secret(held, public, row.salt)
        if split.commitment(split.document(held.ids, public, row.salt)) != row.commitment:
            raise InputError(
                f"{name}: truth or split are not those that were published; restore {self.folder} from a backup"
            )
        with self._lock:
            self._secrets[row.id] = found
            while len(self._secrets) > _CACHED:
                self._secrets.popitem(last=False)
        return found

    def _kept(self, sha256: str | None) -> Source | None:
        return None if sha256 is None else Source(sha256[:12], self.files.sound(sha256))

    def split_document(self, name: str) -> bytes:
        """The split and its salt, whose hash was published.

        Raises
        ------
        InputError
            If the challenge is not revealed.
        """
        if not self.get(name).revealed:
            raise InputError(f"{name}: the split is published with the private score")
        held = self.secret(name)
        return split.document(held.truth.ids, held.public, held.salt)

    def images(self, name: str) -> tuple[str, ...]:
        """The images that a submission must have: what participants check against."""
        return self.secret(name).truth.ids


def _drawn(truth: Truth, settings: Hosting) -> tuple[str, NDArray[np.bool_]]:
    """A salt and its split; of few patients it is drawn again while a side is empty, before anything is published."""
    for _ in range(_DRAWS):
        salt = split.new_salt()
        public = _sides(truth, settings, salt)
        if public.any() and (settings.public_share == 1 or not public.all()):
            return salt, public
    raise InputError(
        f"{truth.task.name}: {truth.units} {truth.unit}s at a public share of {settings.public_share:g} leave one side "
        "empty; change public_share"
    )


def _sides(truth: Truth, settings: Hosting, salt: str) -> NDArray[np.bool_]:
    return split.by_weights(truth) if settings.split == "weights" else split.by_hash(truth, settings.public_share, salt)


def challenge_of(row: Row[Any]) -> Challenge:
    """A challenge from its row."""
    return Challenge(
        id=row.id,
        name=row.name,
        state=row.state,
        task=made(row.name, row.definition["task"]),
        hosting=Hosting(**row.definition["hosting"]),
        commitment=row.commitment,
        images=row.images,
        public_images=row.public_images,
        created_at=row.created_at,
        frozen_at=row.frozen_at,
        revealed_at=row.revealed_at,
        truth_sha256=row.truth_sha256,
    )
