"""A revealed view as the records that FHIR and DICOM writers take."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sqlalchemy import Connection

from cygnet.archive import log
from cygnet.clinic.reading import newest_assessment, thawed
from cygnet.clinic.store import Clinic, pseudonym
from cygnet.clinic.view import LesionView, PatientView, Picture, require_reveal, without_person
from cygnet.interop.results import LesionResult, PatientResult, PictureResult
from cygnet.triage import ImageAssessment


def patient_result(clinic: Clinic, who: str, view: PatientView, *, removed: bool) -> PatientResult:
    """The patient's results under the clinic's name for the patient or, with ``removed``, under a pseudonym, without notes.

    Raises
    ------
    WithheldError
        While lesions are left to judge.
    """
    require_reveal(view)
    shown = without_person(view) if removed else view
    assert shown.provenance is not None
    with clinic.write() as connection:
        reader = pseudonym(connection, who) if removed else who
        images = _images(connection, view.visit_id)
    return PatientResult(
        id=shown.label,
        removed=removed,
        age=shown.age,
        sex=shown.sex,
        day="" if shown.day.startswith("day ") else shown.day,
        simulated=shown.simulated,
        reader=reader,
        company=shown.company,
        model=shown.provenance.model,
        model_sha256=shown.provenance.model_sha256,
        code_version=shown.provenance.code_version,
        prevalence=shown.provenance.prevalence,
        made=log.now(),
        lesions=tuple(_lesion(clinic, x, images, removed=removed) for x in shown.ordered()),
    )


def _images(connection: Connection, visit_id: int) -> dict[str, ImageAssessment]:
    row = newest_assessment(connection, visit_id)
    lesions = thawed(row["content"]).lesions if row else ()
    return {i.image: i for x in lesions for i in x.images}


def _lesion(clinic: Clinic, x: LesionView, images: dict[str, ImageAssessment], *, removed: bool) -> LesionResult:
    told = x.told
    about = {}
    if told:
        about = {
            "rank": told.rank,
            "rank_low": told.rank_low,
            "rank_high": told.rank_high,
            "of": told.of,
            "oddness": None if np.isnan(told.oddness) else told.oddness,
            "p_melanoma": told.p_melanoma,
            "family": told.family,
            "reasons": tuple(d.words for d in told.reasons),
            "measurements": told.measurements,
        }
    return LesionResult(
        name=x.name,
        site=x.site,
        path=x.path,
        laterality=x.laterality,
        pictures=tuple(_picture(clinic, p, images.get(p.name)) for p in x.pictures if p.thumbnail),
        findings=tuple(f.message for _, f in x.findings),
        verdict=x.mine.choice if x.mine else None,
        note=x.mine.note if x.mine and not removed else "",
        malignant=None if x.outcome is None else bool(x.outcome["malignant"]),
        diagnosis="" if x.outcome is None or removed else str(x.outcome["diagnosis"]),
        **about,  # type: ignore[arg-type]
    )


def _picture(clinic: Clinic, p: Picture, found: ImageAssessment | None) -> PictureResult:
    mask = _mask(found, p) if found and found.outline else None
    name = p.sha256[:12]  # file names may name people
    return PictureResult(name, clinic.pictures.get(p.sha256), p.sha256, p.width, p.height, mask)


def _mask(found: ImageAssessment, p: Picture) -> NDArray[np.bool_] | None:
    if found.outline is None:
        return None
    grid = Image.fromarray(found.outline.mask().astype(np.uint8) * 255)
    return np.asarray(np.asarray(grid.resize((p.width, p.height), Image.Resampling.BILINEAR)) > 127)
