"""What a new or changed image says against images of the same patient or lesion that came earlier."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection, or_, select

from cygnet.archive.findings import Finding
from cygnet.archive.ingest.items import Examined
from cygnet.archive.ingest.rows import as_finding, frame_of
from cygnet.archive.tables import image, lesion, patient
from cygnet.schema.contradictions import batch_problems
from cygnet.schema.problems import Problem

Record = Mapping[str, Any]

#: Earlier images that a batch is compared with at most, the newest ones.
_MOST: Final = 20_000


def contradictions(connection: Connection, batch: Sequence[Examined], cohort: str) -> list[tuple[Finding, ...]]:
    """Findings on each item of a batch that only earlier images give; each names the earlier image by its public id."""
    earlier = _earlier(connection, [e.record for e in batch], cohort)
    if not earlier:
        return [()] * len(batch)
    records = [json.loads(record) for _, record in earlier] + [dict(e.record) for e in batch]
    names = [isic_id for isic_id, _ in earlier]
    result: list[list[Finding]] = [[] for _ in batch]
    for problem in batch_problems(frame_of(records)):
        place = (problem.row or 0) - 1 - len(names)
        if place < 0:
            continue
        finding = _finding(problem, names)
        known = {f.code for f in batch[place].findings}
        if finding.code not in known and any(name in finding.message for name in names):
            result[place].append(finding)
    return [tuple(findings) for findings in result]


def contradictions_of_edit(
    connection: Connection, before: Mapping[str, Record], after: Mapping[str, Record], cohort: str
) -> list[tuple[str, Finding]]:
    """What changed records, by the images' public ids, newly contradict: other images of their patients and lesions, or each other.

    Each comes with the changed image that it concerns. What contradicted before the edit is not held against it.
    """
    earlier = _earlier(connection, list(after.values()), cohort, but=before)
    others = [json.loads(record) for _, record in earlier]
    names = [*(isic_id for isic_id, _ in earlier), *after]
    known = {_key(problem) for problem in batch_problems(frame_of([*others, *before.values()]))}
    records = [*others, *after.values()]
    found = []
    for problem in batch_problems(frame_of(records)):
        if _key(problem) in known or problem.row is None:
            continue
        finding, place = _finding(problem, names), problem.row - 1
        if place < len(others):  # seen from an image that was not changed, as ages are from the later day
            finding = replace(finding, message=f"{names[place]}: {finding.message}")
            place = _kin(records, place, len(others))
        found.append((names[place], finding))
    return found


def _key(problem: Problem) -> tuple[int | None, str, str]:
    return problem.row, problem.code, problem.message


def _kin(records: Sequence[Record], place: int, start: int) -> int:
    """The first record from ``start`` on that is of the same patient or lesion as the one at ``place``."""
    ids = [(key, records[place][key]) for key in ("lesion_id", "patient_id") if records[place].get(key)]
    return next(k for k in range(start, len(records)) if any(records[k].get(key) == value for key, value in ids))


def _finding(problem: Problem, names: Sequence[str]) -> Finding:
    """A problem as a finding, rows named by public ids."""
    return replace(
        as_finding(problem), message=re.sub(r"row (\d+)", lambda m: _name(names, int(m[1])), problem.message)
    )


def _name(names: Sequence[str], row: int) -> str:
    return names[row - 1] if row <= len(names) else "another row"


def _earlier(
    connection: Connection, records: Sequence[Record], cohort: str, but: Collection[str] = ()
) -> list[tuple[str, str]]:
    """Public id and record of the images of the records' patients and lesions, apart from those in ``but``."""
    conditions = []
    for table, column, key in ((patient, image.c.patient_ref, "patient_id"), (lesion, image.c.lesion_ref, "lesion_id")):
        private = sorted({str(record[key]) for record in records if record.get(key)})
        if private:
            rows = select(table.c.id).where(table.c.cohort == cohort, table.c.private_id.in_(private))
            if ids := list(connection.execute(rows).scalars()):
                conditions.append(column.in_(ids))
    if not conditions:
        return []
    newest = select(image.c.isic_id, image.c.record).where(or_(*conditions)).order_by(image.c.id.desc())
    found = connection.execute(newest.limit(_MOST + len(but)))
    return [(isic_id, record) for isic_id, record in found if isic_id not in but]


__all__ = ["contradictions", "contradictions_of_edit"]
