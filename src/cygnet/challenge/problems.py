"""What is wrong with a submission: every problem at once, with line, column, value and what to write instead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from cygnet.errors import CygnetError
from cygnet.schema.problems import shorten

#: Problems of one kind that are listed; the rest is counted.
LISTED: Final = 200
_SHOWN: Final = 12


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    ``line`` is the line of the table as an editor numbers it (the heading is line 1), None where a whole table or a file
    is meant; ``column`` the column, or the file of a zip; ``value`` what stands there; ``fix`` what to do. An "error"
    refuses the submission, a "warning" says what was taken for granted.
    """

    code: str
    message: str
    fix: str
    line: int | None = None
    column: str = ""
    value: str = ""
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        places = [f"line {self.line}"] if self.line is not None else []
        places += [self.column] if self.column else []
        head = f"{', '.join(places)}: " if places else ""
        return f"{head}{self.message}" + (f"; {self.fix}" if self.fix else "")

    def as_json(self) -> dict[str, Any]:
        """The problem as JSON takes it."""
        return asdict(self)


@dataclass(slots=True)
class Problems:
    """A growing list of problems, at most ``LISTED`` of each kind; what is beyond is counted."""

    found: list[Problem] = field(default_factory=list)
    _listed: Counter[str] = field(default_factory=Counter)
    _skipped: Counter[str] = field(default_factory=Counter)

    def add(
        self, code: str, message: str, fix: str, *, line: int | None = None, column: str = "", value: object = ""
    ) -> None:
        """Note one that refuses the submission."""
        self._take(Problem(code, message, fix, line, column, shorten(value)))

    def warn(self, code: str, message: str, fix: str = "", *, column: str = "") -> None:
        """Note what was taken for granted."""
        self._take(Problem(code, message, fix, None, column, severity="warning"))

    def skip(self, code: str, number: int) -> None:
        """Count problems of a kind that are not listed."""
        self._skipped[code] += max(0, number)

    def _take(self, problem: Problem) -> None:
        if self._listed[problem.code] < LISTED:
            self._listed[problem.code] += 1
            self.found.append(problem)
        else:
            self._skipped[problem.code] += 1

    @property
    def refused(self) -> bool:
        """Whether there is an error."""
        return any(p.severity == "error" for p in self.found)

    def listed(self) -> tuple[Problem, ...]:
        """All problems, those of the whole submission first, then by line, images that are missing last; with one more for
        each kind that was cut."""
        ordered = sorted(
            self.found, key=lambda p: (p.severity == "warning", p.code == "missing-image", p.line or 0, p.column)
        )
        kinds = {p.code: p.severity for p in ordered}
        cut = [
            Problem(code, f"{n:,} more problems of this kind", "mend them like those above", severity=kinds[code])
            for code, n in self._skipped.items()
            if n
        ]
        return (*ordered, *cut)


class RefusedError(CygnetError):
    """A submission cannot be scored. ``problems`` has all of them, the message counts and shows the first."""

    exit_code = 1

    def __init__(self, name: str, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(_lines(name, self.problems)))


def _lines(name: str, problems: Sequence[Problem]) -> Iterator[str]:
    errors = [p for p in problems if p.severity == "error"]
    yield f"{name}: refused, {len(errors)} problem{'s' if len(errors) != 1 else ''}"
    yield from (f"  {p}" for p in errors[:_SHOWN])
    if len(errors) > _SHOWN:
        yield f"  (and {len(errors) - _SHOWN} more; --json lists all)"
