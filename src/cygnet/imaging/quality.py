"""The quality gate: what keeps an image from being assessed, and what only deserves a note.

Limits of focus and framing were set on training images; docs/results.md has the rates of refusal by source.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cygnet.imaging.framing import framing
from cygnet.imaging.reasons import Finding, Reason
from cygnet.imaging.scene import Scene

REFUSE_FOCUS: Final = 0.15
NOTE_FOCUS: Final = 0.22
#: Mean of |a*| and |b*| under which a picture has no colour. The least among 2,700 real images is 1.07.
REFUSE_GREY: Final = 0.8
REFUSE_DARK: Final = 12.0
REFUSE_BRIGHT: Final = 97.0
#: Variance that rounding to 8 bits and a codec leave in a featureless image.
_ROUNDING: Final = 0.2
#: Share of the lesion's border on the image's edge from which on it is noted as cut off. A round lesion that loses a
#: twentieth of its radius has 0.1, one cut through its middle 0.39.
NOTE_CUT: Final = 0.1


def focus(seen: Scene) -> NDArray[np.float32]:
    """Sharpness inside the lesions: fine detail over middle detail, dimensionless, higher is sharper: (n,).

    Fine detail is what a 3 x 3 mean removes from the green
    channel, middle detail what a further 9 x 9 mean removes; their ratio does not depend on contrast. Both are weighted by
    the lesion's mask (the whole image where there is none), and the rounding to 8 bits counts as no detail. Near 0 for a blurred image, 0.3 to 1 for a
    sharp one.
    """
    return np.array([_sharpness(*each) for each in zip(seen.pixels[..., 1], seen.cover, strict=True)], np.float32)


def _sharpness(green: NDArray[np.uint8], cover: NDArray[np.float32]) -> np.float32:
    """Focus of one image, alone, since one fits the processor's cache and a stack does not."""
    grey = green.astype(np.int16)
    small = _sum3(grey, 1)  # 9 times the mean; at most 2,295
    wide = _sum3(small, 3)  # 81 times the mean; at most 20,655, so that 16 bits hold every value
    core = small[3:-3, 3:-3]
    step = len(green) // len(cover)
    weight = cover.repeat(step, axis=1).repeat(step, axis=0)[4:-4, 4:-4] + np.float32(0.02)
    total = weight.sum()
    fine = _energy(9 * grey[4:-4, 4:-4] - core, weight) / (total * 81)
    middle = _energy(9 * core - wide, weight) / (total * 6561)
    return np.float32(np.sqrt(max(fine - _ROUNDING, 0) / (middle + 1)))


def _energy(detail: NDArray[np.int16], weight: NDArray[np.float32]) -> np.float32:
    """Weighted sum of squares."""
    values = detail.astype(np.float32)
    values *= values
    return np.float32(weight.ravel() @ values.ravel())


def _sum3(values: NDArray[np.int16], gap: int) -> NDArray[np.int16]:
    """Sum of the 3 x 3 values that lie ``gap`` apart; of a 3 x 3 sum with gap 3, that is the 9 x 9 sum."""
    down = values[: -2 * gap] + values[gap:-gap]
    down += values[2 * gap :]
    across = down[:, : -2 * gap] + down[:, gap:-gap]
    across += down[:, 2 * gap :]
    return across


def inspect(seen: Scene) -> list[tuple[Finding, ...]]:
    """Findings on exposure, focus and framing of each of n decoded images; empty when all is well."""
    field = seen.field | ~seen.field.any((1, 2), keepdims=True)
    light = (seen.lab[..., 0] * field).sum((1, 2)) / field.sum((1, 2))
    colour = np.abs(seen.lab[..., 1:]).mean((1, 2, 3))
    cut = framing(seen.mask).on_edge
    values = zip(light.tolist(), colour.tolist(), focus(seen).tolist(), cut.tolist(), strict=True)
    return [_findings(*each) for each in values]


def _findings(light: float, colour: float, sharp: float, cut: float) -> tuple[Finding, ...]:
    found: list[Finding] = []
    if light < REFUSE_DARK:
        found.append(Finding(Reason.TOO_DARK, f"too dark (mean lightness L* {light:.0f})", True))
    elif light > REFUSE_BRIGHT:
        found.append(Finding(Reason.TOO_BRIGHT, f"overexposed (mean lightness L* {light:.0f})", True))
    elif colour < REFUSE_GREY:
        found.append(Finding(Reason.NOT_DERMOSCOPY, "no colour: a grey picture cannot be judged as dermoscopy", True))
    elif sharp < REFUSE_FOCUS:
        found.append(Finding(Reason.BLURRED, f"blurred (sharpness {sharp:.2f})", True))
    elif sharp < NOTE_FOCUS:
        found.append(Finding(Reason.BLURRED, f"slightly blurred (sharpness {sharp:.2f})", False))
    if cut >= NOTE_CUT:
        words = f"lesion may be cut off ({cut:.0%} of its border is the edge of the image)"
        found.append(Finding(Reason.CUT_OFF, words, False))
    return tuple(found)
