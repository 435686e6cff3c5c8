"""Pages, counts and sizes of what a query matches.

Pages are cut by the image's id, not by an offset, so that the ten-thousandth is as fast as the first. A short walk along the ids finds
frequent matches. Where it does not fill the page, one look at the profiles tells how many images they promise: few are gathered
through the indexes and sorted, many are met by walking on. Each statement has one sensible plan, so that none depends on what a
database estimates.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select

from cygnet.archive.query import Matches
from cygnet.archive.tables import image, profile
from cygnet.errors import InputError

MAX_LIMIT: Final = 100
#: Up to this many images are gathered and sorted rather than met on a walk.
_FEW: Final = 20_000
#: Ids that are walked along before anything is counted: where matches are frequent, that is enough.
_STROLL: Final = 2000
#: Profiles that are read to gather their images; more are only summed up.
_PROFILES: Final = 5000


class CursorError(InputError):
    """A cursor that this archive did not make."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place between two images: after (or, ``backwards``, before) the one with this id."""

    id: int
    backwards: bool = False

    def to_text(self) -> str:
        """Opaque text for a URL."""
        return base64.urlsafe_b64encode(json.dumps([self.id, int(self.backwards)]).encode()).decode().rstrip("=")

    @classmethod
    def from_text(cls, text: str) -> Cursor:
        """The place that a text names.

        Raises
        ------
        CursorError
            If it is not one of ours.
        """
        try:
            place, backwards = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True))
            if type(place) is not int or backwards not in (0, 1) or not 0 <= place < 2**63:
                raise ValueError(text)
        except (ValueError, TypeError, binascii.Error, RecursionError) as error:
            raise CursorError("this cursor is not one of this archive; start again without it") from error
        return cls(place, bool(backwards))


@dataclass(frozen=True, slots=True)
class Slice:
    """The ids of one page in order, and the places before and after it, None at the ends."""

    ids: Sequence[int]
    previous: Cursor | None
    next: Cursor | None


def count(connection: Connection, matches: Matches) -> int:
    """How many images match."""
    if matches.images is None:
        statement = _of_profiles(select(func.coalesce(func.sum(profile.c.n), 0)), matches)
    else:
        statement = matches.joined(select(func.count()))
    return int(connection.execute(statement).scalar_one())


def size(connection: Connection, matches: Matches) -> int:
    """Bytes of the views of what matches."""
    return int(connection.execute(matches.joined(select(func.coalesce(func.sum(image.c.view_size), 0)))).scalar_one())


def page(connection: Connection, matches: Matches, limit: int = MAX_LIMIT, cursor: Cursor | None = None) -> Slice:
    """One page in the order in which images came to the archive. ``limit`` is at least 1."""
    return cut(_found(connection, matches, limit + 1, cursor), limit, cursor)


def cut(ids: list[int], limit: int, cursor: Cursor | None) -> Slice:
    """A page of ids that were looked for up to one beyond ``limit``, falling if the cursor goes backwards."""
    backwards = cursor is not None and cursor.backwards
    more = len(ids) > limit
    del ids[limit:]
    if backwards:
        ids.reverse()
    if not ids:
        return Slice([], None, None)
    before = more if backwards else cursor is not None
    after = True if backwards else more
    return Slice(ids, Cursor(ids[0], backwards=True) if before else None, Cursor(ids[-1]) if after else None)


def _found(connection: Connection, matches: Matches, number: int, cursor: Cursor | None) -> list[int]:
    """The first ``number`` ids after the cursor, or before it and falling."""
    if matches.indexed is not None and _few(connection, matches.indexed):
        return _ids(connection, _gather(matches), number, cursor, sort=True)
    start = 0 if cursor is None else cursor.id
    backwards = cursor is not None and cursor.backwards
    near = (start - _STROLL, start) if backwards else (start, start + _STROLL)
    ids = _ids(connection, _walk(matches, *near), number, cursor)
    if len(ids) == number:
        return ids
    promise = _promise(connection, matches)
    if not promise.images:
        return []
    if promise.images <= _FEW:
        return _ids(connection, _gather(matches, promise.profiles), number, cursor, sort=True)
    return _ids(connection, _walk(matches, promise.first, promise.last), number, cursor)


def _ids(
    connection: Connection, statement: Select[Any], number: int, cursor: Cursor | None, *, sort: bool = False
) -> list[int]:
    # "+ 0" keeps both databases from walking along the ids where sorting a few is cheaper.
    place: ColumnElement[Any] = image.c.id + 0 if sort else image.c.id
    backwards = cursor is not None and cursor.backwards
    if cursor is not None:
        statement = statement.where(place < cursor.id if backwards else place > cursor.id)
    statement = statement.order_by(place.desc() if backwards else place.asc()).limit(number)
    return [row[0] for row in connection.execute(statement)]


def _few(connection: Connection, condition: ColumnElement[bool]) -> bool:
    """Whether a condition that an index serves holds for few images."""
    some = select(image.c.id).where(condition).limit(_FEW + 1).subquery()
    return int(connection.execute(select(func.count()).select_from(some)).scalar_one()) <= _FEW


def _of_profiles(statement: Select[Any], matches: Matches) -> Select[Any]:
    statement = statement.select_from(profile).where(profile.c.n > 0)
    return statement if matches.profiles is None else statement.where(matches.profiles)


@dataclass(frozen=True, slots=True)
class _Promise:
    """How many images the profiles hold, bounds of their ids, and the ids of the profiles unless they are many."""

    images: int
    first: int
    last: int
    profiles: Sequence[int] | None = None


def _promise(connection: Connection, matches: Matches) -> _Promise:
    if matches.images is None:
        columns = (profile.c.id, profile.c.n, profile.c.first_id, profile.c.last_id)
        rows = connection.execute(_of_profiles(select(*columns), matches).limit(_PROFILES + 1)).all()
        if not rows:
            return _Promise(0, 0, 0)
        if len(rows) <= _PROFILES:
            ids, n, first, last = zip(*rows, strict=True)
            return _Promise(sum(n), min(first), max(last), ids)
    sums = select(func.sum(profile.c.n), func.min(profile.c.first_id), func.max(profile.c.last_id))
    images, first_id, last_id = connection.execute(_of_profiles(sums, matches)).one()
    return _Promise(int(images or 0), int(first_id or 0), int(last_id or 0))


def _walk(matches: Matches, first: int, last: int) -> Select[Any]:
    """Along the ids, looking at the profile of each."""
    statement = select(image.c.id).where(image.c.id.between(first, last))
    if matches.images is not None:
        # "+ 0" keeps both databases from turning this round.
        statement = statement.join_from(image, profile, image.c.profile_id + 0 == profile.c.id).where(matches.images)
        return statement if matches.profiles is None else statement.where(matches.profiles)
    if matches.profiles is None:
        return statement
    # As a value and not as a join, which PostgreSQL would begin by reading all profiles.
    asked = select(matches.profiles).where(profile.c.id == image.c.profile_id).correlate(image).scalar_subquery()
    return statement.where(asked)


def _gather(matches: Matches, profiles: Sequence[int] | None = None) -> Select[Any]:
    """By the indexes on profiles and on the images' own fields."""
    if matches.images is not None:
        return matches.joined(select(image.c.id))
    return select(image.c.id).where(
        image.c.profile_id.in_(_of_profiles(select(profile.c.id), matches) if profiles is None else profiles)
    )


def profile_counts(connection: Connection, matches: Matches) -> Sequence[Row[*tuple[Any, ...]]]:
    """Each profile's id and how many matching images it has."""
    if matches.images is None:
        return connection.execute(_of_profiles(select(profile.c.id, profile.c.n), matches)).all()
    counted = matches.joined(select(image.c.profile_id, func.count())).group_by(image.c.profile_id)
    return connection.execute(counted).all()
