"""Views as JSON and as rows of a table: what is withheld has no key there either."""

from __future__ import annotations

from typing import Any

from cygnet.clinic.view import LesionView, PatientView, Said, Told
from cygnet.triage.rows import rounded
from cygnet.web.clinic.words import Words


def patient_json(words: Words, view: PatientView) -> dict[str, Any]:
    """A patient for programs."""
    return {
        "id": view.id,
        "label": view.label,
        "age": view.age,
        "sex": view.sex,
        "skin_type": view.skin_type,
        "simulated": view.simulated,
        "visit": {"id": view.visit_id, "day": view.day},
        "visits": [{"id": number, "day": day} for number, day in view.visits],
        "state": view.state,
        "company": view.company,
        "reveal_policy": view.settings.reveal,
        "revealed": view.revealed,
        "committed": view.committed,
        "assessable": len(view.assessable),
        "lesions": [lesion_json(words, x) for x in view.ordered()],
    }


def lesion_json(words: Words, x: LesionView) -> dict[str, Any]:
    """A lesion for programs."""
    return {
        "id": x.id,
        "name": x.name,
        "source": x.source,
        "site": x.site,
        "anatom_site": x.path,
        "laterality": x.laterality,
        "pictures": [
            {"name": p.name, "sha256": p.sha256, "width": p.width, "height": p.height, "mm_per_pixel": p.mm_per_pixel}
            for p in x.pictures
        ],
        "assessable": x.assessable,
        "findings": [
            {"image": image, "code": str(f.code), "message": f.message, "refuses": f.refuses, "retake": f.retake}
            for image, f in x.findings
        ],
        "version": x.version,
        "verdict": said_json(x.mine),
        "judged_by_others": x.others,
        **({"cygnet": told_json(words, x.told)} if x.told else {}),
        **({"outcome": {k: x.outcome[k] for k in ("malignant", "diagnosis", "method", "day")}} if x.outcome else {}),
    }


def said_json(said: Said | None) -> dict[str, Any] | None:
    """One version of a verdict."""
    return None if said is None else {name: getattr(said, name) for name in Said.__slots__}


def told_json(words: Words, told: Told) -> dict[str, Any]:
    """What Cygnet says of a lesion."""
    return {
        "rank": told.rank,
        "rank_low": told.rank_low,
        "rank_high": told.rank_high,
        "of": told.of,
        "family": told.family,
        "nearest": None if told.nearest is None else f"L-{told.nearest}",
        "oddness": rounded(told.oddness),
        "p_melanoma": rounded(told.p_melanoma),
        "guarded": told.guarded,
        "reasons": words.reasons(told),
    }


def lesion_row(words: Words, x: LesionView) -> dict[str, Any]:
    """A lesion as one row; what Cygnet says is empty while it is withheld."""
    told = x.told
    return {
        "lesion": x.name,
        "source": x.source,
        "site": x.site,
        "laterality": x.laterality,
        "pictures": len(x.pictures),
        "assessable": x.assessable,
        "quality": "; ".join(f"{image}: {f.message}" for image, f in x.findings),
        "verdict": x.mine.choice if x.mine else None,
        "note": x.mine.note if x.mine else None,
        **(
            {
                "rank": told.rank,
                "rank_low": told.rank_low,
                "rank_high": told.rank_high,
                "family": told.family,
                "nearest": None if told.nearest is None else f"L-{told.nearest}",
                "p_melanoma": rounded(told.p_melanoma),
                "reasons": "; ".join(words.reasons(told)),
            }
            if told
            else {}
        ),
    }
