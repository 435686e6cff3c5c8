"""Is everything still what it was? Blobs against their names, the catalogue against itself, both against the audit log."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select, text

from cygnet.archive import log
from cygnet.archive.blobs import Blobs, sha256_of
from cygnet.archive.chunks import chunks
from cygnet.archive.database import Database
from cygnet.archive.exports.snapshots import files_of_snapshots
from cygnet.archive.fields import PROFILE, STATES
from cygnet.archive.ingest.commit import digest_of_image, profile_values
from cygnet.archive.ingest.items import original_of
from cygnet.archive.near import misplaced_hashes
from cygnet.archive.profiles import profile_key
from cygnet.archive.tables import head, image, lesion, profile
from cygnet.errors import CygnetError

_ROWS: Final = 2000
Advance = Callable[[int], None]


@dataclass(slots=True)
class Verdict:
    """What ``verify`` found. ``unused`` blobs belong to no image, as after an interrupted ingest; they are no problem."""

    images: int = 0
    blobs: int = 0
    entries: int = 0
    head: str = ""
    problems: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {
            "clean": self.clean,
            "images": self.images,
            "blobs": self.blobs,
            "log_entries": self.entries,
            "log_head": self.head,
            "unused_blobs": len(self.unused),
            "problems": self.problems,
        }


def verify(
    database: Database,
    blobs: Blobs,
    *,
    quick: bool = False,
    known_head: str | None = None,
    advance: Advance = lambda _: None,
) -> Verdict:
    """Check everything. ``quick`` asks only whether blobs are there; ``known_head`` is a log hash from an earlier time.

    Memory grows by about 200 bytes an image, for what the log says of it.
    """
    verdict = Verdict()
    with database.read() as connection:
        verdict.entries, verdict.head = connection.execute(select(head.c.log_id, head.c.hash)).one()
        verdict.problems += _database(connection)
        verdict.problems += log.broken_links(connection)
        if known_head is not None and not log.knows(connection, known_head):
            verdict.problems.append(f"log: has no entry with the hash {known_head}; it was cut off or replaced")
        stated = _stated(connection)
        verdict.problems += _counts(connection)
        verdict.problems += _profiles(connection)
        verdict.problems += _lesions(connection)
        verdict.problems += misplaced_hashes(connection)
        used = files_of_snapshots(connection, blobs)
        problems = _blobs(blobs, [("a snapshot", "file", name) for name in sorted(used)], quick)
        for rows in _images(connection):
            for row in rows:
                verdict.problems += _image(row, stated.pop(row.isic_id, None))
            wanted = [
                (row.isic_id, kind, getattr(row, f"{kind}_sha256"))
                for row in rows
                for kind in ("original", "view", "thumbnail")
            ]
            problems += _blobs(blobs, wanted, quick)
            used.update(name for _, _, name in wanted)
            verdict.images += len(rows)
            advance(verdict.images)
        verdict.problems += problems
        verdict.problems += [f"{isic_id}: the log knows this image, the catalogue does not" for isic_id in stated]
    verdict.blobs = len(used)
    verdict.unused = sorted(name for name in blobs.names() if name not in used)
    return verdict


def _database(connection: Connection) -> Iterator[str]:
    """What SQLite itself finds. PostgreSQL enforces the same as it goes."""
    if connection.dialect.name == "sqlite":
        for (said,) in connection.execute(text("PRAGMA integrity_check(20)")):
            if said != "ok":
                yield f"catalogue: {said}"
        for row in connection.execute(text("PRAGMA foreign_key_check")):
            yield f"catalogue: a row of {row[0]} refers to one of {row[2]} that is not there"


def _stated(connection: Connection) -> dict[str, tuple[bytes, int]]:
    """Digest and state of every image as the log last said; those that it says were erased are gone."""
    digests: dict[str, bytes] = {}
    states: dict[str, int] = {}
    for entry in log.entries(connection):
        digests.update({i: bytes.fromhex(d) for i, d in entry.detail.get("images", {}).items()})
        states.update({i: STATES.index(s) for i, s in entry.detail.get("states", {}).items()})
        for isic_id in entry.detail.get("erased", ()):
            digests.pop(isic_id, None)
            states.pop(isic_id, None)
    return {isic_id: (digest, states.get(isic_id, -1)) for isic_id, digest in digests.items()}


def _counts(connection: Connection) -> Iterator[str]:
    """Profiles whose number of images is not what it says."""
    counted = (
        select(
            image.c.profile_id,
            func.count().label("n"),
            func.min(image.c.id).label("low"),
            func.max(image.c.id).label("high"),
        )
        .group_by(image.c.profile_id)
        .subquery()
    )
    statement = select(
        profile.c.id, profile.c.n, profile.c.first_id, profile.c.last_id, counted.c.n, counted.c.low, counted.c.high
    ).join_from(profile, counted, profile.c.id == counted.c.profile_id, isouter=True)
    for id_, n, first, last, found, low, high in connection.execute(statement):
        if n != (found or 0):
            yield f"catalogue: profile {id_} counts {n} images and has {found or 0}; searches would miscount"
        elif found and not (first <= low and high <= last):
            yield f"catalogue: profile {id_} has images beyond its bounds; searches would miss them"


def _profiles(connection: Connection) -> Iterator[str]:
    """Profiles whose values are not those that they were made with."""
    columns = (profile.c.id, profile.c.key, profile.c.state, *(profile.c[name] for name in PROFILE))
    for row in connection.execution_options(yield_per=_ROWS).execute(select(*columns)).mappings():
        if profile_key(row["state"], dict(row)) != row["key"]:
            yield f"catalogue: profile {row['id']} was changed; its searchable fields are not those of its images"


def _lesions(connection: Connection) -> Iterator[str]:
    """Images whose patient is not their lesion's."""
    statement = (
        select(image.c.isic_id)
        .join_from(image, lesion)
        .where(image.c.patient_ref.is_not(None), lesion.c.patient_ref != image.c.patient_ref)
    )
    for isic_id in connection.execute(statement).scalars():
        yield f"{isic_id}: its lesion belongs to another patient"


def _images(connection: Connection) -> Iterator[list[Row[*tuple[Any, ...]]]]:
    names = (
        "id",
        "isic_id",
        "version",
        "record",
        "digest",
        "original_sha256",
        "frame",
        "view_sha256",
        "thumbnail_sha256",
    )
    columns = (*(image.c[n] for n in names), profile.c.key, profile.c.state, *(profile.c[n] for n in PROFILE))
    after = 0
    while True:
        statement = (
            select(*columns).join_from(image, profile).where(image.c.id > after).order_by(image.c.id).limit(_ROWS)
        )
        rows = list(connection.execute(statement).all())
        if not rows:
            return
        after = rows[-1].id
        yield rows


def _image(row: Row[*tuple[Any, ...]], stated: tuple[bytes, int] | None) -> Iterator[str]:
    licence, credit = row.copyright_license, row.attribution
    original = original_of(row.original_sha256, row.frame)
    digest = digest_of_image(row.isic_id, row.version, original, row.record, licence, credit)
    if digest != row.digest:
        yield f"{row.isic_id}: its metadata, licence or original are not those that were entered"
    if profile_key(row.state, profile_values(json.loads(row.record), licence, credit)) != row.key:
        yield f"{row.isic_id}: its searchable fields are not those of its metadata"
    if stated is None:
        yield f"{row.isic_id}: the log does not know this image"
        return
    if stated[0].hex() != row.digest:
        yield f"{row.isic_id}: the log says something else of its metadata"
    if stated[1] != STATES.index(row.state):
        yield f"{row.isic_id}: is {row.state}, and the log does not say so"


def _blobs(blobs: Blobs, wanted: list[tuple[str, str, str]], quick: bool) -> list[str]:
    """Blobs that are missing or damaged; each read once, several at a time."""

    def check(one: tuple[str, str, str]) -> str | None:
        owner, kind, name = one
        try:
            if quick:
                return None if blobs.has(name) else f"{owner}: its {kind} is missing (blob {name})"
            return None if sha256_of(blobs.get(name)) == name else f"{owner}: its {kind} is damaged (blob {name})"
        except (CygnetError, OSError) as error:
            return f"{owner}: its {kind} cannot be read: {error}"

    with ThreadPoolExecutor(min(16, (os.cpu_count() or 1) + 4)) as pool:
        return [said for some in chunks(wanted, 1000) for said in pool.map(check, some) if said]
