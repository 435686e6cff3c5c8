"""Codes of body sites, and where a body map draws them.

Codes are those of DICOM's CID 4029 "Dermatology Anatomic Site" (SNOMED CT, FMA or DICOM's own); a site that it does not
name just as widely has none. Laterality (CID 244) stays apart.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any, Final, Literal, NamedTuple

from cygnet.schema.vocabulary import within


class Code(NamedTuple):
    """A coded concept. ``scheme`` is "SCT" (SNOMED CT), "FMA" or "DCM"; ``source`` the table that lists it."""

    scheme: str
    value: str
    meaning: str
    source: str


class Place(NamedTuple):
    """Where a body map draws a lesion.

    ``region`` is one of ``REGIONS``; ``view`` the view that shows it, in the anatomical position (palms forward);
    ``laterality`` "left", "right" or "bilateral" of the patient, None in the middle or where unknown.
    """

    region: str
    view: Literal["front", "back"]
    laterality: str | None = None


_FRONT: Final = "front"
_BACK: Final = "back"
#: Region and view of each branch of ISIC's tree; the longest that fits counts.
_PLACES: Final[dict[str, tuple[str, str]]] = {
    "Head and neck": ("head", _FRONT),
    "Head and neck:Head:Scalp": ("scalp", _BACK),
    "Head and neck:Head:Scalp:Frontal scalp": ("scalp", _FRONT),
    "Head and neck:Head:Scalp:Temporal scalp": ("scalp", _FRONT),
    "Head and neck:Head:Ear": ("ear", _FRONT),
    "Head and neck:Head:Face": ("face", _FRONT),
    "Head and neck:Neck": ("neck", _FRONT),
    "Head and neck:Neck:Nape of neck": ("neck", _BACK),
    "Trunk": ("trunk", _FRONT),
    "Trunk:Anterior trunk:Anterior chest": ("chest", _FRONT),
    "Trunk:Anterior trunk:Anterior abdomen": ("abdomen", _FRONT),
    "Trunk:Lateral trunk": ("flank", _FRONT),
    "Trunk:Lateral trunk:Axilla": ("axilla", _FRONT),
    "Trunk:Posterior trunk": ("back", _BACK),
    "Trunk:Posterior trunk:Upper back": ("upper back", _BACK),
    "Trunk:Posterior trunk:Mid back": ("mid back", _BACK),
    "Trunk:Posterior trunk:Lower back": ("lower back", _BACK),
    "Upper extremity": ("arm", _FRONT),
    "Upper extremity:Shoulder": ("shoulder", _FRONT),
    "Upper extremity:Shoulder:Posterior shoulder": ("shoulder", _BACK),
    "Upper extremity:Upper arm": ("upper arm", _FRONT),
    "Upper extremity:Upper arm:Posterior upper arm": ("upper arm", _BACK),
    "Upper extremity:Elbow": ("elbow", _BACK),
    "Upper extremity:Elbow:Antecubital fossa": ("elbow", _FRONT),
    "Upper extremity:Forearm": ("forearm", _FRONT),
    "Upper extremity:Forearm:Dorsal forearm": ("forearm", _BACK),
    "Upper extremity:Wrist": ("wrist", _FRONT),
    "Upper extremity:Wrist:Dorsal wrist": ("wrist", _BACK),
    "Upper extremity:Hand": ("hand", _BACK),
    "Upper extremity:Hand:Palm of hand": ("hand", _FRONT),
    "Lower extremity": ("leg", _FRONT),
    "Lower extremity:Buttock": ("buttock", _BACK),
    "Lower extremity:Thigh": ("thigh", _FRONT),
    "Lower extremity:Thigh:Posterior thigh": ("thigh", _BACK),
    "Lower extremity:Knee": ("knee", _FRONT),
    "Lower extremity:Knee:Popliteal fossa": ("knee", _BACK),
    "Lower extremity:Lower leg": ("lower leg", _FRONT),
    "Lower extremity:Lower leg:Calf": ("lower leg", _BACK),
    "Lower extremity:Ankle": ("ankle", _FRONT),
    "Lower extremity:Ankle:Achilles region": ("ankle", _BACK),
    "Lower extremity:Foot": ("foot", _FRONT),
    "Lower extremity:Foot:Sole of foot": ("sole", _BACK),
    "Anogenital region": ("genital", _FRONT),
    "Anogenital region:Perianal region": ("perianal", _BACK),
}
_SPECIAL: Final = {"fingernail": ("hand", _BACK), "toenail": ("foot", _FRONT)}
#: Every region that a map must be able to show.
REGIONS: Final = tuple(dict.fromkeys(region for region, _ in _PLACES.values()))
_LATERALITY: Final = ("left", "right", "bilateral")


def place(path: str | None, special: str | None = None, laterality: str | None = None) -> Place | None:
    """Where a body map draws a site; None where that is not known (palms or soles, oral or genital, nothing)."""
    fitting = [branch for branch in _PLACES if path is not None and within(path, branch)]
    found = _PLACES[max(fitting, key=len)] if fitting else _SPECIAL.get(special or "")
    if found is None:
        return None
    region, view = found
    return Place(region, "back" if view == _BACK else "front", laterality if laterality in _LATERALITY else None)


def code(path: str) -> Code | None:
    """The code of exactly this site of ISIC's tree; None where no table has one."""
    return _code(_tables()["codes"].get(path), f"DICOM PS3.16 CID {4031 if path == 'Head and neck' else 4029}")


def nearest_code(path: str) -> tuple[Code, bool] | None:
    """The code of the site or of the nearest site around it, and whether it is the site's own; None for neither."""
    parts = path.split(":")
    for depth in range(len(parts), 0, -1):
        if found := code(":".join(parts[:depth])):
            return found, depth == len(parts)
    return None


def laterality_code(laterality: str) -> Code | None:
    """The code of "left", "right" or "bilateral"."""
    return _code(_tables()["laterality"].get(laterality), "DICOM PS3.16 CID 244")


def _code(given: list[str] | None, source: str) -> Code | None:
    if given is None:
        return None
    scheme, value, meaning = given
    return Code(scheme, value, meaning, source)


@cache
def _tables() -> dict[str, Any]:
    file = resources.files("cygnet.schema") / "data" / "site-codes.json"
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content
