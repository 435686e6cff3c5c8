"""One lesion through its visits."""

from __future__ import annotations

import secrets
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from cygnet.clinic import reading
from cygnet.clinic import verdicts as kept
from cygnet.clinic.timeline import Moment, Moved, timeline
from cygnet.clinic.verdicts import METHODS
from cygnet.triage.rows import rounded
from cygnet.web.clinic.assessing import lesion_model
from cygnet.web.clinic.common import CLINICIAN, clinic_of, note, reader, told
from cygnet.web.clinic.rows import lesion_json
from cygnet.web.clinic.words import Words
from cygnet.web.pages import answers, get_page
from cygnet.web.texts import language_of

router = APIRouter(dependencies=[CLINICIAN], include_in_schema=False)


@get_page(router, "/lesions/{lesion_id}", csv=True)
def lesion(request: Request, lesion_id: int) -> Response:
    """Timeline, changes, verdicts and outcome."""
    spread = lesion_model().card["reference"]["measurement_spread"]
    who = reader(request)
    with told(), clinic_of(request).read() as connection:
        patient_id, moments = timeline(connection, who, lesion_id, spread)
        person = reading.patient_row(connection, patient_id)
        versions = [{**r, "day": m.day} for m in moments for r in kept.history(connection, lesion_id, m.visit_id)]
        seen = any(m.lesion.told for m in moments)
        outcomes = [dict(r) for r in kept.outcomes(connection, lesion_id)] if seen else []
    note(request, "view", patient=person["key"], lesion=moments[0].lesion.number)
    words = Words(language_of(request))
    data = {
        "lesion": lesion_json(words, moments[0].lesion),
        "patient": {"id": patient_id, "label": person["label"], "simulated": person["simulated"]},
        "timeline": [_moment(m) for m in moments],
    }
    mine = [v for v in versions if v["reader"] == who or seen]
    rows = [row for m in moments for row in _rows(m)]
    only_html: dict[str, Any] = {"moments": moments, "w": words, "verdicts": mine, "outcomes": outcomes, "seen": seen}
    more: dict[str, Any] = {
        "methods": METHODS,
        "key": secrets.token_hex(12),
        "patient_id": patient_id,
        "label": person["label"],
    }
    return answers(request, "clinic/lesion.html", data, rows, **only_html, **more)


def _moment(m: Moment) -> dict[str, Any]:
    return {
        "visit": m.visit_id,
        "day": m.day,
        "days": m.days,
        "pictures": [p.sha256 for p in m.lesion.pictures],
        "measurements": {name: rounded(v, 4) for name, v in m.measurements.items()},
        "changes": [_moved(c) for c in m.moved],
    }


def _moved(c: Moved) -> dict[str, Any]:
    return {
        "name": c.name,
        "value": rounded(c.value, 4),
        "others": rounded(c.others, 4),
        "relative": c.relative,
        "notable": c.notable,
    }


def _rows(m: Moment) -> list[dict[str, Any]]:
    moved = {c.name: c for c in m.moved}
    return [
        {
            "day": m.day,
            "measurement": name,
            "value": rounded(v, 4),
            "change": rounded(moved[name].value, 4) if name in moved else None,
            "others": rounded(moved[name].others, 4) if name in moved else None,
            "notable": moved[name].notable if name in moved else None,
        }
        for name, v in m.measurements.items()
    ]
