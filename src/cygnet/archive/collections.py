"""Collections: named sets of images. Locked ones do not change; pinned ones are public and stand first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select
from sqlalchemy.exc import IntegrityError

from cygnet.archive import log
from cygnet.archive import search as searching
from cygnet.archive.chunks import chunks
from cygnet.archive.database import insert_into
from cygnet.archive.query import Matches
from cygnet.archive.results import NotFoundError
from cygnet.archive.tables import collection, collection_image, collection_share, image, profile
from cygnet.errors import InputError

_AT_ONCE: Final = 500


def create(
    connection: Connection,
    name: str,
    actor: str,
    *,
    description: str = "",
    public: bool = False,
    pinned: bool = False,
) -> int:
    """Make a collection; returns its number.

    Raises
    ------
    InputError
        If the name is empty or taken.
    """
    if not name.strip():
        raise InputError("a collection needs a name")
    values = {"name": name, "description": description, "public": public or pinned, "pinned": pinned, "locked": False}
    try:
        statement = collection.insert().values(**values, created=log.now()).returning(collection.c.id)
        number = int(connection.execute(statement).scalar_one())
    except IntegrityError as error:
        raise InputError(f"there is a collection {name!r} already") from error
    log.append(connection, actor, "collection", {"collection": number, **values})
    return number


def listed(connection: Connection, *, public_only: bool = False, pinned: bool | None = None) -> list[dict[str, Any]]:
    """All collections, pinned ones first, then by name, each with its number of images."""
    counted = (
        select(collection_image.c.collection_id, func.count().label("images"))
        .group_by(collection_image.c.collection_id)
        .subquery()
    )
    statement = (
        select(collection, func.coalesce(counted.c.images, 0).label("images"))
        .join_from(collection, counted, collection.c.id == counted.c.collection_id, isouter=True)
        .order_by(collection.c.pinned.desc(), collection.c.name)
    )
    if public_only:
        statement = statement.where(collection.c.public)
    if pinned is not None:
        statement = statement.where(collection.c.pinned == pinned)
    return [{**_shown(row), "images": row.images} for row in connection.execute(statement)]


def found(connection: Connection, which: str | int) -> Row[*tuple[Any, ...]]:
    """A collection by number or name.

    Raises
    ------
    InputError
        If there is none.
    """
    by_number = str(which).isascii() and str(which).isdigit() and int(which) < 2**63
    conditions = [collection.c.name == str(which)] + ([collection.c.id == int(which)] if by_number else [])
    for condition in reversed(conditions):
        row = connection.execute(select(collection).where(condition)).one_or_none()
        if row is not None:
            return row
    raise InputError(f"no collection {which!r}; see: cygnet archive collection list DIR")


def visible(connection: Connection, number: int, *, public_only: bool = False) -> dict[str, Any]:
    """A collection by number, as it is shown.

    Raises
    ------
    NotFoundError
        If there is none that the asker may see.
    """
    row = connection.execute(select(collection).where(collection.c.id == number)).one_or_none()
    if row is None or (public_only and not row.public):
        raise NotFoundError(f"{number}: no such collection in this archive")
    return _shown(row)


def sort_out(connection: Connection, number: int, isic_ids: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Images that may go into a collection, those that may not since it is public and they are not, and those that are not there."""
    public = visible(connection, number)["public"]
    states: dict[str, str] = {}
    for some in chunks(isic_ids, _AT_ONCE):
        statement = select(image.c.isic_id, profile.c.state).join_from(image, profile).where(image.c.isic_id.in_(some))
        states.update((name, state) for name, state in connection.execute(statement))
    private = [name for name in isic_ids if public and states.get(name, "published") != "published"]
    unknown = [name for name in isic_ids if name not in states]
    return [name for name in isic_ids if name in states and name not in private], private, unknown


def add(connection: Connection, which: str | int, matches: Matches, actor: str) -> int:
    """Put what matches into a collection; returns how many were not in it."""
    row = _unlocked(connection, which)
    before = size(connection, row.id)
    added: list[str] = []
    cursor = None
    while True:
        page = searching.page(connection, matches, _AT_ONCE, cursor)
        if page.ids:
            rows = [{"collection_id": row.id, "image_id": id_} for id_ in page.ids]
            connection.execute(insert_into(connection, collection_image).on_conflict_do_nothing(), rows)
            added += _names(connection, page.ids)
        if page.next is None:
            break
        cursor = page.next
    log.append(
        connection, actor, "collection-add", {"collection": row.id, "members": log.digest_of(added), "n": len(added)}
    )
    return size(connection, row.id) - before


def change_members(
    connection: Connection, which: str | int, isic_ids: Sequence[str], actor: str, *, remove: bool = False
) -> list[str]:
    """Put images in, or take them out, by id; returns the ids that are not in the archive."""
    row = _unlocked(connection, which)
    known: dict[str, int] = {}
    for some in chunks(isic_ids, _AT_ONCE):
        matched = connection.execute(select(image.c.isic_id, image.c.id).where(image.c.isic_id.in_(some)))
        known.update({row[0]: row[1] for row in matched})
    for ids in chunks(known.values(), _AT_ONCE):
        if remove:
            chosen = (collection_image.c.collection_id == row.id) & collection_image.c.image_id.in_(ids)
            connection.execute(collection_image.delete().where(chosen))
        else:
            rows = [{"collection_id": row.id, "image_id": id_} for id_ in ids]
            connection.execute(insert_into(connection, collection_image).on_conflict_do_nothing(), rows)
    action = "collection-remove" if remove else "collection-add"
    log.append(connection, actor, action, {"collection": row.id, "members": sorted(known)})
    return [isic_id for isic_id in isic_ids if isic_id not in known]


def change(connection: Connection, which: str | int, actor: str, **values: Any) -> None:
    """Set name, description, public, pinned, locked or doi of a collection.

    Raises
    ------
    InputError
        If it is locked and not being unlocked, or would be pinned without being public.
    """
    row = found(connection, which)
    if row.locked and values.get("locked") is not False:
        raise InputError(f"collection {row.name!r} is locked; unlock it first")
    if values.get("pinned") and not values.get("public", row.public):
        values["public"] = True
    if values.get("public") is False and values.get("pinned", row.pinned):
        raise InputError(f"collection {row.name!r} is pinned, which only public ones can be; unpin it first")
    connection.execute(collection.update().where(collection.c.id == row.id).values(**values))
    log.append(connection, actor, "collection", {"collection": row.id, **values})


def share(connection: Connection, which: str | int, user: str, actor: str) -> None:
    """Let a user see a collection and its images."""
    row = found(connection, which)
    rows = [{"collection_id": row.id, "user": user}]
    connection.execute(insert_into(connection, collection_share).on_conflict_do_nothing(), rows)
    log.append(connection, actor, "collection-share", {"collection": row.id, "user": user})


def shared_with(connection: Connection, user: str) -> list[int]:
    """The numbers of the collections that a user may see."""
    return list(
        connection.execute(select(collection_share.c.collection_id).where(collection_share.c.user == user)).scalars()
    )


def attributions(connection: Connection, number: int, *, public_only: bool = False) -> list[tuple[str, int]]:
    """Whom a collection's images (that may be seen) are to be credited to, with the number of images, most first."""
    n = func.count()
    statement = (
        select(profile.c.attribution, n)
        .join_from(collection_image, image)
        .join(profile, image.c.profile_id == profile.c.id)
        .where(collection_image.c.collection_id == number)
        .group_by(profile.c.attribution)
        .order_by(n.desc(), profile.c.attribution)
    )
    if public_only:
        statement = statement.where(profile.c.state == "published")
    return [(credit, count) for credit, count in connection.execute(statement)]


def size(connection: Connection, number: int) -> int:
    """How many images a collection has."""
    statement = select(func.count()).where(collection_image.c.collection_id == number)
    return int(connection.execute(statement).scalar_one())


def _shown(row: Row[*tuple[Any, ...]]) -> dict[str, Any]:
    names = ("id", "name", "description", "public", "pinned", "locked", "doi")
    values = {name: getattr(row, name) for name in names}
    return {**values, "doi_url": f"https://doi.org/{row.doi}" if row.doi else None}


def _unlocked(connection: Connection, which: str | int) -> Row[*tuple[Any, ...]]:
    row = found(connection, which)
    if row.locked:
        raise InputError(f"collection {row.name!r} is locked; its images do not change")
    return row


def _names(connection: Connection, ids: Sequence[int]) -> list[str]:
    statement = select(image.c.isic_id).where(image.c.id.in_(ids)).order_by(image.c.id)
    return list(connection.execute(statement).scalars())
