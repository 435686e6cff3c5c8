"""Images go, for good: from catalogue, search, collections, snapshots and files, with proof.

The audit log stays whole: it knows images by random ids and by digests that nothing can be read from, and gets one entry more, which is
what remains of them. Afterwards the catalogue's files are rewritten, and searched byte by byte.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Column, Connection, RowMapping, String, delete, func, or_, select

from cygnet.archive import log, near, traces
from cygnet.archive.blobs import Blobs, sha256_of
from cygnet.archive.chunks import chunks
from cygnet.archive.database import insert_into
from cygnet.archive.edit import view_under
from cygnet.archive.exports import snapshots
from cygnet.archive.identity import LAST_IMAGE, is_public_id
from cygnet.archive.licences import LICENCES
from cygnet.archive.profiles import count_moves
from cygnet.archive.results import NotFoundError
from cygnet.archive.review import ids_of
from cygnet.archive.tables import (
    accession,
    collection_image,
    embedding,
    finding,
    image,
    image_version,
    lesion,
    metadata,
    patient,
    profile,
    rcm_case,
    refusal,
    review,
    setting,
    sketch,
)
from cygnet.errors import InputError, OutputError

if TYPE_CHECKING:
    from cygnet.archive.archive import Archive

_BESIDE: Final = (review, finding, image_version, embedding, sketch, collection_image)
_FILES: Final = ("original_sha256", "view_sha256", "thumbnail_sha256")
_AT_ONCE: Final = 500
_NOTE: Final = (
    "Backups and exports made before still hold the images: delete them, or export again. So do a server that "
    "runs elsewhere, until it is started again, and uploads that were only tried, for a day."
)


@dataclass(frozen=True, slots=True)
class Going:
    """What is to be erased: the images' rows, and the private ids and hashes by which they could be recognised afterwards."""

    rows: tuple[RowMapping, ...]
    private: frozenset[str]

    @property
    def ids(self) -> list[int]:
        """The catalogue's own numbers."""
        return [row["id"] for row in self.rows]

    def refs(self, column: str) -> set[Any]:
        """What the images refer to."""
        return {row[column] for row in self.rows if row[column] is not None}


def images_of(connection: Connection, name: str, cohort: str = "default") -> list[str]:
    """Public ids of the images of whom or what ``name`` names: a patient (``IP_``), lesion (``IL_``) or image (``ISIC_``), or a patient by
    the contributor's own id within a cohort. An image whose lesion is the patient's is the patient's, too.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    mine = select(patient.c.id).where(patient.c.public_id == name)
    if not is_public_id(name, "patient"):
        mine = select(patient.c.id).where(patient.c.cohort == cohort, patient.c.private_id == name)
    spots = select(lesion.c.id).where(or_(lesion.c.patient_ref.in_(mine), lesion.c.public_id == name))
    chosen = or_(image.c.isic_id == name, image.c.patient_ref.in_(mine), image.c.lesion_ref.in_(spots))
    found = list(connection.execute(select(image.c.isic_id).where(chosen).order_by(image.c.id)).scalars())
    if not found:
        raise NotFoundError(f"{name}: no patient, lesion or image of that id with images in cohort {cohort!r}")
    return found


def erase(archive: Archive, isic_ids: Sequence[str], actor: str, why: str) -> dict[str, Any]:
    """Erase images, and whatever patients, lesions and cases have no other; returns the proof.

    Raises
    ------
    NotFoundError
        If one of them is not there; nothing is erased then.
    InputError
        If one is a frame of a file of which other frames would stay, as the file would; nothing is erased then.
    OutputError
        If something of them is still found afterwards; the message names it.
    """
    with archive.database.write() as connection:
        going = _going(connection, ids_of(connection, isic_ids))
        _refuse_parts(connection, going)
        wanted = _files(connection, archive.blobs, going)
        frozen, named = snapshots.without(connection, archive.blobs, set(isic_ids), log.now()[:10])
        counts = _delete(connection, going)
        counts["redacted"] = _redact(connection, going)
        wanted |= named
        kept = _still_used(connection, archive.blobs, wanted)
        about = {"erased": sorted(isic_ids), "why": why, "rows": counts, "files": len(wanted - kept)}
        sealed = log.append(connection, actor, "erase", about | ({"snapshots": frozen} if frozen else {}))
    archive.forget_vectors()
    removed = sorted(name for name in wanted - kept if archive.blobs.delete(name))
    archive.database.rewrite()
    mentioned = _mentions(archive, going)
    told = {one["was"] for one in frozen}  # which the log and the citation state
    left = _left(archive, going, set(removed) - told, private=not mentioned)
    if left:
        raise OutputError(
            f"{len(isic_ids)} images are erased, but traces are still found: {', '.join(left)}; "
            "end whatever else reads the archive, then: cygnet archive verify DIR --tidy"
        )
    return {
        "schema": "cygnet-archive-erasure-1",
        "images": sorted(isic_ids),
        "at": log.now(),
        "by": actor,
        "why": why,
        "rows": counts,
        "files": removed,
        "shared_files_kept": len(kept),
        "snapshots": frozen,
        "searched": [
            "catalogue",
            "files",
            *("the catalogue's files, byte by byte" for _ in archive.database.files()[:1]),
        ],
        "found": [],
        "mentioned": mentioned,
        "log_entry": sealed,
        "note": _NOTE,
    }


def _going(connection: Connection, ids: Sequence[int]) -> Going:
    names = (
        "id",
        "isic_id",
        "version",
        "profile_id",
        "patient_ref",
        "lesion_ref",
        "rcm_case_id",
        "accession_id",
        "frame",
    )
    columns = [*(image.c[n] for n in names), *(image.c[n] for n in _FILES), image.c.pixels_sha256]
    rows: list[RowMapping] = []
    for some in chunks(ids, _AT_ONCE):
        statement = select(*columns, profile.c.attribution).join_from(image, profile).where(image.c.id.in_(some))
        rows += connection.execute(statement).mappings().all()
    going = Going(tuple(rows), frozenset())
    private = select(patient.c.private_id).where(patient.c.id.in_(going.refs("patient_ref")))
    spots = select(lesion.c.private_id).where(lesion.c.id.in_(going.refs("lesion_ref")))
    return Going(going.rows, frozenset((*connection.execute(private).scalars(), *connection.execute(spots).scalars())))


def _refuse_parts(connection: Connection, going: Going) -> None:
    """Refuse to erase some frames of a file and not the others: the file holds them all."""
    files = {row["original_sha256"]: row["isic_id"] for row in going.rows if row["frame"]}
    for some in chunks(sorted(files), _AT_ONCE):
        statement = select(image.c.original_sha256, image.c.isic_id).where(image.c.original_sha256.in_(some))
        for name, isic_id in connection.execute(statement.where(image.c.id.not_in(going.ids)).order_by(image.c.id)):
            raise InputError(
                f"{files[name]} is a frame of a file that also holds {isic_id}; erase all images of that file together"
            )


def _files(connection: Connection, blobs: Blobs, going: Going) -> set[str]:
    """Files of the images, views under earlier licences included."""
    wanted = {row[kind] for row in going.rows for kind in _FILES}
    for row in going.rows:
        if row["version"] > 1 and blobs.has(row["original_sha256"]):
            data = blobs.get(row["original_sha256"])
            views = (sha256_of(view_under(data, code, row["attribution"], row["frame"])) for code in LICENCES)
            wanted.update(name for name in views if blobs.has(name))
    return wanted


def _delete(connection: Connection, going: Going) -> dict[str, int]:
    newest = connection.execute(select(func.max(image.c.id))).scalar()
    statement = insert_into(connection, setting).values(name=LAST_IMAGE, value=str(newest))
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": str(newest)}))
    counts = {table.name: _delete_where(connection, table.c.image_id, going.ids) for table in _BESIDE}
    near.forget(connection, going.ids)
    counts["image"] = _delete_where(connection, image.c.id, going.ids)
    count_moves(connection, departures=[row["profile_id"] for row in going.rows])
    counts["profile"] = _delete_profiles(connection, going.refs("profile_id"))
    owners = going.refs("patient_ref")
    spots = going.refs("lesion_ref") | set(
        connection.execute(select(lesion.c.id).where(lesion.c.patient_ref.in_(owners))).scalars()
    )
    counts["lesion"] = _delete_unused(connection, lesion.c.id, image.c.lesion_ref, spots)
    held = set(connection.execute(select(lesion.c.patient_ref).where(lesion.c.patient_ref.in_(owners))).scalars())
    counts["patient"] = _delete_unused(connection, patient.c.id, image.c.patient_ref, owners - held)
    counts["rcm_case"] = _delete_unused(
        connection, rcm_case.c.public_id, image.c.rcm_case_id, going.refs("rcm_case_id")
    )
    return counts


def _delete_where(connection: Connection, column: Column[Any], values: Collection[Any]) -> int:
    return sum(
        connection.execute(delete(column.table).where(column.in_(some))).rowcount for some in chunks(values, _AT_ONCE)
    )


def _delete_unused(connection: Connection, column: Column[Any], used: Column[Any], values: set[Any]) -> int:
    """Delete what no image refers to any more."""
    left = set(connection.execute(select(used).where(used.in_(values))).scalars())
    return _delete_where(connection, column, values - left)


def _delete_profiles(connection: Connection, ids: set[Any]) -> int:
    """Delete combinations of values that nobody has any more; but for the newest, since their numbers, too, only grow."""
    newest = connection.execute(select(func.max(profile.c.id))).scalar()
    empty = select(profile.c.id).where(profile.c.id.in_(ids), profile.c.n == 0, profile.c.id != newest)
    return _delete_where(connection, profile.c.id, list(connection.execute(empty).scalars()))


def _redact(connection: Connection, going: Going) -> int:
    """Take the images out of what was said of others, and of what was refused; returns how many rows that touched."""
    hashes = [row["original_sha256"] for row in going.rows]
    touched = sum(
        connection.execute(delete(refusal).where(refusal.c.sha256.in_(some))).rowcount
        for some in chunks(hashes, _AT_ONCE)
    )
    for number in going.refs("accession_id"):
        if connection.execute(select(image.c.id).where(image.c.accession_id == number).limit(1)).first() is None:
            touched += connection.execute(delete(refusal).where(refusal.c.accession_id == number)).rowcount
            connection.execute(accession.update().where(accession.c.id == number).values(source="(erased)"))
            touched += 1
    names = sorted({*(row["isic_id"] for row in going.rows), *going.private}, key=len, reverse=True)
    for name in (n for n in names if len(n) >= traces.SHORTEST):
        for column in (finding.c.message, refusal.c.findings):
            holds = column.contains(name, autoescape=True)
            changed = column.table.update().where(holds).values({column: func.replace(column, name, "(erased)")})
            touched += connection.execute(changed).rowcount
    return touched


def _still_used(connection: Connection, blobs: Blobs, names: set[str]) -> set[str]:
    """Those of the files that another image or a snapshot has, too."""
    used = snapshots.files_of_snapshots(connection, blobs) & names
    for kind in _FILES:
        for some in chunks(sorted(names), _AT_ONCE):
            used.update(connection.execute(select(image.c[kind]).where(image.c[kind].in_(some))).scalars())
    return used


def _mentions(archive: Archive, going: Going) -> list[str]:
    """Where a private id of the images still stands, since it means something else there or a person wrote it: another cohort's patient of
    that name, a collection, a reason in the log."""
    names = [name for name in going.private if len(name) >= traces.SHORTEST]
    columns = [column for table in metadata.sorted_tables for column in table.c if isinstance(column.type, String)]
    found = []
    with archive.database.read() as connection:
        for column in columns if names else ():
            holds = or_(*(column.contains(name, autoescape=True) for name in names))
            n = connection.execute(select(func.count()).select_from(column.table).where(holds)).scalar_one()
            found += [f"{column.table.name}.{column.name}: {n}"] if n else []
    return found


def _left(archive: Archive, going: Going, removed: Collection[str], *, private: bool) -> list[str]:
    """Where something of the images can still be found."""
    with archive.database.read() as connection:
        there = connection.execute(select(image.c.isic_id).where(image.c.id.in_(going.ids))).scalars().all()
        pixels = {row["pixels_sha256"] for row in going.rows}
        same = set(connection.execute(select(image.c.pixels_sha256).where(image.c.pixels_sha256.in_(pixels))).scalars())
    wanted = traces.marks((*removed, *(pixels - same), *(going.private if private else ())))
    files = [f"file {name[:12]}" for name in removed if archive.blobs.has(name)]
    pages = [
        f"{path.name} ({mark[:12]})" for path in archive.database.files() for mark in traces.found_in(path, wanted)
    ]
    return [*there, *files, *pages]


__all__ = ["Going", "erase", "images_of"]
