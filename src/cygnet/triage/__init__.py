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
from cygnet.triage.mask_files import Outlined, Plan, refuse_same_names, segment_files
from cygnet.triage.pipeline import Examined, Look, examine
from cygnet.triage.run import Ranked, provenance_of, rank, stream
from cygnet.triage.segmentation import Segmentation, segment

__all__ = [
    "RESEARCH_USE",
    "Assessment",
    "Examined",
    "ImageAssessment",
    "LesionAssessment",
    "Look",
    "Options",
    "Outlined",
    "Plan",
    "Provenance",
    "Ranked",
    "Segmentation",
    "Yardstick",
    "assess",
    "by_patient",
    "collect",
    "collect_table",
    "examine",
    "provenance_of",
    "rank",
    "refuse_same_names",
    "segment",
    "segment_files",
    "stream",
]
