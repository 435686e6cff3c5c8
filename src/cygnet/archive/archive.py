"""The archive as one object: what the command line, the web layer and scripts use.

Reading is safe from any number of threads and processes at once, while others write.
"""

from __future__ import annotations

import getpass
import json
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select

from cygnet.archive import log
from cygnet.archive import search as searching
from cygnet.archive.blobs import Blobs, FolderBlobs, checked, open_blobs
from cygnet.archive.database import Database
from cygnet.archive.facets import ProfileValues
from cygnet.archive.query import Matches, parse, translate
from cygnet.archive.query.translate import in_collections, only_public
from cygnet.archive.remembered import Remembered
from cygnet.archive.results import Address, NotFoundError, result_of, row_of, rows_of
from cygnet.archive.tables import head, image, profile, setting
from cygnet.errors import InputError, OutputError

if TYPE_CHECKING:
    from cygnet.archive.embed import Embedded
    from cygnet.archive.ingest.commit import Outcome
    from cygnet.archive.ingest.items import Item
    from cygnet.archive.ingest.run import Options, Summary
    from cygnet.archive.similar import Vectors
    from cygnet.archive.verify import Verdict
    from cygnet.models import LesionModel

#: What a folder with an archive holds.
CONFIG: Final = "archive.json"
CATALOGUE: Final = "catalogue.sqlite"
BLOBS: Final = "blobs"
_FORMAT: Final = "cygnet-archive-1"
_IDS: Final = 5000
#: Seconds that an unused blob may be about to be used.
_YOUNG: Final = 3600
#: An archive opened by its catalogue's address alone.
_URLS: Final = ("postgresql://", "postgres://", "postgresql+psycopg://", "sqlite://")


@dataclass(frozen=True, slots=True)
class Page:
    """One page of results. ``count`` is None after the first page; ``next`` and ``previous`` are cursors, None at the ends."""

    count: int | None
    results: list[dict[str, Any]]
    next: str | None
    previous: str | None

    def to_dict(self) -> dict[str, Any]:
        """As the API answers, with cursors for addresses."""
        return {"count": self.count, "next": self.next, "previous": self.previous, "results": self.results}


class Archive:
    """An archive: a catalogue and its blobs. ``Archive.open`` one, or make one with ``Archive.init``."""

    def __init__(self, database: Database, blobs: Blobs, root: Path | None = None) -> None:
        self.database, self.blobs, self.root = database, blobs, root
        self._vectors: Vectors | None = None
        self._profile_values = ProfileValues()
        self._lock = threading.Lock()

    @classmethod
    def init(
        cls, folder: str | os.PathLike[str], *, db: str | None = None, blobs: str | None = None, readers: int = 1
    ) -> Self:
        """Make an archive in a folder, or bring the one that is there up to this version of Cygnet.

        ``db`` is the catalogue's URL, by default a SQLite file in the folder; ``blobs`` a folder or URL for the files;
        ``readers`` how many must accept an image, 1 or 2.

        Raises
        ------
        InputError
            If the folder holds an archive elsewhere, or the catalogue one of other blobs.
        """
        root = Path(folder)
        config = {"format": _FORMAT, "db": db, "blobs": blobs}
        path = root / CONFIG
        if path.exists():
            known = _config(root)
            if (db or blobs) and known != config:
                raise InputError(f"{root}: holds an archive already, with other places; leave --db and --blobs out")
            config = known
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{root}: cannot be made ({error.strerror}); choose another folder") from error
        database = Database(config["db"] or f"sqlite:///{(root / CATALOGUE).absolute()}")
        database.migrate()
        place = config["blobs"] or str((root / BLOBS).absolute())
        with database.write() as connection:
            for name, value in (("blobs", place), ("readers", str(readers))):
                if connection.execute(select(setting.c.value).where(setting.c.name == name)).scalar() is None:
                    connection.execute(setting.insert().values(name=name, value=value))
        if not path.exists():
            _write_config(path, config)
        return cls(database, open_blobs(place), root)

    @classmethod
    def open(cls, place: str | os.PathLike[str]) -> Self:
        """The archive in a folder, or with its catalogue at a URL.

        Raises
        ------
        InputError
            If there is none, or it is of another version.
        """
        if str(place).startswith(_URLS):
            database = _checked(Database(str(place)))
            with database.read() as connection:
                blobs = connection.execute(select(setting.c.value).where(setting.c.name == "blobs")).scalar_one()
            return cls(database, open_blobs(blobs))
        root = Path(place)
        config = _config(root)
        database = _checked(Database(config["db"] or f"sqlite:///{(root / CATALOGUE).absolute()}"))
        return cls(database, open_blobs(config["blobs"] or str((root / BLOBS).absolute())), root)

    def close(self) -> None:
        """Let go of the catalogue."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def search(
        self,
        query: str = "",
        *,
        limit: int = searching.MAX_LIMIT,
        cursor: str | None = None,
        collections: Sequence[int] | None = None,
        public_only: bool = False,
        address: Address | None = None,
    ) -> Page:
        """One page of what a query matches, in the order in which images came.

        ``limit`` is 1 to 100; anything else stands for 100. ``collections`` keeps images of any of these; ``public_only`` what everyone may
        see. ``address`` gives the files' URLs.

        Raises
        ------
        QueryError
            Where the query cannot be read.
        CursorError
            For a cursor of no archive.
        """
        matches = self.matches(query, collections=collections, public_only=public_only)
        place = searching.Cursor.from_text(cursor) if cursor else None
        most = limit if 1 <= limit <= searching.MAX_LIMIT else searching.MAX_LIMIT
        with self.database.read() as connection:
            count = searching.count(connection, matches) if place is None else None
            found = searching.page(connection, matches, most, place)
            results = [result_of(row, address or self.address) for row in rows_of(connection, found.ids)]
        after, before = (c.to_text() if c else None for c in (found.next, found.previous))
        return Page(count, results, after, before)

    def matches(
        self, query: str = "", *, collections: Sequence[int] | None = None, public_only: bool = False
    ) -> Matches:
        """A query as conditions on the catalogue."""
        matches = translate(parse(query), public_only=public_only)
        if collections is not None:
            matches &= in_collections(collections, public_only=public_only)
        return matches & only_public() if public_only else matches

    def count(self, query: str = "", **narrowed: Any) -> int:
        """How many images match; ``narrowed`` as for :meth:`search`."""
        matches = self.matches(query, **narrowed)
        with self.database.read() as connection:
            return searching.count(connection, matches)

    def size(self, query: str = "", **narrowed: Any) -> int:
        """Bytes of the views of what matches."""
        matches = self.matches(query, **narrowed)
        with self.database.read() as connection:
            return searching.size(connection, matches)

    def facets(
        self,
        query: str = "",
        *,
        collections: Sequence[int] | None = None,
        public_only: bool = False,
        shared: Remembered | None = None,
    ) -> dict[str, Any]:
        """Counts of values by field among what matches. What ``shared`` remembers is given to all who ask the same of the same state of
        the archive, and not to be changed."""
        matches = self.matches(query, collections=collections, public_only=public_only)
        asked = (query, None if collections is None else tuple(collections), public_only)
        with self.database.read() as connection:
            if shared is None:
                return self._profile_values.count(connection, matches)
            # Each change of what can be found adds to the log within its transaction, so that the newest hash names this state.
            state = connection.execute(select(head.c.hash)).scalar_one()
            count = partial(self._profile_values.count, connection, matches)
            found: dict[str, Any] = shared.get((state, *asked), count)
        return found

    def image(self, isic_id: str, *, public_only: bool = False, address: Address | None = None) -> dict[str, Any]:
        """One image in the form of the API.

        Raises
        ------
        NotFoundError
            If there is none that the asker may see.
        """
        with self.database.read() as connection:
            row = row_of(connection, isic_id, public_only=public_only)
        return result_of(row, address or self.address)

    def picture(self, isic_id: str, kind: str = "full", *, public_only: bool = False) -> bytes:
        """The JPEG of an image's view ("full") or thumbnail ("thumbnail_256"), checked against its hash."""
        with self.database.read() as connection:
            row = row_of(connection, isic_id, public_only=public_only)
        return checked(self.blobs, row["view_sha256" if kind == "full" else "thumbnail_sha256"])

    def file(self, isic_id: str, kind: str = "full", *, public_only: bool = False) -> tuple[str, int]:
        """Hash and size of an image's view ("full") or thumbnail ("thumbnail_256"), unread."""
        column = "view" if kind == "full" else "thumbnail"
        with self.database.read() as connection:
            row = row_of(connection, isic_id, public_only=public_only)
        return row[f"{column}_sha256"], row[f"{column}_size"]

    def address(self, sha256: str, _isic_id: str, _kind: str) -> str:
        """Where a blob lies: a file or object URL."""
        if isinstance(self.blobs, FolderBlobs):
            return self.blobs.path(sha256).absolute().as_uri()
        return f"{self.blobs.url}/{sha256[:2]}/{sha256[2:]}"

    def ingest(
        self,
        items: Iterable[Item],
        source: str,
        options: Options,
        *,
        model: LesionModel | None = None,
        on_outcome: Callable[[Outcome], None] = lambda _: None,
    ) -> Summary:
        """Check images and add what passes; see :func:`cygnet.archive.ingest.run.ingest`."""
        from cygnet.archive.ingest.run import ingest

        return ingest(self.database, self.blobs, items, source, options, model, on_outcome)

    def embed(
        self,
        model: LesionModel,
        actor: str,
        *,
        workers: int | None = None,
        advance: Callable[[int], None] = lambda _: None,
    ) -> Embedded:
        """Embed what has no embedding of the model; see :func:`cygnet.archive.embed.embed`."""
        from cygnet.archive.embed import embed

        return embed(self.database, self.blobs, model, actor, workers=workers, advance=advance)

    def similar(
        self,
        to: str | NDArray[np.float32],
        limit: int = 20,
        *,
        public_only: bool = False,
        address: Address | None = None,
    ) -> list[dict[str, Any]]:
        """The images most similar to one of the archive (its ISIC id) or to an embedding of the lesion model, nearest first.

        Each has a ``distance`` (1 - cosine, 0 to 2). ``limit`` is 1 to 50.
        """
        from cygnet.archive.similar import MOST, Vectors, similar, vector_of
        from cygnet.models import find

        model = find(verify=False).sha256
        with self.database.read() as connection:
            with self._lock:
                if self._vectors is None or self._vectors.model != model:
                    self._vectors = Vectors(model)
            id_ = row_of(connection, to, public_only=public_only)["id"] if isinstance(to, str) else None
            vector = vector_of(connection, id_, model) if id_ is not None else np.asarray(to, np.float32)
            number = max(1, min(limit, MOST))
            near = similar(connection, self._vectors, vector, number, public_only=public_only, but=id_)
            rows = rows_of(connection, [i for i, _ in near])
        distances = dict(near)
        return [{**result_of(r, address or self.address), "distance": distances[r["id"]]} for r in rows]

    def lesion(self, public_id: str, *, public_only: bool = False, address: Address | None = None) -> dict[str, Any]:
        """One lesion with its images, in the form of the API."""
        from cygnet.archive.lesions import lesion_of

        with self.database.read() as connection:
            return lesion_of(connection, public_id, address or self.address, public_only=public_only)

    def ids(self, query: str) -> list[int]:
        """The catalogue's own numbers of all images that match, for changing them."""
        matches = self.matches(query)
        found: list[int] = []
        with self.database.read() as connection:
            cursor = None
            while True:
                part = searching.page(connection, matches, _IDS, cursor)
                found.extend(part.ids)
                if part.next is None:
                    return found
                cursor = part.next

    def verify(
        self, *, quick: bool = False, known_head: str | None = None, advance: Callable[[int], None] = lambda _: None
    ) -> Verdict:
        """Check files, catalogue and log; see :func:`cygnet.archive.verify.verify`."""
        from cygnet.archive.verify import verify

        return verify(self.database, self.blobs, quick=quick, known_head=known_head, advance=advance)

    def remove_unused(self, names: Iterable[str]) -> int:
        """Remove blobs that :meth:`verify` found unused. Not while an ingest runs elsewhere; in a folder, blobs younger than
        an hour stay for that reason."""
        return sum(self.blobs.delete(name, younger_than=_YOUNG) for name in names)

    def erase(self, isic_ids: Sequence[str], actor: str, why: str) -> dict[str, Any]:
        """Erase images for good, with proof; see :func:`cygnet.archive.erase.erase`."""
        from cygnet.archive.erase import erase

        return erase(self, isic_ids, actor, why)

    def forget_vectors(self) -> None:
        """Read the embeddings anew when next asked for similar images."""
        with self._lock:
            self._vectors = None

    def release(self, actor: str) -> int:
        """Publish what was under embargo until today or earlier; returns how many images."""
        from cygnet.archive.states import set_state

        due = (profile.c.state == "embargoed") & (image.c.embargo_until <= log.now()[:10])
        with self.database.write() as connection:
            ids = connection.execute(select(image.c.id).join_from(image, profile).where(due)).scalars()
            return set_state(connection, list(ids), "published", actor, why="the embargo is over")

    def __len__(self) -> int:
        with self.database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(image)).scalar_one())


def whoami() -> str:
    """Who acts, for the log: $CYGNET_ACTOR, or the name of the account."""
    try:
        return os.environ.get("CYGNET_ACTOR") or getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def _checked(database: Database) -> Database:
    """The database, if it is of this version; closed otherwise."""
    try:
        database.check()
    except BaseException:
        database.close()
        raise
    return database


def _config(root: Path) -> dict[str, Any]:
    path = root / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{root}: no archive here; make one with: cygnet archive init {root}") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); put it back from a backup") from error
    if not isinstance(config, dict) or config.get("format") != _FORMAT:
        raise InputError(f"{path}: of another version of Cygnet, or of another program")
    return config


def _write_config(path: Path, config: dict[str, Any]) -> None:
    """The configuration, readable by its owner alone: a URL may hold a password."""
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    beside.chmod(0o600)
    os.replace(beside, path)


__all__ = ["Archive", "NotFoundError", "Page", "log", "whoami"]
