"""Lesions with their images, as the ISIC Archive's API v2 shows them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, exists, func, select

from cygnet.archive.results import Address, NotFoundError, result_of, rows_of
from cygnet.archive.search import Cursor, Slice, cut
from cygnet.archive.tables import image, lesion, profile


def lesion_of(connection: Connection, public_id: str, address: Address, *, public_only: bool = False) -> dict[str, Any]:
    """One lesion. With ``public_only`` it is there only if everyone may see all its images.

    The outcome is the most exact diagnosis by histopathology, else that of the last image that has one; the index image is the
    image with that diagnosis.

    Raises
    ------
    NotFoundError
        If there is none that may be seen.
    """
    ids = select(image.c.id).join_from(image, lesion).where(lesion.c.public_id == public_id).order_by(image.c.id)
    rows = rows_of(connection, list(connection.execute(ids).scalars()))
    if not rows or (public_only and any(row["state"] != "published" for row in rows)):
        raise NotFoundError(f"{public_id}: no such lesion in this archive")
    return _shown(public_id, rows, address)


def lesions_page(
    connection: Connection, limit: int, cursor: Cursor | None, address: Address, *, public_only: bool = False
) -> tuple[int | None, list[dict[str, Any]], Slice]:
    """Lesions in the order in which they came: how many there are (None after the first page), this page's, and its ends."""
    seen = visible_lesions(public_only=public_only)
    count = None
    if cursor is None:
        count = int(connection.execute(select(func.count()).select_from(seen.subquery())).scalar_one())
    part = slice_of(connection, seen, lesion.c.id, limit, cursor)
    of_lesion: dict[int, list[int]] = {id_: [] for id_ in part.ids}
    chosen = select(image.c.id, image.c.lesion_ref).where(image.c.lesion_ref.in_(part.ids)).order_by(image.c.id)
    for id_, ref in connection.execute(chosen):
        of_lesion[ref].append(id_)
    rows = {row["id"]: row for row in rows_of(connection, [i for ids in of_lesion.values() for i in ids])}
    shown = [[rows[i] for i in ids] for ids in of_lesion.values()]
    return count, [_shown(some[0]["lesion_id"], some, address) for some in shown], part


def visible_lesions(*, public_only: bool) -> Select[Any]:
    """The ids of lesions that have images, all of which may be seen."""
    mine = image.c.lesion_ref == lesion.c.id
    statement = select(lesion.c.id).where(exists().where(mine))
    if public_only:
        hidden = exists().where(mine, image.c.profile_id == profile.c.id, profile.c.state != "published")
        statement = statement.where(~hidden)
    return statement


def slice_of(
    connection: Connection, statement: Select[Any], column: ColumnElement[Any], limit: int, cursor: Cursor | None
) -> Slice:
    """One page of a select of ids along their column, either way."""
    backwards = cursor is not None and cursor.backwards
    if cursor is not None:
        statement = statement.where(column < cursor.id if backwards else column > cursor.id)
    ordered = statement.order_by(column.desc() if backwards else column).limit(limit + 1)
    ids = [row[0] for row in connection.execute(ordered)]
    return cut(ids, limit, cursor)


def _shown(public_id: str, rows: list[dict[str, Any]], address: Address) -> dict[str, Any]:
    rows = sorted(rows, key=lambda row: (row["acquisition_day"] is not None, row["acquisition_day"] or 0, row["id"]))
    order = {row["id"]: k for k, row in enumerate(rows)}
    index = max(
        rows, key=lambda row: (row["diagnosis_confirm_type"] == "histopathology", _depth(row), order[row["id"]])
    )
    days = {row["acquisition_day"] for row in rows if row["acquisition_day"] is not None}
    path = [index[f"diagnosis_{k}"] for k in range(1, 6) if index[f"diagnosis_{k}"]]
    return {
        "id": public_id,
        "images": [result_of(row, address) for row in rows],
        "images_count": len(rows),
        "longitudinally_monitored": len(days) > 1,
        "index_image_id": index["isic_id"],
        "outcome_diagnosis": path[-1] if path else None,
        "outcome_diagnosis_1": path[0] if path else None,
    }


def _depth(row: dict[str, Any]) -> int:
    return sum(row[f"diagnosis_{k}"] is not None for k in range(1, 6))
