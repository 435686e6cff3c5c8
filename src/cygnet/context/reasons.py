"""Deviations in a dermatologist's words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

NOTABLE = 1.5


@dataclass(frozen=True, slots=True)
class Deviation:
    """How one feature of a lesion stands among its siblings.

    ``z`` is signed, in robust SD of the siblings; ``beyond`` counts the siblings it exceeds in that direction out of
    ``siblings``; ``words`` is for example "darker than 13 of 14 siblings (+2.6 robust SD)", or "darkest of 15 lesions
    (+3.0 robust SD)" where it exceeds all of them.
    """

    feature: str
    z: float
    beyond: int
    siblings: int
    words: str


def describe(
    feature: str,
    higher: str,
    lower: str,
    z: float,
    n_below: int,
    n_above: int,
    siblings: int,
    *,
    same_site: bool = False,
) -> Deviation:
    """A deviation with its words: ``higher`` or ``lower`` by the sign of ``z``.

    ``n_below`` and ``n_above`` of the ``siblings`` have a smaller or larger value. The lesion that exceeds all of at least two
    siblings is the extreme of them and itself.
    """
    adjective, beyond = (higher, n_below) if z >= 0 else (lower, n_above)
    where = " of the same site" if same_site else ""
    if siblings >= 2 and beyond == siblings:
        standing = f"{superlative(adjective)} of {siblings + 1} lesions{where}"
    else:
        standing = f"{adjective} than {beyond} of {siblings} siblings{where}"
    return Deviation(feature, z, beyond, siblings, f"{standing} ({z:+.1f} robust SD)")


_IRREGULAR = {"more": "most", "less": "least", "fewer": "fewest"}


def superlative(comparative: str) -> str:
    """The superlative of an English comparative: "darker" gives "darkest", "less red" gives "least red".

    Raises
    ------
    ValueError
        If the first word is no comparative.
    """
    first, *rest = comparative.split(" ")
    if first not in _IRREGULAR and not first.endswith("er"):
        raise ValueError(f"{comparative!r} does not begin with a comparative")
    return " ".join([_IRREGULAR.get(first, f"{first[:-2]}est"), *rest])


def describe_look(z: float, siblings: int, *, same_site: bool = False) -> Deviation:
    """How unlike its siblings a lesion looks as a whole."""
    words = "unlike" if z >= 0 else "like"
    return Deviation(
        "look", z, 0, siblings, f"pattern {words} its {_company(siblings, same_site)} ({z:+.1f} robust SD)"
    )


def describe_score(z: float, siblings: int, *, same_site: bool = False) -> Deviation:
    """How a lesion's melanoma score stands among its siblings'."""
    than = f"{'higher' if z >= 0 else 'lower'} than those of its {_company(siblings, same_site)}"
    return Deviation("score", z, 0, siblings, f"melanoma score {than} ({z:+.1f} robust SD)")


def _company(siblings: int, same_site: bool) -> str:
    return f"{siblings} siblings{' of the same site' if same_site else ''}"


def counts_for(deviation: Deviation) -> bool:
    """Whether it is a reason to look twice: looking more alike than usual, or scoring lower, is none."""
    return deviation.feature not in ("look", "score") or deviation.z > 0


def sentence(deviations: Sequence[Deviation], *, most: int = 3) -> str:
    """The notable deviations, largest first, in one line; a plain statement when there is none."""
    notable = sorted((d for d in deviations if abs(d.z) >= NOTABLE), key=lambda d: -abs(d.z))[:most]
    return "; ".join(d.words for d in notable) if notable else "resembles the patient's other lesions"
