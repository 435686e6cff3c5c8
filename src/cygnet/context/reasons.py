"""Deviations in a dermatologist's words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

NOTABLE = 1.5


@dataclass(frozen=True, slots=True)
class Deviation:
    """How one feature of a lesion stands among its siblings.

    ``z`` is signed, in robust SD of the siblings; ``beyond`` counts the siblings it exceeds in that direction out of
    ``siblings``; ``words`` is for example "darker than 13 of 14 siblings (+2.6 robust SD)".
    """

    feature: str
    z: float
    beyond: int
    siblings: int
    words: str


def describe(feature: str, higher: str, lower: str, z: float, n_below: int, n_above: int, siblings: int) -> Deviation:
    """A deviation with its words: ``higher`` or ``lower`` by the sign of ``z``."""
    adjective, beyond = (higher, n_below) if z >= 0 else (lower, n_above)
    return Deviation(
        feature, z, beyond, siblings, f"{adjective} than {beyond} of {siblings} siblings ({z:+.1f} robust SD)"
    )


def sentence(deviations: Sequence[Deviation], *, most: int = 3) -> str:
    """The notable deviations, largest first, in one line; a plain statement when there is none."""
    notable = sorted((d for d in deviations if abs(d.z) >= NOTABLE), key=lambda d: -abs(d.z))[:most]
    return "; ".join(d.words for d in notable) if notable else "resembles the patient's other lesions"
