"""Metadata and licences after ingest. Every version is kept, and an edit sends the image back to review."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import polars as pl
from PIL import Image
from sqlalchemy import Connection, select

from cygnet.archive import log
from cygnet.archive.blobs import Blobs, checked
from cygnet.archive.findings import Finding
from cygnet.archive.identity import refer
from cygnet.archive.ingest.commit import digest_of_image, profile_values
from cygnet.archive.ingest.earlier import contradictions_of_edit
from cygnet.archive.ingest.items import original_of
from cygnet.archive.ingest.rows import record_of
from cygnet.archive.licences import LICENCES, licence_of
from cygnet.archive.states import move, profiles_of
from cygnet.archive.tables import finding, image, image_version, lesion, patient, rcm_case
from cygnet.archive.views import view_of
from cygnet.errors import InputError, TableError
from cygnet.imaging.decode import FORMATS
from cygnet.schema.check import check

_LEVEL = re.compile(r"(anatom_site|diagnosis)_[1-5]")


def edit(connection: Connection, ids: Sequence[int], changes: Mapping[str, str], actor: str, why: str = "") -> int:
    """Change metadata of images, given as a table would give it ("" takes a value away); returns how many changed.

    The result is checked as at ingest, by itself and against the other images of its patient and lesion. Changed images become drafts;
    what deserves a look is noted for the reader, as at ingest.

    Raises
    ------
    TableError
        If the changed metadata have errors, or contradict other images; nothing is changed then.
    """
    current = _current(connection, ids)
    records = {id_: _changed(json.loads(row["record"]), changes, row["isic_id"]) for id_, row in current.items()}
    changed = {id_: r for id_, r in records.items() if log.canonical(r) != current[id_]["record"]}
    _against_others(connection, current, changed)
    profiles = profiles_of(connection, list(changed))
    digests = {}
    for id_, record in changed.items():
        row, known = current[id_], profiles[id_]
        text = log.canonical(record)
        digest = digest_of_image(
            row["isic_id"],
            row["version"] + 1,
            original_of(row["original_sha256"], row["frame"]),
            text,
            known["copyright_license"],
            known["attribution"],
        )
        digests[row["isic_id"]] = digest
        _keep_version(connection, row, actor)
        refs = _references(connection, record, row["cohort"])
        numbers = {n: record.get(n) for n in ("acquisition_day", "clin_size_long_diam_mm", "mel_thick_mm")}
        values = {
            **refs,
            **numbers,
            "version": row["version"] + 1,
            "record": text,
            "digest": digest,
            "embargo_until": None,
        }
        connection.execute(image.update().where(image.c.id == id_).values(**values))
    wanted = {
        id_: ("draft", profile_values(r, profiles[id_]["copyright_license"], profiles[id_]["attribution"]))
        for id_, r in changed.items()
    }
    move(connection, wanted)
    if digests:
        detail = {"images": digests, "states": dict.fromkeys(digests, "draft"), "fields": sorted(changes), "why": why}
        log.append(connection, actor, "edit", detail)
    return len(digests)


def relicense(connection: Connection, blobs: Blobs, ids: Sequence[int], licence: str, actor: str) -> int:
    """Give images a licence that asks less; their views say so. Returns how many changed.

    Raises
    ------
    InputError
        If an image's licence asks less already: what has been given away cannot be taken back.
    """
    code = licence_of(licence).code
    current, profiles = _current(connection, ids), profiles_of(connection, ids)
    changing = [id_ for id_ in current if profiles[id_]["copyright_license"] != code]
    for id_ in changing:
        known = LICENCES[profiles[id_]["copyright_license"]]
        if known.strictness < LICENCES[code].strictness:
            raise InputError(
                f"{current[id_]['isic_id']} is under {known.code}; it cannot be put under {code}, which asks more"
            )
    digests = {}
    for id_ in changing:
        row, credit = current[id_], profiles[id_]["attribution"]
        view = view_under(checked(blobs, row["original_sha256"]), code, credit, row["frame"])
        original = original_of(row["original_sha256"], row["frame"])
        digest = digest_of_image(row["isic_id"], row["version"] + 1, original, row["record"], code, credit)
        digests[row["isic_id"]] = digest
        _keep_version(connection, row, actor)
        values = {
            "view_sha256": blobs.put(view),
            "view_size": len(view),
            "version": row["version"] + 1,
            "digest": digest,
        }
        connection.execute(image.update().where(image.c.id == id_).values(**values))
    states = {current[id_]["isic_id"]: profiles[id_]["state"] for id_ in changing}
    move(connection, {id_: (profiles[id_]["state"], {**profiles[id_], "copyright_license": code}) for id_ in changing})
    if digests:
        log.append(connection, actor, "relicense", {"images": digests, "states": states, "licence": code})
    return len(digests)


def history(connection: Connection, isic_id: str) -> list[dict[str, Any]]:
    """Earlier versions of an image's metadata, oldest first, with who replaced them when."""
    statement = (
        select(image_version)
        .join_from(image_version, image)
        .where(image.c.isic_id == isic_id)
        .order_by(image_version.c.version)
    )
    rows = connection.execute(statement).mappings()
    return [
        {"version": r["version"], "replaced": r["replaced"], "actor": r["actor"], "record": public_record(r["record"])}
        for r in rows
    ]


def public_record(record: str) -> dict[str, Any]:
    """A stored record without private ids."""
    values = json.loads(record)
    return {k: v for k, v in values.items() if k not in ("patient_id", "lesion_id", "rcm_case_id")}


def _current(connection: Connection, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    from cygnet.archive.tables import accession

    names = ("id", "isic_id", "version", "original_sha256", "frame", "record", "digest")
    statement = (
        select(*(image.c[name] for name in names), accession.c.cohort)
        .join_from(image, accession)
        .where(image.c.id.in_(ids))
    )
    return {row["id"]: dict(row) for row in connection.execute(statement.order_by(image.c.id)).mappings()}


def _changed(record: Mapping[str, Any], changes: Mapping[str, str], isic_id: str) -> dict[str, Any]:
    """The record with changes, checked anew. A tree's levels follow from its name."""
    row: dict[str, str | None] = {k: _cell(v) for k, v in record.items() if not _LEVEL.fullmatch(k)}
    for name, value in changes.items():
        if (tree := _LEVEL.fullmatch(name)) is not None:
            row.pop(tree[1], None)
        if name in ("age_approx", "age"):
            row.pop("age", None)
        row[name] = value or None
    result = check(pl.DataFrame({k: [v] for k, v in row.items()}, dict.fromkeys(row, pl.String)), need_image=False)
    errors = [f"{isic_id}: {p.column}: {p.message}" for p in result.report.errors]
    if errors:
        raise TableError(errors, "nothing was changed")
    unknown = set(changes) & set(result.extra.columns)
    if unknown:
        raise InputError(f"{sorted(unknown)[0]}: no field of the archive's metadata")
    return record_of(result.rows.row(0, named=True))


def _against_others(
    connection: Connection, current: Mapping[int, Mapping[str, Any]], changed: Mapping[int, Mapping[str, Any]]
) -> None:
    """Refuse what contradicts other images of a patient or lesion, note what is only unlikely."""
    numbers = {current[id_]["isic_id"]: id_ for id_ in changed}
    findings: list[tuple[str, Finding]] = []
    for cohort in sorted({current[id_]["cohort"] for id_ in changed}):
        some = {current[id_]["isic_id"]: id_ for id_ in changed if current[id_]["cohort"] == cohort}
        before = {isic_id: json.loads(current[id_]["record"]) for isic_id, id_ in some.items()}
        after = {isic_id: changed[id_] for isic_id, id_ in some.items()}
        findings += contradictions_of_edit(connection, before, after, cohort)
    errors = [f"{isic_id}: {f.message}" for isic_id, f in findings if f.level == "refuse"]
    if errors:
        raise TableError(
            errors, "nothing was changed; edit all images of the patient or lesion together, or keep what they say"
        )
    rows = [{"image_id": numbers[isic_id], **asdict(f)} for isic_id, f in findings]
    if rows:
        connection.execute(finding.insert(), rows)


def _cell(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _keep_version(connection: Connection, row: Mapping[str, Any], actor: str) -> None:
    values = {"image_id": row["id"], "version": row["version"], "replaced": log.now(), "actor": actor}
    connection.execute(image_version.insert().values(**values, record=row["record"], digest=row["digest"]))


def _references(connection: Connection, record: Mapping[str, Any], cohort: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind in ("patient", "lesion", "rcm_case"):
        private = record.get(f"{kind}_id")
        found[kind] = refer(connection, kind, cohort, [str(private)])[str(private)] if private else None
    owner = connection.execute(select(lesion.c.patient_ref).where(lesion.c.id == found["lesion"])).scalar()
    if owner is not None and found["patient"] is not None and owner != found["patient"]:
        whose = connection.execute(select(patient.c.public_id).where(patient.c.id == owner)).scalar_one()
        raise InputError(f"this lesion belongs to patient {whose}; a lesion has one patient")
    case = connection.execute(select(rcm_case.c.public_id).where(rcm_case.c.id == found["rcm_case"])).scalar()
    return {"patient_ref": found["patient"], "lesion_ref": found["lesion"], "rcm_case_id": case}


def view_under(data: bytes, licence: str, attribution: str, frame: int = 0) -> bytes:
    """The view of an original file, or of a frame of it, under a licence."""
    from cygnet.archive.ingest.examine import picture_of

    picture = picture_of(data, frame)
    with Image.open(io.BytesIO(picture.data), formats=FORMATS) as opened:
        return view_of(picture.data, opened, licence, attribution)
