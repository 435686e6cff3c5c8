"""Numbers and missing values as the words that a reader of the report sees."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cygnet.triage import Assessment, LesionAssessment

NOT_AVAILABLE = "not available"


def percent(p: float) -> str:
    """A probability in [0, 1] in per cent: one decimal below 10 %, none above; never rounded to 0 or 100."""
    if math.isnan(p):
        return NOT_AVAILABLE
    if p < 0.001:
        return "below 0.1 %"
    if p > 0.99:
        return "above 99 %"
    return f"{100 * p:.1f} %" if p < 0.0995 else f"{100 * p:.0f} %"


def stated(p: float) -> str:
    """A probability that a person chose, such as a prevalence, as it was written: 0.02 is "2 %"."""
    return NOT_AVAILABLE if math.isnan(p) else f"{100 * p:.4g} %"


def plural(n: int, noun: str) -> str:
    """A count with its noun: "1 lesion", "16 lesions"."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def initial(text: str) -> str:
    """The text with a capital first letter; the rest as it stands."""
    return text[:1].upper() + text[1:]


def slug(text: str) -> str:
    """A short text that may stand in an ``id`` attribute; empty text gives "unnamed"."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-")[:48] or "unnamed"


def person(assessment: Assessment) -> str:
    """Age and sex, each named when it is missing."""
    known = assessment.age is not None and not math.isnan(assessment.age)
    age = f"{assessment.age:g} years" if known else "age not stated"
    return f"{age}, {assessment.sex or 'sex not stated'}"


def oddness(lesion: LesionAssessment, company: str) -> str:
    """Oddness with two decimals, or why there is none."""
    if math.isnan(lesion.oddness):
        return {"none": "no siblings to compare with", "few": "too few lesions to compare"}.get(company, NOT_AVAILABLE)
    note = " (too few lesions to compare: shown, not used)" if company == "few" else ""
    return f"{lesion.oddness:.2f}{note}"


def rank_interval(lesion: LesionAssessment) -> str:
    """The 80 % interval of the rank as "1-2"; empty when it is not known."""
    if lesion.rank_low is None or lesion.rank_high is None:
        return ""
    return f"{lesion.rank_low}-{lesion.rank_high}"


def family(lesion: LesionAssessment, company: str) -> str:
    """The family's letter, that the lesion stands alone, or that too few were there to tell."""
    if lesion.family:
        return f"family {lesion.family}"
    return "stands alone" if company == "good" else "not grouped"


def probability(lesion: LesionAssessment, prevalence: float) -> str:
    """The calibrated probability, never without the prevalence that it holds at."""
    here = percent(lesion.p_melanoma)
    return f"calibrated probability of melanoma {here} (at a stated prevalence of {stated(prevalence)})"


def standing(lesion: LesionAssessment, assessment: Assessment, most_odd: str | None) -> str:
    """The words above a card: how the lesion stands among the patient's lesions; empty for most of them."""
    first, odd = lesion.rank == 1, lesion.lesion_id == most_odd
    if assessment.company == "good":
        if first and odd:
            return "Most unlike and most suspicious of this patient's lesions"
        if first:
            return "Most suspicious of this patient's lesions"
        return "Most unlike this patient's other lesions" if odd else ""
    compared = len(assessment.assessable) > 1
    return "Highest absolute score of this patient's lesions" if first and compared else ""


def most_odd(assessment: Assessment) -> str | None:
    """The lesion_id with the highest oddness; None without oddness or when two share it."""
    known = [x for x in assessment.assessable if not math.isnan(x.oddness)]
    top = max((x.oddness for x in known), default=math.nan)
    best = [x.lesion_id for x in known if x.oddness == top]
    return best[0] if len(best) == 1 else None
