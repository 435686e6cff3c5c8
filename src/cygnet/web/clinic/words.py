"""The clinic's records in the reader's language."""

from __future__ import annotations

import math
from datetime import date

from cygnet.clinic.view import LesionView, PatientView, Picture, Row, Told
from cygnet.context import Deviation
from cygnet.imaging import Finding
from cygnet.report import words as report
from cygnet.web.texts import translate


class Words:
    """Words in one language."""

    def __init__(self, language: str) -> None:
        self.language = language

    def t(self, name: str, /, **values: object) -> str:
        """A text of the clinic's catalogue."""
        return translate(self.language, f"clinic.{name}", **values)

    def notice(self) -> str:
        """What stands at the foot of every printed page."""
        return f"{translate(self.language, 'base.research')} {translate(self.language, 'base.research_more')}"

    def decimal(self, text: str) -> str:
        """A number's text with the language's decimal sign."""
        return text.replace(".", ",") if self.language == "de" else text

    def person(self, age: float | None, sex: str | None, skin_type: str | None) -> str:
        """Age, sex and skin type, each named when it is missing."""
        parts = [
            self.t("age", age=f"{age:g}") if age is not None else self.t("age_unknown"),
            self.t(f"sex_{sex}") if sex in ("male", "female") else self.t("sex_unknown"),
        ]
        return ", ".join([*parts, *([self.t("skin_type", type=skin_type)] if skin_type else [])])

    def day(self, day: str) -> str:
        """A visit's day."""
        if day.startswith("day "):
            return self.t("day_number", day=int(day[4:]))
        if self.language != "de":
            return day
        try:
            return date.fromisoformat(day).strftime("%d.%m.%Y")
        except ValueError:
            return day

    def site(self, site: str | None) -> str:
        """A general site."""
        return self.t("site_" + site.replace("/", "_").replace(" ", "_")) if site else self.t("site_unknown")

    def place(self, lesion: LesionView) -> str:
        """Where a lesion is, as closely as it is known, with its side."""
        if lesion.where is None or not lesion.path or ":" not in lesion.path:
            name = self.site(lesion.site)
        else:
            name = self.t("region_" + lesion.where.region.replace(" ", "_"))
        return self.t("sided", place=name, side=self.t(f"side_{lesion.laterality}")) if lesion.laterality else name

    def status(self, lesion: LesionView) -> str:
        """What is known of a lesion's verdict, for its name on the map."""
        if lesion.assessable is False:
            return self.t("status_refused")
        if lesion.mine is not None and lesion.mine.choice:
            return self.t(f"choice_{lesion.mine.choice}")
        return self.t("status_open")

    def alt(self, lesion: LesionView, picture: Picture) -> str:
        """The alternative text of a picture: number, place, day; nothing that is withheld."""
        return self.t("alt", name=lesion.name, place=self.place(lesion), day=self.day(picture.day))

    def row(self, row: Row) -> str:
        """The heading of a row of the gallery."""
        if row.kind == "site":
            return f"{self.site(row.name or None)} ({len(row.lesions)})"
        if row.kind == "family":
            return self.t("row_family", name=row.name, n=len(row.lesions))
        return self.t(f"row_{row.kind}", n=len(row.lesions))

    def company(self, view: PatientView) -> str:
        """How good the comparison is."""
        n = len(view.assessable)
        return self.t(f"company_{view.company}", n=n - 1, all=n) if view.company else ""

    def reason(self, d: Deviation) -> str:
        """A deviation in a dermatologist's words; in English just as ``d.words``."""
        z, high = self.decimal(f"{d.z:+.1f}"), d.z >= 0
        same = "of the same site" in d.words
        others = self.t("siblings_site" if same else "siblings", count=d.siblings)
        way = "more" if high else "less"
        if d.feature in ("look", "score"):
            said = self.t(f"{way}_{d.feature}", others=others)
        elif d.siblings >= 2 and d.beyond == d.siblings:
            where = self.t("where_site") if same else ""
            said = self.t("extreme", most=self.t(f"most_{way}_{d.feature}"), count=d.siblings + 1) + where
        else:
            said = self.t("than", more=self.t(f"{way}_{d.feature}"), beyond=str(d.beyond), others=others)
        return self.t("deviation", said=said, z=z)

    def reasons(self, told: Told) -> list[str]:
        """Why a lesion stands where it does."""
        return [self.reason(d) for d in told.reasons] or [self.t("no_reason")]

    def rank(self, told: Told) -> str:
        """The rank with its interval."""
        if told.rank_low is None or told.rank_low == told.rank_high:
            return self.t("rank", rank=told.rank, of=told.of)
        return self.t("rank_interval", rank=told.rank, of=told.of, low=told.rank_low, high=told.rank_high)

    def family(self, told: Told, company: str) -> str:
        """The family, or that there is none."""
        if told.family:
            return self.t("family", name=told.family)
        return self.t("alone" if company == "good" else "not_grouped")

    def percent(self, p: float) -> str:
        """A probability that is never 0 or 100 %."""
        if math.isnan(p):
            return self.t("not_available")
        if p < 0.001:
            return self.t("below", p=self.decimal("0.1 %"))
        return self.t("above", p="99 %") if p > 0.99 else self.decimal(report.percent(p))

    def stated(self, p: float) -> str:
        """A probability that somebody chose."""
        return self.decimal(report.stated(p))

    def finding(self, finding: Finding) -> str:
        """What is wrong with a picture."""
        return self.t(f"finding_{finding.code}")

    def retake(self, finding: Finding) -> str:
        """How to take a better one."""
        return self.t(f"retake_{finding.code}")

    def millimetres(self, mm: float) -> str:
        """A length."""
        return self.decimal(f"{mm:g} mm")

    def seconds(self, seconds: float | None) -> str:
        """A duration."""
        return "" if seconds is None else self.t("seconds", s=self.decimal(f"{seconds:.0f}"))
