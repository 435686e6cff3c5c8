"""The one translation of a query's tree to SQL.

Conditions on few-valued fields become conditions on ``profile``, of which there are thousands where there are a million images;
whatever else is asked stands beside them as a condition on images. A condition may be NULL where a value is missing; negation
takes that for "does not match", so that ``-sex:male`` finds rows without a sex.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import ColumnElement, Float, Select, and_, func, literal, or_, select, true

from cygnet.archive.fields import BY_NAME
from cygnet.archive.query.tree import (
    And,
    Between,
    Everything,
    Node,
    Not,
    Number,
    Or,
    Present,
    Term,
    Truth,
    Value,
    Words,
)
from cygnet.archive.tables import collection, collection_image, image, lesion, patient, profile

Condition = ColumnElement[bool]
#: Whole numbers that an INTEGER column can be compared with as such.
_INTEGERS: Final = range(-(2**31), 2**31)
#: The field of collections as those see it who see only what is public.
_COLLECTIONS_SHOWN: Final = replace(BY_NAME["collections"], name="public collections")
_PUBLIC_COLLECTIONS: Final = select(collection.c.id).where(collection.c.public)
#: Conditions that may stand side by side without brackets.
_WIDE: Final = 20


@dataclass(frozen=True, slots=True)
class Matches:
    """A query as conditions that must all hold. ``profiles`` is on ``profile`` alone; ``images``, None where nothing more is
    asked, on ``image`` joined with ``profile``. ``indexed`` is one of the latter that an index on images serves by itself."""

    profiles: Condition | None
    images: Condition | None
    indexed: Condition | None = None

    def joined(self, select_from: Select[Any]) -> Select[Any]:
        """A select on ``image``, narrowed to what matches."""
        statement = select_from.join_from(image, profile, image.c.profile_id == profile.c.id)
        for condition in (self.profiles, self.images):
            if condition is not None:
                statement = statement.where(condition)
        return statement

    def __and__(self, other: Matches) -> Matches:
        """What both match."""
        both = _both(self.profiles, other.profiles), _both(self.images, other.images)
        return Matches(*both, self.indexed if self.indexed is not None else other.indexed)


def translate(node: Node, *, public_only: bool = False) -> Matches:
    """Conditions that hold for exactly the images that a query means; with ``public_only`` as if only public collections existed."""
    if public_only:
        node = _of_public_collections(node)
    nodes = node.nodes if isinstance(node, And) else (node,)
    parts: dict[bool, Condition | None] = {True: None, False: None}
    for part in nodes:
        if not isinstance(part, Everything):
            on_profile = _on_profile(part)
            parts[on_profile] = _both(parts[on_profile], _condition(part))
    indexed = next((_term(part) for part in nodes if isinstance(part, Term) and _is_indexed(part)), None)
    return Matches(parts[True], parts[False], indexed)


def in_collections(ids: Iterable[int], *, public_only: bool = False) -> Matches:
    """Images in any of these collections, or in any of them that everyone may see."""
    chosen = select(collection_image.c.image_id).where(collection_image.c.collection_id.in_(list(ids)))
    if public_only:
        chosen = chosen.where(collection_image.c.collection_id.in_(_PUBLIC_COLLECTIONS))
    condition = image.c.id.in_(chosen)
    return Matches(None, condition, condition)


def only_public() -> Matches:
    """Images that everyone may see."""
    return Matches(profile.c.state == "published", None)


def _of_public_collections(node: Node) -> Node:
    """The same query, but what is in a collection that is not public cannot be told from it."""
    match node:
        case Term(field, value) if field.name == "collections":
            return Term(_COLLECTIONS_SHOWN, value)
        case Not(inner):
            return Not(_of_public_collections(inner))
        case And(nodes):
            return And(tuple(map(_of_public_collections, nodes)))
        case Or(nodes):
            return Or(tuple(map(_of_public_collections, nodes)))
        case _:
            return node


def _is_indexed(term: Term) -> bool:
    """Whether an index on images leads to exactly the matches of a term."""
    if term.field.home == "profile" or term.field.name in ("pixels_x", "pixels_y") or isinstance(term.value, Present):
        return False
    return not isinstance(term.value, Words) or term.value.how in ("is", "starts") or term.field.home == "other"


def _both(one: Condition | None, other: Condition | None) -> Condition | None:
    if one is None or other is None:
        return other if one is None else one
    return and_(one, other)


def _on_profile(node: Node) -> bool:
    match node:
        case Term(field, _):
            return field.home == "profile"
        case Not(inner):
            return _on_profile(inner)
        case And(nodes) | Or(nodes):
            return all(_on_profile(n) for n in nodes)
        case Everything():
            return True


def _condition(node: Node) -> Condition:
    match node:
        case Everything():
            return true()
        case Term():
            return _term(node)
        case Not(inner):
            return _condition(inner).is_not(true())
        case And(nodes):
            return _balanced(and_, [_condition(n) for n in nodes])
        case Or(nodes):
            return _balanced(or_, _alternatives(nodes))


def _balanced(join: Callable[..., Condition], conditions: list[Condition]) -> Condition:
    """All conditions joined as a tree of little depth; SQLite takes no more than 1,000 levels."""
    if len(conditions) <= _WIDE:
        return join(*conditions)
    middle = len(conditions) // 2
    halves = (_balanced(join, conditions[:middle]), _balanced(join, conditions[middle:]))
    # As "IS TRUE", since SQLAlchemy would take plain brackets away.
    return join(*(half.is_(true()) for half in halves))


def _alternatives(nodes: tuple[Node, ...]) -> list[Condition]:
    """The branches of an OR; many whole values of one field become one list, as long lists of ids do."""
    lists: dict[str, list[Term]] = {}
    others: list[Condition] = []
    for node in nodes:
        if isinstance(node, Term) and isinstance(node.value, Words) and node.value.how == "is":
            lists.setdefault(node.field.name, []).append(node)
        else:
            others.append(_condition(node))
    for terms in lists.values():
        words = [t.value.text for t in terms if isinstance(t.value, Words)]
        others.append(_about(terms[0], lambda column, words=words: column.in_(words)))
    return others


def _term(term: Term) -> Condition:
    if term.field.name == "public":
        match term.value:
            case Truth(yes):
                return profile.c.state == "published" if yes else profile.c.state != "published"
            case _:
                return true()
    return _about(term, lambda column: _compare(column, term.value))


def _about(term: Term, compare: Any) -> Condition:
    """A comparison of the field's own column, or of the row that the image refers to."""
    match term.field.name:
        case "patient_id":
            return image.c.patient_ref.in_(select(patient.c.id).where(compare(patient.c.public_id)))
        case "lesion_id":
            return image.c.lesion_ref.in_(select(lesion.c.id).where(compare(lesion.c.public_id)))
        case "collections" | "public collections":
            chosen = select(collection_image.c.image_id).where(compare(collection_image.c.collection_id))
            if term.field is _COLLECTIONS_SHOWN:
                chosen = chosen.where(collection_image.c.collection_id.in_(_PUBLIC_COLLECTIONS))
            return image.c.id.in_(chosen)
        case name:
            return compare((profile if term.field.home == "profile" else image).c[name])  # type: ignore[no-any-return]


def _compare(column: ColumnElement[Any], value: Value) -> Condition:
    match value:
        case Present():
            return column.is_not(None)
        case Words(text, how):
            return _compare_text(column, text, how)
        case Number(number):
            return column == _bound(number)
        case Between(low, high, includes_low, includes_high):
            above = [] if low is None else [column >= _bound(low) if includes_low else column > _bound(low)]
            below = [] if high is None else [column <= _bound(high) if includes_high else column < _bound(high)]
            return and_(*above, *below) if above or below else column.is_not(None)
        case Truth(yes):
            return column.is_(yes) & column.is_not(None)


def _compare_text(column: ColumnElement[Any], text: str, how: str) -> Condition:
    match how:
        case "starts":  # as a range, which an index serves
            above = column >= text
            end = _after(text)
            return above if end is None else and_(above, column < end)
        case "ends":
            return func.substr(column, func.length(column) - (len(text) - 1)) == text
        case "contains":  # LIKE and its relatives differ between databases in case and escapes
            return func.replace(column, text, "") != column
        case _:
            return column == text


def _after(prefix: str) -> str | None:
    """The least text above every text that starts with ``prefix``, by code point; None if there is none."""
    for end in range(len(prefix), 0, -1):
        point = ord(prefix[end - 1]) + 1
        if point <= 0x10FFFF:
            return prefix[: end - 1] + chr(0xE000 if 0xD800 <= point <= 0xDFFF else point)
    return None


def _bound(number: float) -> ColumnElement[Any]:
    if number.is_integer() and int(number) in _INTEGERS:
        return literal(int(number))
    return literal(number, Float(53))
