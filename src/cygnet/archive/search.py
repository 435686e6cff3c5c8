"""Pages, counts, sizes and facets of what a query matches.

Pages are cut by the image's id, not by an offset, so that the ten-thousandth is as fast as the first. How a page is found depends on how
many images the profiles promise: few are gathered through the profile index and sorted; many are met by walking along the ids.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select

from cygnet.archive.fields import BY_NAME, FACETS
from cygnet.archive.query import Matches
from cygnet.archive.tables import image, profile
from cygnet.errors import InputError

MAX_LIMIT: Final = 100
#: Up to this many images are gathered and sorted rather than met on a walk.
_FEW: Final = 20_000


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
    backwards = cursor is not None and cursor.backwards
    promised, first, last = _promise(connection, matches)
    ids: list[int] = []
    if promised:
        statement = _walk(matches, first, last) if promised > _FEW else _gather(matches)
        if cursor is not None:
            place = image.c.id + 0 if promised <= _FEW else image.c.id
            statement = statement.where(place < cursor.id if backwards else place > cursor.id)
        order: ColumnElement[Any] = image.c.id + 0 if promised <= _FEW else image.c.id
        statement = statement.order_by(order.desc() if backwards else order.asc()).limit(limit + 1)
        ids = [row[0] for row in connection.execute(statement)]
    more = len(ids) > limit
    del ids[limit:]
    if backwards:
        ids.reverse()
    if not ids:
        return Slice([], None, None)
    before = more if backwards else cursor is not None
    after = True if backwards else more
    return Slice(ids, Cursor(ids[0], backwards=True) if before else None, Cursor(ids[-1]) if after else None)


def _of_profiles(statement: Select[Any], matches: Matches) -> Select[Any]:
    statement = statement.select_from(profile).where(profile.c.n > 0)
    return statement if matches.profiles is None else statement.where(matches.profiles)


def _promise(connection: Connection, matches: Matches) -> tuple[int, int, int]:
    """How many images the profiles hold, and bounds of their ids."""
    sums = select(func.sum(profile.c.n), func.min(profile.c.first_id), func.max(profile.c.last_id))
    promised, first, last = connection.execute(_of_profiles(sums, matches)).one()
    return int(promised or 0), int(first or 0), int(last or 0)


def _chosen(matches: Matches) -> Select[Any]:
    return _of_profiles(select(profile.c.id), matches)


def _narrowed(statement: Select[Any], matches: Matches) -> Select[Any]:
    """With the condition on images, which may also speak of the profile."""
    if matches.images is None:
        return statement
    return statement.join_from(image, profile, image.c.profile_id == profile.c.id).where(matches.images)


def _walk(matches: Matches, first: int, last: int) -> Select[Any]:
    """Along the ids. ``+ 0`` keeps both databases from using the index on the profile for this."""
    statement = _narrowed(select(image.c.id), matches).where(image.c.id.between(first, last))
    if matches.profiles is not None:
        statement = statement.where((image.c.profile_id + 0).in_(_chosen(matches)))
    return statement


def _gather(matches: Matches) -> Select[Any]:
    """By the index on the profile; ``+ 0`` on the ids, where it is used, keeps both databases from walking along them."""
    return _narrowed(select(image.c.id), matches).where(image.c.profile_id.in_(_chosen(matches)))


def facets(connection: Connection, matches: Matches, names: Sequence[str] = FACETS) -> dict[str, Any]:
    """For each field the values with the number of images, most first, and how many have a value or none.

    ``{"sex": {"buckets": [{"key": "male", "doc_count": 3}], "meta": {"present_count": 3, "missing_count": 1}}}``, the form that
    the ISIC Archive answers in.
    """
    columns = ["state" if name == "public" else name for name in names]
    tally: list[dict[Any, int]] = [{} for _ in names]
    for row in _profile_counts(connection, matches, columns):
        n: int = row[-1]
        for counts, value in zip(tally, row[:-1], strict=True):
            counts[value] = counts.get(value, 0) + n
    return {name: _facet(name, counts) for name, counts in zip(names, tally, strict=True)}


def _profile_counts(
    connection: Connection, matches: Matches, columns: Sequence[str]
) -> Sequence[Row[*tuple[Any, ...]]]:
    """The columns of each profile and how many matching images it has."""
    wanted = [profile.c[name] for name in columns]
    if matches.images is None:
        return connection.execute(_of_profiles(select(*wanted, profile.c.n), matches)).all()
    counted = (
        matches.joined(select(image.c.profile_id, func.count().label("n"))).group_by(image.c.profile_id).subquery()
    )
    return connection.execute(
        select(*wanted, counted.c.n).join_from(counted, profile, counted.c.profile_id == profile.c.id)
    ).all()


def _facet(name: str, counts: dict[Any, int]) -> dict[str, Any]:
    if name == "public":
        published = counts.get("published", 0)
        counts = {True: published, False: sum(counts.values()) - published}
    missing = counts.pop(None, 0)
    if BY_NAME[name].kind == "number":
        ordered = sorted(counts.items())
    else:
        ordered = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    return {
        "buckets": [{"key": key, "doc_count": n} for key, n in ordered if n],
        "meta": {"present_count": sum(counts.values()), "missing_count": missing},
    }
