"""Profiles: each combination of few-valued fields once, with the number of images that have it.

A million images have thousands of profiles. Counts and facets add up ``n`` over profiles instead of visiting images.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, bindparam, case, select

from cygnet.archive.chunks import chunks
from cygnet.archive.database import insert_into
from cygnet.archive.fields import PROFILE
from cygnet.archive.tables import profile

_AT_ONCE: Final = 500


def profile_key(state: str, values: Mapping[str, Any]) -> str:
    """What names a combination: the SHA-256 of its values in a fixed order."""
    combined = [state, *(values.get(name) for name in PROFILE)]
    return hashlib.sha256(json.dumps(combined, ensure_ascii=False).encode()).hexdigest()


def find_profiles(connection: Connection, wanted: Sequence[tuple[str, Mapping[str, Any]]]) -> list[int]:
    """The ids of profiles given as state and values, in the same order; new ones are made, with no images yet."""
    keys = [profile_key(state, values) for state, values in wanted]
    ids = _known(connection, set(keys))
    new = {
        key: {"key": key, "n": 0, "state": state, **{name: values.get(name) for name in PROFILE}}
        for key, (state, values) in zip(keys, wanted, strict=True)
        if key not in ids
    }
    if new:
        connection.execute(insert_into(connection, profile).on_conflict_do_nothing(), list(new.values()))
        ids |= _known(connection, set(new))
    return [ids[key] for key in keys]


def _known(connection: Connection, keys: set[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for some in chunks(sorted(keys), _AT_ONCE):
        rows = connection.execute(select(profile.c.key, profile.c.id).where(profile.c.key.in_(some)))
        found.update((key, id_) for key, id_ in rows)
    return found


def count_moves(
    connection: Connection, arrivals: Iterable[tuple[int, int]] = (), departures: Iterable[int] = ()
) -> None:
    """Add images to profiles, (profile id, image id) each, and take others away, a profile id each."""
    n: dict[int, int] = {}
    span: dict[int, tuple[int, int]] = {}
    for profile_id, image_id in arrivals:
        n[profile_id] = n.get(profile_id, 0) + 1
        known = span.get(profile_id, (image_id, image_id))
        span[profile_id] = min(known[0], image_id), max(known[1], image_id)
    for profile_id in departures:
        n[profile_id] = n.get(profile_id, 0) - 1
    grown = [{"p": p, "d": n[p], "low": ends[0], "high": ends[1]} for p, ends in span.items()]
    shrunk = [{"p": p, "d": d} for p, d in n.items() if p not in span]
    counted = profile.update().where(profile.c.id == bindparam("p")).values(n=profile.c.n + bindparam("d"))
    if grown:
        low: BindParameter[Any] = bindparam("low")
        high: BindParameter[Any] = bindparam("high")
        connection.execute(
            counted.values(
                first_id=case((profile.c.first_id < low, profile.c.first_id), else_=low),
                last_id=case((profile.c.last_id > high, profile.c.last_id), else_=high),
            ),
            grown,
        )
    if shrunk:
        connection.execute(counted, shrunk)
