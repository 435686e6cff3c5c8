"""Why an image cannot be assessed, or only with care, and how to retake it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Reason codes of the quality gate."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    TRUNCATED = "truncated"
    TOO_LARGE = "too_large"
    TOO_SMALL = "too_small"
    BLURRED = "blurred"
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"
    NOT_DERMOSCOPY = "not_dermoscopy"
    CUT_OFF = "cut_off"
    NO_LESION = "no_lesion"
    SEVERAL = "several_lesions"
    DUPLICATE = "duplicate"


RETAKE: dict[Reason, str] = {
    Reason.MISSING: "put the file where the table says it is, or remove the row",
    Reason.UNREADABLE: "export the image again as JPEG or PNG",
    Reason.TRUNCATED: "copy the file again from the camera; this copy is incomplete",
    Reason.TOO_LARGE: "export the image with fewer pixels",
    Reason.TOO_SMALL: "use the original image, not a thumbnail",
    Reason.BLURRED: "hold the dermatoscope still and refocus on the lesion",
    Reason.TOO_DARK: "switch the dermatoscope's light on and press it flat on the skin",
    Reason.TOO_BRIGHT: "lower the exposure or tilt to avoid reflections",
    Reason.NOT_DERMOSCOPY: "use a close-up taken through a dermatoscope",
    Reason.CUT_OFF: "centre the lesion and leave skin visible all around it",
    Reason.NO_LESION: "centre the lesion, and wipe off gel bubbles and hair",
    Reason.SEVERAL: "take one photograph of each lesion, centred",
    Reason.DUPLICATE: "keep one copy, or give both the same lesion_id",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the quality gate saw. ``refuses`` is true when the image cannot be assessed because of it."""

    code: Reason
    message: str
    refuses: bool

    @property
    def retake(self) -> str:
        """What to do for a better image."""
        return RETAKE[self.code]
