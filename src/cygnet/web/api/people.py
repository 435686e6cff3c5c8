"""Lesions, patients, and who asks."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cygnet.archive.lesions import lesions_page
from cygnet.archive.people import patient_of, patients_page
from cygnet.web.api.common import MISSING, UNREADABLE, CursorText, Limit, bounded, paged_slice, place, seen
from cygnet.web.api.models import LesionOut, Paged, PatientImagesOut, PatientOut, Problem, UserOut
from cygnet.web.auth import actor, needs_nothing
from cygnet.web.auth.who import token_of

router = APIRouter(dependencies=[needs_nothing])


@router.get("/lesions/", tags=["lesions"], response_model=Paged[LesionOut], responses=UNREADABLE)
def lesions(request: Request, limit: Limit = 0, cursor: CursorText = None) -> Response:
    """Lesions of which all images may be seen."""
    view = seen(request)
    with view.archive.database.read() as connection:
        found = lesions_page(connection, bounded(limit), place(cursor), view.address, public_only=view.public_only)
    return paged_slice(request, *found)


@router.get("/lesions/{lesion_id}/", tags=["lesions"], response_model=LesionOut, responses=MISSING)
def lesion(request: Request, lesion_id: str) -> Response:
    """One lesion with its images."""
    view = seen(request)
    return JSONResponse(view.archive.lesion(lesion_id, public_only=view.public_only, address=view.address))


@router.get("/patients/", tags=["patients"], response_model=Paged[PatientOut], responses=UNREADABLE)
def patients(request: Request, limit: Limit = 0, cursor: CursorText = None) -> Response:
    """Patients of whom images may be seen."""
    view = seen(request)
    with view.archive.database.read() as connection:
        found = patients_page(connection, bounded(limit), place(cursor), public_only=view.public_only)
    return paged_slice(request, *found)


@router.get("/patients/{patient_id}/", tags=["patients"], response_model=PatientImagesOut, responses=MISSING)
def patient(request: Request, patient_id: str) -> Response:
    """One patient with the images that may be seen."""
    view = seen(request)
    with view.archive.database.read() as connection:
        return JSONResponse(patient_of(connection, patient_id, view.address, public_only=view.public_only))


@router.get(
    "/users/me/",
    tags=["users"],
    response_model=UserOut,
    responses={401: {"model": Problem}, 404: {"model": Problem}},
)
def me(request: Request) -> Response:
    """Who asks. 401 for nobody; 404 for a token that is no longer good, which lets the ISIC Archive's client forget it."""
    who = actor(request)
    if not who.known:
        raise HTTPException(404 if token_of(request) else 401, "nobody")
    return JSONResponse({"id": who.name, "email": who.name, "roles": sorted(who.all_roles)})
