"""Sheets of paper as PDF: headings, text, pictures with captions, tables. Needs reportlab; the same input gives the same bytes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from cygnet.archive.extras import needs
from cygnet.report import fonts
from cygnet.report.chart_axes import printable

if TYPE_CHECKING:
    from reportlab.platypus import Flowable

#: Margins, gaps and the width between the margins of A4, in points.
_MARGIN, _GAP = 45.0, 8.0
_WIDTH: Final = 595.28 - 2 * _MARGIN
_ACCENT, _WARN, _SOFT, _LINE = "#0a4f9e", "#8a3d00", "#505050", "#bdbdbd"


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading within a sheet."""

    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph; ``kind`` is "plain", "soft", "warn" or "strong"."""

    text: str
    kind: str = "plain"


@dataclass(frozen=True, slots=True)
class Bullets:
    """Items of a list."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture (JPEG or PNG bytes) with lines below it, the first one strong."""

    picture: bytes
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shots:
    """Pictures side by side, ``across`` of them in a row."""

    shots: tuple[Shot, ...]
    across: int = 4


@dataclass(frozen=True, slots=True)
class Case:
    """One picture with its text beside it, kept on one page."""

    picture: bytes
    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table; ``shares`` of the width for each column."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    shares: tuple[float, ...]


Block = Heading | Text | Bullets | Shots | Case | Table


@dataclass(frozen=True, slots=True)
class Sheet:
    """A document: title, a line below it, a notice at the foot of every page, its blocks, and what is said at its end where letters had
    to be left out for want of a font."""

    title: str
    subtitle: str
    notice: str
    blocks: tuple[Block, ...]
    unprinted: str = ""


def pdf(sheet: Sheet) -> bytes:
    """The document as PDF (A4).

    Raises
    ------
    MissingExtraError
        Without reportlab.
    """
    with needs("reportlab", extra="clinic"):
        from reportlab.lib.pagesizes import A4
        from reportlab.platypus import SimpleDocTemplate
    buffer = io.BytesIO()
    document = SimpleDocTemplate(
        buffer,
        pagesize=A4,
        title=sheet.title,
        author="Cygnet",
        invariant=1,
        leftMargin=_MARGIN,
        rightMargin=_MARGIN,
        topMargin=_MARGIN,
        bottomMargin=_MARGIN + 12,
    )

    def foot(canvas: Any, page: Any) -> None:
        canvas.saveState()
        notice, face = fonts.plain(printable(sheet.notice)[:150])
        canvas.setFont(face, 7.5)
        canvas.setFillColor(_WARN)
        canvas.drawString(_MARGIN, 28, notice)
        canvas.setFillColor(_SOFT)
        canvas.drawRightString(A4[0] - _MARGIN, 28, str(page.page))
        canvas.restoreState()

    story: list[Flowable] = [_paragraph(sheet.title, "title"), _paragraph(sheet.subtitle, "soft")]
    for block in sheet.blocks:
        story.extend(_flow(block))
    if sheet.unprinted and not all(map(fonts.prints, _texts(sheet))):
        story.append(_paragraph(f"{fonts.MISSING} {sheet.unprinted}", "soft"))
    document.build(story, onFirstPage=foot, onLaterPages=foot)
    return buffer.getvalue()


def _texts(sheet: Sheet) -> Iterator[str]:
    """Everything that is written on a sheet."""
    yield from (sheet.title, sheet.subtitle, sheet.notice)
    for block in sheet.blocks:
        if isinstance(block, Heading | Text):
            yield block.text
        elif isinstance(block, Bullets):
            yield from block.items
        elif isinstance(block, Shots):
            yield from (line for shot in block.shots for line in shot.lines)
        elif isinstance(block, Case):
            yield from (block.title, *block.lines)
        else:
            yield from (*block.columns, *(cell for row in block.rows for cell in row))


@cache
def _styles() -> dict[str, Any]:
    from reportlab.lib.colors import HexColor
    from reportlab.lib.styles import ParagraphStyle

    first = fonts.families()[0]
    plain = ParagraphStyle("plain", fontName=first.regular, fontSize=9, leading=13, spaceAfter=4)
    return {
        "plain": plain,
        "title": ParagraphStyle("title", plain, fontName=first.bold, fontSize=16, leading=22, spaceAfter=2),
        "heading": ParagraphStyle("heading", plain, fontName=first.bold, fontSize=11, leading=16, spaceBefore=10),
        "strong": ParagraphStyle("strong", plain, fontName=first.bold),
        "soft": ParagraphStyle("soft", plain, textColor=HexColor(_SOFT), fontSize=8, leading=11),
        "warn": ParagraphStyle("warn", plain, textColor=HexColor(_WARN)),
        "small": ParagraphStyle("small", plain, fontSize=7.5, leading=10, spaceAfter=0),
        "smallstrong": ParagraphStyle(
            "smallstrong", plain, fontName=first.bold, fontSize=7.5, leading=10, spaceAfter=0
        ),
        "bullet": ParagraphStyle("bullet", plain, leftIndent=12, bulletIndent=2, spaceAfter=2),
    }


def _paragraph(text: str, style: str = "plain", bullet: str | None = None) -> Flowable:
    from reportlab.platypus import Paragraph

    chosen = _styles()[style]
    words = fonts.marked(printable(text), bold=chosen.fontName == fonts.families()[0].bold)
    return Paragraph(words, chosen, bulletText=bullet)


def _flow(block: Block) -> list[Flowable]:
    if isinstance(block, Heading):
        from reportlab.platypus import CondPageBreak

        return [CondPageBreak(120), _paragraph(block.text, "heading")]
    if isinstance(block, Text):
        return [_paragraph(block.text, block.kind)]
    if isinstance(block, Bullets):
        return [_paragraph(item, "bullet", "-") for item in block.items]
    if isinstance(block, Shots):
        return _shots(block)
    if isinstance(block, Case):
        return _case(block)
    return _table(block)


def _picture(data: bytes, width: float, tallest: float) -> Flowable:
    from reportlab.platypus import Image

    made = Image(io.BytesIO(data))
    scale = min(width / made.imageWidth, tallest / made.imageHeight)
    made.drawWidth, made.drawHeight = made.imageWidth * scale, made.imageHeight * scale
    made.hAlign = "LEFT"
    return made


def _shots(block: Shots) -> list[Flowable]:
    from reportlab.platypus import Table as Grid
    from reportlab.platypus import TableStyle

    each = _WIDTH / block.across
    cells = [_cell(shot, each - _GAP) for shot in block.shots]
    cells += [[] for _ in range(-len(cells) % block.across)]
    rows = [cells[k : k + block.across] for k in range(0, len(cells), block.across)]
    if not rows:
        return []
    grid = Grid(rows, [each] * block.across, hAlign="LEFT")
    grid.setStyle(TableStyle([*_PLAIN, ("BOTTOMPADDING", (0, 0), (-1, -1), _GAP)]))
    return [grid]


_PLAIN: Final[list[Any]] = [
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ("LEFTPADDING", (0, 0), (-1, -1), 0),
    ("RIGHTPADDING", (0, 0), (-1, -1), _GAP),
    ("TOPPADDING", (0, 0), (-1, -1), 0),
]


def _cell(shot: Shot, width: float) -> list[Flowable]:
    lines = [_paragraph(line, "small" if k else "smallstrong") for k, line in enumerate(shot.lines)]
    return [_picture(shot.picture, width, width * 0.8), *lines]


def _case(block: Case) -> list[Flowable]:
    from reportlab.platypus import KeepTogether, TableStyle
    from reportlab.platypus import Table as Grid

    wide = 140.0
    words = [_paragraph(block.title, "strong"), *(_paragraph(line) for line in block.lines)]
    grid = Grid([[_picture(block.picture, wide - _GAP, 104), words]], [wide, _WIDTH - wide], hAlign="LEFT")
    grid.setStyle(TableStyle([*_PLAIN, ("BOTTOMPADDING", (0, 0), (-1, -1), _GAP)]))
    return [KeepTogether([grid])]


def _table(block: Table) -> list[Flowable]:
    from reportlab.platypus import Table as Grid
    from reportlab.platypus import TableStyle

    rows: list[list[Any]] = [[_paragraph(c, "smallstrong") for c in block.columns]]
    rows += [[_paragraph(c, "small") for c in row] for row in block.rows]
    total = sum(block.shares)
    grid = Grid(rows, [_WIDTH * share / total for share in block.shares], repeatRows=1, hAlign="LEFT")
    lines = ("LINEBELOW", (0, 0), (-1, -1), 0.4, _LINE)
    grid.setStyle(TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 2), lines]))
    return [grid]
