"""What is printed of a patient: a report for the clinician, and one page in plain words for the patient."""

from __future__ import annotations

from cygnet.clinic import Clinic
from cygnet.clinic.view import LesionView, PatientView
from cygnet.report.pdf import Block, Bullets, Case, Heading, Sheet, Shot, Shots, Table, Text
from cygnet.version import VERSION
from cygnet.web.clinic.words import Words

#: Lesions that the report shows with their reasons, besides those with a verdict that asks for something.
_SHOWN = 6
_NEEDS = ("biopsy", "monitor", "unsure")


def report(clinic: Clinic, w: Words, view: PatientView, today: str) -> Sheet:
    """The clinician's report of a revealed view."""
    assert view.provenance is not None
    ordered = [x for x in view.ordered() if x.told]
    first = sorted(ordered, key=lambda x: x.told.rank if x.told else 0)[:_SHOWN]
    asked = [x for x in ordered if x.mine and x.mine.choice in _NEEDS and x not in first]
    blocks: list[Block] = []
    if view.simulated:
        blocks.append(Text(w.t("simulated").upper(), "warn"))
    blocks += [Text(w.company(view)), Heading(w.t("report_first"))]
    blocks += [_case(clinic, w, view, x) for x in (*first, *asked)]
    blocks += [Heading(w.t("report_all")), _all(w, view)]
    if view.refused:
        blocks.append(Heading(w.t("refused", n=len(view.refused))))
        blocks.append(Bullets(tuple(_retake(w, x) for x in view.refused)))
    blocks += [Text(w.t("report_limits"), "soft")]
    blocks.append(Text(w.t("report_made", day=w.day(today), version=VERSION, model=view.provenance.model), "soft"))
    return Sheet(
        f"{w.t('report_title')}: {view.label}", _who(w, view), w.notice(), tuple(blocks), w.t("report_no_font")
    )


def letter(clinic: Clinic, w: Words, view: PatientView) -> Sheet:
    """One page for the patient: what happens next, with pictures, no numbers to misread."""
    blocks: list[Block] = [Text(w.t("letter_hello", day=w.day(view.day), n=len(view.lesions)))]
    for choice in _NEEDS:
        some = [x for x in view.lesions if x.mine and x.mine.choice == choice]
        if some:
            blocks += [Text(w.t(f"letter_{choice}"), "strong"), Shots(tuple(_shot(clinic, w, x) for x in some[:8]), 5)]
    fine = sum(1 for x in view.lesions if x.mine and x.mine.choice == "benign")
    blocks += [Text(w.t("letter_benign", n=fine))] if fine else []
    blocks += [Text(w.t("letter_retake", n=len(view.refused)))] if view.refused else []
    blocks += [Text(w.t("letter_watch"), "strong"), Text(w.t("letter_tool"), "soft")]
    if view.simulated:
        blocks.insert(0, Text(w.t("simulated").upper(), "warn"))
    return Sheet(
        w.t("letter_title"), f"{view.label}, {w.day(view.day)}", w.notice(), tuple(blocks), w.t("report_no_font")
    )


def _who(w: Words, view: PatientView) -> str:
    count = w.t("lesions", n=len(view.lesions))
    split = w.t("split", yes=len(view.assessable), no=len(view.refused))
    person = w.person(view.age, view.sex, view.skin_type)
    return f"{person} | {w.t('visit', day=w.day(view.day))} | {count}: {split}"


def _case(clinic: Clinic, w: Words, view: PatientView, x: LesionView) -> Case:
    assert x.told is not None
    lines = [f"{w.rank(x.told)}, {w.family(x.told, view.company)}", *w.reasons(x.told)]
    if x.told.most:
        lines.insert(1, w.t("most_unlike"))
    if x.mine and x.mine.choice:
        note = f": {x.mine.note}" if x.mine.note else ""
        lines.append(f"{w.t('verdict')}: {w.t('choice_' + x.mine.choice)}{note}")
    return Case(clinic.pictures.get(x.cover.sha256), f"{x.name}, {w.place(x)}", tuple(lines))


def _all(w: Words, view: PatientView) -> Table:
    rows = tuple(
        (
            x.name,
            w.place(x),
            w.rank(x.told) if x.told else "",
            w.family(x.told, view.company) if x.told else "",
            w.status(x),
            x.mine.note if x.mine else "",
        )
        for x in view.ordered()
        if x.assessable
    )
    heads = tuple(w.t(c) for c in ("lesion", "place", "rank_head", "family_head", "verdict", "note"))
    return Table(heads, rows, (1, 2, 3, 1.6, 1.4, 3))


def _retake(w: Words, x: LesionView) -> str:
    why = [f"{w.finding(f)}. {w.retake(f)}" for _, f in x.findings if f.refuses]
    return f"{x.name}, {w.place(x)}: {' '.join(why)}"


def _shot(clinic: Clinic, w: Words, x: LesionView) -> Shot:
    return Shot(clinic.pictures.get(x.cover.sha256), (w.place(x), x.name))
