"""A model card, whatever its keys, as blocks that a page or a Markdown file can print."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_FIRST = ("name", "version", "intended_use", "licence", "license", "data", "sha256")
_NO_LIMITS = "The model card states no limits: take every number with caution."
_NO_METRICS = "The model card states no metrics: nothing is known of its accuracy."


@dataclass(frozen=True, slots=True)
class Block:
    """One titled part of a card: pairs, items or a table; the unused parts are empty."""

    title: str
    pairs: tuple[tuple[str, str], ...] = ()
    items: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def card_blocks(card: Mapping[str, Any]) -> tuple[Block, ...]:
    """The card in reading order: summary, metrics, limits, then every other part in the order given.

    Keys may be missing; missing limits and metrics are said in words, because their absence matters.
    """
    keys = [k for k in _FIRST if k in card] + [k for k in card if k not in (*_FIRST, "metrics", "limits")]
    plain = [k for k in keys if not _nested(card[k])]
    parts = [Block("Summary", pairs=tuple((_words(k), _value(card[k])) for k in plain))] if plain else []
    parts.append(_block("metrics", card.get("metrics") or [_NO_METRICS]))
    parts.append(_block("limits", card.get("limits") or [_NO_LIMITS]))
    parts += [_block(k, card[k]) for k in keys if k not in plain]
    return tuple(parts)


def card_markdown(card: Mapping[str, Any]) -> str:
    """The card as Markdown: a heading, then each block as a list or a table."""
    lines = [f"# Model card: {_value(card.get('name', 'unnamed model'))}", ""]
    for block in card_blocks(card):
        lines += [f"## {block.title}", ""]
        lines += [f"- {key}: {value}" for key, value in block.pairs]
        lines += [f"- {item}" for item in block.items]
        if block.columns:
            lines += [_line(block.columns), _line(["---"] * len(block.columns)), *map(_line, block.rows)]
        lines.append("")
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _nested(value: Any) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, Sequence) and not isinstance(value, str | bytes))


def _words(key: object) -> str:
    words = str(key).replace("_", " ")
    return "SHA-256" if words == "sha256" else words[:1].upper() + words[1:]


def _value(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "not stated"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return "; ".join(f"{_words(k)}: {_value(v)}" for k, v in value.items())
    if _nested(value):
        return ", ".join(_value(v) for v in value)
    return str(value)


def _block(key: str, value: Any) -> Block:
    title = _words(key)
    if isinstance(value, Mapping):
        return Block(title, pairs=tuple(_flat(value)))
    if not _nested(value):
        return Block(title, items=(_value(value),))
    if value and all(isinstance(v, Mapping) for v in value):
        return _table(title, [_with_interval(row) for row in value])
    return Block(title, items=tuple(_value(v) for v in value) or ("none stated",))


def _flat(mapping: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in mapping.items():
        name = f"{prefix}{_words(key)}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}, ")
        else:
            yield name, _value(value)


def _with_interval(row: Mapping[str, Any]) -> dict[str, Any]:
    """``low`` and ``high`` joined in one column after ``value``."""
    if "low" not in row or "high" not in row:
        return dict(row)
    joined: dict[str, Any] = {k: row[k] for k in ("name", "value") if k in row}
    joined["interval"] = f"{_value(row['low'])} to {_value(row['high'])}"
    return joined | {k: v for k, v in row.items() if k not in ("name", "value", "low", "high")}


def _table(title: str, rows: Sequence[Mapping[str, Any]]) -> Block:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    cells = tuple(tuple(_value(row[c]) if c in row else "" for c in columns) for row in rows)
    return Block(title, columns=tuple(_words(c) for c in columns), rows=cells)
