"""One patient as the page shows it: every word and reference decided, nothing left for the template to work out."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from cygnet.context.reasons import sentence
from cygnet.imaging.png import tint_png
from cygnet.report import words
from cygnet.report.strip import nice_top, strip_plot

if TYPE_CHECKING:
    from cygnet.triage import Assessment, ImageAssessment, LesionAssessment

FULL_CARDS = 12
SIMULATED_PREFIX = "SIM-"
#: Colour of what spoke for melanoma, and its opacity (of 255) in the strongest place.
_HEAT = (255, 64, 0)
_STRONGEST = 190


@dataclass(slots=True)
class Numbers:
    """The running numbers that keep ids unique over the whole file."""

    lesion: count[int] = field(default_factory=lambda: count(1))
    picture: count[int] = field(default_factory=lambda: count(1))


@dataclass(frozen=True, slots=True)
class Heat:
    """A picture to lay over another: a data URI, and its place on the square of 100."""

    source: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture in one place. ``defines`` is true where its bytes stand; elsewhere ``ref`` points to them.

    ``outline`` is the lesion's as an SVG path on the picture's square of 100, empty where none was found; ``heat`` where the
    network looked, None where it is not known.
    """

    ref: str
    image: str
    alt: str
    defines: bool
    outline: str
    heat: Heat | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """One finding of the quality gate with the advice for a better image."""

    image: str
    message: str
    retake: str
    refuses: bool


@dataclass(frozen=True, slots=True)
class Sibling:
    """The most similar other lesion: a small picture and a link to its card."""

    anchor: str
    shot: Shot
    lesion_id: str
    rank: str


@dataclass(frozen=True, slots=True)
class Card:
    """One ranked lesion. ``plot`` is ready SVG, empty on compact cards and without other lesions."""

    anchor: str
    shot: Shot
    more: tuple[Shot, ...]
    rank: str
    interval: str
    standing: str
    lesion_id: str
    site: str
    probability: str
    melanoma: str
    oddness: str
    family: str
    reasons: tuple[str, ...]
    nearest: Sibling | None
    no_nearest: str
    plot: Markup
    notes: tuple[Note, ...]
    guarded: bool
    full: bool
    order: int
    images: int
    remarks: str


@dataclass(frozen=True, slots=True)
class Refused:
    """One lesion that cannot be assessed: each image with what is wrong and how to retake it."""

    anchor: str
    lesion_id: str
    site: str
    reason: str
    shots: tuple[tuple[Shot, tuple[Note, ...]], ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Lesions that look alike, by rank: a row of the overview."""

    name: str
    cards: tuple[Card, ...]


@dataclass(frozen=True, slots=True)
class PatientView:
    """One patient's section of the page."""

    slug: str
    patient_id: str
    person: str
    lesions: str
    company: str
    notes: tuple[str, ...]
    simulated: bool
    cards: tuple[Card, ...]
    groups: tuple[Group, ...]
    refused: tuple[Refused, ...]
    prevalence: str


def is_simulated(assessment: Assessment) -> bool:
    """Whether the patient's id says that it is made up."""
    return assessment.patient_id.startswith(SIMULATED_PREFIX)


def patient_view(assessment: Assessment, slug: str, numbers: Numbers, *, simulated: bool = False) -> PatientView:
    """The view of one patient. ``simulated`` marks it even if its id does not begin with "SIM-"."""
    builder = _Builder(assessment, numbers)
    cards = tuple(builder.card(lesion, order) for order, lesion in enumerate(assessment.assessable))
    refused = tuple(builder.refused(lesion) for lesion in assessment.lesions if not lesion.assessable)
    tally = f"{words.plural(len(assessment.lesions), 'lesion')}: {len(cards)} assessable, {len(refused)} not"
    return PatientView(
        slug=slug,
        patient_id=assessment.patient_id,
        person=words.person(assessment),
        lesions=tally,
        company=assessment.company_words,
        notes=assessment.notes,
        simulated=simulated or is_simulated(assessment),
        cards=cards,
        groups=_groups(cards, assessment.assessable, assessment.company),
        refused=refused,
        prevalence=words.stated(assessment.provenance.prevalence),
    )


def _groups(cards: tuple[Card, ...], lesions: tuple[LesionAssessment, ...], company: str) -> tuple[Group, ...]:
    """Loners first, then families by letter; nothing for one lesion, one row when no families are known."""
    if len(cards) < 2:
        return ()
    letters = sorted({lesion.family for lesion in lesions if lesion.family})
    if not letters:
        return (Group(f"All {len(cards)} lesions", cards),)
    alone = "Stands alone" if company == "good" else "Not grouped"
    rows = [(alone, None), *((f"Family {letter}", letter) for letter in letters)]
    members = {
        key: tuple(c for c, x in zip(cards, lesions, strict=True) if (x.family or None) == key) for _, key in rows
    }
    return tuple(Group(f"{name} ({len(members[key])})", members[key]) for name, key in rows if members[key])


def _notes(images: tuple[ImageAssessment, ...]) -> tuple[Note, ...]:
    return tuple(Note(i.image, f.message, f.retake, f.refuses) for i in images for f in i.findings)


class _Builder:
    """The parts of one patient's view that need to know the patient's other lesions."""

    def __init__(self, assessment: Assessment, numbers: Numbers) -> None:
        self.assessment = assessment
        self.ranked = assessment.assessable
        self.by_id = {lesion.lesion_id: lesion for lesion in reversed(self.ranked)}
        self.anchors = [f"l-{next(numbers.lesion)}" for _ in assessment.lesions]
        self.anchor_of = {id(lesion): a for lesion, a in zip(assessment.lesions, self.anchors, strict=True)}
        self.refs: dict[str, str] = {}
        self.defined: set[str] = set()
        self.images = {i.image: i for lesion in assessment.lesions for i in lesion.images}
        self.numbers = numbers
        self.most_odd = words.most_odd(assessment)

    def shot(self, image: str, alt: str, *, define: bool) -> Shot:
        if image not in self.refs:
            self.refs[image] = f"i-{next(self.numbers.picture)}"
        defines = define and image not in self.defined
        if defines:
            self.defined.add(image)
        if not defines:
            return Shot(self.refs[image], image, alt, defines, "")
        return Shot(self.refs[image], image, alt, defines, _path(self.images[image]), _heat(self.images[image]))

    def card(self, lesion: LesionAssessment, order: int) -> Card:
        company, full, n = self.assessment.company, order < FULL_CARDS, len(self.ranked)
        oddness, site = words.oddness(lesion, company), lesion.site or "site not stated"
        alt = f"Lesion {lesion.lesion_id}, {site}, image {lesion.cover.image}"
        cover = self.shot(lesion.cover.image, alt, define=True)
        others = [i.image for i in lesion.images if i is not lesion.cover] if full else []
        interval = words.rank_interval(lesion) if n > 1 else ""
        return Card(
            anchor=self.anchor_of[id(lesion)],
            shot=cover,
            more=tuple(self.shot(i, f"Lesion {lesion.lesion_id}, image {i}", define=True) for i in others),
            rank=f"rank {lesion.rank} of {n}",
            interval=interval,
            standing=words.standing(lesion, self.assessment, self.most_odd),
            lesion_id=lesion.lesion_id,
            site=site,
            probability=words.probability(lesion, self.assessment.provenance.prevalence),
            melanoma=words.percent(lesion.p_melanoma),
            oddness=oddness,
            family=words.family(lesion, company) if n > 1 else "",
            reasons=_reasons(lesion, oddness),
            nearest=self.nearest(lesion),
            no_nearest="no siblings to compare with" if n < 2 else "no nearest sibling known",
            plot=self.plot(order) if full and n > 1 else Markup(),
            notes=_notes(lesion.images),
            guarded=lesion.guarded,
            full=full,
            order=lesion.rank or order + 1,
            images=len(lesion.images),
            remarks=_remarks(lesion, oddness),
        )

    def nearest(self, lesion: LesionAssessment) -> Sibling | None:
        other = self.by_id.get(lesion.nearest) if lesion.nearest is not None else None
        if other is None:
            return None
        rank = f"rank {other.rank} of {len(self.ranked)}"
        alt = f"Nearest sibling: lesion {other.lesion_id}, {other.site or 'site not stated'}, {rank}"
        shot = self.shot(other.cover.image, alt, define=False)
        return Sibling(self.anchor_of[id(other)], shot, other.lesion_id, rank)

    def plot(self, order: int) -> Markup:
        odd = [lesion.oddness for lesion in self.ranked]
        if not math.isnan(odd[order]):
            return Markup(strip_plot(odd, order, "oddness: 0 like the others, 1 unlike"))
        scores = [lesion.score for lesion in self.ranked]
        return Markup(strip_plot(scores, order, "absolute score, no comparison", top=nice_top(scores)))

    def refused(self, lesion: LesionAssessment) -> Refused:
        site = lesion.site or "site not stated"
        shots = tuple(
            (self.shot(i.image, f"Lesion {lesion.lesion_id}, {site}, image {i.image}", define=True), _notes((i,)))
            for i in lesion.images
        )
        reason = lesion.reason or "; ".join(i.reason for i in lesion.images if i.reason) or "no reason given"
        return Refused(self.anchor_of[id(lesion)], lesion.lesion_id, site, reason, shots)


def _path(image: ImageAssessment) -> str:
    """The outline of an image's lesion as an SVG path, the image fitted into a square of 100."""
    if image.outline is None:
        return ""
    left, top, across, down = _frame(image)
    places = (f"{left + x * across:.1f} {top + y * down:.1f}" for x, y in image.outline.points())
    return f"M{'L'.join(places)}Z"


def _heat(image: ImageAssessment) -> Heat | None:
    """Where the image spoke for melanoma, the strongest place the least transparent; None where no place did."""
    speaks = np.maximum(np.array(image.attention), 0)
    if not speaks.size or not speaks.max() > 0:
        return None
    tint = tint_png(np.rint(_STRONGEST * speaks / speaks.max()).astype(np.uint8), _HEAT)
    source = "data:image/png;base64," + base64.b64encode(tint).decode("ascii")
    return Heat(source, *(round(v, 1) for v in _frame(image)))


def _frame(image: ImageAssessment) -> tuple[float, float, float, float]:
    """Left, top, width and height of an image that is fitted into a square of 100."""
    across, down = (100 * side / max(image.width, image.height) for side in (image.width, image.height))
    return (100 - across) / 2, (100 - down) / 2, across, down


def _remarks(lesion: LesionAssessment, oddness: str) -> str:
    """Everything a card says in words, in one line for the table."""
    said = ["; ".join(_reasons(lesion, oddness))]
    said += ["kept up by the sensitivity guard"] if lesion.guarded else []
    said += [f"{n.image}: {n.message}" for n in _notes(lesion.images)]
    return ". ".join(words.initial(part) for part in said if part)


def _reasons(lesion: LesionAssessment, oddness: str) -> tuple[str, ...]:
    """The reason in parts; nothing when it would only repeat why there is no oddness."""
    if math.isnan(lesion.oddness) and lesion.reason in ("", oddness):
        return ()
    return tuple((lesion.reason or sentence(lesion.deviations)).split("; "))
