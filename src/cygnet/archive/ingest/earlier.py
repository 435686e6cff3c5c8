"""What a new image says against images of the same patient or lesion that came earlier."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, or_, select

from cygnet.archive.findings import Finding
from cygnet.archive.ingest.items import Examined
from cygnet.archive.ingest.rows import as_finding, frame_of
from cygnet.archive.tables import image, lesion, patient
from cygnet.schema.contradictions import batch_problems

#: Earlier images that a batch is compared with at most, the newest ones.
_MOST: Final = 20_000


def contradictions(connection: Connection, batch: Sequence[Examined], cohort: str) -> list[tuple[Finding, ...]]:
    """Findings on each item of a batch that only earlier images give; each names the earlier image by its public id."""
    earlier = _earlier(connection, batch, cohort)
    if not earlier:
        return [()] * len(batch)
    records = [json.loads(record) for _, record in earlier] + [dict(e.record) for e in batch]
    names = [isic_id for isic_id, _ in earlier]
    result: list[list[Finding]] = [[] for _ in batch]
    for problem in batch_problems(frame_of(records)):
        place = (problem.row or 0) - 1 - len(names)
        if place < 0:
            continue
        finding = as_finding(problem)
        message = re.sub(r"row (\d+)", lambda m: _name(names, int(m[1])), problem.message)
        known = {f.code for f in batch[place].findings}
        if finding.code not in known and any(name in message for name in names):
            result[place].append(Finding(finding.level, finding.group, finding.code, message))
    return [tuple(findings) for findings in result]


def _name(names: Sequence[str], row: int) -> str:
    return names[row - 1] if row <= len(names) else "another row"


def _earlier(connection: Connection, batch: Sequence[Examined], cohort: str) -> list[tuple[str, str]]:
    """Public id and record of the images of the batch's patients and lesions."""
    conditions = []
    for table, column, key in ((patient, image.c.patient_ref, "patient_id"), (lesion, image.c.lesion_ref, "lesion_id")):
        private = sorted({str(e.record[key]) for e in batch if e.record.get(key)})
        if private:
            rows = select(table.c.id).where(table.c.cohort == cohort, table.c.private_id.in_(private))
            if ids := list(connection.execute(rows).scalars()):
                conditions.append(column.in_(ids))
    if not conditions:
        return []
    statement = select(image.c.isic_id, image.c.record).where(or_(*conditions)).order_by(image.c.id.desc()).limit(_MOST)
    return [(isic_id, record) for isic_id, record in connection.execute(statement)]


__all__ = ["contradictions"]
