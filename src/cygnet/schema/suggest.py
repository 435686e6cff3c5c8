"""Did you mean: the nearest of known words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_silent: ContextVar[bool] = ContextVar("silent", default=False)


@contextmanager
def silenced(silent: bool = True) -> Iterator[None]:
    """``nearest`` finds nothing within: for columns of so many slips that a hint for each would take minutes."""
    token = _silent.set(silent)
    try:
        yield
    finally:
        _silent.reset(token)


def distance(a: str, b: str, most: int) -> int:
    """Letters to insert, delete, change or swap with their neighbour to get from ``a`` to ``b``; ``most`` + 1 beyond.

    The optimal string alignment distance (Damerau 1964, Communications of the ACM 7(3), restricted).
    """
    if abs(len(a) - len(b)) > most:
        return most + 1
    far = most + 1
    before: list[int] = []
    last = [min(j, far) for j in range(len(b) + 1)]
    for i, x in enumerate(a, 1):
        line = [far] * (len(b) + 1)
        line[0] = min(i, far)
        for j in range(max(1, i - most), min(len(b), i + most) + 1):  # farther from the diagonal is too far
            y = b[j - 1]
            cost = min(last[j] + 1, line[j - 1] + 1, last[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            line[j] = min(cost, far)
        if min(line) == far:
            return far
        before, last = last, line
    return last[-1]


def nearest(text: str, known: Iterable[str], n: int = 3) -> list[str]:
    """At most ``n`` of ``known`` that ``text`` may have meant, best first; capitals do not matter.

    Near is: the whole or the first word off by a third of the letters at most, ``text`` being a part of it, or half of the
    words of ``text`` being in it.
    """
    wanted = " ".join(text.casefold().split())[:80]
    if len(wanted) < 2 or _silent.get():
        return []
    most = max(1, len(wanted) // 3) if len(wanted) < 12 else 4
    scored = []
    for word in known:
        score = _score(wanted, word.casefold(), most)
        if score is not None:
            scored.append((score, len(word), word))
    return [word for *_, word in sorted(scored)[:n]]


def _score(wanted: str, word: str, most: int) -> float | None:
    far = distance(wanted, word, most)
    if far <= most:
        return far
    if len(wanted) > 3 and (word.startswith(wanted) or f" {wanted}" in word):
        return most + 0.5
    if len(wanted) > 4 and " " not in wanted and word[:1] == wanted[:1]:
        near = distance(wanted, word.replace(",", " ").split(None, 1)[0], min(most, 2))
        return most + near if near <= min(most, 2) else None
    asked = _words(wanted)
    shared = len(asked & _words(word))
    return most + 3 + len(asked) - shared if len(asked) > 1 and 2 * shared >= len(asked) else None


def _words(text: str) -> set[str]:
    return {word for word in re.split(r"[^\w]+", text) if len(word) > 2}


def did_you_mean(found: Iterable[str]) -> str:
    """ "did you mean 'a', 'b' or 'c'?", or "" for nothing."""
    words = [repr(word) for word in found]
    if not words:
        return ""
    return f"did you mean {', '.join(words[:-1])}{' or ' if len(words) > 1 else ''}{words[-1]}?"
