"""The three licences of the ISIC Archive: their names, addresses and order of strictness."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from cygnet.errors import InputError


@dataclass(frozen=True, slots=True)
class Licence:
    """One licence. ``strictness`` rises with what it asks of whoever uses an image."""

    code: str
    name: str
    url: str
    strictness: int
    terms: str


LICENCES: Final[dict[str, Licence]] = {
    licence.code: licence
    for licence in (
        Licence(
            "CC-0",
            "CC0 1.0 Universal (Public Domain Dedication)",
            "https://creativecommons.org/publicdomain/zero/1.0/",
            0,
            "Whoever made this work has given up all rights to it worldwide, as far as the law allows. You may copy, change, "
            "share and sell it without asking.",
        ),
        Licence(
            "CC-BY",
            "Creative Commons Attribution 4.0 International",
            "https://creativecommons.org/licenses/by/4.0/",
            1,
            "You may share and adapt this work for any purpose, also commercially, if you give appropriate credit, link to "
            "the licence and say what you changed.",
        ),
        Licence(
            "CC-BY-NC",
            "Creative Commons Attribution-NonCommercial 4.0 International",
            "https://creativecommons.org/licenses/by-nc/4.0/",
            2,
            "You may share and adapt this work for purposes that are not commercial, if you give appropriate credit, link to "
            "the licence and say what you changed.",
        ),
    )
}


def licence_of(text: str) -> Licence:
    """The licence meant by ``CC-0``, ``CC BY-NC 4.0``, ``cc0`` and the like.

    Raises
    ------
    InputError
        If it is none of the three.
    """
    plain = re.sub(r"[^a-z0]", "", re.sub(r"\d\.\d", "", text.lower()))
    for licence in LICENCES.values():
        if plain == re.sub(r"[^a-z0]", "", licence.code.lower()):
            return licence
    raise InputError(f"licence {text!r} is unknown; use one of {', '.join(LICENCES)}")


def licence_text(code: str) -> str:
    """A licence file for a download: name, address and what it means."""
    licence = licence_of(code)
    return (
        f"{licence.name}\n\n{licence.terms}\n\nThe text above is a summary; the licence itself, which alone is binding, is at "
        f"{licence.url}legalcode\n"
    )
