"""The quality gate: what keeps an image from being assessed, and what only deserves a note.

Limits of focus and framing were set on training images; docs/results.md has the rates of refusal by source.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cygnet.imaging.coarse import Coarse, border_share
from cygnet.imaging.reasons import Finding, Reason

REFUSE_FOCUS: Final = 0.15
NOTE_FOCUS: Final = 0.22
#: Mean of |a*| and |b*| under which a picture has no colour. The least among 2,700 real images is 1.07.
REFUSE_GREY: Final = 0.8
REFUSE_DARK: Final = 12.0
REFUSE_BRIGHT: Final = 97.0
#: Variance that rounding to 8 bits and a codec leave in a featureless image.
_ROUNDING: Final = 0.2
#: Only a note: the coarse outline also takes a dark surround for lesion.
NOTE_BORDER: Final = 0.7


def focus(pixels: NDArray[np.uint8], coarse: Coarse) -> float:
    """Sharpness inside the lesion: fine detail over middle detail, dimensionless, higher is sharper.

    Fine detail is what a 3 x 3 mean removes from the green channel, middle detail what a further 9 x 9 mean removes;
    their ratio does not depend on contrast. Both are weighted by the coarse lesion mask, and the rounding to 8 bits
    counts as no detail. Near 0 for a blurred image, 0.3 to 1 for a sharp one.
    """
    grey = pixels[..., 1].astype(np.float32)
    small = _mean3(grey, 1)
    wide = _mean3(small, 3)
    core = small[3:-3, 3:-3]
    fine, middle = grey[4:-4, 4:-4] - core, core - wide
    step = pixels.shape[0] // coarse.mask.shape[0]
    weight = np.repeat(np.repeat(coarse.mask, step, 0), step, 1)[4:-4, 4:-4] + np.float32(0.02)
    total = weight.sum()
    fine_energy = float(np.einsum("ij,ij,ij->", weight, fine, fine) / total)
    middle_energy = float(np.einsum("ij,ij,ij->", weight, middle, middle) / total)
    return float(np.sqrt(max(fine_energy - _ROUNDING, 0) / (middle_energy + 1)))


def _mean3(values: NDArray[np.float32], gap: int) -> NDArray[np.float32]:
    """Mean of the 3 x 3 values that lie ``gap`` apart; of a 3 x 3 mean with gap 3, that is the 9 x 9 mean."""
    down = values[: -2 * gap] + values[gap:-gap] + values[2 * gap :]
    across = down[:, : -2 * gap] + down[:, gap:-gap] + down[:, 2 * gap :]
    across *= np.float32(1 / 9)
    return np.asarray(across)


def inspect(pixels: NDArray[np.uint8], coarse: Coarse) -> tuple[Finding, ...]:
    """Findings on exposure, focus and framing of one decoded image; empty when all is well."""
    found: list[Finding] = []
    light = float(coarse.lab[..., 0][coarse.field if coarse.field.any() else ...].mean())
    if light < REFUSE_DARK:
        found.append(Finding(Reason.TOO_DARK, f"too dark (mean lightness L* {light:.0f})", True))
    elif light > REFUSE_BRIGHT:
        found.append(Finding(Reason.TOO_BRIGHT, f"overexposed (mean lightness L* {light:.0f})", True))
    elif float(np.abs(coarse.lab[..., 1:]).mean()) < REFUSE_GREY:
        found.append(Finding(Reason.NOT_DERMOSCOPY, "no colour: a grey picture cannot be judged as dermoscopy", True))
    else:
        sharp = focus(pixels, coarse)
        if sharp < REFUSE_FOCUS:
            found.append(Finding(Reason.BLURRED, f"blurred (sharpness {sharp:.2f})", True))
        elif sharp < NOTE_FOCUS:
            found.append(Finding(Reason.BLURRED, f"slightly blurred (sharpness {sharp:.2f})", False))
    share = border_share(coarse)
    if share > NOTE_BORDER:
        found.append(Finding(Reason.CUT_OFF, f"lesion may be cut off (it covers {share:.0%} of one edge)", False))
    return tuple(found)
