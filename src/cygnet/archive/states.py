"""An image's state and what may follow on it; every change moves profiles, counts and the log together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select

from cygnet.archive import log
from cygnet.archive.chunks import chunks
from cygnet.archive.fields import PROFILE
from cygnet.archive.profiles import count_moves, find_profiles
from cygnet.archive.tables import image, profile
from cygnet.errors import InputError

#: From each state to those that a person may set. An edit leads back to draft from anywhere.
FOLLOWING: Final[dict[str, tuple[str, ...]]] = {
    "draft": ("accepted", "rejected"),
    "accepted": ("published", "embargoed", "rejected", "draft"),
    "rejected": ("draft",),
    "published": ("draft",),
    "embargoed": ("published", "draft"),
}
_AT_ONCE: Final = 500


def profiles_of(connection: Connection, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Each image's isic_id, profile_id, state and few-valued fields, by its id."""
    found: dict[int, dict[str, Any]] = {}
    columns = (image.c.id, image.c.isic_id, image.c.profile_id, profile.c.state, *(profile.c[n] for n in PROFILE))
    for some in chunks(ids, _AT_ONCE):
        statement = select(*columns).join_from(image, profile).where(image.c.id.in_(some))
        found.update((row["id"], dict(row)) for row in connection.execute(statement).mappings())
    return found


def move(connection: Connection, wanted: Mapping[int, tuple[str, Mapping[str, Any]]]) -> None:
    """Give images another state or other few-valued fields; the counts follow."""
    before = profiles_of(connection, list(wanted))
    ids = [id_ for id_ in wanted if id_ in before]
    after = find_profiles(connection, [wanted[id_] for id_ in ids])
    changed = [(id_, new) for id_, new in zip(ids, after, strict=True) if new != before[id_]["profile_id"]]
    if not changed:
        return
    connection.execute(
        image.update().where(image.c.id == bindparam("i")).values(profile_id=bindparam("p")),
        [{"i": id_, "p": new} for id_, new in changed],
    )
    count_moves(connection, [(new, id_) for id_, new in changed], [before[id_]["profile_id"] for id_, _ in changed])


def set_state(
    connection: Connection,
    ids: Sequence[int],
    state: str,
    actor: str,
    *,
    why: str = "",
    embargo_until: str | None = None,
) -> int:
    """Set the state of images; returns how many were in another one.

    Raises
    ------
    InputError
        If one of them may not go there from where it is; then none does.
    """
    before = profiles_of(connection, ids)
    moving = {id_: row for id_, row in before.items() if row["state"] != state}
    for row in moving.values():
        if state not in FOLLOWING[row["state"]]:
            allowed = " or ".join(FOLLOWING[row["state"]])
            raise InputError(f"{row['isic_id']} is {row['state']}; it can become {allowed}, not {state}")
    move(connection, {id_: (state, row) for id_, row in moving.items()})
    for some in chunks(moving, _AT_ONCE):
        connection.execute(image.update().where(image.c.id.in_(some)).values(embargo_until=embargo_until))
    if moving:
        detail = {"states": {row["isic_id"]: state for row in moving.values()}, "why": why}
        log.append(connection, actor, "state", detail | ({"embargo_until": embargo_until} if embargo_until else {}))
    return len(moving)
