"""PDFs keep every letter that some font has, and say what they had to leave out."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from pypdf import PdfReader

from cygnet.report import fonts, pdf
from cygnet.report.pdf import Bullets, Heading, Sheet, Table, Text

NAMES = (
    "Łukasz Brzęczyszczykiewicz, Żółć",
    "Ελένη Παπαδοπούλου",
    "Юлія Ґалаґан",
    "Nguyễn Thị Đào",
    "Ğülşen İnci",
    "Őry Zsófia",
)


def text_of(sheet: Sheet) -> str:
    """What a reader can copy out of the PDF, without line breaks."""
    pages = PdfReader(io.BytesIO(pdf.pdf(sheet))).pages
    return " ".join(" ".join(page.extract_text().split()) for page in pages)


@pytest.fixture
def only_vera(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without the extra's font and without DejaVu."""
    forget()
    monkeypatch.setattr(fonts, "_from_extra", lambda: None)
    monkeypatch.setattr(fonts, "_from_system", lambda: None)
    yield
    forget()


def forget() -> None:
    fonts.families.cache_clear()
    pdf._styles.cache_clear()


@pytest.mark.parametrize("name", NAMES)
def test_names_come_out_as_they_went_in(name: str) -> None:
    sheet = Sheet(name, name, name, (Heading(name), Bullets((name,)), Table((name,), ((name,),), (1,))), "left out")
    found = text_of(sheet)
    assert found.count(name) == 7, found
    assert "left out" not in found
    assert fonts.MISSING not in found


def test_markup_and_mixed_scripts_stay_text() -> None:
    note = 'Ελένη & <b>Юлія</b> "ą"'
    assert note in text_of(Sheet("t", "s", "n", (Text(note),)))


def test_what_no_font_has_is_marked_and_told(only_vera: None) -> None:
    found = text_of(
        Sheet("Frau Müller", "山田太郎 und Łuk", "n", (Text("שלום ab"),), "stands for letters without a font")
    )
    assert "Frau Müller" in found
    assert "[?] und Łuk" in found
    assert "[?] ab" in found
    assert "[?] stands for letters without a font" in found


def test_scripts_that_need_shaping_are_not_misprinted() -> None:
    assert not fonts.prints("سلام")
    assert [run.text for run in fonts.runs("a שלום")] == ["a ", "שלום"]
    assert fonts.plain("a שלום") == (f"a {fonts.MISSING}", fonts.families()[0].regular)
