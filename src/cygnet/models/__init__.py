"""Models that come with the package, their cards, and how they run. Knows nothing of patients."""

from cygnet.models.lesion import LesionModel, Prediction
from cygnet.models.registry import ModelFiles, find, find_lesion, find_outliner, names
from cygnet.models.segment import SegmentModel

__all__ = ["LesionModel", "ModelFiles", "Prediction", "SegmentModel", "find", "find_lesion", "find_outliner", "names"]
