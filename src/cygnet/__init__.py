"""Cygnet ranks a patient's skin lesions by how far each departs from the others: the ugly-duckling sign.

>>> import cygnet
>>> for patient in cygnet.rank("ISIC_patient/"):    # doctest: +SKIP
...     print(patient)

Research use only; not a medical device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cygnet.version import VERSION as __version__

if TYPE_CHECKING:
    from cygnet.triage.assessment import Assessment, ImageAssessment, LesionAssessment
    from cygnet.triage.run import rank
    from cygnet.triage.segmentation import Segmentation, segment

__all__ = ["Assessment", "ImageAssessment", "LesionAssessment", "Segmentation", "__version__", "rank", "segment"]

_HOME = {
    "Assessment": "cygnet.triage.assessment",
    "ImageAssessment": "cygnet.triage.assessment",
    "LesionAssessment": "cygnet.triage.assessment",
    "Segmentation": "cygnet.triage.segmentation",
    "rank": "cygnet.triage.run",
    "segment": "cygnet.triage.segmentation",
}


def __getattr__(name: str) -> Any:
    """Public names are loaded when first used, so that ``cygnet --help`` answers at once."""
    if name in _HOME:
        from importlib import import_module

        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'cygnet' has no attribute {name!r}")
