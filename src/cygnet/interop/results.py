"""A patient's results on their way to another system: plain records, as the writers of FHIR and DICOM take them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class PictureResult:
    """One picture: ``jpeg`` bytes, its SHA-256, name and pixels; ``mask`` (h, w) bool of the lesion, None where none was drawn."""

    name: str
    jpeg: bytes
    sha256: str
    width: int
    height: int
    mask: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class LesionResult:
    """One lesion. ``path`` is a node of ISIC's sites; numbers and ``reasons`` as in :class:`cygnet.triage.LesionAssessment`, None where
    it could not be assessed, and ``findings`` then say why. ``verdict`` is a person's; ``malignant`` what it turned out to be."""

    name: str
    site: str | None
    path: str | None
    laterality: str | None
    pictures: tuple[PictureResult, ...]
    rank: int | None = None
    rank_low: int | None = None
    rank_high: int | None = None
    of: int | None = None
    oddness: float | None = None
    p_melanoma: float | None = None
    family: str | None = None
    reasons: tuple[str, ...] = ()
    measurements: Mapping[str, float] | None = None
    findings: tuple[str, ...] = ()
    verdict: str | None = None
    note: str = ""
    malignant: bool | None = None
    diagnosis: str = ""


@dataclass(frozen=True, slots=True)
class PatientResult:
    """One patient at one visit. ``id`` is the name that goes out; ``removed`` whether it is a pseudonym. ``day`` is ISO 8601 or ""."""

    id: str
    removed: bool
    age: float | None
    sex: str | None
    day: str
    simulated: bool
    reader: str
    company: str
    model: str
    model_sha256: str
    code_version: str
    prevalence: float
    made: str
    lesions: tuple[LesionResult, ...]
