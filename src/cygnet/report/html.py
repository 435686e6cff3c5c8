"""The report as one HTML file: no network, no script, written while the patients arrive."""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TextIO

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from cygnet.report import words
from cygnet.report.card import card_blocks
from cygnet.report.view import Numbers, PatientView, is_simulated, patient_view
from cygnet.triage import RESEARCH_USE, Assessment, Provenance

SIMULATED = "SIMULATED PATIENT - not a photograph, no evidence of accuracy"

Picture = Callable[[str, str], bytes | None]


def write_html(
    out: TextIO,
    patients: Iterable[Assessment],
    *,
    picture: Picture,
    card: Mapping[str, Any],
    title: str = "Cygnet report",
    counts: Mapping[str, int] | None = None,
) -> None:
    """Write the report of all patients to ``out`` (UTF-8), one patient at a time.

    patients : taken one by one; a line of each is kept for the list at the end. picture : (patient_id, image) to JPEG
    bytes of about 256 px, or None; asked once per picture shown. card : the model card, any keys; a true
    ``simulated`` marks every patient. counts : shown at the top, in order; a positive ``simulated`` marks the page.
    The same input gives the same text. Errors of ``out`` and ``picture`` pass through.
    """
    arriving = iter(patients)
    first = next(arriving, None)
    flagged = bool(card.get("simulated"))
    some = flagged or bool((counts or {}).get("simulated"))
    seen = _Seen()
    some = some or (first is not None and is_simulated(first))
    _write(out, "head.html", title=title, counts=counts or {}, simulated=some)
    for patient in itertools.chain([first] if first else [], arriving):
        _patient(out, patient, seen, picture, flagged)
    _write(out, "foot.html", seen=seen, blocks=card_blocks(card))


@dataclass(frozen=True, slots=True)
class _Entry:
    """One line of the list of patients."""

    slug: str
    patient_id: str
    lesions: str
    simulated: bool


@dataclass(slots=True)
class _Seen:
    """What is kept of the patients already written."""

    numbers: Numbers = field(default_factory=Numbers)
    slugs: dict[str, int] = field(default_factory=dict)
    entries: list[_Entry] = field(default_factory=list)
    provenances: dict[Provenance, None] = field(default_factory=dict)

    def slug(self, patient_id: str) -> str:
        """A slug that no earlier patient has."""
        base = words.slug(patient_id)
        found = base
        while found in self.slugs:
            self.slugs[base] += 1
            found = f"{base}-{self.slugs[base]}"
        self.slugs[found] = 1
        return found

    def add(self, view: PatientView, provenance: Provenance) -> None:
        """Keep one line of a patient."""
        self.entries.append(_Entry(view.slug, view.patient_id, view.lesions, view.simulated))
        self.provenances[provenance] = None


def _patient(out: TextIO, patient: Assessment, seen: _Seen, picture: Picture, simulated: bool) -> None:
    view = patient_view(patient, seen.slug(patient.patient_id), seen.numbers, simulated=simulated)

    def data(image: str) -> str:
        jpeg = picture(patient.patient_id, image)
        return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii") if jpeg else ""

    _write(out, "patient.html", patient=view, data=data)
    seen.add(view, patient.provenance)


def _write(out: TextIO, template: str, **context: Any) -> None:
    out.writelines(_environment().get_template(template).generate(**context))


@cache
def _environment() -> Environment:
    loader = PackageLoader("cygnet.report", "templates")
    env = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    style = loader.get_source(env, "style.css")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    env.globals |= {
        "style": Markup(style),
        "style_sha256": digest,
        "research_use": RESEARCH_USE,
        "simulated_words": SIMULATED,
    }
    env.filters |= {"stated": words.stated, "initial": words.initial}
    return env
