"""An assessment as rows, as text, and as a small HTML table for notebooks."""

from __future__ import annotations

import html
import math
from typing import Any

from cygnet.imaging import MEASUREMENTS
from cygnet.schema import DIAGNOSES
from cygnet.triage.assessment import RESEARCH_USE, Assessment, LesionAssessment

#: Columns of assessment.csv, in order.
COLUMNS: tuple[str, ...] = (
    "patient_id",
    "lesion_id",
    "image",
    "file",
    "site",
    "rank",
    "rank_low",
    "rank_high",
    "p_melanoma",
    "oddness",
    "score",
    "family",
    "nearest",
    "guarded",
    "assessable",
    "codes",
    "reason",
    *(f"p_{d}" for d in DIAGNOSES),
    *(name for name, _, _ in MEASUREMENTS),
)


def rounded(value: float | None, digits: int = 6) -> float | None:
    """``value`` to ``digits`` decimals; None for NaN."""
    return None if value is None or math.isnan(value) else round(value, digits)


def image_rows(assessment: Assessment) -> list[dict[str, Any]]:
    """One dictionary per image with the keys of ``COLUMNS``.

    Rank, oddness, score and reason are the lesion's; ``assessable``, ``codes``, the ``p_`` columns and the measurements are the image's own,
    and ``p_melanoma`` the lesion's pooled probability.
    """
    return [
        {
            "patient_id": assessment.patient_id,
            "lesion_id": lesion.lesion_id,
            "image": image.image,
            "file": image.file,
            "site": lesion.site,
            "rank": lesion.rank,
            "rank_low": lesion.rank_low,
            "rank_high": lesion.rank_high,
            "p_melanoma": rounded(lesion.p_melanoma),
            "oddness": rounded(lesion.oddness),
            "score": rounded(lesion.score),
            "family": lesion.family,
            "nearest": lesion.nearest,
            "guarded": lesion.guarded,
            "assessable": image.assessable,
            "codes": ";".join(f.code for f in image.findings),
            "reason": lesion.reason if image.assessable else f"cannot be assessed: {image.reason}",
            **{f"p_{d}": rounded(image.p_diagnosis.get(d)) for d in DIAGNOSES},
            **{name: rounded(image.measurements.get(name), 4) for name, _, _ in MEASUREMENTS},
        }
        for lesion in assessment.lesions
        for image in lesion.images
    ]


def record(assessment: Assessment) -> dict[str, Any]:
    """The assessment as JSON-ready values, as described by assessment.schema.json."""
    return {
        "patient_id": assessment.patient_id,
        "age": assessment.age,
        "sex": assessment.sex,
        "company": assessment.company,
        "notes": list(assessment.notes),
        "lesions": [_lesion_record(lesion) for lesion in assessment.lesions],
    }


def _lesion_record(lesion: LesionAssessment) -> dict[str, Any]:
    return {
        "lesion_id": lesion.lesion_id,
        "site": lesion.site,
        "assessable": lesion.assessable,
        "rank": lesion.rank,
        "rank_low": lesion.rank_low,
        "rank_high": lesion.rank_high,
        "p_melanoma": rounded(lesion.p_melanoma),
        "oddness": rounded(lesion.oddness),
        "score": rounded(lesion.score),
        "family": lesion.family,
        "nearest": lesion.nearest,
        "guarded": lesion.guarded,
        "reason": lesion.reason,
        "p_diagnosis": {d: rounded(p) for d, p in lesion.p_diagnosis.items()},
        "deviations": [
            {"feature": d.feature, "z": rounded(d.z, 3), "beyond": d.beyond, "siblings": d.siblings, "words": d.words}
            for d in lesion.deviations
        ],
        "images": [
            {
                "image": image.image,
                "file": image.file,
                "sha256": image.sha256 or None,
                "width": image.width,
                "height": image.height,
                "assessable": image.assessable,
                "findings": [
                    {"code": str(f.code), "message": f.message, "refuses": f.refuses, "retake": f.retake}
                    for f in image.findings
                ],
                "p_diagnosis": {d: rounded(p) for d, p in image.p_diagnosis.items()},
                "measurements": {name: rounded(value, 4) for name, value in image.measurements.items()},
                "outline": image.outline.points() if image.outline else None,
                "outline_confidence": image.outline.confidence if image.outline else None,
            }
            for image in lesion.images
        ],
    }


#: The columns of a table for people.
HEADINGS = ("rank", "80 %", "image", "lesion", "site", "p(melanoma)", "oddness", "reason")


def cells(lesion: LesionAssessment) -> tuple[str, ...]:
    """The eight cells of a lesion's line in a table for people, as named by ``HEADINGS``."""
    if lesion.rank is None:
        return ("-", "", lesion.cover.image, lesion.lesion_id, lesion.site or "", "-", "-", lesion.reason)
    odd = "-" if math.isnan(lesion.oddness) else f"{lesion.oddness:.2f}"
    more = f" (+{len(lesion.images) - 1})" if len(lesion.images) > 1 else ""
    return (
        str(lesion.rank),
        f"{lesion.rank_low}-{lesion.rank_high}",
        lesion.cover.image + more,
        lesion.lesion_id,
        lesion.site or "",
        f"{lesion.p_melanoma:.1%}",
        odd,
        lesion.reason,
    )


def title(assessment: Assessment) -> str:
    """Patient, age and sex, and how good the comparison is."""
    known = [f"{assessment.age:g} years" if assessment.age is not None else "", assessment.sex or ""]
    who = ", ".join([f"patient {assessment.patient_id}", *filter(None, known)])
    return f"{who}: {len(assessment.lesions)} lesions; {assessment.company_words}"


def text_table(assessment: Assessment) -> str:
    """The assessment in plain text, one line a lesion."""
    lines = [HEADINGS, *(cells(lesion) for lesion in assessment.lesions)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(HEADINGS) - 1)]
    body = ["  ".join([*(c.ljust(w) for c, w in zip(line, widths, strict=False)), line[-1]]).rstrip() for line in lines]
    return "\n".join([title(assessment), *body, RESEARCH_USE])


def html_table(assessment: Assessment) -> str:
    """The assessment as an HTML table, for notebooks."""
    head = "".join(f'<th scope="col">{html.escape(h)}</th>' for h in HEADINGS)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in cells(lesion)) + "</tr>" for lesion in assessment.lesions
    )
    return (
        f"<table><caption>{html.escape(title(assessment))}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table><p>{html.escape(RESEARCH_USE)}</p>"
    )


def letter(k: int) -> str:
    """A family's name: A to Z, then AA, AB and so on."""
    return (letter(k // 26 - 1) if k >= 26 else "") + chr(ord("A") + k % 26)
