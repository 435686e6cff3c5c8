"""A patient's results as a FHIR R4B bundle (http://hl7.org/fhir/R4B/), checked by fhir.resources.

Patient, BodyStructure and Observation per lesion, Media per picture, DiagnosticReport, Device, Provenance, AuditEvent. Body sites
carry DICOM's codes where there are any. What Cygnet measures has no LOINC code: a code system of its own is used, and said so.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any, Final

from cygnet.archive.extras import needs
from cygnet.interop.results import LesionResult, PatientResult, PictureResult
from cygnet.schema.bodymap import Code, laterality_code, nearest_code

#: Cygnet's own code system; its codes are described where they are used.
SYSTEM: Final = "urn:cygnet:codes"
_SYSTEMS: Final = {
    "SCT": "http://snomed.info/sct",
    "FMA": "urn:oid:2.16.840.1.113883.6.119",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
}
_ABSENT: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
_NAMESPACE: Final = uuid.UUID("5b1d2c0e-5e0f-5f7e-9a52-6a1f0d2b7c11")
_RESEARCH: Final = "Research use only. Not a medical device. A low rank does not mean that a lesion is safe."
#: Codes of :data:`SYSTEM` with what they mean.
CODES: Final = {
    "comparison": "Standing of a lesion among the patient's other lesions",
    "rank": "Rank by need of a look; 1 is first",
    "rank-low": "Lower end of the rank's 80 % interval",
    "rank-high": "Upper end of the rank's 80 % interval",
    "compared": "Number of lesions that were ranked",
    "oddness": "Oddness: 0 like the patient's other lesions, 1 unlike",
    "probability": "Calibrated probability of melanoma at the stated prevalence",
    "prevalence": "Prevalence that the probability is stated at",
    "family": "Letter of the family of lesions that look alike",
    "reason": "Notable deviation from the patient's other lesions",
    "verdict": "Verdict of the reader",
    "outcome": "What the lesion turned out to be",
    "context": "Whether there were enough lesions to compare",
}


def bundle(result: PatientResult) -> str:
    """The bundle as JSON.

    Raises
    ------
    MissingExtraError
        Without fhir.resources.
    """
    with needs("fhir", extra="clinic"):
        from fhir.resources.R4B.bundle import Bundle
    entries = [{"fullUrl": _url(r["id"]), "resource": r} for r in _resources(result)]
    plain = {"resourceType": "Bundle", "type": "collection", "timestamp": result.made, "entry": entries}
    checked = Bundle.model_validate(plain)
    return json.dumps(json.loads(checked.model_dump_json()), ensure_ascii=False, indent=1)


def _resources(result: PatientResult) -> Iterator[dict[str, Any]]:
    yield _patient(result)
    yield _device(result)
    for lesion in result.lesions:
        yield _body_structure(result, lesion)
        for picture in lesion.pictures:
            yield _media(result, lesion, picture)
        yield _observation(result, lesion)
    yield _report(result)
    yield _provenance(result)
    yield _audit(result)


def _id(result: PatientResult, *parts: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, "\0".join((result.id, result.day, *parts))))


def _url(id_: str) -> str:
    return f"urn:uuid:{id_}"


def _refer(result: PatientResult, *parts: str) -> dict[str, str]:
    return {"reference": _url(_id(result, *parts))}


def _own(code: str) -> dict[str, Any]:
    return {"coding": [{"system": SYSTEM, "code": code, "display": CODES[code]}]}


def _coded(code: Code) -> dict[str, str]:
    return {"system": _SYSTEMS[code.scheme], "code": code.value, "display": code.meaning}


def _patient(result: PatientResult) -> dict[str, Any]:
    made: dict[str, Any] = {
        "resourceType": "Patient",
        "id": _id(result, "patient"),
        "identifier": [{"system": "urn:cygnet:patient", "value": result.id}],
        "gender": result.sex or "unknown",
    }
    if result.simulated:
        made["meta"] = {"tag": [{"system": SYSTEM, "code": "simulated", "display": "Simulated patient"}]}
    return made


def _device(result: PatientResult) -> dict[str, Any]:
    versions = (("software", result.code_version), ("model", f"{result.model} sha256:{result.model_sha256}"))
    return {
        "resourceType": "Device",
        "id": _id(result, "device"),
        "deviceName": [{"name": "Cygnet", "type": "manufacturer-name"}],
        "version": [{"type": {"text": kind}, "value": value} for kind, value in versions],
        "note": [{"text": _RESEARCH}],
    }


def _body_structure(result: PatientResult, lesion: LesionResult) -> dict[str, Any]:
    made: dict[str, Any] = {
        "resourceType": "BodyStructure",
        "id": _id(result, lesion.name, "body"),
        "identifier": [{"system": "urn:cygnet:lesion", "value": f"{result.id}/{lesion.name}"}],
        "morphology": {
            "coding": [{"system": _SYSTEMS["SCT"], "code": "95324001", "display": "Skin lesion"}],
            "text": "Skin lesion",
        },
        "patient": _refer(result, "patient"),
    }
    found = nearest_code(lesion.path) if lesion.path else None
    words = ", ".join(filter(None, (lesion.path or lesion.site, lesion.laterality)))
    if found or words:
        made["location"] = {**({"coding": [_coded(found[0])]} if found else {}), **({"text": words} if words else {})}
    side = laterality_code(lesion.laterality) if lesion.laterality else None
    if side:
        made["locationQualifier"] = [{"coding": [_coded(side)]}]
    return made


def _media(result: PatientResult, lesion: LesionResult, picture: PictureResult) -> dict[str, Any]:
    return {
        "resourceType": "Media",
        "id": _id(result, lesion.name, picture.sha256),
        "identifier": [{"system": "urn:sha256", "value": picture.sha256}],
        "status": "completed",
        "subject": _refer(result, "patient"),
        "modality": {"coding": [{"system": _SYSTEMS["DCM"], "code": "DMS", "display": "Dermoscopy"}]},
        **({"createdDateTime": result.day} if result.day else {}),
        **({"height": picture.height, "width": picture.width} if picture.width else {}),
        "content": {"contentType": "image/jpeg", "title": lesion.name, "size": len(picture.jpeg)},
        "bodySite": {"text": lesion.path or lesion.site or "skin"},
    }


def _observation(result: PatientResult, lesion: LesionResult) -> dict[str, Any]:
    made: dict[str, Any] = {
        "resourceType": "Observation",
        "id": _id(result, lesion.name, "observation"),
        "status": "final",
        "category": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "imaging"}]}
        ],
        "code": _own("comparison"),
        "subject": _refer(result, "patient"),
        "focus": [_refer(result, lesion.name, "body")],
        "device": _refer(result, "device"),
        "issued": result.made,
        **({"effectiveDateTime": result.day} if result.day else {}),
        "derivedFrom": [_refer(result, lesion.name, p.sha256) for p in lesion.pictures],
        "component": list(_components(result, lesion)),
        "note": [{"text": _RESEARCH}, *([{"text": lesion.note}] if lesion.note else [])],
    }
    if lesion.rank is None:
        words = "; ".join(lesion.findings) or "cannot be assessed"
        coding = [{"system": _ABSENT, "code": "error", "display": "Error"}]
        made["dataAbsentReason"] = {"coding": coding, "text": words}
    return made


def _components(result: PatientResult, lesion: LesionResult) -> Iterator[dict[str, Any]]:
    numbers = {"rank": lesion.rank, "rank-low": lesion.rank_low, "rank-high": lesion.rank_high, "compared": lesion.of}
    for code, value in numbers.items():
        if value is not None:
            yield {"code": _own(code), "valueInteger": value}
    shares = {"oddness": lesion.oddness, "probability": lesion.p_melanoma, "prevalence": result.prevalence}
    for code, share in shares.items():
        if share is not None and lesion.rank is not None:
            yield {
                "code": _own(code),
                "valueQuantity": {"value": round(share, 6), "system": "http://unitsofmeasure.org", "code": "1"},
            }
    for reason in lesion.reasons:
        yield {"code": _own("reason"), "valueString": reason}
    enough = {"good": "enough", "few": "insufficient context", "none": "no other lesions"}
    texts = {"family": lesion.family, "verdict": lesion.verdict, "context": enough.get(result.company)}
    if lesion.malignant is not None:
        said = "malignant" if lesion.malignant else "benign"
        texts["outcome"] = f"{said}: {lesion.diagnosis}" if lesion.diagnosis else said
    for code, text in texts.items():
        if text:
            yield {"code": _own(code), "valueString": text}


def _report(result: PatientResult) -> dict[str, Any]:
    ranked = sorted((x for x in result.lesions if x.rank), key=lambda x: x.rank or 0)
    first = f" Ranked first: {ranked[0].name}." if ranked else ""
    return {
        "resourceType": "DiagnosticReport",
        "id": _id(result, "report"),
        "status": "final",
        "code": {"text": "Comparison of a patient's skin lesions (dermoscopy)"},
        "subject": _refer(result, "patient"),
        "issued": result.made,
        **({"effectiveDateTime": result.day} if result.day else {}),
        "result": [_refer(result, x.name, "observation") for x in result.lesions],
        "conclusion": f"{len(ranked)} of {len(result.lesions)} lesions compared.{first} {_RESEARCH}",
    }


def _provenance(result: PatientResult) -> dict[str, Any]:
    targets = [_refer(result, "report"), *(_refer(result, x.name, "observation") for x in result.lesions)]
    return {
        "resourceType": "Provenance",
        "id": _id(result, "provenance"),
        "target": targets,
        "recorded": result.made,
        "agent": [
            {"type": {"text": "software"}, "who": _refer(result, "device")},
            {"type": {"text": "reader"}, "who": {"display": result.reader}},
        ],
    }


def _audit(result: PatientResult) -> dict[str, Any]:
    kind = {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "110106", "display": "Export"}
    return {
        "resourceType": "AuditEvent",
        "id": _id(result, "audit"),
        "type": kind,
        "action": "R",
        "recorded": result.made,
        "outcome": "0",
        "agent": [{"who": {"display": result.reader}, "requestor": True}],
        "source": {"observer": _refer(result, "device")},
        "entity": [{"what": _refer(result, "patient")}],
    }
