"""Fonts of the PDFs, embedded. Roboto (Latin, Greek, Cyrillic, Vietnamese) comes with the extra; what it has no letter for is looked for in
DejaVu Sans, where the system has it.

Hebrew, Arabic and other scripts whose letters join, turn or stack need more than a font: their letters count as missing.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Final

#: What stands for letters that no font has.
MISSING: Final = "[?]"
#: Where systems keep DejaVu Sans: Debian, Fedora, Arch, macOS, Windows.
_PLACES: Final = (
    "/usr/share/fonts/truetype/dejavu",
    "/usr/share/fonts/dejavu-sans-fonts",
    "/usr/share/fonts/TTF",
    "/Library/Fonts",
    "C:/Windows/Fonts",
)
#: From Hebrew to the Indic and Thai scripts, Myanmar to Mongolian, and the presentation forms of Hebrew and Arabic.
_SHAPED: Final = ((0x0590, 0x10A0), (0x1780, 0x18B0), (0xFB1D, 0xFE00), (0xFE70, 0xFF00))
_BLANK: Final = frozenset(map(ord, " \t\n\r\u00a0"))


@dataclass(frozen=True, slots=True)
class Family:
    """A regular and a bold face by their names in the PDF, and the code points that both have."""

    regular: str
    bold: str
    letters: frozenset[int]


@dataclass(frozen=True, slots=True)
class Run:
    """Letters of one family; ``family`` is None where there is none for them."""

    text: str
    family: Family | None


@cache
def families() -> tuple[Family, ...]:
    """The families at hand, the one for most texts first. Vera, which reportlab brings, is the last resort."""
    found = [_from_extra(), _from_system(), _family("Vera", "Vera.ttf", "VeraBd.ttf")]
    return tuple(family for family in found if family is not None)


def _from_extra() -> Family | None:
    try:
        import font_roboto
    except ImportError:
        return None
    folder = Path(font_roboto.font_directory)
    return _family("Roboto", str(folder / "Roboto-Regular.ttf"), str(folder / "Roboto-Bold.ttf"))


def _from_system() -> Family | None:
    folders = [Path(sys.prefix) / "share/fonts", *map(Path, _PLACES)]
    for folder in folders:
        regular, bold = folder / "DejaVuSans.ttf", folder / "DejaVuSans-Bold.ttf"
        if regular.is_file() and bold.is_file():
            return _family("DejaVuSans", str(regular), str(bold))
    return None


def _family(name: str, regular: str, bold: str) -> Family:
    from reportlab.lib.fonts import addMapping
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    faces = TTFont(name, regular), TTFont(f"{name}-Bold", bold)
    for face in faces:
        pdfmetrics.registerFont(face)
    addMapping(name, 0, 0, name)
    addMapping(name, 1, 0, f"{name}-Bold")
    common = set.intersection(*(set(face.face.charToGlyph) for face in faces))
    return Family(name, f"{name}-Bold", frozenset(c for c in common if not any(a <= c < b for a, b in _SHAPED)))


def runs(text: str) -> list[Run]:
    """The text cut into runs of one family each: the whole of it in the first that has all its letters, else letter by letter."""
    known = families()
    needed = set(map(ord, text)) - _BLANK
    whole = next((family for family in known if needed <= family.letters), None)
    if whole is not None:
        return [Run(text, whole)]

    def of(letter: str) -> Family | None:
        if ord(letter) in _BLANK:
            return known[0]
        return next((family for family in known if ord(letter) in family.letters), None)

    return [Run("".join(some), family) for family, some in groupby(text, of)]


def marked(text: str, *, bold: bool = False) -> str:
    """The text in reportlab's markup, each run in a face that has its letters."""
    parts = []
    for run in runs(text):
        shown = MISSING if run.family is None else escape(run.text, quote=False)
        family = run.family or families()[0]
        face = family.bold if bold else family.regular
        parts.append(shown if family is families()[0] else f'<font name="{face}">{shown}</font>')
    return "".join(parts)


def plain(text: str) -> tuple[str, str]:
    """A line in one face, and the face's name; what that has no letters for is replaced."""
    found = runs(text)
    family = found[0].family if len(found) == 1 and found[0].family else families()[0]
    return "".join(run.text if run.family is family else MISSING for run in found), family.regular


def prints(text: str) -> bool:
    """Whether every letter has a font."""
    return all(run.family is not None for run in runs(text))


__all__ = ["MISSING", "Family", "Run", "families", "marked", "plain", "prints", "runs"]
