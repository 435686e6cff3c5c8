"""The worklist: who is here, and how far each is."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from cygnet.clinic import reading
from cygnet.web.clinic.common import CLINICIAN, clinic_of, reader
from cygnet.web.clinic.words import Words
from cygnet.web.pages import answers, get_page
from cygnet.web.site import site_of
from cygnet.web.texts import language_of

router = APIRouter(dependencies=[CLINICIAN], include_in_schema=False)

#: Patients a page.
PAGE = 100


@get_page(router, "/patients", csv=True)
def worklist(request: Request, q: str = "", page: int = 1) -> Response:
    """Patients, newest first."""
    first = max(page - 1, 0) * PAGE
    with clinic_of(request).read() as connection:
        entries = reading.worklist(connection, reader(request), q.strip(), PAGE, first)
        count = reading.count_patients(connection, q.strip())
    rows = [asdict(entry) for entry in entries]
    data = {"count": count, "page": max(page, 1), "pages": -(-count // PAGE), "q": q, "patients": rows}
    job = site_of(request).jobs.get(site_of(request).demo_run)
    run = job.id if job and job.state == "running" else ""
    return answers(request, "clinic/worklist.html", data, rows, w=Words(language_of(request)), run=run)
