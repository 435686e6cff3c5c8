"""An assessment as JSON and back, to the last field."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

from cygnet.context import Deviation
from cygnet.imaging import Finding, Reason
from cygnet.triage import Assessment, ImageAssessment, LesionAssessment, Provenance
from cygnet.triage.outlines import Outline

_FLOATS = ("p_melanoma", "oddness", "score")


def to_json(assessment: Assessment) -> str:
    """The assessment as one JSON text; NaN is null."""
    plain = {
        "patient_id": assessment.patient_id,
        "age": assessment.age,
        "sex": assessment.sex,
        "company": assessment.company,
        "lesions": [_lesion(lesion) for lesion in assessment.lesions],
        "provenance": _slots(assessment.provenance),
        "notes": list(assessment.notes),
    }
    return json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def from_json(text: str) -> Assessment:
    """The assessment that :func:`to_json` wrote."""
    plain = json.loads(text)
    return Assessment(
        **{
            **plain,
            "lesions": tuple(map(_to_lesion, plain["lesions"])),
            "provenance": Provenance(**plain["provenance"]),
            "notes": tuple(plain["notes"]),
        }
    )


def _slots(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}


def _lesion(lesion: LesionAssessment) -> dict[str, Any]:
    return {
        **_slots(lesion),
        **{name: _or_none(getattr(lesion, name)) for name in _FLOATS},
        "p_diagnosis": dict(lesion.p_diagnosis),
        "images": [_image(image) for image in lesion.images],
        "deviations": [_slots(deviation) for deviation in lesion.deviations],
    }


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value


def _image(image: ImageAssessment) -> dict[str, Any]:
    line = image.outline
    return {
        **_slots(image),
        "findings": [[str(f.code), f.message, f.refuses] for f in image.findings],
        "p_diagnosis": dict(image.p_diagnosis),
        "measurements": dict(image.measurements),
        "outline": line and [line.grid, base64.b64encode(line.bits).decode(), line.confidence],
        "attention": image.attention,
    }


def _to_lesion(plain: dict[str, Any]) -> LesionAssessment:
    floats = {name: math.nan if plain[name] is None else plain[name] for name in _FLOATS}
    images = tuple(map(_to_image, plain["images"]))
    return LesionAssessment(
        **{**plain, **floats, "images": images, "deviations": tuple(Deviation(**d) for d in plain["deviations"])}
    )


def _to_image(plain: dict[str, Any]) -> ImageAssessment:
    line = plain["outline"]
    return ImageAssessment(
        **{
            **plain,
            "findings": tuple(Finding(Reason(code), words, refuses) for code, words, refuses in plain["findings"]),
            "outline": line and Outline(line[0], base64.b64decode(line[1]), line[2]),
            "attention": tuple(map(tuple, plain["attention"])),
        }
    )
