"""Configurations of a run as TOML: every field of a frozen dataclass, checked, with the line of whatever is wrong."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import GenericAlias
from typing import Any, Final, get_args, get_type_hints

from cygnet.errors import InputError
from cygnet.schema.suggest import did_you_mean, nearest

CONFIGS: Final = Path(__file__).parent / "configs"
#: Tables of a configuration file are named in the singular, since each is one of several.
_PLURAL: Final = "s"
_WORDS: Final = {bool: "true or false", int: "a whole number", float: "a number", str: "a text in quotation marks"}


def find_config(given: str) -> Path:
    """A configuration file by its path, or one that comes with Cygnet by its name.

    Raises
    ------
    InputError
        If there is neither.
    """
    path = Path(given)
    if path.is_file():
        return path
    shipped = CONFIGS / f"{given.removesuffix('.toml')}.toml"
    if shipped.is_file():
        return shipped
    there = sorted(p.stem for p in CONFIGS.glob("*.toml"))
    near = did_you_mean(nearest(given, there))
    raise InputError(f"{given}: no such file; {near or 'name a TOML file, or one of ' + ', '.join(there)}")


def read_settings(path: Path, kind: type[Any]) -> dict[str, Any]:
    """What a TOML file sets of the dataclass ``kind``: field to value, of the field's type.

    A field that is a tuple of dataclasses, such as ``sources``, is an array of tables, ``[[source]]``.

    Raises
    ------
    InputError
        If the file is no TOML, or a key or value does not fit; with its line and what would.
    """
    try:
        text = path.read_text(encoding="utf-8")
        found = tomllib.loads(text)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); check its permissions") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not TOML: {error}") from error
    return _settings(found, kind, _Where(path, text))


def check(values: Mapping[str, Any], kind: type[Any], where: Callable[[str], str]) -> None:
    """Refuse values of fields of ``kind`` that are out of range or no choice; ``where(field)`` stands for one in messages.

    Raises
    ------
    InputError
        Naming it and what would fit.
    """
    for key, value in values.items():
        _allowed(value, key, kind, where(key))


def to_toml(config: Any) -> str:
    """A configuration as the text that ``read_settings`` reads."""
    lines: list[str] = []
    tables: list[str] = []
    for item in fields(config):
        value = getattr(config, item.name)
        if isinstance(value, tuple) and value and is_dataclass(value[0]):
            name = item.name.removesuffix(_PLURAL)
            tables += [f"\n[[{name}]]\n{to_toml(one)}" for one in value]
        elif not (isinstance(value, tuple) and not value):
            lines.append(f"{item.name} = {_value(value)}\n")
    return "".join([*lines, *tables])


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


class _Where:
    """Where in a file a key stands, for messages."""

    def __init__(self, path: Path, text: str, table: str = "", number: int = 0) -> None:
        self._path, self._text, self._table, self._number = path, text, table, number

    def inside(self, table: str, number: int) -> _Where:
        """The ``number``-th (from 0) table of this name."""
        return _Where(self._path, self._text, table, number)

    def __call__(self, key: str) -> str:
        """ "file line 12, key" """
        seen, inside = -1, not self._table
        for line, content in enumerate(self._text.splitlines(), 1):
            if head := re.match(r"\s*\[+\s*([\w.\"'-]+)\s*\]", content):
                seen += head[1] == self._table
                inside = bool(self._table) and head[1] == self._table and seen == self._number
                if not self._table and head[1] == key:
                    return f"{self._path} line {line}, {key}"
            elif inside and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]", content):
                return f"{self._path} line {line}, {key}"
        return f"{self._path}, {key}"


def _settings(found: Mapping[str, Any], kind: type[Any], where: _Where) -> dict[str, Any]:
    every = get_type_hints(kind)
    hints = {f.name: every[f.name] for f in fields(kind)}
    tables = {name.removesuffix(_PLURAL): name for name, hint in hints.items() if _table_kind(hint)}
    keys = [name for name in hints if name not in tables.values()]
    made: dict[str, Any] = {}
    for key, value in found.items():
        if key in tables:
            made[tables[key]] = _tables(value, _table_kind(hints[tables[key]]), key, where)
        elif key in keys:
            made[key] = _allowed(_fitting(value, hints[key], where(key)), key, kind, where(key))
        else:
            near = did_you_mean(nearest(key, [*keys, *(f"[[{name}]]" for name in tables)]))
            raise InputError(f"{where(key)}: no such setting; {near or 'there are ' + ', '.join(keys)}")
    return made


def _tables(value: Any, kind: type[Any], key: str, where: _Where) -> tuple[Any, ...]:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise InputError(f"{where(key)}: a list of tables is needed; begin each with [[{key}]]")
    made = []
    for number, one in enumerate(value):
        inside = where.inside(key, number)
        values = _settings(one, kind, inside)
        needed = [f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]
        if missing := [name for name in needed if name not in values]:
            raise InputError(f"{where(key)}: [[{key}]] number {number + 1} lacks {', '.join(missing)}")
        made.append(kind(**values))
    return tuple(made)


def _table_kind(hint: Any) -> Any:
    """The dataclass of a field that is a tuple of them, else None."""
    inner = get_args(hint)
    return inner[0] if inner and is_dataclass(inner[0]) else None


def _fitting(value: Any, hint: Any, where: str) -> Any:
    if isinstance(hint, GenericAlias):
        inner = get_args(hint)[0]
        if not isinstance(value, list) or not all(_is(one, inner) for one in value):
            raise InputError(
                f"{where}: {value!r} does not fit; a list is needed, each {_WORDS[inner]}, as in [{_example(inner)}]"
            )
        return tuple(inner(one) for one in value)
    if not _is(value, hint):
        raise InputError(f"{where}: {value!r} does not fit; {_WORDS[hint]} is needed")
    return hint(value)


def _allowed(value: Any, key: str, kind: type[Any], where: str) -> Any:
    """The value, if it is within the ``LIMITS`` and among the ``CHOICES`` that its class states."""
    low, high = getattr(kind, "LIMITS", {}).get(key, (None, None))
    if low is not None and not low <= value <= high:
        raise InputError(
            f"{where}: {value!r} is out of range; it must be {low} to {high}".replace(" to inf", " or more")
        )
    if choices := getattr(kind, "CHOICES", {}).get(key):
        for one in value if isinstance(value, tuple) else (value,):
            if one not in choices:
                near = did_you_mean(nearest(one, choices))
                raise InputError(f"{where}: {one!r} is none of {', '.join(choices)}" + (f"; {near}" if near else ""))
    return value


def _is(value: Any, kind: type[Any]) -> bool:
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    return isinstance(value, int | float) if kind is float else isinstance(value, kind)


def _example(kind: type[Any]) -> str:
    return '"one", "two"' if kind is str else "128, 160"
