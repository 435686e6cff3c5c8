"""The duckling view: all of a patient's lesions side by side, a verdict on each, then what Cygnet says."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cygnet.clinic import verdicts
from cygnet.clinic.tables import CHOICES
from cygnet.clinic.view import LesionView, PatientView, Told, patient_view, sequence
from cygnet.report.strip import strip_plot
from cygnet.web.clinic.body_map import HEIGHT, WIDTH, body_map, outline
from cygnet.web.clinic.common import CLINICIAN, clinic_of, note, reader, render, told
from cygnet.web.clinic.rows import lesion_row, patient_json
from cygnet.web.clinic.words import Words
from cygnet.web.pages import PRIVATE, answers, form_of, get_page
from cygnet.web.site import site_of
from cygnet.web.texts import language_of

router = APIRouter(dependencies=[CLINICIAN], include_in_schema=False)

#: Parts of the page that a script may ask for by themselves.
PARTS: Final = ("head", "map", "gallery", "focus", "tray", "table")
#: Most lesions side by side.
MOST: Final = 4


def view_of(request: Request, patient_id: int, visit: int | None) -> PatientView:
    """The patient as this reader may see them."""
    with told(), clinic_of(request).read() as connection:
        return patient_view(connection, reader(request), patient_id, visit)


@get_page(router, "/patients/{patient_id}", csv=True)
def patient(
    request: Request, patient_id: int, visit: int | None = None, lesion: int | None = None, compare: str = ""
) -> Response:
    """One patient at one visit."""
    view = view_of(request, patient_id, visit)
    note(request, "view", patient=view.key, visit=view.visit_id, form=form_of(request))
    if form_of(request) == "html":
        values = shown(request, view, lesion, compare)
        return answers(request, "clinic/patient.html", {}, None, **values)
    words = Words("en")
    rows = [lesion_row(words, x) for x in view.ordered()]
    return answers(request, "", patient_json(words, view), rows)


@router.get("/patients/{patient_id}/parts")
def parts(
    request: Request,
    patient_id: int,
    want: str,
    visit: int | None = None,
    lesion: int | None = None,
    compare: str = "",
) -> Response:
    """Parts of the page as HTML by name, for a script to put in their places."""
    names = [name for name in want.split(",") if name in PARTS]
    values = shown(request, view_of(request, patient_id, visit), lesion, compare, names)
    made = {name: render(request, f"clinic/_{name}.html", **values) for name in names}
    return JSONResponse({"parts": made, "lesion": values["now"].number if values["now"] else None}, headers=PRIVATE)


def shown(
    request: Request, view: PatientView, number: int | None, compare: str, names: Sequence[str] = PARTS
) -> dict[str, Any]:
    """Everything that the templates of the parts ``names`` need. Notes that the lesion in focus was opened."""
    ordered = view.ordered()
    now = _chosen(view, ordered, number)
    if now is not None:
        verdicts.opens(clinic_of(request), reader(request), now.id, view.visit_id)
        if view.settings.reveal == "open" and now.told is None:
            view = view_of(request, view.id, view.visit_id)
            now = view.find(now.id)
    words = Words(language_of(request))
    picked = tuple(x for n in _numbers(compare) for x in view.lesions if x.number == n)
    by_number = {x.number: x for x in view.lesions}
    return {
        "view": view,
        "now": now,
        "sequence": sequence(ordered, now.id) if now else (None, None),
        "nearest": by_number.get(now.told.nearest) if now and now.told and now.told.nearest else None,
        "tray": picked,
        "map": body_map(view.lesions) if "map" in names else None,
        "outline": outline(),
        "map_size": (WIDTH, HEIGHT),
        "choices": CHOICES,
        "key": secrets.token_hex(12),
        "w": words,
        "link": _linker(view, now, picked),
        "strip": strip(words, now.told) if now and now.told else "",
        "run": site_of(request).assessment_runs.get(view.assessment_id or 0),
        "siblings": max(len(view.assessable) - 1, 0),
    }


def strip(words: Words, about: Told) -> Markup:
    """This lesion among the patient's others, as SVG."""
    if about.place < 0:
        return Markup()
    return Markup(strip_plot(about.company, about.place, words.t("oddness_axis")))


def _chosen(view: PatientView, ordered: tuple[LesionView, ...], number: int | None) -> LesionView | None:
    """The lesion in focus: the one asked for, else the first that waits for a verdict, else the first."""
    if number is not None:
        found = next((x for x in view.lesions if x.number == number), None)
        if found is None:
            raise HTTPException(404, f"L-{number} was not photographed at this visit; choose another visit")
        return found
    waiting = next((x for x in ordered if not x.committed and x.assessable is not False), None)
    return waiting or (ordered[0] if ordered else None)


def _numbers(compare: str) -> list[int]:
    """Numbers of the lesions to compare, each once, at most four."""
    return list(dict.fromkeys(int(n) for n in compare.split(",") if n.isdecimal() and len(n) < 7))[-MOST:]


def _linker(view: PatientView, now: LesionView | None, picked: tuple[LesionView, ...]) -> Callable[..., str]:
    """Addresses of this page with something else in focus, or another lesion picked or put back."""
    numbers = [x.number for x in picked]

    def link(lesion: int | None = None, toggle: int | None = None, **more: Any) -> str:
        chosen = [n for n in numbers if n != toggle] + ([toggle] if toggle and toggle not in numbers else [])
        focus = lesion or (now.number if now else None)
        query: Mapping[str, Any] = {
            "visit": view.visit_id,
            "lesion": focus,
            "compare": ",".join(map(str, chosen[-MOST:])),
        }
        return f"/patients/{view.id}?{urlencode({k: v for k, v in {**query, **more}.items() if v})}"

    return link
