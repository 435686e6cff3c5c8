"""The audit log: who did what, when, each entry sealed with the hash of the one before.

An entry's hash is SHA-256 over its number, time, actor, action, detail and the previous hash. Changing, dropping or inserting an entry
breaks every later one. What cannot be seen from inside is that the newest entries were cut off; keep the hash that ``verify``
prints, or a snapshot or backup, which hold it, and give it to a later ``verify``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, select

from cygnet.archive.tables import head, log

#: The previous hash of the first entry.
NOTHING: Final = "0" * 64
_ROWS: Final = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the log; ``detail`` is what the action was about."""

    id: int
    at: str
    actor: str
    action: str
    detail: dict[str, Any]
    hash: str


def now() -> str:
    """The time as the catalogue writes it: UTC, ISO 8601, microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def canonical(value: Any) -> str:
    """JSON with one spelling: sorted keys, no spaces, no escapes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_of(value: Any) -> str:
    """SHA-256 of the canonical JSON."""
    return hashlib.sha256(canonical(value).encode("utf-8", "surrogatepass")).hexdigest()


def append(connection: Connection, actor: str, action: str, detail: dict[str, Any]) -> str:
    """Add an entry within a writing transaction; returns its hash."""
    last, previous = connection.execute(select(head.c.log_id, head.c.hash)).one()
    values = {
        "id": last + 1,
        "at": now(),
        "actor": actor,
        "action": action,
        "detail": canonical(detail),
        "previous": previous,
    }
    sealed = _seal(values)
    connection.execute(log.insert().values(**values, hash=sealed))
    connection.execute(head.update().values(log_id=last + 1, hash=sealed))
    return sealed


def _seal(values: dict[str, Any]) -> str:
    return digest_of([values[k] for k in ("id", "at", "actor", "action", "detail", "previous")])


def entries(connection: Connection, after: int = 0) -> Iterator[Entry]:
    """The log in order, from the entry after this number."""
    for row in _rows(connection, after):
        yield Entry(row["id"], row["at"], row["actor"], row["action"], json.loads(row["detail"]), row["hash"])


def _rows(connection: Connection, after: int) -> Iterator[dict[str, Any]]:
    while True:
        statement = select(log).where(log.c.id > after).order_by(log.c.id).limit(_ROWS)
        rows = connection.execute(statement).mappings().all()
        yield from (dict(row) for row in rows)
        if len(rows) < _ROWS:
            return
        after = rows[-1]["id"]


def head_hash(connection: Connection) -> str:
    """The hash of the newest entry."""
    return str(connection.execute(select(head.c.hash)).scalar_one())


def size(connection: Connection) -> int:
    """How many entries there are."""
    return int(connection.execute(select(head.c.log_id)).scalar_one())


def broken_links(connection: Connection) -> list[str]:
    """What is wrong with the chain, in words; empty when every entry is as it was written."""
    previous, number = NOTHING, 0
    problems = []
    for row in _rows(connection, 0):
        number += 1
        if row["id"] != number:
            problems.append(f"log: entry {number} is missing; the next one is {row['id']}")
            number = row["id"]
        if row["previous"] != previous:
            problems.append(f"log: entry {row['id']} does not follow from the one before it")
        if row["hash"] != _seal(row):
            problems.append(f"log: entry {row['id']} ({row['action']}) was changed after it was written")
        previous = row["hash"]
    if (number, previous) != tuple(connection.execute(select(head.c.log_id, head.c.hash)).one()):
        problems.append("log: its newest entries are missing, or were added by something else than Cygnet")
    return problems


def knows(connection: Connection, sealed: str) -> bool:
    """Whether some entry has this hash."""
    return connection.execute(select(log.c.id).where(log.c.hash == sealed)).scalar() is not None
