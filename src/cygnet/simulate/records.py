"""What a simulated patient is: plain frozen records, arrays included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

Pattern = Literal["reticular", "globular", "homogeneous", "network rim", "multicomponent"]

#: Patterns of nevi; "multicomponent" is kept for the odd lesion.
NEVUS_PATTERNS: Final[tuple[Pattern, ...]] = ("reticular", "globular", "homogeneous", "network rim")

#: General anatomical sites of the ISIC Archive, each with its share of a patient's lesions.
SITES: Final[dict[str, float]] = {
    "anterior torso": 0.26,
    "posterior torso": 0.34,
    "upper extremity": 0.16,
    "lower extremity": 0.18,
    "head/neck": 0.06,
}

#: Stands in every image file and in the README of every simulated set.
NOTICE: Final = "SIMULATED by Cygnet - not a photograph"


@dataclass(frozen=True, slots=True)
class ExactMeasurements:
    """Exact values of a drawn lesion, taken from its mask, its contour and its colours before any artefact.

    area_px : number of mask pixels. area_share : the same as a share of the image, in (0, 1).
    major_axis_px, minor_axis_px : ``4 * sqrt(eigenvalue)`` of the covariance of the mask's pixel coordinates, the
        convention of scikit-image. eccentricity : ``sqrt(1 - minor^2 / major^2)``, in [0, 1).
    perimeter_px : length of the contour polygon. centroid_xy : mean pixel coordinate, origin at the centre of the
        top left pixel. mean_rgb : mean colour inside the mask, each in [0, 255].
    """

    area_px: int
    area_share: float
    major_axis_px: float
    minor_axis_px: float
    eccentricity: float
    perimeter_px: float
    centroid_xy: tuple[float, float]
    mean_rgb: tuple[float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedLesion:
    """One lesion and its one image.

    image : (height, width, 3) uint8, sRGB. mask : (height, width) bool, true inside the contour that was drawn.
    seed : the number that this lesion's own random stream grew from, derived from the patient's seed.
    artefacts : names of what was laid over the image, in the order in which it was laid, see
    :data:`cygnet.simulate.ARTEFACTS`. artefact_masks : (height, width) bool by name, for those that have a place. mm_per_px :
    the scale that a ruler shows, None where none was laid.
    """

    lesion_id: str
    image_id: str
    seed: int
    site: str
    odd: bool
    pattern: Pattern
    image: npt.NDArray[np.uint8]
    mask: npt.NDArray[np.bool_]
    measurements: ExactMeasurements
    artefacts: tuple[str, ...]
    artefact_masks: Mapping[str, npt.NDArray[np.bool_]]
    mm_per_px: float | None


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedPatient:
    """One patient whose nevi share a signature.

    age : years. skin_ita : individual typology angle of the skin in degrees, before the camera's colour cast; above
    55 is very light, 10 to 28 tan, below 10 brown. pattern : the pattern of the patient's main family of nevi.
    """

    patient_id: str
    seed: int
    age: int
    sex: Literal["female", "male"]
    skin_ita: float
    pattern: Pattern
    lesions: tuple[SimulatedLesion, ...]
