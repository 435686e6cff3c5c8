"""Figures that a study or a benchmark writes into a page of the documentation, between two markers that name the command."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cygnet.schema.files import replacing

END: Final = "<!-- end of figures -->"


def start(command: str) -> str:
    """The marker that opens the figures which ``command`` writes."""
    return f"<!-- figures: {command} -->"


def write_figures(page: Path, command: str, text: str) -> None:
    """Put ``text`` between the markers of ``command``; the rest of the page stays.

    Raises
    ------
    ValueError
        If the page, which it names, has no such markers.
    """
    whole = page.read_text(encoding="utf-8")
    before, found, rest = whole.partition(start(command))
    _, closed, after = rest.partition(END)
    if not found or not closed:
        raise ValueError(f"{page}: has no {start(command)} ... {END} to write between")
    with replacing(page) as part:
        part.write_text(f"{before}{found}\n\n{text.strip()}\n\n{closed}{after}", encoding="utf-8")
