"""Simulated patients for the worklist of a demonstration, drawn from seeds; two of them have been here before."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from cygnet.clinic.admit import admit
from cygnet.clinic.incoming import Incoming
from cygnet.clinic.store import Clinic
from cygnet.imaging.registration import Similarity, laid_on
from cygnet.simulate import NOTICE, SimulatedLesion, SimulatedPatient, simulate_patient

SOURCE: Final = "simulated"
PREFIX: Final = "SIM-"
#: Seed, lesions, skin type and day of an earlier visit ("" for none).
PATIENTS: Final = ((64, 37, "II", "2026-03-12"), (11, 24, "III", ""), (17, 12, "I", "2025-11-02"), (29, 6, "II", ""))
_DAY: Final = "2026-11-20"
#: Sides and plain places for the body map; simulated sites are general.
_PLACES: Final = {
    "anterior torso": ("chest", "abdomen", "left chest", "right abdomen"),
    "posterior torso": ("upper back", "lower back", "left upper back", "right mid back", "mid back"),
    "upper extremity": ("left forearm", "right upper arm", "left shoulder", "right forearm"),
    "lower extremity": ("left thigh", "right calf", "right thigh", "left lower leg"),
    "head/neck": ("neck", "left cheek", "forehead"),
}


@dataclass(frozen=True, slots=True)
class Spec:
    """One simulated patient of the demonstration."""

    seed: int
    lesions: int
    skin_type: str
    earlier: str = ""
    day: str = _DAY
    size: tuple[int, int] = (600, 450)


def fill(clinic: Clinic, who: str, specs: tuple[Spec, ...] | None = None) -> list[int]:
    """Admit simulated patients; returns the numbers of the assessments that are now waiting."""
    queued: list[int] = []
    for spec in reversed(specs or tuple(Spec(*p) for p in PATIENTS)):
        queued.extend(admit(clinic, who, items(spec), SOURCE, simulated=True).assessments)
    return queued


def label(spec: Spec) -> str:
    """The name of a simulated patient."""
    return f"{PREFIX}{spec.seed:04d}"


def images(spec: Spec) -> int:
    """How many images :func:`items` gives."""
    return spec.lesions + (-(-spec.lesions // 2) if spec.earlier else 0)


def items(spec: Spec) -> Iterator[Incoming]:
    """The images of a simulated patient: of the earlier visit, if there is one, and of the later."""
    drawn = simulate_patient(spec.seed, n_lesions=spec.lesions, size=spec.size)
    for n, lesion in enumerate(drawn.lesions):
        if spec.earlier and n % 2 == 0:
            yield _item(drawn, lesion, spec, spec.earlier, _earlier(lesion, spec.seed + n))
        yield _item(drawn, lesion, spec, spec.day, _blurred(lesion) if n == spec.lesions - 2 > 10 else lesion.image)


def _item(drawn: SimulatedPatient, lesion: SimulatedLesion, spec: Spec, day: str, pixels: NDArray[Any]) -> Incoming:
    from cygnet.schema.sites import find_site

    places = _PLACES[lesion.site]
    place = find_site(places[lesion.seed % len(places)])
    return Incoming(
        patient=drawn.patient_id,
        name=lesion.image_id,
        load=partial(_jpeg, pixels),
        day=day,
        lesion=lesion.lesion_id,
        age=float(drawn.age),
        sex=drawn.sex,
        skin_type=spec.skin_type,
        site=lesion.site,
        path=place.path if place else None,
        laterality=place.laterality if place else None,
        mm_per_pixel=lesion.mm_per_px if day == spec.day else None,
    )


def _earlier(lesion: SimulatedLesion, seed: int) -> NDArray[Any]:
    """The same lesion from another hand: turned, shifted, and smaller where it is the odd one. The skin goes on as in a mirror."""
    rng = np.random.default_rng(seed)
    scale = 0.78 if lesion.odd else float(rng.uniform(0.97, 1.03))
    turn, right, down = (float(rng.uniform(-most, most)) for most in (8, 0.02, 0.02))
    height, width = lesion.image.shape[:2]
    wide, tall = width // 4, height // 4
    mirrored = Image.fromarray(np.pad(lesion.image, ((tall, tall), (wide, wide), (0, 0)), mode="reflect"))
    moved = laid_on(mirrored, Similarity(scale, turn, right, down, 1.0), mirrored.size)
    return np.asarray(moved.crop((wide, tall, wide + width, tall + height)))


def _blurred(lesion: SimulatedLesion) -> NDArray[Any]:
    """A photograph out of focus, so that there is something to retake."""
    return np.asarray(Image.fromarray(lesion.image).filter(ImageFilter.GaussianBlur(lesion.image.shape[1] / 43)))


def _jpeg(pixels: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=92, comment=NOTICE.encode())
    return buffer.getvalue()
