"""Verdicts, undo and outcomes come in here; a script gets JSON, a form is led back."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from cygnet.clinic import reading
from cygnet.clinic import verdicts as kept
from cygnet.clinic.errors import ConflictError
from cygnet.clinic.verdicts import Given
from cygnet.web.clinic.common import CLINICIAN, clinic_of, conflict, reader, render, told
from cygnet.web.clinic.duckling import view_of
from cygnet.web.clinic.words import Words
from cygnet.web.failures import for_program
from cygnet.web.texts import language_of

router = APIRouter(dependencies=[CLINICIAN], include_in_schema=False)
_STORED: Final = ("choice", "note", "version", "reader", "at")


@router.post("/lesions/{lesion_id}/verdicts")
def give(
    request: Request,
    lesion_id: int,
    visit: Annotated[int, Form()],
    version: Annotated[int, Form()],
    key: Annotated[str, Form()],
    choice: Annotated[str, Form()],
    note: Annotated[str, Form()] = "",
    compare: Annotated[str, Form()] = "",
) -> Response:
    """Store a verdict; after that, and only then, what Cygnet says can be asked for."""
    given = Given(choice, version, key, note.strip())
    try:
        with told():
            row = kept.give(clinic_of(request), reader(request), lesion_id, visit, given)
    except ConflictError as error:
        return _both(request, lesion_id, visit, error)
    return _stored(request, row, compare)


@router.post("/lesions/{lesion_id}/undo")
def undo(
    request: Request,
    lesion_id: int,
    visit: Annotated[int, Form()],
    version: Annotated[int, Form()],
    key: Annotated[str, Form()],
    compare: Annotated[str, Form()] = "",
) -> Response:
    """Go back to the verdict before."""
    try:
        with told():
            row = kept.undo(clinic_of(request), reader(request), lesion_id, visit, version, key)
    except ConflictError as error:
        return _both(request, lesion_id, visit, error)
    return _stored(request, row, compare)


@router.post("/patients/{patient_id}/rest")
def rest(
    request: Request,
    patient_id: int,
    visit: Annotated[int, Form()],
    key: Annotated[str, Form()],
    choice: Annotated[str, Form()],
) -> Response:
    """One verdict for all lesions that still wait for one."""
    view = view_of(request, patient_id, visit)
    assessable = [x.id for x in view.assessable]
    rows = kept.give_rest(clinic_of(request), reader(request), visit, assessable, choice, key)
    if for_program(request):
        return JSONResponse({"stored": len(rows)}, 201)
    return RedirectResponse(f"/patients/{patient_id}?{urlencode({'visit': visit})}", 303)


@router.post("/lesions/{lesion_id}/outcomes")
def outcome(
    request: Request,
    lesion_id: int,
    version: Annotated[int, Form()],
    key: Annotated[str, Form()],
    malignant: Annotated[bool, Form()],
    method: Annotated[str, Form()],
    diagnosis: Annotated[str, Form()] = "",
    day: Annotated[str, Form()] = "",
) -> Response:
    """What a lesion turned out to be."""
    values: dict[str, Any] = {
        "malignant": malignant,
        "method": method,
        "diagnosis": diagnosis.strip(),
        "day": day.strip(),
    }
    try:
        with told():
            row = kept.record_outcome(
                clinic_of(request), reader(request), lesion_id, version=version, key=key, **values
            )
    except ConflictError as error:
        words = Words(language_of(request))
        if for_program(request):
            return JSONResponse({"message": str(error), "stored": error.stored, "given": error.given}, 409)
        return conflict(request, error, "clinic/conflict_outcome.html", w=words, lesion_id=lesion_id)
    if for_program(request):
        return JSONResponse(row, 201)
    return RedirectResponse(f"/lesions/{lesion_id}#outcome", 303)


def _stored(request: Request, row: dict[str, Any], compare: str) -> Response:
    if for_program(request):
        return JSONResponse({name: row[name] for name in (*_STORED, "seconds", "after_reveal")}, 201)
    with clinic_of(request).read() as connection:
        lesion = reading.lesion_row(connection, row["lesion_id"])
    query = {"visit": row["visit_id"], "lesion": lesion["number"], **({"compare": compare} if compare else {})}
    return RedirectResponse(f"/patients/{lesion['patient_id']}?{urlencode(query)}#focus", 303)


def _both(request: Request, lesion_id: int, visit: int, error: ConflictError) -> Response:
    """Both values: what is stored, and what was to be."""
    with clinic_of(request).read() as connection:
        lesion = reading.lesion_row(connection, lesion_id)
    words = Words(language_of(request))
    values = {"w": words, "lesion": lesion, "visit": visit, "mine": error.given}
    if for_program(request):
        stored = {name: error.stored[name] for name in _STORED} if error.stored else None
        html = render(request, "clinic/_conflict.html", stored=error.stored, given=error.given, **values)
        answer = {"message": str(error), "stored": stored, "given": error.given, "html": html}
        return JSONResponse(answer, 409)
    return conflict(request, error, "clinic/conflict.html", **values)
