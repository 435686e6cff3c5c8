"""Which images of the archive show pictures that are kept elsewhere, such as in the clinic."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image
from sqlalchemy import Connection, or_, select

from cygnet.archive.blobs import Blobs, sha256_of
from cygnet.archive.chunks import chunks
from cygnet.archive.near import Mark, NearIndex
from cygnet.archive.tables import image, patient
from cygnet.archive.views import bare_view
from cygnet.errors import CygnetError, DecodeError
from cygnet.imaging.decode import FORMATS
from cygnet.imaging.fingerprint import fingerprint_of

if TYPE_CHECKING:
    from cygnet.archive.archive import Archive

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Copies:
    """``same``: public ids of images whose view has the same pixels; ``alike``: of others that show the same photograph;
    ``patients``: public ids of the patients of the former."""

    same: tuple[str, ...] = ()
    alike: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()


def copies_of(archive: Archive, pictures: Mapping[str, bytes]) -> Copies:
    """What the archive has of pictures, given by the SHA-256 of their bare view (:func:`cygnet.archive.views.bare_view`).

    Candidates are found by perceptual hash; the same are those whose own view without licence and credit has the same bytes.
    A picture that cannot be decoded is looked for as an original file.
    """
    marks, unread = _marks(pictures)
    with archive.database.read() as connection:
        index = NearIndex(archive.blobs, keep=False)
        index.refresh(connection)
        close = {id_ for ids in index.close([mark.hashes for mark in marks]) for id_ in ids}
        alike = {id_ for id_ in index.find(connection, marks) if id_ is not None}
        same = set(_same(connection, archive.blobs, sorted(close), pictures))
        for some in chunks(unread, _AT_ONCE):
            same.update(connection.execute(select(image.c.id).where(image.c.original_sha256.in_(some))).scalars())
        return Copies(
            _names(connection, sorted(same)),
            _names(connection, sorted(alike - same)),
            _owners(connection, sorted(same)),
        )


def _marks(pictures: Mapping[str, bytes]) -> tuple[list[Mark], list[str]]:
    """What pictures are looked for by, and the names of those that cannot be decoded."""
    marks, unread = [], []
    for name, data in pictures.items():
        try:
            found = fingerprint_of(data, name)
        except DecodeError:
            unread.append(name)
        else:
            marks.append(Mark(found.hashes, found.thumbnail))
    return marks, unread


def _same(
    connection: Connection, blobs: Blobs, candidates: Sequence[int], wanted: Mapping[str, bytes]
) -> Iterator[int]:
    for some in chunks(candidates, _AT_ONCE):
        for id_, view in connection.execute(select(image.c.id, image.c.view_sha256).where(image.c.id.in_(some))):
            with suppress(CygnetError, OSError):  # verify reports a lost file
                if sha256_of(bare(blobs.get(view))) in wanted:
                    yield id_


def bare(view: bytes) -> bytes:
    """A view without licence and credit."""
    with Image.open(io.BytesIO(view), formats=FORMATS) as opened:
        return bare_view(view, opened)


def _names(connection: Connection, ids: Sequence[int]) -> tuple[str, ...]:
    rows = [connection.execute(select(image.c.isic_id).where(image.c.id.in_(some))) for some in chunks(ids, _AT_ONCE)]
    return tuple(sorted(name for some in rows for name in some.scalars()))


def _owners(connection: Connection, ids: Sequence[int]) -> tuple[str, ...]:
    owners = select(patient.c.public_id).join_from(patient, image, image.c.patient_ref == patient.c.id)
    rows = [connection.execute(owners.where(image.c.id.in_(some))) for some in chunks(ids, _AT_ONCE)]
    return tuple(sorted({name for some in rows for name in some.scalars()}))


def patients_named(connection: Connection, name: str) -> tuple[str, ...]:
    """Public ids of the patients that a label may mean: their public id, or a contributor's own id for them."""
    chosen = or_(patient.c.public_id == name, patient.c.private_id == name)
    return tuple(connection.execute(select(patient.c.public_id).where(chosen).order_by(patient.c.id)).scalars())


__all__ = ["Copies", "bare", "copies_of", "patients_named"]
