"""The access log: who touched a test set and when. Rows are only added."""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from cygnet.challenge.store import tables


def now() -> str:
    """The time as the store writes it."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def add(
    connection: Connection,
    challenge_id: int,
    actor: str,
    what: str,
    detail: str = "",
    *,
    team_id: int | None = None,
    run_id: int | None = None,
) -> None:
    """Note one event."""
    values = {"challenge_id": challenge_id, "actor": actor, "what": what, "detail": detail, "at": now()}
    connection.execute(insert(tables.access).values({**values, "team_id": team_id, "run_id": run_id}))


def read(connection: Connection, challenge_id: int) -> list[dict[str, Any]]:
    """All events of a challenge in order, teams by name."""
    a, t = tables.access.c, tables.team.c
    found = connection.execute(
        select(a.at, a.actor, a.what, a.detail, a.run_id, t.name.label("team"))
        .select_from(tables.access.outerjoin(tables.team, t.id == a.team_id))
        .where(a.challenge_id == challenge_id)
        .order_by(a.id)
    )
    return [dict(row._mapping) for row in found]
