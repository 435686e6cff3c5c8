"""One simulated patient: a skin, a signature shared by the nevi, and at most one lesion that does not fit."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from cygnet.errors import InputError
from cygnet.simulate.artefacts import add_artefacts
from cygnet.simulate.records import SITES, SimulatedLesion, SimulatedPatient
from cygnet.simulate.shape import draw_outline, measure
from cygnet.simulate.skin import add_lesion, draw_skin
from cygnet.simulate.style import RGB, Style, Traits, draw_odd, draw_traits, vary
from cygnet.workers import worked

if TYPE_CHECKING:
    from cygnet.simulate.noise import Field

MIN_SIDE_PX = 64
_PATIENT, _ODD, _LESIONS = range(3)


def simulate_patient(
    seed: int, *, n_lesions: int = 16, odd: bool = True, size: tuple[int, int] = (600, 450)
) -> SimulatedPatient:
    """A patient with ``n_lesions`` dermoscopic images, the same bytes for the same arguments.

    seed : >= 0; names the patient too. odd : whether exactly one lesion is melanoma-like; which one follows from the
    seed, and the others are the same with and without it. size : (width, height) in pixels, each at least 64.
    Raises InputError for a negative seed, no lesions or a smaller size.
    """
    check(seed=seed, n_lesions=n_lesions, size=size)
    rng = _stream(seed, _PATIENT)
    traits = draw_traits(rng)
    at_odd = int(_stream(seed, _ODD).integers(n_lesions)) if odd else -1
    patient_id = f"SIM-{seed:04d}"
    return SimulatedPatient(
        patient_id=patient_id,
        seed=seed,
        age=int(5 * rng.integers(4, 17)),
        sex="female" if rng.random() < 0.5 else "male",
        skin_ita=traits.skin_ita,
        pattern=traits.family.pattern,
        lesions=tuple(worked(range(n_lesions), partial(_lesion, seed, traits, at_odd, size))),
    )


def simulate_lesion(seed: int, *, odd: bool = False, size: tuple[int, int] = (600, 450)) -> SimulatedLesion:
    """The one lesion of the patient that ``seed`` gives; arguments and errors as in :func:`simulate_patient`."""
    return simulate_patient(seed, n_lesions=1, odd=odd, size=size).lesions[0]


def check(*, seed: int, n_lesions: int, size: tuple[int, int], n_patients: int = 1) -> None:
    """Raise InputError for arguments that nothing can be drawn with."""
    if seed < 0:
        raise InputError(f"seed is {seed}; give a whole number from 0 up")
    if n_lesions < 1:
        raise InputError(f"n_lesions is {n_lesions}; give at least 1")
    if n_patients < 1:
        raise InputError(f"n_patients is {n_patients}; give at least 1")
    if min(size) < MIN_SIDE_PX:
        raise InputError(f"size is {size[0]}x{size[1]} px; give at least {MIN_SIDE_PX} px for width and height")


def _stream(*key: int) -> np.random.Generator:
    return np.random.default_rng(key)


def _lesion(patient_seed: int, traits: Traits, at_odd: int, size: tuple[int, int], n: int) -> SimulatedLesion:
    """Lesion number ``n`` of a patient; its random stream depends on nothing but the patient's seed and ``n``."""
    odd = n == at_odd
    seed = int(np.random.SeedSequence([patient_seed, _LESIONS, n]).generate_state(1)[0])
    rng = np.random.default_rng(seed)
    site = str(rng.choice(list(SITES), p=list(SITES.values())))
    style = _style(rng, traits, odd=odd)
    shape = (size[1], size[0])
    unit = min(size[0] / 600, size[1] / 450)
    outline = draw_outline(rng, style, shape)
    depth = outline.depth(shape)
    mask = depth < 0
    scene = add_lesion(rng, draw_skin(rng, traits, shape, unit), depth, style, unit)
    clean = _photograph(rng, scene, traits.cast, unit)
    image, laid = add_artefacts(rng, clean, unit, traits.hairiness)
    return SimulatedLesion(
        lesion_id=f"SIM-{patient_seed:04d}-L{n + 1:02d}",
        image_id=f"SIM-{patient_seed:04d}_{n + 1:02d}",
        seed=seed,
        site=site,
        odd=odd,
        pattern=style.pattern,
        image=_to_bytes(image),
        mask=mask,
        measurements=measure(mask, outline, clean),
        artefacts=laid.names,
        artefact_masks=laid.masks,
        mm_per_px=laid.mm_per_px,
    )


def _style(rng: np.random.Generator, traits: Traits, *, odd: bool) -> Style:
    if odd:
        return draw_odd(rng, traits.family)
    in_second = rng.random() < traits.second_share
    return vary(rng, traits.second if traits.second is not None and in_second else traits.family)


def _photograph(rng: np.random.Generator, scene: Field, cast: RGB, unit: float) -> Field:
    """``scene`` (h, w, 3) through the lens and the camera's colours, highlights rolled off; float32 in [0, 1]."""
    gain = np.array(cast, np.float32) * np.float32(rng.uniform(0.97, 1.03))
    lit = scene * gain
    knee = np.float32(0.85)
    over = np.maximum(lit - knee, 0)
    lit = np.minimum(lit, knee) + over / (1 + over / (1 - knee))
    blurred = Image.fromarray(_to_bytes(lit)).filter(ImageFilter.GaussianBlur(float(rng.uniform(0.5, 0.9)) * unit))
    return np.asarray(blurred, dtype=np.float32) * np.float32(1 / 255)


def _to_bytes(image: Field) -> npt.NDArray[np.uint8]:
    """(h, w, 3) in [0, 1] to uint8, rounded and clipped."""
    return np.clip(np.rint(image * 255), 0, 255).astype(np.uint8)
