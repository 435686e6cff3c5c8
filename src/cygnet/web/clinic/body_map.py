"""The body map: a figure from the front and one from the back, and a place for every lesion where none covers another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from cygnet.clinic.view import LesionView

WIDTH, HEIGHT = 240, 330
_MIDDLE: Final = 120.0
#: Distance of two marks in units of the map; a mark is 24 CSS pixels wide where the map is shown as wide as its units.
_APART: Final = 24.5
#: Half of the figure's outline, from the neck over arm and leg to the crotch: distance from the middle, and height.
_HALF: Final = (
    *((7, 42), (9, 52), (26, 57), (44, 64), (51, 80), (56, 106), (62, 130), (70, 158), (78, 182), (82, 196)),
    *((76, 204), (69, 194), (60, 164), (50, 134), (43, 106), (38, 92), (36, 112), (33, 134), (37, 156), (41, 180)),
    *((41, 206), (36, 238), (36, 262), (28, 296), (27, 308), (33, 318), (24, 322), (14, 318), (15, 300), (15, 266)),
    *((12, 238), (8, 206), (3, 178)),
)
#: Where each region lies: distance from the middle on one side (0 in the middle), and height; where the back differs, its own.
_SPOTS: Final[dict[str, tuple[float, float]]] = {
    **{"head": (0, 20), "scalp": (0, 14), "ear": (16, 26), "face": (0, 28), "neck": (0, 49)},
    **{"trunk": (0, 110), "chest": (17, 84), "abdomen": (13, 132), "flank": (32, 130), "axilla": (38, 88)},
    **{"back": (0, 110), "upper back": (18, 80), "mid back": (14, 110), "lower back": (13, 140)},
    **{"arm": (60, 130), "shoulder": (44, 72), "upper arm": (51, 98), "elbow": (58, 130), "forearm": (66, 158)},
    **{"wrist": (72, 180), "hand": (77, 196), "leg": (24, 240), "buttock": (20, 174), "thigh": (25, 206)},
    **{"knee": (25, 240), "lower leg": (25, 270), "ankle": (21, 300), "foot": (24, 316), "sole": (24, 316)},
    **{"genital": (0, 174), "perianal": (0, 180)},
}
#: Regions in the middle of the body: without a side they are drawn there, others of unknown side alternate.
_CENTRAL: Final = {"head", "scalp", "face", "neck", "trunk", "chest", "abdomen", "back", "upper back", "mid back", "lower back", "genital", "perianal"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mark:
    """A lesion's place on the map."""

    lesion: LesionView
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Figure:
    """One view of the body with its marks. ``shown`` is "front" or "back"."""

    shown: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class BodyMap:
    """Both figures, and the lesions whose place is not known."""

    figures: tuple[Figure, Figure]
    elsewhere: tuple[LesionView, ...]

    @property
    def placed(self) -> bool:
        """Whether there is anything on the figures."""
        return any(figure.marks for figure in self.figures)


def body_map(lesions: Sequence[LesionView]) -> BodyMap:
    """The map of a patient's lesions."""
    front, back = (Figure(shown, tuple(_placed(lesions, shown))) for shown in ("front", "back"))
    return BodyMap((front, back), tuple(x for x in lesions if x.where is None))


def _placed(lesions: Sequence[LesionView], shown: str) -> Iterator[Mark]:
    taken: list[tuple[float, float]] = []
    for n, lesion in enumerate(lesions):
        if lesion.where is None or lesion.where.view != shown:
            continue
        x, y = _free(*_spot(lesion.where.region, lesion.laterality, shown, n), taken)
        taken.append((x, y))
        yield Mark(lesion, round(x, 1), round(y, 1))


def _spot(region: str, laterality: str | None, shown: str, n: int) -> tuple[float, float]:
    """The middle of a region. Seen from the front the patient's left is on the right."""
    off, y = _SPOTS[region]
    if laterality not in ("left", "right"):
        return (_MIDDLE, y) if region in _CENTRAL else (_MIDDLE + (off if n % 2 else -off), y)
    right_hand = (laterality == "left") == (shown == "front")
    off = off or 14
    return _MIDDLE + (off if right_hand else -off), y


def _free(x: float, y: float, taken: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The nearest place around (x, y) at which a mark covers no other."""
    for dx, dy in _spiral():
        at = min(max(x + dx, 13.0), WIDTH - 13.0), min(max(y + dy, 13.0), HEIGHT - 13.0)
        if all(math.dist(at, other) >= _APART for other in taken):
            return at
    return x, y


@cache
def _spiral() -> tuple[tuple[float, float], ...]:
    """Places by distance; those beside come before those above, since bodies are taller than wide only as a whole."""
    grid = [(i * 4.0, j * 4.0) for i in range(-58, 59) for j in range(-80, 81)]
    return tuple(sorted(grid, key=lambda p: (p[0] ** 2 + p[1] ** 2 * 0.8, p)))


@cache
def outline() -> str:
    """The figure as SVG path data: a head, and both halves of the body as smooth lines."""
    right = [(_MIDDLE + x, float(y)) for x, y in _HALF]
    left = [(_MIDDLE - x, float(y)) for x, y in reversed(_HALF)]
    head = f"M{_MIDDLE - 15:g} 24a15 19 0 1 0 30 0a15 19 0 1 0 -30 0z"
    return head + _smooth(right + left)


def _smooth(points: Sequence[tuple[float, float]]) -> str:
    """A closed Catmull-Rom line through the points, as cubic Bezier curves."""
    n = len(points)
    parts = [f"M{points[0][0]:g} {points[0][1]:g}"]
    for k in range(n):
        before, here, there, after = (points[(k + d) % n] for d in (-1, 0, 1, 2))
        first = [here[i] + (there[i] - before[i]) / 6 for i in (0, 1)]
        second = [there[i] - (after[i] - here[i]) / 6 for i in (0, 1)]
        parts.append(" ".join(f"{v:.1f}" for v in (*first, *second, *there)).join(("C", "")))
    return "".join(parts) + "z"
