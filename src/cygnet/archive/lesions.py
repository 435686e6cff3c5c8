"""Lesions with their images, as the ISIC Archive's API v2 shows them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from cygnet.archive.results import Address, result_of, rows_of
from cygnet.archive.tables import image, lesion
from cygnet.errors import InputError


def lesion_of(connection: Connection, public_id: str, address: Address, *, public_only: bool = False) -> dict[str, Any]:
    """One lesion. With ``public_only`` it is there only if everyone may see all its images.

    The outcome is the most exact diagnosis by histopathology, else that of the last image that has one; the index image is the
    image with that diagnosis.

    Raises
    ------
    InputError
        If there is none that may be seen.
    """
    ids = select(image.c.id).join_from(image, lesion).where(lesion.c.public_id == public_id).order_by(image.c.id)
    rows = rows_of(connection, list(connection.execute(ids).scalars()))
    if not rows or (public_only and any(row["state"] != "published" for row in rows)):
        raise InputError(f"{public_id}: no such lesion in this archive")
    rows.sort(key=lambda row: (row["acquisition_day"] is not None, row["acquisition_day"] or 0, row["id"]))
    index = max(rows, key=lambda row: (row["diagnosis_confirm_type"] == "histopathology", _depth(row), rows.index(row)))
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
