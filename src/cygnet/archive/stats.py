"""What is in the archive, counted."""

from __future__ import annotations

import math
from typing import Any

from sqlalchemy import Connection, func, select

from cygnet.archive.review import agreements, readers_needed
from cygnet.archive.tables import (
    accession,
    collection,
    finding,
    image,
    lesion,
    log,
    patient,
    profile,
    refusal,
    snapshot,
)


def statistics(connection: Connection) -> dict[str, Any]:
    """Images by state and licence, people, bytes, open findings, refusals, readers and their agreement."""

    def total(table: Any) -> int:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())

    def by(column: Any) -> dict[str, int]:
        statement = select(column, func.sum(profile.c.n)).where(profile.c.n > 0).group_by(column).order_by(column)
        return {str(key): int(n) for key, n in connection.execute(statement)}

    sums = select(*(func.coalesce(func.sum(image.c[f"{k}_size"]), 0) for k in ("original", "view", "thumbnail")))
    sizes = connection.execute(sums).one()
    open_ = (
        select(finding.c.code, func.count(func.distinct(finding.c.image_id)))
        .where(finding.c.level == "hold", finding.c.settled.is_(None))
        .group_by(finding.c.code)
        .order_by(finding.c.code)
    )
    cohorts = (
        select(accession.c.cohort, func.count(image.c.id)).join_from(accession, image).group_by(accession.c.cohort)
    ).order_by(accession.c.cohort)
    states = by(profile.c.state)
    return {
        "images": sum(states.values()),
        "states": states,
        "licenses": by(profile.c.copyright_license),
        "cohorts": {name: int(n) for name, n in connection.execute(cohorts)},
        "patients": total(patient),
        "lesions": total(lesion),
        "collections": total(collection),
        "snapshots": total(snapshot),
        "profiles": total(profile),
        "bytes": dict(zip(("originals", "views", "thumbnails"), map(int, sizes), strict=True)),
        "held_back": {code: int(n) for code, n in connection.execute(open_)},
        "refused": total(refusal),
        "readers_needed": readers_needed(connection),
        "agreement": [
            {
                "readers": a.readers,
                "images": a.images,
                "agree": a.agree,
                "kappa": None if math.isnan(a.kappa) else a.kappa,
            }
            for a in agreements(connection)
        ],
        "log_entries": total(log),
    }
