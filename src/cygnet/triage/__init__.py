"""Image set in, assessments out: runs decoding, quality, model and context in order."""

from cygnet.triage.assess import Options, Yardstick, assess
from cygnet.triage.assessment import (
    RESEARCH_USE,
    Assessment,
    ImageAssessment,
    LesionAssessment,
    Provenance,
)
from cygnet.triage.collect import by_patient, collect, collect_table
from cygnet.triage.pipeline import Examined, Look, default_workers, examine
from cygnet.triage.run import Ranked, provenance_of, rank, stream

__all__ = [
    "RESEARCH_USE",
    "Assessment",
    "Examined",
    "ImageAssessment",
    "LesionAssessment",
    "Look",
    "Options",
    "Provenance",
    "Ranked",
    "Yardstick",
    "assess",
    "by_patient",
    "collect",
    "collect_table",
    "default_workers",
    "examine",
    "provenance_of",
    "rank",
    "stream",
]
