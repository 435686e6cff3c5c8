"""Models that come with the package, their cards, and how they run. Knows nothing of patients."""

from cygnet.models.lesion import LesionModel, Prediction
from cygnet.models.registry import ModelFiles, find, names
from cygnet.models.segment import SegmentModel

__all__ = ["LesionModel", "ModelFiles", "Prediction", "SegmentModel", "find", "names"]
