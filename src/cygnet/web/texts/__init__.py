"""The words of the pages, in TOML by language and area; English stands in for what another language lacks."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, Final

from starlette.requests import HTTPConnection

LANGUAGES: Final = ("en", "de")
COOKIE: Final = "cygnet_lang"


@cache
def texts(language: str, area: str) -> dict[str, str]:
    """All texts of an area; tables of the file become dotted keys. Empty where there is no such file."""
    place = files("cygnet.web.texts").joinpath(language, f"{area}.toml")
    return dict(_flat(tomllib.loads(place.read_text(encoding="utf-8")))) if place.is_file() else {}


def _flat(table: dict[str, Any], before: str = "") -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for key, value in table.items():
        pairs += _flat(value, f"{before}{key}.") if isinstance(value, dict) else [(before + key, str(value))]
    return pairs


def translate(language: str, key: str, /, **values: Any) -> str:
    """The text of ``area.key`` with ``{values}`` put in; with ``n=1`` that of ``area.key_one``, if there is one.

    Raises
    ------
    KeyError
        If there is no such text in English.
    """
    text = _text(language, key, one=values.get("n") == 1)
    if not values:
        return text
    return text.format_map({k: number(language, v) if isinstance(v, int) else v for k, v in values.items()})


@cache
def _text(language: str, key: str, *, one: bool) -> str:
    area, _, name = key.partition(".")
    for table in (texts(language, area), texts("en", area)):
        for wanted in (f"{name}_one", name) if one else (name,):
            if wanted in table:
                return table[wanted]
    raise KeyError(key)


def number(language: str, value: int) -> str:
    """A whole number with the language's separators."""
    text = f"{value:,}"
    return text.replace(",", ".") if language == "de" else text


def language_of(request: HTTPConnection) -> str:
    """The reader's language: ``?lang=``, then the cookie, then what the browser prefers, then English."""
    for wish in (request.query_params.get("lang"), request.cookies.get(COOKIE), *_accepted(request)):
        if wish in LANGUAGES:
            return wish
    return "en"


def _accepted(request: HTTPConnection) -> list[str]:
    wishes = []
    for part in request.headers.get("accept-language", "")[:500].split(","):
        tag, _, weight = part.partition(";q=")
        try:
            wishes.append((-float(weight or 1), tag.strip()[:2].lower()))
        except ValueError:
            continue
    return [tag for _, tag in sorted(wishes, key=lambda pair: pair[0])]
