"""A batch of examined images into the catalogue, in one transaction: whole or not at all.

What only the catalogue can show is judged here, where no other writer can come between: duplicates, and contradictions with
earlier images of a patient or lesion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sqlalchemy import Connection, select

from cygnet.archive import log
from cygnet.archive.database import insert_into
from cygnet.archive.fields import PROFILE, publish_age
from cygnet.archive.findings import Finding
from cygnet.archive.identity import first_after_erased, is_public_id, new_ids, refer
from cygnet.archive.ingest.duplicates import Duplicates
from cygnet.archive.ingest.items import Examined
from cygnet.archive.profiles import count_moves, find_profiles
from cygnet.archive.tables import embedding, finding, image, lesion, refusal, sketch
from cygnet.archive.text import CELL, storable, storable_values

#: Findings that only a look at earlier images gives: one tuple for each item.
Contradict = Callable[[Connection, Sequence[Examined], str], list[tuple[Finding, ...]]]


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for all images of an ingest. ``model`` is the hash of the model that embeddings come from, "" for none."""

    accession: int
    actor: str
    cohort: str
    licence: str
    attribution: str
    publish: bool = False
    embargo_until: str | None = None
    model: str = ""

    def state(self, e: Examined) -> str:
        """The state that an image begins in; whatever is held waits as a draft."""
        if any(f.level == "hold" for f in e.findings):
            return "draft"
        if self.embargo_until:
            return "embargoed"
        return "published" if self.publish else "draft"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one item: added, present (it was there) or refused. ``state`` and ``isic_id`` where it is in the archive."""

    name: str
    result: str
    isic_id: str = ""
    state: str = ""
    findings: tuple[Finding, ...] = ()


def digest_of_image(isic_id: str, version: int, original: str, record: str, licence: str, credit: str) -> str:
    """What the log says of a version of an image; ``original`` by :func:`original_of`, ``record`` as the catalogue holds it."""
    return log.digest_of([isic_id, version, original, record, licence, credit])


def profile_values(record: Mapping[str, Any], licence: str, attribution: str) -> dict[str, Any]:
    """The few-valued fields of an image from its record."""
    return {
        **{name: record.get(name) for name in PROFILE},
        "age_approx": publish_age(record.get("age")),
        "copyright_license": licence,
        "attribution": attribution,
    }


def commit(
    connection: Connection, batch: Sequence[Examined], terms: Terms, duplicates: Duplicates, contradict: Contradict
) -> list[Outcome]:
    """Add what can be added; say of each item, in order, what became of it."""
    outcomes: list[Outcome | None] = [_refused(e) if e.refused else None for e in batch]
    places = [k for k, outcome in enumerate(outcomes) if outcome is None]
    candidates = [batch[k] for k in places]
    verdicts = duplicates.judge(connection, candidates, terms.cohort)
    against = contradict(connection, candidates, terms.cohort)
    fresh: list[tuple[int, Examined]] = []
    for k, e, verdict, more in zip(places, candidates, verdicts, against, strict=True):
        judged = replace(e, findings=(*e.findings, *verdict.findings, *more))
        if verdict.isic_id:
            outcomes[k] = Outcome(e.item.name, "present", verdict.isic_id)
        elif judged.refused:
            outcomes[k] = _refused(judged)
        else:
            fresh.append((k, judged))
    for k, outcome in zip([k for k, _ in fresh], _add(connection, [e for _, e in fresh], terms), strict=True):
        outcomes[k] = outcome
    done = [outcome for outcome in outcomes if outcome is not None]
    _note_refusals(connection, batch, done, terms)
    return done


def _refused(e: Examined) -> Outcome:
    return Outcome(e.item.name, "refused", findings=e.findings)


def _add(connection: Connection, batch: Sequence[Examined], terms: Terms) -> list[Outcome]:
    if not batch:
        return []
    isic_ids = _isic_ids(connection, batch)
    states = [terms.state(e) for e in batch]
    licences = [(e.item.licence or terms.licence, e.item.attribution or terms.attribution) for e in batch]
    values = [(s, profile_values(e.record, *lic)) for e, s, lic in zip(batch, states, licences, strict=True)]
    profiles = find_profiles(connection, values)
    people = _people(connection, batch, terms.cohort)
    created = log.now()
    rows, digests = [], {}
    for e, isic_id, profile_id, refs, licence in zip(batch, isic_ids, profiles, people, licences, strict=True):
        row = _row(e, isic_id, refs)
        digests[isic_id] = row["digest"] = digest_of_image(
            isic_id, 1, e.original, row["record"], licence[0], licence[1]
        )
        embargo = terms.embargo_until if terms.state(e) == "embargoed" else None
        rows.append(
            {
                **row,
                "profile_id": profile_id,
                "accession_id": terms.accession,
                "created": created,
                "version": 1,
                "embargo_until": embargo,
            }
        )
    start = first_after_erased(connection)
    connection.execute(image.insert(), rows if start is None else [{"id": n, **r} for n, r in enumerate(rows, start)])
    found = connection.execute(select(image.c.isic_id, image.c.id).where(image.c.isic_id.in_(isic_ids)))
    ids = {row[0]: row[1] for row in found}
    count_moves(connection, [(p, ids[i]) for p, i in zip(profiles, isic_ids, strict=True)])
    _add_beside(connection, batch, [ids[i] for i in isic_ids], terms)
    detail = {"accession": terms.accession, "images": digests, "states": dict(zip(isic_ids, states, strict=True))}
    log.append(connection, terms.actor, "ingest", detail)
    return [
        Outcome(e.item.name, "added", isic_id, state, e.findings)
        for e, isic_id, state in zip(batch, isic_ids, states, strict=True)
    ]


def _row(e: Examined, isic_id: str, refs: dict[str, Any]) -> dict[str, Any]:
    assert e.view is not None
    assert e.thumbnail is not None
    assert e.hashes is not None
    return {
        "isic_id": isic_id,
        **refs,
        "name": storable(e.item.name),
        "original_sha256": e.sha256,
        "frame": e.frame,
        "original_size": e.size,
        "original_type": e.type,
        "view_sha256": e.view.sha256,
        "view_size": e.view.size,
        "thumbnail_sha256": e.thumbnail.sha256,
        "thumbnail_size": e.thumbnail.size,
        "pixels_x": e.width,
        "pixels_y": e.height,
        "pixels_sha256": e.pixels_sha256,
        "phash": int(e.hashes[:1].view(np.int64)[0]),
        **{name: e.record.get(name) for name in ("acquisition_day", "clin_size_long_diam_mm", "mel_thick_mm")},
        "record": log.canonical(dict(e.record)),
        "contributed": log.canonical(storable_values(dict(e.item.contributed), CELL)),
    }


def _isic_ids(connection: Connection, batch: Sequence[Examined]) -> list[str]:
    """Public ids: those of another archive where they are to be kept and free, new ones otherwise."""
    wanted = [e.item.public_ids.get("image", "") for e in batch]
    taken = set(connection.execute(select(image.c.isic_id).where(image.c.isic_id.in_(wanted))).scalars())
    spare = iter(new_ids(connection, "image", len(batch), avoid=set(wanted)))
    result = []
    for want in wanted:
        free = is_public_id(want, "image") and want not in taken
        result.append(want if free else next(spare))
        taken.add(result[-1])
    return result


def _people(connection: Connection, batch: Sequence[Examined], cohort: str) -> list[dict[str, Any]]:
    """The patient, lesion and RCM case of each image, made where they are new; a lesion learns its patient."""
    found: dict[str, dict[str, int]] = {}
    for kind in ("patient", "lesion", "rcm_case"):
        private = [str(e.record[f"{kind}_id"]) for e in batch if e.record.get(f"{kind}_id")]
        public = {str(e.record.get(f"{kind}_id")): e.item.public_ids.get(kind, "") for e in batch}
        found[kind] = refer(connection, kind, cohort, private, public)
    refs = [{kind: found[kind].get(str(e.record.get(f"{kind}_id"))) for kind in found} for e in batch]
    owned = {r["lesion"]: r["patient"] for r in refs if r["lesion"] is not None and r["patient"] is not None}
    for lesion_id, patient_id in owned.items():
        unowned = (lesion.c.id == lesion_id) & lesion.c.patient_ref.is_(None)
        connection.execute(lesion.update().where(unowned).values(patient_ref=patient_id))
    cases = _case_names(connection, [r["rcm_case"] for r in refs if r["rcm_case"] is not None])
    return [
        {"patient_ref": r["patient"], "lesion_ref": r["lesion"], "rcm_case_id": cases.get(r["rcm_case"] or 0)}
        for r in refs
    ]


def _case_names(connection: Connection, ids: Sequence[int]) -> dict[int, str]:
    from cygnet.archive.tables import rcm_case

    rows = connection.execute(select(rcm_case.c.id, rcm_case.c.public_id).where(rcm_case.c.id.in_(ids)))
    return {row[0]: row[1] for row in rows}


def _add_beside(connection: Connection, batch: Sequence[Examined], ids: Sequence[int], terms: Terms) -> None:
    findings = [
        {"image_id": id_, **{k: storable(v, CELL) for k, v in f.to_dict().items()}}
        for e, id_ in zip(batch, ids, strict=True)
        for f in e.findings
    ]
    if findings:
        connection.execute(finding.insert(), findings)
    sketches = [{"image_id": id_, "vector": e.sketch} for e, id_ in zip(batch, ids, strict=True)]
    connection.execute(sketch.insert(), sketches)
    vectors = [
        {"image_id": id_, "model": terms.model, "vector": pack_vector(e.embedding)}
        for e, id_ in zip(batch, ids, strict=True)
        if e.embedding is not None
    ]
    if vectors:
        connection.execute(embedding.insert(), vectors)


def pack_vector(vector: Any) -> bytes:
    """An embedding as the catalogue holds it: length 1, float16."""
    values = np.asarray(vector, np.float32)
    return (values / max(float(np.linalg.norm(values)), 1e-12)).astype("<f2").tobytes()


def _note_refusals(connection: Connection, batch: Sequence[Examined], done: Sequence[Outcome], terms: Terms) -> None:
    rows = [
        {
            "accession_id": terms.accession,
            "name": storable(o.name),
            "sha256": e.sha256,
            "findings": log.canonical([{k: storable(v, CELL) for k, v in f.to_dict().items()} for f in o.findings]),
        }
        for e, o in zip(batch, done, strict=True)
        if o.result == "refused"
    ]
    if rows:
        connection.execute(insert_into(connection, refusal).on_conflict_do_nothing(), rows)
