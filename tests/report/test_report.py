"""The HTML report: what stands in it, what must not, and that it is written while the patients arrive."""

from __future__ import annotations

import base64
import hashlib
import io
import math
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cygnet.report
from cygnet.context import Deviation
from cygnet.imaging import Finding, Reason
from cygnet.report import card_markdown, strip_plot, write_html
from cygnet.report.html import SIMULATED
from cygnet.report.words import percent, slug
from cygnet.triage import RESEARCH_USE, Assessment, ImageAssessment, LesionAssessment, Provenance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PROVENANCE = Provenance("0.1.0", "cygnet-lesion", "ab" * 32, "cygnet-segment", "cd" * 32, 0.02, 0.1)
CARD = {
    "name": "cygnet-lesion",
    "version": "0.3",
    "licence": "https://creativecommons.org/licenses/by-nc/4.0/",
    "metrics": [{"name": "within-patient AUC", "value": 0.8123, "low": 0.77, "high": 0.85, "n": 412}],
    "limits": ["Few images of dark skin."],
    "data": {"train": "2020 set", "size": {"images": 33126}},
}
VOID = {"meta", "link", "br", "input"}


def image(name: str, *findings: Finding, ok: bool = True) -> ImageAssessment:
    return ImageAssessment(name, f"{name}.jpg", "0" * 64, 100, 100, findings, {"melanoma": 0.03} if ok else {})


def lesion(k: int, n: int, oddness: float = 0.5, **changes: object) -> LesionAssessment:
    darker = Deviation("darkness", 2.6, n - 1, n - 1, f"darker than {n - 1} of {n - 1} siblings (+2.6 robust SD)")
    made = LesionAssessment(
        lesion_id=f"L{k}",
        site="posterior torso",
        images=(image(f"img{k}"),),
        p_melanoma=0.031,
        p_diagnosis={},
        oddness=oddness,
        score=0.04,
        rank=k,
        rank_low=k,
        rank_high=min(k + 1, n),
        family="A" if k > 1 else None,
        nearest=f"L{k % n + 1}" if n > 1 else None,
        deviations=(darker,),
        guarded=False,
        reason=darker.words,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def refused(name: str = "X1") -> LesionAssessment:
    blurred = Finding(Reason.BLURRED, "blurred: sharpness 0.1", True)
    return lesion(
        1, 1, math.nan, lesion_id=name, images=(image(f"bad-{name}", blurred, ok=False),), rank=None, rank_low=None,
        rank_high=None, nearest=None, deviations=(), reason="blurred: sharpness 0.1",
    )  # fmt: skip


def patient(name: str = "P-1", n: int = 3, company: str = "good", *more: LesionAssessment) -> Assessment:
    lesions = tuple(lesion(k, n, 1 - k / (n + 1)) for k in range(1, n + 1))
    return Assessment(name, 58.0, "female", company, (*lesions, *more), PROVENANCE)


def jpeg(patient_id: str, name: str) -> bytes:
    return f"JPEG {patient_id} {name}".encode()


def page(
    *patients: Assessment, picture: Callable[[str, str], bytes | None] = jpeg, card: object = None, **options: object
) -> str:
    out = io.StringIO()
    write_html(out, iter(patients), picture=picture, card=CARD if card is None else card, **options)  # type: ignore[arg-type]
    return out.getvalue()


def encoded(patient_id: str, name: str) -> str:
    return base64.b64encode(jpeg(patient_id, name)).decode()


class Balance(HTMLParser):
    """Fails on a tag closed out of order; keeps ids, heading levels and targets of links and uses."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.headings: list[int] = []
        self.tags: set[str] = set()
        self.feed(text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.add(tag)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.targets += [given["href"] or ""] if tag in ("a", "use") else []
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.stack.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag


def test_public_names() -> None:
    assert cygnet.report.__all__ == ["card_markdown", "strip_plot", "write_html"]


def test_page_is_well_formed_with_unique_ids_and_no_dead_link() -> None:
    text = page(patient("P-1", 16, "good", refused()), patient("P 1", 1, "none"), patient("P/1", 5, "few"))
    found = Balance(text)
    assert len(found.ids) == len(set(found.ids))
    assert {t.removeprefix("#") for t in found.targets} <= set(found.ids)
    assert {"header", "main", "footer", "nav"} <= found.tags
    assert "script" not in found.tags
    assert {"p-P-1", "p-P-1-2", "p-P-1-3", "l-1", "l-22"} < set(found.ids)
    assert found.headings[0] == 1
    assert found.headings.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(found.headings, found.headings[1:], strict=False))


def test_everything_from_outside_is_escaped() -> None:
    bad = "<script>alert('&\"')</script>"
    odd = lesion(1, 1, lesion_id=bad, site=bad, reason=bad, family=bad, nearest=bad, images=(image(bad),))
    someone = Assessment(bad, None, bad, "good", (odd, refused(bad)), PROVENANCE, (bad,))
    text = page(someone, title=bad, card={bad: bad, "limits": [bad], "x": [{bad: bad}]}, counts={bad: 1})
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "script" not in Balance(text).tags


def test_each_picture_is_embedded_once() -> None:
    two = lesion(2, 3, images=(image("img2"), image("img2b"), image("img1")))
    someone = Assessment("P-1", 58.0, "male", "good", (lesion(1, 3), two, lesion(3, 3), refused()), PROVENANCE)
    asked: list[str] = []

    def picture(patient_id: str, name: str) -> bytes:
        asked.append(name)
        return jpeg(patient_id, name)

    text = page(someone, picture=picture)
    names = ["img1", "img2", "img2b", "img3", "bad-X1"]
    assert asked == names
    assert [text.count(encoded("P-1", name)) for name in names] == [1] * 5
    assert text.count("<use ") > 5


def test_the_same_image_name_of_two_patients_is_two_pictures() -> None:
    text = page(patient("P-1", 1, "none"), patient("P-2", 1, "none"))
    assert encoded("P-1", "img1") in text
    assert encoded("P-2", "img1") in text


def test_lesions_stand_in_rank_order_all_of_them() -> None:
    text = page(patient("P-1", 30))
    ranks = re.findall(r"<h4>Rank (\d+) of 30 <span class=\"plain\">\(80 % interval (\d+)-(\d+)\)", text)
    assert [int(r) for r, _, _ in ranks] == list(range(1, 31))
    assert ranks[4] == ("5", "5", "6")
    assert text.count('class="card full"') == 12
    assert text.count('class="card compact"') == 18
    assert text.count('class="strip"') == 12


def test_a_card_says_what_a_clinician_needs() -> None:
    text = page(patient())
    assert "Most unlike and most suspicious of this patient&#39;s lesions" in text
    assert "Calibrated probability of melanoma 3.1 % (at a stated prevalence of 2 %)" in text
    assert "darker than 2 of 2 siblings (+2.6 robust SD)" in text
    assert "each lesion compared with its 2 siblings" in text
    assert "stands alone" in text
    assert "family A" in text
    assert '<a href="#l-2">L2</a>, rank 2 of 3' in text
    assert "kept up by the sensitivity guard" not in text


def test_the_first_need_not_be_the_oddest() -> None:
    lesions = (lesion(1, 2, 0.2), lesion(2, 2, 0.9))
    text = page(Assessment("P", 1.0, "male", "good", lesions, PROVENANCE))
    assert text.index("Most suspicious of this patient&#39;s") < text.index("Most unlike this patient&#39;s other")


def test_guard_is_named() -> None:
    someone = Assessment("P", 1.0, "male", "good", (lesion(1, 2), lesion(2, 2, guarded=True)), PROVENANCE)
    assert page(someone).count("kept up by the sensitivity guard") == 1
    assert page(someone).count("siblings (+2.6 robust SD). Kept up by the sensitivity guard<") == 1


@pytest.mark.parametrize(
    ("company", "n", "words"),
    [("none", 1, "no siblings to compare with"), ("few", 4, "too few lesions to compare")],
)
def test_missing_oddness_has_words(company: str, n: int, words: str) -> None:
    lesions = tuple(lesion(k, n, math.nan, reason="", family=None) for k in range(1, n + 1))
    text = page(Assessment("P", 1.0, "male", company, lesions, PROVENANCE))
    assert f"<dd>{words}</dd>" in text
    assert ("Highest absolute score of this patient" in text) == (n > 1)
    assert "Most suspicious" not in text
    assert "stands alone" not in text
    assert ("absolute score, no comparison" in text) == (n > 1)
    assert not re.search(r"\bnan\b", text, re.IGNORECASE)


def test_not_assessable_has_reason_and_retake_advice() -> None:
    text = page(patient("P-1", 2, "few", refused("X9")))
    part = text[text.index("Cannot be assessed") :]
    assert "Lesion X9" in part
    assert "Blurred: sharpness 0.1" in part
    assert "Retake: hold the dermatoscope still and refocus on the lesion." in part


def test_quality_notes_of_a_ranked_lesion_say_how_to_retake() -> None:
    cut = Finding(Reason.CUT_OFF, "cut off at the left edge", False)
    someone = Assessment("P", 1.0, "male", "good", (lesion(1, 1, images=(image("i", cut),)),), PROVENANCE)
    assert "Quality note:</strong> cut off at the left edge" in page(someone)
    assert "Retake: centre the lesion and leave skin visible all around it." in page(someone)


def test_a_patient_without_any_assessable_lesion_says_what_to_do() -> None:
    text = page(Assessment("P", math.nan, None, "none", (refused(),), PROVENANCE))
    assert "age not stated, sex not stated" in text
    assert "nothing could be assessed" in text
    assert "Retake the images as described below" in text


def test_no_picture_is_said() -> None:
    text = page(patient(), picture=lambda *_: None)
    assert text.count(">no picture</text>") == 3
    assert "data:image" not in text
    Balance(text)


def test_patients_are_written_as_they_arrive() -> None:
    out = io.StringIO()
    written: list[str] = []

    def arriving() -> Iterator[Assessment]:
        yield patient("P-1")
        written.append(out.getvalue())
        yield patient("P-2")

    write_html(out, arriving(), picture=jpeg, card=CARD)
    assert 'id="p-P-1"' in written[0]
    assert encoded("P-1", "img3") in written[0]
    assert "P-2" not in written[0]
    assert out.getvalue().startswith(written[0])


def test_no_patient_at_all() -> None:
    text = page()
    assert "No patients in this report. Add images" in text
    Balance(text)


def test_nothing_is_loaded_from_elsewhere() -> None:
    text = page(patient(), card={k: v for k, v in CARD.items() if k != "licence"})
    assert not re.search(r"https?://|url\(|@import|//\w", re.sub(r"base64,[^\"]*", "", text))
    assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text
    assert not re.search(r"(?:src|href)=\"https?:", page(patient()))


def test_style_matches_its_policy() -> None:
    text = page(patient())
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in text
    assert "style=" not in text


def test_safe_is_said_in_the_research_line_only() -> None:
    text = page(patient("P-1", 30, "good", refused()), patient("SIM-2", 1, "none"))
    assert text.count(RESEARCH_USE) == 2
    assert "safe" not in text.replace(RESEARCH_USE, "").lower()
    assert not re.search(r"melanoma \d+ %\s*<", text)


def test_simulated_patients_are_marked() -> None:
    assert SIMULATED not in page(patient())
    assert page(patient(), patient("SIM-1")).count(SIMULATED) == 1
    assert page(patient("SIM-1"), patient()).count(SIMULATED) == 2
    assert page(patient(), counts={"simulated": 2}).count(SIMULATED) == 1
    assert page(patient(), patient("P-2"), card={"simulated": True}).count(SIMULATED) == 3


def test_same_input_same_bytes() -> None:
    assert page(patient("P-1", 20), patient("P-2", 2)) == page(patient("P-1", 20), patient("P-2", 2))


def test_foot_has_card_limits_and_provenance() -> None:
    text = page(patient(), counts={"patients": 1, "not_assessable": 0})
    for words in ("0.77 to 0.85", "0.8123", "Few images of dark skin.", "ab" * 32, "2020 set", "33126"):
        assert words in text
    assert "probabilities are stated at a prevalence of 2 %" in text
    assert "context never lowers a lesion whose probability is above 10 %" in text
    assert "<dt>not assessable</dt><dd>0</dd>" in text


@pytest.mark.parametrize("card", [{}, {"metrics": [], "limits": None}, {"metrics": {"auc": 0.8}, "data": ["a", "b"]}])
def test_an_incomplete_card_is_rendered(card: dict[str, object]) -> None:
    text = page(patient(), card=card)
    assert "The model card states no limits" in text
    Balance(text)


def test_card_as_markdown() -> None:
    assert card_markdown(CARD).splitlines() == [
        "# Model card: cygnet-lesion",
        "",
        "## Summary",
        "",
        "- Name: cygnet-lesion",
        "- Version: 0.3",
        "- Licence: https://creativecommons.org/licenses/by-nc/4.0/",
        "",
        "## Metrics",
        "",
        "| Name | Value | Interval | N |",
        "| --- | --- | --- | --- |",
        "| within-patient AUC | 0.8123 | 0.77 to 0.85 | 412 |",
        "",
        "## Limits",
        "",
        "- Few images of dark skin.",
        "",
        "## Data",
        "",
        "- Train: 2020 set",
        "- Size, Images: 33126",
    ]


def test_strip_plot_places_the_lesion_by_hand() -> None:
    svg = strip_plot([0.0, 0.5, 1.0, math.nan], 1, "oddness")
    assert "M160 26l8 10" in svg
    assert 'd="M12 28v16M308 28v16"' in svg
    assert 'aria-label="oddness: this lesion 0.50, the other 2 from 0.00 to 1.00"' in svg


@given(st.lists(st.floats(0, 1) | st.just(math.nan), min_size=1, max_size=400), st.integers(0), st.text(max_size=20))
def test_strip_plot_is_well_formed_and_bounded(values: list[float], index: int, label: str) -> None:
    label = "".join(c for c in label if c.isprintable())
    svg = strip_plot(values, index % len(values), label)
    Balance(svg)
    assert len(svg) < 12_000


def test_strip_plot_does_not_depend_on_the_order_of_the_others() -> None:
    assert strip_plot([0.3, 0.1, 0.9], 0, "x") == strip_plot([0.9, 0.1, 0.3], 2, "x")


def test_per_cent_in_words() -> None:
    values = [0.0, 0.0009, 0.001, 0.031, 0.0994, 0.0995, 0.5, 0.99, 0.995, 1.0, math.nan]
    assert [percent(v) for v in values] == [
        "below 0.1 %", "below 0.1 %", "0.1 %", "3.1 %", "9.9 %", "10 %", "50 %", "99 %", "above 99 %", "above 99 %",
        "not available",
    ]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), [("P-0042", "P-0042"), ("a b/<c>", "a-b-c"), ("患者", "unnamed")])
def test_slug(text: str, expected: str) -> None:
    assert slug(text) == expected


def _luminance(colour: str) -> float:
    wide = colour if len(colour) == 6 else "".join(2 * c for c in colour)
    parts = [int(wide[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_contrast_is_enough_to_read(mode: int) -> None:
    style = (files("cygnet.report") / "templates" / "style.css").read_text()
    block = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[mode]
    colour = {name: _luminance(code) for name, code in re.findall(r"--([\w-]+): #(\w+)", block)}
    pairs = [(ink, paper) for ink in ("ink", "soft", "accent", "warn") for paper in ("page", "sheet")]
    for one, other in [*pairs, ("ink", "mat"), ("on-warn", "warn"), ("on-blank", "blank")]:
        light, dark = sorted((colour[one], colour[other]), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (one, other)


@pytest.mark.browser
def test_a_browser_draws_it_without_overflow_on_a_phone(tmp_path: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine: install the package chromium to run this test")
    report, frame = tmp_path / "report.html", tmp_path / "frame.html"
    text = page(patient("P-" + "0123456789" * 8, 16, "good", refused()))
    tell = "const r = document.documentElement, n = document.querySelectorAll('.card').length;"
    tell += "parent.postMessage(`overflow ${r.scrollWidth - r.clientWidth}, cards ${n}, wide ${r.clientWidth}`, '*')"
    text = re.sub(r"<meta http-equiv=[^>]*>", "", text).replace(
        "</body>", f"<script>onload = () => {{{tell}}}</script></body>"
    )
    report.write_text(text, encoding="utf-8")
    frame.write_text(
        "<script>onmessage = e => document.body.append(e.data)</script>"
        '<iframe src="report.html" width="390" height="844" style="border:0"></iframe>',
        encoding="utf-8",
    )
    quiet = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    more = "--disable-component-update --disable-sync --virtual-time-budget=4000"
    command = [chromium, *quiet.split(), *more.split(), f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    done = subprocess.run([*command, frame.as_uri()], capture_output=True, text=True, timeout=60, check=True)
    assert re.search("overflow 0, cards 17, wide 3[79]", done.stdout), done.stdout
