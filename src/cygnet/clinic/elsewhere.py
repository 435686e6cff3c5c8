"""A patient of the clinic who is in the archive, too, and the other way round: found by the pictures, not by names alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, case, func, select

from cygnet.archive import Archive
from cygnet.archive.blobs import sha256_of
from cygnet.archive.copies import bare, copies_of, patients_named
from cygnet.archive.erase import images_of
from cygnet.archive.identity import is_public_id
from cygnet.archive.results import NotFoundError
from cygnet.clinic.reading import patient_row
from cygnet.clinic.store import Clinic
from cygnet.clinic.tables import image, patient, visit


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What the archive has of a patient: ``images`` that go with the patient; and what a person must judge: ``alike``, images that show
    the same photograph as one of the patient's in other bytes, and ``namesakes``, patients whose contributor called them by the same
    name. ``patients`` are those of ``images``; of several, only the very pictures that the clinic has are among ``images``."""

    images: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()
    alike: tuple[str, ...] = ()
    namesakes: tuple[str, ...] = ()


def in_archive(clinic: Clinic, archive: Archive, patient_id: int) -> Elsewhere:
    """What the archive has of a patient.

    All of an archive's patient is the clinic's where it is the only one with pictures of the clinic's, or gave the name. Pictures that
    another patient of the clinic has, too, tell nothing: a folder taken in under a wrong name must not empty the archive.
    """
    with clinic.read() as connection:
        label = str(patient_row(connection, patient_id)["label"])
        names = _own_pictures(connection, patient_id)
    found = copies_of(archive, {name: clinic.pictures.get(name) for name in names if clinic.pictures.has(name)})
    with archive.database.read() as connection:
        named = set(patients_named(connection, label))
        whole = set(found.patients) if len(found.patients) == 1 else set()
        whole |= {label} & named if is_public_id(label, "patient") else set()
        more = {isic_id for one in sorted(whole) for isic_id in _images(connection, one)}
    images = more | set(found.same)
    owners = whole | set(found.patients)
    return Elsewhere(
        tuple(sorted(images)),
        tuple(sorted(owners)),
        tuple(sorted(set(found.alike) - images)),
        tuple(sorted(named - owners)),
    )


def _images(connection: Connection, public_id: str) -> Sequence[str]:
    try:
        return images_of(connection, public_id)
    except NotFoundError:  # a patient whose images were all given to another by an edit
        return ()


def _own_pictures(connection: Connection, patient_id: int) -> list[str]:
    """Hashes of the pictures that only this patient has."""
    of = select(image.c.sha256).join_from(image, visit)
    others = of.where(visit.c.patient_id != patient_id)
    mine = of.where(visit.c.patient_id == patient_id, image.c.sha256.not_in(others)).distinct()
    return list(connection.execute(mine.order_by(image.c.sha256)).scalars())


@dataclass(frozen=True, slots=True)
class Held:
    """A patient of the clinic who has ``pictures`` of the images asked for, among ``of`` pictures in all."""

    patient_id: int
    label: str
    pictures: int
    of: int


def in_clinic(clinic: Clinic, archive: Archive, isic_ids: Sequence[str]) -> list[Held]:
    """Patients of the clinic who have pictures of these images of the archive."""
    names = [sha256_of(bare(archive.picture(isic_id))) for isic_id in isic_ids]
    same = func.sum(case((image.c.sha256.in_(names), 1), else_=0))
    statement = (
        select(patient.c.id, patient.c.label, same, func.count(image.c.id))
        .join_from(patient, visit)
        .join(image, image.c.visit_id == visit.c.id)
        .group_by(patient.c.id)
        .having(same > 0)
        .order_by(patient.c.id)
    )
    with clinic.read() as connection:
        return [Held(*row) for row in connection.execute(statement)]


__all__ = ["Elsewhere", "Held", "in_archive", "in_clinic"]
