"""What commands put on the terminal: tables, progress, closing lines. Standard error for all but results."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console

    from cygnet.triage import Assessment


#: Terminals narrower than this get the reason on a line of its own.
_WIDE = 130


class Advance(Protocol):
    """Called after each piece of work, with a word on how it went."""

    def __call__(self, done: int, note: str = "") -> None:
        """``done`` pieces so far."""


def console(*, stderr: bool = False) -> Console:
    """A console that neither colours nor wraps words into its own markup."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


@contextmanager
def progress(label: str, total: int, unit: str, *, quiet: bool = False) -> Iterator[Advance]:
    """A progress bar with rate and time left on standard error; nothing where that is not a terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    out = console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=out,
        disable=quiet or not out.is_terminal,
        transient=True,
    ) as bar:
        task = bar.add_task(label, total=total, rate="", note="")

        def advance(done: int, note: str = "") -> None:
            speed = bar.tasks[0].speed
            bar.update(task, completed=done, rate=f"{speed:.0f} {unit}/s" if speed else "", note=note)

        yield advance


def patient_table(assessment: Assessment, *, most: int | None = None) -> None:
    """One patient's table on standard output, the first ``most`` lesions of it."""
    from rich.table import Table
    from rich.text import Text

    from cygnet.triage.rows import HEADINGS, cells, title

    shown = assessment.lesions[:most]
    out = console()
    if not out.is_terminal:
        out.width = 160
    if out.width < _WIDE:
        out.print(Text(title(assessment)))
        out.print(Text("\n".join(stacked([HEADINGS, *(cells(lesion) for lesion in shown)], out.width))))
        _closing(out, assessment, len(shown))
        return
    table = Table(title=Text(title(assessment)), title_justify="left", box=None, pad_edge=False)
    for heading in HEADINGS:
        numeric = heading in ("rank", "p(melanoma)", "oddness")
        wide = heading == "reason"
        table.add_column(heading, justify="right" if numeric else "left", no_wrap=not wide, ratio=1 if wide else None)
    for lesion in shown:
        table.add_row(*(Text(cell) for cell in cells(lesion)))
    out.print(table)
    _closing(out, assessment, len(shown))


def stacked(lines: Sequence[Sequence[str]], width: int) -> list[str]:
    """Rows for a narrow terminal: the last cell of each on lines of its own, indented below the others."""
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]) - 1)]
    result = []
    for line in lines:
        result.append(" ".join(c.ljust(w) for c, w in zip(line, widths, strict=False)).rstrip())
        result.extend(textwrap.wrap(line[-1], max(width, 40), initial_indent="    ", subsequent_indent="    "))
    return result


def _closing(out: Console, assessment: Assessment, shown: int) -> None:
    from rich.text import Text

    if shown < len(assessment.lesions):
        out.print(f"... and {len(assessment.lesions) - shown} more lesions in the output files")
    for note in assessment.notes:
        out.print(Text(f"note: {note}"))
    out.print()
