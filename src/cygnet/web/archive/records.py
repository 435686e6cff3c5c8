"""One image, one lesion, one patient."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from cygnet.archive.licences import LICENCES
from cygnet.archive.people import patient_of, patients_page
from cygnet.archive.review import standing
from cygnet.errors import InputError
from cygnet.web.api.common import place
from cygnet.web.archive.narrow import address_of
from cygnet.web.auth import Role, actor, needs_nothing
from cygnet.web.auth.needs import needs_account
from cygnet.web.pages import answers, get_page
from cygnet.web.shown import shown

router = APIRouter(dependencies=[needs_nothing], include_in_schema=False)
_PATIENTS: Final = 100
_ALIKE: Final = 24


@get_page(router, "/archive/images/{isic_id}")
def image(request: Request, isic_id: str) -> Response:
    """One image with what is known of it; for those who keep the archive also how it stands."""
    view = shown(request)
    found = view.image(isic_id)
    kept: dict[str, Any] | None = None
    if actor(request).may(Role.REVIEWER, Role.CURATOR):
        with view.archive.database.read() as connection:
            kept = standing(connection, isic_id)
    licence = LICENCES[found["copyright_license"]]
    return answers(request, "archive/image.html", {"image": found, "standing": kept}, licence=licence)


@get_page(router, "/archive/images/{isic_id}/similar", dependencies=[needs_account()])
def similar(request: Request, isic_id: str) -> Response:
    """The images that look most like one. A page of its own, since it compares with every image of the archive."""
    view = shown(request)
    found = view.image(isic_id)
    try:
        alike = view.archive.similar(isic_id, _ALIKE, public_only=view.public_only, address=view.address)
        problem = ""
    except InputError as error:
        alike, problem = [], str(error)
    return answers(request, "archive/similar.html", {"image": found, "similar": alike, "problem": problem})


@get_page(router, "/archive/lesions/{lesion_id}", csv=True)
def lesion(request: Request, lesion_id: str) -> Response:
    """One lesion with its images in the order in which they were taken."""
    view = shown(request)
    found = view.archive.lesion(lesion_id, public_only=view.public_only, address=view.address)
    return answers(request, "archive/lesion.html", {"lesion": found}, flat(found["images"]))


@get_page(router, "/archive/patients", csv=True)
def patients(request: Request, cursor: str | None = None) -> Response:
    """Patients of whom images may be seen."""
    view = shown(request)
    with view.archive.database.read() as connection:
        count, rows, part = patients_page(connection, _PATIENTS, place(cursor), public_only=view.public_only)
    links = {
        end: address_of("/archive/patients", cursor=at.to_text()) if at else None
        for end, at in (("next", part.next), ("previous", part.previous))
    }
    return answers(request, "archive/patients.html", {"count": count, **links, "results": rows}, rows)


@get_page(router, "/archive/patients/{patient_id}", csv=True)
def patient(request: Request, patient_id: str) -> Response:
    """One patient's images, lesion by lesion."""
    view = shown(request)
    with view.archive.database.read() as connection:
        found = patient_of(connection, patient_id, view.address, public_only=view.public_only)
    lesions: dict[str, list[dict[str, Any]]] = {}
    for one in found["images"]:
        lesions.setdefault(one["metadata"]["clinical"].get("lesion_id", ""), []).append(one)
    return answers(request, "archive/patient.html", {"patient": found}, flat(found["images"]), lesions=lesions)


def flat(images: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Images as rows of one table."""
    top = ("isic_id", "attribution", "copyright_license")
    rows = [{**{k: i[k] for k in top}, **i["metadata"]["acquisition"], **i["metadata"]["clinical"]} for i in images]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return [{name: row.get(name) for name in columns} for row in rows]
