"""A patient as a reader may see them now: what is withheld is not in here at all.

Everything that pages, tables, JSON and reports show comes from these records, so that rank, family, nearest sibling, reasons, scores
and outlines of a lesion are in one place, ``LesionView.told``, and that is None until the reader's own verdict is stored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.engine import RowMapping

from cygnet.clinic.assess import lesion_name
from cygnet.clinic.errors import UnknownError, WithheldError
from cygnet.clinic.reading import images_of, newest_assessment, patient_row, thawed, visits_of
from cygnet.clinic.scale import Bar, bar
from cygnet.clinic.settings import Settings, read_settings
from cygnet.clinic.tables import image, lesion, outcome, reveal, verdict, visit
from cygnet.context import Deviation
from cygnet.context.reasons import NOTABLE, counts_for
from cygnet.imaging import Finding
from cygnet.report import words
from cygnet.schema.bodymap import Place, place
from cygnet.schema.sites import SITES, find_site
from cygnet.triage import Assessment, ImageAssessment, LesionAssessment, Provenance

_REASONS = 3


@dataclass(frozen=True, slots=True)
class Picture:
    """One image of a lesion; ``thumbnail`` is None where the file holds no picture, ``mm_per_pixel`` where its scale is not known."""

    id: int
    name: str
    sha256: str
    thumbnail: str | None
    width: int
    height: int
    day: str
    mm_per_pixel: float | None = None

    @property
    def bar(self) -> Bar | None:
        """The scale bar to draw into it."""
        return bar(self.mm_per_pixel, self.width)


@dataclass(frozen=True, slots=True)
class Said:
    """One version of a verdict. ``seconds`` is None where it was not timed."""

    choice: str | None
    note: str
    version: int
    reader: str
    at: str
    seconds: float | None
    after_reveal: bool


@dataclass(frozen=True, slots=True)
class Told:
    """What Cygnet says of a lesion, as in :class:`cygnet.triage.LesionAssessment`.

    ``nearest`` is the number of the most similar sibling's lesion; ``reasons`` the notable deviations, largest first;
    ``company`` the oddness of all assessable lesions in order of value, ``place`` where this one stands in it; ``most`` that none of
    the patient's lesions is more unlike the others. ``outline`` holds x and y in shares of the cover's width and height.
    """

    rank: int
    rank_low: int | None
    rank_high: int | None
    of: int
    family: str | None
    nearest: int | None
    reasons: tuple[Deviation, ...]
    oddness: float
    p_melanoma: float
    guarded: bool
    most: bool
    company: tuple[float, ...]
    place: int
    outline: tuple[tuple[float, float], ...]
    measurements: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class LesionView:
    """One lesion at one visit. ``assessable`` is None before Cygnet has looked; ``findings`` are the quality gate's by image name.

    ``mine`` is this reader's newest verdict, ``version`` the newest of anyone, ``current`` the newest of anyone where this reader may see
    it, ``others`` whether another reader has given one. ``prior`` is the picture of the visit before.
    """

    id: int
    number: int
    source: str
    site: str | None
    path: str | None
    laterality: str | None
    where: Place | None
    pictures: tuple[Picture, ...]
    prior: Picture | None
    assessable: bool | None
    findings: tuple[tuple[str, Finding], ...]
    mine: Said | None
    current: Said | None
    version: int
    others: bool
    outcome: Mapping[str, Any] | None
    told: Told | None

    @property
    def name(self) -> str:
        """As pages and assessments call it: "L-7"."""
        return lesion_name(self.number)

    @property
    def committed(self) -> bool:
        """Whether this reader has judged it, even if the verdict was taken back."""
        return self.mine is not None

    @property
    def cover(self) -> Picture:
        """The picture to show."""
        return next((p for p in self.pictures if p.thumbnail), self.pictures[0])


@dataclass(frozen=True, slots=True)
class Row:
    """Lesions shown together: of a site before the reveal ("site"), of a "family" or "alone" after it, or "all"."""

    kind: str
    name: str
    lesions: tuple[LesionView, ...]


@dataclass(frozen=True, slots=True)
class PatientView:
    """A patient at a visit as one reader may see them. ``state`` is the newest assessment's ("" without one); ``company`` as in
    :class:`cygnet.triage.Assessment`, "" before; ``revealed`` whether every assessable lesion may be seen with its rank."""

    id: int
    key: str
    label: str
    age: float | None
    sex: str | None
    skin_type: str | None
    simulated: bool
    visit_id: int
    day: str
    visits: tuple[tuple[int, str], ...]
    state: str
    assessment_id: int | None
    done: int
    images: int
    message: str
    company: str
    notes: tuple[str, ...]
    provenance: Provenance | None
    settings: Settings
    lesions: tuple[LesionView, ...]
    revealed: bool

    @property
    def assessable(self) -> tuple[LesionView, ...]:
        """Lesions to be judged."""
        return tuple(x for x in self.lesions if x.assessable)

    @property
    def refused(self) -> tuple[LesionView, ...]:
        """Lesions that Cygnet cannot assess."""
        return tuple(x for x in self.lesions if x.assessable is False)

    @property
    def committed(self) -> int:
        """How many of the assessable lesions this reader has judged."""
        return sum(x.committed for x in self.assessable)

    def rows(self) -> tuple[Row, ...]:
        """The gallery: by site until everything is revealed, then by rank in families."""
        return _by_family(self) if self.revealed else _by_site(self)

    def ordered(self) -> tuple[LesionView, ...]:
        """Lesions in the gallery's order, those that cannot be assessed last."""
        return tuple(x for row in self.rows() for x in row.lesions) + self.refused

    def find(self, lesion_id: int) -> LesionView:
        """One of the lesions; UnknownError if it was not seen at this visit."""
        found = next((x for x in self.lesions if x.id == lesion_id), None)
        if found is None:
            raise UnknownError(f"lesion {lesion_id} was not photographed at this visit; choose another visit")
        return found


def patient_view(connection: Connection, who: str, patient_id: int, visit_id: int | None = None) -> PatientView:
    """What ``who`` may see of a patient at a visit, by default the newest.

    Raises
    ------
    UnknownError
        If there is no such patient or visit.
    """
    person = patient_row(connection, patient_id)
    visits = visits_of(connection, patient_id)
    chosen = visits[0] if visit_id is None and visits else next((v for v in visits if v["id"] == visit_id), None)
    if chosen is None:
        raise UnknownError(f"patient {patient_id} has no such visit; choose one from the patient's page")
    row = newest_assessment(connection, chosen["id"])
    now = newest_assessment(connection, chosen["id"], done=False)
    builder = _Builder(connection, who, person, chosen, row)
    lesions = builder.lesions()
    assessable = [x for x in lesions if x.assessable]
    return PatientView(
        **{name: person[name] for name in ("id", "key", "label", "age", "sex", "skin_type", "simulated")},
        visit_id=chosen["id"],
        day=chosen["day"],
        visits=tuple((v["id"], v["day"]) for v in visits),
        state=now["state"] if now else "",
        assessment_id=now["id"] if now else None,
        done=now["done"] if now else 0,
        images=now["images"] if now else 0,
        message=(now["message"] or "") if now else "",
        company=builder.found.company if builder.found else "",
        notes=builder.found.notes if builder.found else (),
        provenance=builder.found.provenance if builder.found else None,
        settings=read_settings(connection),
        lesions=lesions,
        revealed=bool(assessable) and all(x.told for x in assessable),
    )


def require_reveal(view: PatientView) -> PatientView:
    """The same view, for what may only leave when all of it may be seen.

    Raises
    ------
    WithheldError
        While lesions are left to judge.
    """
    if view.state != "done" or view.provenance is None:
        raise WithheldError("this visit is not assessed yet; wait until Cygnet has looked at its images")
    left = len(view.assessable) - sum(x.told is not None for x in view.assessable)
    if left:
        raise WithheldError(
            f"{left} of {len(view.assessable)} lesions wait for your verdict; the rest follows after that"
        )
    return view


class _Builder:
    """The parts of one view, with what is read once for all lesions."""

    def __init__(
        self, connection: Connection, who: str, person: RowMapping, chosen: RowMapping, row: RowMapping | None
    ) -> None:
        self.connection, self.who, self.visit = connection, who, chosen
        self.found: Assessment | None = thawed(row["content"]) if row else None
        self.judged = {x.lesion_id: x for x in self.found.lesions} if self.found else {}
        known = select(lesion).filter_by(patient_id=person["id"]).order_by(lesion.c.number)
        self.rows = connection.execute(known).mappings().all()
        here = {"visit_id": chosen["id"]}
        self.pictures = images_of(connection, chosen["id"])
        self.prior = _prior_pictures(connection, person["id"], chosen["day"])
        self.shown = set(connection.execute(select(reveal.c.lesion_id).filter_by(**here, reader=who)).scalars())
        self.said: dict[int, list[RowMapping]] = {}
        for v in connection.execute(select(verdict).filter_by(**here).order_by(verdict.c.version)).mappings():
            self.said.setdefault(v["lesion_id"], []).append(v)
        self.outcomes = {
            o["lesion_id"]: o
            for o in connection.execute(
                select(outcome)
                .join(lesion, outcome.c.lesion_id == lesion.c.id)
                .where(lesion.c.patient_id == person["id"])
                .order_by(outcome.c.version)
            ).mappings()
        }
        ranked = self.found.assessable if self.found else ()
        self.most = words.most_odd(self.found) if self.found and self.found.company == "good" else None
        self.values = tuple(sorted(x.oddness for x in ranked if not math.isnan(x.oddness)))
        self.open = read_settings(connection).reveal == "open"

    def lesions(self) -> tuple[LesionView, ...]:
        return tuple(self.lesion(row) for row in self.rows if row["id"] in self.pictures)

    def lesion(self, row: RowMapping) -> LesionView:
        judged = self.judged.get(lesion_name(row["number"]))
        said = self.said.get(row["id"], [])
        mine = next((v for v in reversed(said) if v["reader"] == self.who), None)
        may_see = row["id"] in self.shown or self.open
        told = self.told(judged) if judged is not None and judged.assessable and may_see else None
        known = find_site(row["site"]) if row["site"] and not row["path"] else None
        path, special = (row["path"], None) if row["path"] else (known.path, known.special) if known else (None, None)
        return LesionView(
            id=row["id"],
            number=row["number"],
            source=row["name"],
            site=row["site"],
            path=row["path"],
            laterality=row["laterality"],
            where=place(path, special, row["laterality"]),
            pictures=tuple(_picture(p, self.visit["day"]) for p in self.pictures[row["id"]]),
            prior=self.prior.get(row["id"]),
            assessable=None if judged is None else judged.assessable,
            findings=tuple((i.image, f) for i in judged.images for f in i.findings) if judged else (),
            mine=_said(mine) if mine else None,
            current=_said(said[-1]) if said and (may_see or mine) else None,
            version=said[-1]["version"] if said else 0,
            others=any(v["reader"] != self.who for v in said),
            outcome=dict(self.outcomes[row["id"]]) if row["id"] in self.outcomes and may_see else None,
            told=told,
        )

    def told(self, judged: LesionAssessment) -> Told:
        cover: ImageAssessment = judged.cover
        assert judged.rank is not None
        return Told(
            rank=judged.rank,
            rank_low=judged.rank_low,
            rank_high=judged.rank_high,
            of=len(self.found.assessable) if self.found else 0,
            family=judged.family,
            nearest=int(judged.nearest.removeprefix("L-")) if judged.nearest else None,
            reasons=tuple(d for d in judged.deviations if abs(d.z) >= NOTABLE and counts_for(d))[:_REASONS],
            oddness=judged.oddness,
            p_melanoma=judged.p_melanoma,
            guarded=judged.guarded,
            most=judged.lesion_id == self.most,
            company=self.values,
            place=self.values.index(judged.oddness) if judged.oddness in self.values else -1,
            outline=tuple(cover.outline.points()) if cover.outline else (),
            measurements=cover.measurements,
        )


def _picture(row: RowMapping, day: str) -> Picture:
    return Picture(
        day=day, **{k: row[k] for k in ("id", "name", "sha256", "thumbnail", "width", "height", "mm_per_pixel")}
    )


def _said(row: RowMapping) -> Said:
    return Said(**{k: row[k] for k in ("choice", "note", "version", "reader", "at", "seconds", "after_reveal")})


def _prior_pictures(connection: Connection, patient_id: int, day: str) -> dict[int, Picture]:
    """The newest picture of each lesion from before a day."""
    statement = (
        select(image, visit.c.day)
        .join(visit, image.c.visit_id == visit.c.id)
        .where(visit.c.patient_id == patient_id, visit.c.day < day, image.c.thumbnail.is_not(None))
        .order_by(visit.c.day, image.c.id)
    )
    return {row["lesion_id"]: _picture(row, row["day"]) for row in connection.execute(statement).mappings()}


def _by_site(view: PatientView) -> tuple[Row, ...]:
    groups: dict[str, list[LesionView]] = {}
    for x in view.lesions:
        if x.assessable is not False:
            groups.setdefault(x.site or "", []).append(x)
    order = sorted(groups, key=lambda s: SITES.index(s) if s in SITES else len(SITES) + (s == ""))
    return tuple(Row("site", name, tuple(groups[name])) for name in order)


def _by_family(view: PatientView) -> tuple[Row, ...]:
    ranked = sorted(((x.told, x) for x in view.assessable if x.told), key=lambda pair: pair[0].rank)
    letters = sorted({told.family for told, _ in ranked if told.family})
    if not letters or view.company != "good":
        return (Row("all", "", tuple(x for _, x in ranked)),) if ranked else ()
    rows = [Row("alone", "", tuple(x for told, x in ranked if not told.family))]
    rows += [Row("family", k, tuple(x for told, x in ranked if told.family == k)) for k in letters]
    best = [row for row in rows if row.lesions]
    return tuple(sorted(best, key=lambda row: (row.kind != "alone", row.name)))


def without_person(view: PatientView) -> PatientView:
    """The view under a pseudonym: the random key for the label, no more than the year of age."""
    return replace(view, label=f"P-{view.key[:8]}")


def sequence(lesions: Sequence[LesionView], lesion_id: int) -> tuple[LesionView | None, LesionView | None]:
    """The lesions before and after one, in order; None at the ends."""
    at = next((k for k, x in enumerate(lesions) if x.id == lesion_id), -1)
    before = lesions[at - 1] if at > 0 else None
    after = lesions[at + 1] if 0 <= at < len(lesions) - 1 else None
    return before, after
