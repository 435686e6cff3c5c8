"""Queries made narrower and wider by a click on a facet's value. Works on the query's tree, so that every address is a query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from cygnet.archive.fields import BY_NAME
from cygnet.archive.query import And, Everything, Node, Term, parse, to_text
from cygnet.archive.query.tree import Number, Truth, Value, Words

#: Values of a facet that are offered; the query can name the others.
_OFFERED: Final = 12


@dataclass(frozen=True, slots=True)
class Choice:
    """A value of a facet: how many images have it, whether the query asks for it, and the address with it changed."""

    key: Any
    count: int
    chosen: bool
    address: str


@dataclass(frozen=True, slots=True)
class Facet:
    """A field with its values. ``missing`` is how many images have none."""

    name: str
    choices: list[Choice]
    more: int
    missing: int
    chosen: bool


def facets_of(query: str, counts: dict[str, Any], path: str) -> list[Facet]:
    """The facets in which the images that match differ, or that the query names."""
    tree = parse(query)
    found = []
    for name, facet in counts.items():
        buckets = facet["buckets"]
        if len(buckets) < 2 and not any(_is(term, name) for term in _terms(tree)):
            continue
        choices = [_choice(tree, name, bucket, path) for bucket in buckets[:_OFFERED]]
        more = max(0, len(buckets) - _OFFERED)
        found.append(Facet(name, choices, more, facet["meta"]["missing_count"], any(c.chosen for c in choices)))
    return found


def address_of(path: str, **values: str | None) -> str:
    """A path with those values that are something."""
    kept = {name: value for name, value in values.items() if value}
    return f"{path}?{urlencode(kept)}" if kept else path


def _choice(tree: Node, name: str, bucket: dict[str, Any], path: str) -> Choice:
    term = Term(BY_NAME[name], _value(bucket["key"]))
    chosen = term in _terms(tree)
    others = [node for node in _terms(tree) if node != term and (chosen or not _is(node, name))]
    wanted = others if chosen else [*others, term]
    text = to_text(wanted[0] if len(wanted) == 1 else And(tuple(wanted)) if wanted else Everything())
    return Choice(bucket["key"], bucket["doc_count"], chosen, address_of(path, query=text))


def _terms(tree: Node) -> tuple[Node, ...]:
    """What must all hold."""
    return tree.nodes if isinstance(tree, And) else () if isinstance(tree, Everything) else (tree,)


def _is(node: Node, name: str) -> bool:
    return isinstance(node, Term) and node.field.name == name


def _value(key: Any) -> Value:
    if isinstance(key, bool):
        return Truth(key)
    return Words(key) if isinstance(key, str) else Number(float(key))
