"""Images as the ISIC Archive's API v2 shows them. Private ids and names of files never come this way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, select

from cygnet.archive.chunks import chunks
from cygnet.archive.fields import FIELDS, PROFILE, as_result
from cygnet.archive.tables import image, lesion, patient, profile
from cygnet.errors import InputError


class NotFoundError(InputError):
    """No image, lesion, patient or collection of that name that the asker may see."""


#: The address of a file from its hash, the image's id and "full" or "thumbnail_256".
Address = Callable[[str, str, str], str]
_COLUMNS = (
    image.c.id,
    image.c.isic_id,
    image.c.created,
    image.c.view_sha256,
    image.c.view_size,
    image.c.thumbnail_sha256,
    image.c.thumbnail_size,
    *(image.c[f.name] for f in FIELDS if f.home == "image" and f.name != "isic_id"),
    profile.c.state,
    *(profile.c[name] for name in PROFILE),
    patient.c.public_id.label("patient_id"),
    lesion.c.public_id.label("lesion_id"),
)
_AT_ONCE = 500
#: Built once: a page of one image asks for nothing else.
_ROWS = (
    select(*_COLUMNS)
    .join_from(image, profile, image.c.profile_id == profile.c.id)
    .join(patient, image.c.patient_ref == patient.c.id, isouter=True)
    .join(lesion, image.c.lesion_ref == lesion.c.id, isouter=True)
)
_ROWS_OF = _ROWS.where(image.c.id.in_(bindparam("ids", expanding=True)))
_ROW_OF = _ROWS.where(image.c.isic_id == bindparam("isic_id"))


def rows_of(connection: Connection, ids: Sequence[int]) -> list[dict[str, Any]]:
    """Flat values of images, in the order of ``ids``."""
    found: dict[int, dict[str, Any]] = {}
    for some in chunks(ids, _AT_ONCE):
        found.update((row["id"], dict(row)) for row in connection.execute(_ROWS_OF, {"ids": list(some)}).mappings())
    return [found[id_] for id_ in ids if id_ in found]


def row_of(connection: Connection, isic_id: str, *, public_only: bool = False) -> dict[str, Any]:
    """The flat values of one image.

    Raises
    ------
    NotFoundError
        If there is none that the asker may see.
    """
    row = connection.execute(_ROW_OF, {"isic_id": isic_id}).mappings().one_or_none()
    if row is None or (public_only and row["state"] != "published"):
        raise NotFoundError(f"{isic_id}: no such image in this archive")
    return dict(row)


def result_of(row: dict[str, Any], address: Address) -> dict[str, Any]:
    """One image in the form of the API."""
    files = {
        name: {"url": address(row[f"{column}_sha256"], row["isic_id"], name), "size": row[f"{column}_size"]}
        for name, column in (("full", "view"), ("thumbnail_256", "thumbnail"))
    }
    return {
        "isic_id": row["isic_id"],
        "public": row["state"] == "published",
        "copyright_license": row["copyright_license"],
        "attribution": row["attribution"],
        "files": files,
        "metadata": as_result(row),
    }
