"""The syntax tree of a query, and the tree as text again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cygnet.archive.fields import Field

#: How a text value is compared: whole, its start, its end, anywhere in it.
How = Literal["is", "starts", "ends", "contains"]


@dataclass(frozen=True, slots=True)
class Present:
    """The field has a value: ``*``."""


@dataclass(frozen=True, slots=True)
class Words:
    """A text and how it is compared."""

    text: str
    how: How = "is"


@dataclass(frozen=True, slots=True)
class Number:
    """One number."""

    value: float


@dataclass(frozen=True, slots=True)
class Between:
    """A range; None is an open end. ``includes_low`` and ``includes_high`` say whether the ends belong to it."""

    low: float | None
    high: float | None
    includes_low: bool = True
    includes_high: bool = True


@dataclass(frozen=True, slots=True)
class Truth:
    """true or false."""

    value: bool


Value = Present | Words | Number | Between | Truth


@dataclass(frozen=True, slots=True)
class Term:
    """``field:value``."""

    field: Field
    value: Value


@dataclass(frozen=True, slots=True)
class Not:
    """What its node does not match, rows without the field included."""

    node: Node


@dataclass(frozen=True, slots=True)
class And:
    """All of at least two nodes."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of at least two nodes."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Everything:
    """The empty query."""


Node = Term | Not | And | Or | Everything


def to_text(node: Node) -> str:
    """A query that parses to the same tree."""
    match node:
        case Everything():
            return ""
        case Term(field, value):
            return f"{field.name}:{_value(value)}"
        case Not(Term() as term):
            return f"-{to_text(term)}"
        case Not(inner):
            return f"NOT ({to_text(inner)})"
        case And(nodes):
            return " AND ".join(_grouped(n) for n in nodes)
        case Or(nodes):
            return " OR ".join(_grouped(n) for n in nodes)


def _grouped(node: Node) -> str:
    return f"({to_text(node)})" if isinstance(node, And | Or) else to_text(node)


def _value(value: Value) -> str:
    match value:
        case Present():
            return "*"
        case Words(text, how):
            before = "*" if how in ("ends", "contains") else ""
            after = "*" if how in ("starts", "contains") else ""
            return f'"{before}{text}{after}"'
        case Number(number):
            return _number(number)
        case Between(low, high, includes_low, includes_high):
            opening, closing = "[" if includes_low else "{", "]" if includes_high else "}"
            ends = ("*" if end is None else _number(end) for end in (low, high))
            return f"{opening}{' TO '.join(ends)}{closing}"
        case Truth(yes):
            return "true" if yes else "false"


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
