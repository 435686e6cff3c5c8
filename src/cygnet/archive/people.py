"""Patients with their images, by public id. Private ids never come this way."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, exists, func, select

from cygnet.archive.lesions import slice_of
from cygnet.archive.results import Address, NotFoundError, result_of, rows_of
from cygnet.archive.search import Cursor, Slice
from cygnet.archive.tables import image, patient, profile


def patient_of(
    connection: Connection, public_id: str, address: Address, *, public_only: bool = False
) -> dict[str, Any]:
    """One patient with the images that may be seen, in the order in which they were taken or came.

    Raises
    ------
    NotFoundError
        If there is none of whom an image may be seen.
    """
    statement = select(image.c.id).join_from(image, patient).where(patient.c.public_id == public_id)
    if public_only:
        statement = statement.join(profile, image.c.profile_id == profile.c.id).where(profile.c.state == "published")
    rows = rows_of(connection, list(connection.execute(statement.order_by(image.c.id)).scalars()))
    if not rows:
        raise NotFoundError(f"{public_id}: no such patient in this archive")
    rows.sort(key=lambda row: (row["acquisition_day"] or 0, row["id"]))
    lesions = list(dict.fromkeys(row["lesion_id"] for row in rows if row["lesion_id"]))
    return {
        "id": public_id,
        "images_count": len(rows),
        "lesions_count": len(lesions),
        "lesions": lesions,
        "images": [result_of(row, address) for row in rows],
    }


def patients_page(
    connection: Connection, limit: int, cursor: Cursor | None, *, public_only: bool = False
) -> tuple[int | None, list[dict[str, Any]], Slice]:
    """Patients in the order in which they came: how many there are (None after the first page), this page's with their counts
    of images and lesions that may be seen, and its ends."""
    mine = image.c.patient_ref == patient.c.id
    visible: list[ColumnElement[bool]] = [mine]
    if public_only:
        visible += [image.c.profile_id == profile.c.id, profile.c.state == "published"]
    seen = select(patient.c.id).where(exists().where(*visible))
    count = None
    if cursor is None:
        count = int(connection.execute(select(func.count()).select_from(seen.subquery())).scalar_one())
    part = slice_of(connection, seen, patient.c.id, limit, cursor)
    counted = (
        select(patient.c.public_id, func.count(image.c.id), func.count(func.distinct(image.c.lesion_ref)))
        .join_from(patient, image, mine)
        .join(profile, image.c.profile_id == profile.c.id)
        .where(patient.c.id.in_(part.ids), *visible)
        .group_by(patient.c.id, patient.c.public_id)
        .order_by(patient.c.id)
    )
    rows = connection.execute(counted)
    return count, [{"id": name, "images_count": images, "lesions_count": n} for name, images, n in rows], part
