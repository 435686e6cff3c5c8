"""What keeps the clinic honest: settings, audit log, model card, study, retention and erasure, help."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from cygnet.archive import log
from cygnet.clinic import reading
from cygnet.clinic.elsewhere import in_archive
from cygnet.clinic.erase import due, erase
from cygnet.clinic.settings import POLICIES, change_settings, read_settings
from cygnet.clinic.study import study
from cygnet.report.card import card_blocks
from cygnet.web.auth import Role, actor
from cygnet.web.clinic.assessing import lesion_model
from cygnet.web.clinic.common import CLINICIAN, clinic_of, reader, told
from cygnet.web.clinic.words import Words
from cygnet.web.pages import answers, get_page, page
from cygnet.web.site import site_of
from cygnet.web.texts import language_of

router = APIRouter(dependencies=[CLINICIAN], include_in_schema=False)

#: Entries of the log on one page.
ENTRIES = 200


@get_page(router, "/settings")
def settings(request: Request, saved: bool = False) -> Response:
    """The settings, and who is due for erasure."""
    with clinic_of(request).read() as connection:
        now = read_settings(connection)
        patients = [dict(reading.patient_row(connection, i)) for i in due(connection)]
    late = [{"id": p["id"], "label": p["label"]} for p in patients]
    data = {"settings": asdict(now), "due": late}
    return answers(request, "clinic/settings.html", data, policies=POLICIES, saved=saved, w=Words(language_of(request)))


@router.post("/settings")
def save(
    request: Request,
    reveal: Annotated[str, Form()],
    prevalence: Annotated[str, Form()],
    guard: Annotated[str, Form()],
    retention_days: Annotated[str, Form()],
) -> Response:
    """Change the settings; the log has what was before."""
    given = {"reveal": reveal, "prevalence": prevalence, "guard": guard, "retention_days": retention_days}
    change_settings(clinic_of(request), reader(request), {k: v.strip().replace(",", ".") for k, v in given.items()})
    return RedirectResponse("/settings?saved=true", 303)


@get_page(router, "/audit", csv=True)
def audit(request: Request, after: int = 0) -> Response:
    """The audit log, and whether its chain holds."""
    with clinic_of(request).read() as connection:
        problems = log.broken_links(connection)
        head = log.head_hash(connection)
        total = log.size(connection)
        first = after or max(total - ENTRIES, 0)
        found = list(islice(log.entries(connection, first), ENTRIES))
    rows: list[dict[str, Any]] = [
        {"id": e.id, "at": e.at, "actor": e.actor, "action": e.action, "detail": json.dumps(e.detail), "hash": e.hash}
        for e in reversed(found)
    ]
    data = {"problems": problems, "head": head, "entries": rows, "first": first, "total": total}
    return answers(request, "clinic/audit.html", data, rows, w=Words(language_of(request)), most=ENTRIES)


@get_page(router, "/models/{name}")
def model(request: Request, name: str) -> Response:
    """The model card."""
    files = lesion_model()
    if name != files.files.name:
        raise HTTPException(404, f"{name[:60]}: no such model; this clinic uses {files.files.name}")
    return answers(request, "clinic/model.html", {"card": dict(files.card)}, blocks=card_blocks(files.card))


@get_page(router, "/study", csv=True)
def study_(request: Request) -> Response:
    """What readers said before and after, and what changed."""
    made = study(clinic_of(request), reader(request))
    return answers(request, "clinic/study.html", made, made["readings"], w=Words(language_of(request)))


@router.post("/patients/{patient_id}/erase")
def erase_(
    request: Request,
    patient_id: int,
    label: Annotated[str, Form()],
    why: Annotated[str, Form()],
    archive: Annotated[str, Form()] = "",
) -> Response:
    """Erase a patient whose label is typed in, with the archive's copies where that is asked for; shows the proof."""
    clinic = clinic_of(request)
    with told(), clinic.read() as connection:
        person = dict(reading.patient_row(connection, patient_id))
    if label.strip() != person["label"]:
        raise HTTPException(400, "the name typed in is not this patient's; nothing was erased")
    if archive and not actor(request).may(Role.CURATOR):
        raise HTTPException(403, "erasing in the archive needs the role curator; nothing was erased")
    kept = site_of(request).archive
    proof = erase(clinic, reader(request), patient_id, why.strip()[:500], kept, copies=bool(archive))
    return page(request, "clinic/erased.html", proof=proof, w=Words(language_of(request)))


@router.get("/patients/{patient_id}/erase")
def confirm_erase(request: Request, patient_id: int) -> Response:
    """What erasing means, before it is done, and what the archive has of the patient."""
    clinic = clinic_of(request)
    with told(), clinic.read() as connection:
        person = dict(reading.patient_row(connection, patient_id))
    there = in_archive(clinic, site_of(request).archive, patient_id)
    may = actor(request).may(Role.CURATOR)
    w = Words(language_of(request))
    return page(request, "clinic/erase.html", person=person, there=there, may=may, w=w)


@get_page(router, "/help/patients")
def clinic_help(request: Request) -> Response:
    """How to read the pages of a patient, and the keys."""
    return answers(request, "clinic/help.html", {})
