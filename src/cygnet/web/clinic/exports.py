"""What leaves the machine: reports, tables, FHIR and DICOM, each shown with its identifiers before, each in the audit log."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from itertools import chain
from typing import Final

from fastapi import APIRouter, HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from cygnet.clinic.results import patient_result
from cygnet.clinic.view import PatientView, require_reveal, without_person
from cygnet.web.clinic.common import CLINICIAN, clinic_of, note, reader, told
from cygnet.web.clinic.duckling import view_of
from cygnet.web.clinic.rows import lesion_row
from cygnet.web.clinic.sheets import letter, report
from cygnet.web.clinic.words import Words
from cygnet.web.pages import csv_text, page
from cygnet.web.texts import language_of

router = APIRouter(dependencies=[CLINICIAN], include_in_schema=False)

#: What can be had: ending and content type.
KINDS: Final = {
    "report": ("pdf", "application/pdf"),
    "letter": ("pdf", "application/pdf"),
    "csv": ("csv", "text/csv; charset=utf-8"),
    "fhir": ("json", "application/fhir+json"),
    "dicom": ("zip", "application/zip"),
}
_NOT_FOR_FREE: Final = {"Cache-Control": "no-store"}


def _ready(request: Request, patient_id: int, visit: int | None) -> PatientView:
    view = view_of(request, patient_id, visit)
    with told():
        return require_reveal(view)


@router.get("/patients/{patient_id}/export")
def choose(request: Request, patient_id: int, visit: int | None = None, pseudonymise: bool = True) -> Response:
    """Choose what leaves, and see what would identify the patient in it."""
    view = view_of(request, patient_id, visit)
    left = sum(x.told is None for x in view.assessable)
    words = Words(language_of(request))
    shown = without_person(view) if pseudonymise else view
    fields = list(_identifiers(words, shown, reader(request), pseudonymise=pseudonymise))
    return page(
        request,
        "clinic/export.html",
        view=view,
        w=words,
        kinds=KINDS,
        fields=fields,
        left=left if view.state == "done" else -1,
        pseudonymise=pseudonymise,
    )


def _identifiers(w: Words, view: PatientView, who: str, *, pseudonymise: bool) -> Iterator[tuple[str, str]]:
    """Everything that goes out and may point to a person."""
    yield w.t("patient"), view.label
    yield w.t("person"), w.person(view.age, view.sex, view.skin_type)
    yield w.t("visit_head"), w.day(view.day)
    yield w.t("reader"), w.t("a_pseudonym") if pseudonymise else who
    notes = [x.mine.note for x in view.lesions if x.mine and x.mine.note]
    yield w.t("note"), w.t("left_out", n=len(notes)) if pseudonymise else "; ".join(notes) or w.t("none_given")
    yield w.t("pictures"), w.t("pictures_out", n=sum(len(x.pictures) for x in view.lesions))


@router.get("/patients/{patient_id}/export/{kind}")
def export(
    request: Request, patient_id: int, kind: str, visit: int | None = None, pseudonymise: bool = True
) -> Response:
    """One file, made now."""
    if kind not in KINDS:
        raise HTTPException(404, f"{kind[:40]}: not one of {', '.join(KINDS)}")
    view = _ready(request, patient_id, visit)
    ending, type_ = KINDS[kind]
    pieces = _made(request, view, kind, pseudonymise=pseudonymise)
    first = next(pieces)  # what goes wrong at once is told on a page
    note(request, "export", patient=view.key, visit=view.visit_id, what=kind, pseudonymised=pseudonymise)
    label = f"P-{view.key[:8]}" if pseudonymise else view.label
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{label}-{view.day}-{kind}")
    headers = {"Content-Disposition": f'attachment; filename="{name}.{ending}"', **_NOT_FOR_FREE}
    if kind == "dicom":
        return StreamingResponse(chain([first], pieces), media_type=type_, headers=headers)
    return Response(first, media_type=type_, headers=headers)


def _made(request: Request, view: PatientView, kind: str, *, pseudonymise: bool) -> Iterator[bytes]:
    """The file in pieces: DICOM takes seconds, and is sent object by object."""
    words, clinic = Words(language_of(request)), clinic_of(request)
    shown = _without_notes(view) if pseudonymise else view
    if kind == "csv":
        yield csv_text(lesion_row(Words("en"), x) for x in shown.ordered()).encode()
    elif kind in ("report", "letter"):
        from cygnet.report.pdf import pdf

        yield pdf(letter(clinic, words, shown) if kind == "letter" else report(clinic, words, shown, _today()))
    else:
        result = patient_result(clinic, reader(request), view, removed=pseudonymise)
        if kind == "fhir":
            from cygnet.interop.fhir import bundle

            yield bundle(result).encode()
        else:
            from cygnet.interop.dicom_results import dicom_zip

            yield from dicom_zip(result)


def _without_notes(view: PatientView) -> PatientView:
    """Under the pseudonym, without what was typed in freely and without the files' names."""
    from dataclasses import replace

    bare = tuple(
        replace(
            x,
            source=x.name,
            mine=replace(x.mine, note="") if x.mine else None,
            findings=tuple((x.name, f) for _, f in x.findings),
        )
        for x in view.lesions
    )
    return replace(without_person(view), lesions=bare, notes=())


@router.get("/patients/{patient_id}/report")
def report_page(request: Request, patient_id: int, visit: int | None = None) -> Response:
    """The report as a page to read and to print."""
    view = _ready(request, patient_id, visit)
    note(request, "export", patient=view.key, visit=view.visit_id, what="page", pseudonymised=False)
    words = Words(language_of(request))
    return page(request, "clinic/report.html", view=view, w=words, today=_today())


def _today() -> str:
    return date.today().isoformat()
