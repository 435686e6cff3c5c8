"""The ISIC search language, read by hand.

::

    query := or
    or    := and {"OR" and}
    and   := unary {["AND"] unary}                        side by side is AND
    unary := ("-" | "NOT") unary | "(" query ")" | FIELD ":" value
    value := "*" | word | "quoted" | number | range | "true" | "false"      by the field's kind
    range := ("[" | "{") end "TO" end ("]" | "}")         [ ] with its end, { } without; end: number or *

Everything that ISIC accepts means the same. Ours beside it: NOT, negated groups, ``*x*``, open ends, groups side by side, and the
fields attribution, acquisition_day and collections. A star within a word is an ordinary character, as it is there.
"""

from __future__ import annotations

import difflib
import re
from typing import Final

from cygnet.archive.fields import BY_NAME, Field
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
from cygnet.errors import InputError

MAX_LENGTH: Final = 20_000
MAX_DEPTH: Final = 60
MAX_TERMS: Final = 500

_SPACE: Final = re.compile(r"\s*")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORD: Final = re.compile(r"[^\s:()\"\[\]{}]+")
_QUOTED: Final = re.compile(r'"([^"\n\r]*)"')
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_TRUTH: Final = re.compile(r"true|false|\*")
#: What no database can hold as text.
_UNSEARCHABLE: Final = re.compile("[\x00\ud800-\udfff]")
_SHOWN: Final = 60
#: What the ISIC Archive renamed and still takes.
_RENAMED: Final = {
    ("image_type", "clinical"): "clinical: close-up",
    ("image_type", "overview"): "clinical: overview",
}


class QueryError(InputError):
    """A query that cannot be read. ``position`` counts characters from 0; the message points at it."""

    def __init__(self, why: str, query: str, position: int) -> None:
        self.why, self.query, self.position = why, query, position
        start = max(0, position - _SHOWN)
        line = "".join(c if c.isprintable() else " " for c in query[start : position + _SHOWN])
        super().__init__(f"{why}\n  {line}\n  {' ' * (position - start)}^ character {position + 1}")


def parse(query: str) -> Node:
    """The tree of a query; :class:`Everything` for an empty one.

    Raises
    ------
    QueryError
        Where the query cannot be read, with the character and what would do there.
    """
    if len(query) > MAX_LENGTH:
        raise QueryError(f"a query may have {MAX_LENGTH:,} characters", query, MAX_LENGTH)
    if (bad := _UNSEARCHABLE.search(query)) is not None:
        raise QueryError("this character cannot be searched for", query, bad.start())
    return _Parser(query).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text, self._at, self._depth, self._terms = text, 0, 0, 0

    def whole(self) -> Node:
        self._skip()
        if self._at == len(self._text):
            return Everything()
        node = self._or()
        if self._at < len(self._text):
            what = "there is no ( for this )" if self._peek() == ")" else "AND, OR or FIELD:VALUE is needed here"
            raise self._error(what)
        return node

    def _or(self) -> Node:
        nodes = [self._and()]
        while self._keyword("OR"):
            nodes.append(self._and())
        return _joined(Or, nodes)

    def _and(self) -> Node:
        nodes = [self._unary()]
        while self._keyword("AND") or self._another():
            nodes.append(self._unary())
        return _joined(And, nodes)

    def _another(self) -> bool:
        """Whether something follows side by side."""
        return self._peek() not in ("", ")") and not self._ahead("OR")

    def _unary(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error(f"brackets and negations may be {MAX_DEPTH} deep")
        node = self._inner()
        self._depth -= 1
        return node

    def _inner(self) -> Node:
        if self._take("-") or self._keyword("NOT"):
            return Not(self._unary())
        opened = self._at
        if self._take("("):
            node = self._or()
            if not self._take(")"):
                if self._at < len(self._text):
                    raise self._error("AND, OR, FIELD:VALUE or ) is needed here")
                raise self._error("this ( has no )", opened)
            return node
        return self._term()

    def _term(self) -> Node:
        start = self._at
        found = _NAME.match(self._text, start)
        if found is None or found[0] in ("AND", "OR", "NOT", "TO"):
            raise self._error("FIELD:VALUE is needed here" + ("" if start < len(self._text) else ", the query ends"))
        field = BY_NAME.get(found[0])
        if field is None:
            raise self._error(_unknown(found[0]), start)
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise self._error(f"a query may have {MAX_TERMS} conditions", start)
        self._move(found.end())
        if not self._take(":"):
            raise self._error(f"a : is needed after {field.name}")
        return Term(field, self._value(field))

    def _value(self, field: Field) -> Value:
        if field.kind == "text":
            return self._words(field)
        if field.kind == "bool":
            found = self._match(_TRUTH)
            if found is None:
                raise self._error(f"{field.name} is true, false or *")
            return Present() if found[0] == "*" else Truth(found[0] == "true")
        if self._take("*"):
            return Present()
        if self._peek() in ("[", "{"):
            return self._range(field)
        return Number(self._number(f"{field.name} is a number, a range such as [1 TO 5], or *"))

    def _words(self, field: Field) -> Value:
        found = self._match(_QUOTED)
        if found is None and self._peek() == '"':
            raise self._error('this " has no second one')
        text = found[1] if found else None
        if text is None:
            found = self._match(_WORD)
            if found is None:
                raise self._error(f'{field.name} needs a word, "words in quotes", or *')
            text = found[0]
        return _compared(_RENAMED.get((field.name, text), text))

    def _range(self, field: Field) -> Value:
        includes_low = self._take("[")
        if not includes_low:
            self._take("{")
        low = self._end(field)
        if not self._take("TO"):
            raise self._error("TO is needed here, as in [1 TO 5]")
        high = self._end(field)
        includes_high = self._take("]")
        if not includes_high and not self._take("}"):
            raise self._error("] or } is needed here")
        return Between(low, high, includes_low, includes_high)

    def _end(self, field: Field) -> float | None:
        return None if self._take("*") else self._number(f"a number or * is needed here for {field.name}")

    def _number(self, otherwise: str) -> float:
        start = self._at
        found = self._match(_NUMBER)
        if found is None:
            raise self._error(otherwise)
        value = float(found[0])
        if not -1e300 < value < 1e300:
            raise self._error("this number is too large", start)
        return value

    def _skip(self) -> None:
        found = _SPACE.match(self._text, self._at)
        self._at = found.end() if found else self._at

    def _move(self, to: int) -> None:
        self._at = to
        self._skip()

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self, token: str) -> bool:
        if not self._text.startswith(token, self._at):
            return False
        self._move(self._at + len(token))
        return True

    def _ahead(self, keyword: str) -> bool:
        found = _NAME.match(self._text, self._at)
        return found is not None and found[0] == keyword

    def _keyword(self, keyword: str) -> bool:
        return self._ahead(keyword) and self._take(keyword)

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._text, self._at)
        if found is not None:
            self._move(found.end())
        return found

    def _error(self, why: str, position: int | None = None) -> QueryError:
        return QueryError(why, self._text, self._at if position is None else position)


def _joined(kind: type[And] | type[Or], nodes: list[Node]) -> Node:
    """One node for all, with nested ones of the same kind laid flat."""
    if len(nodes) == 1:
        return nodes[0]
    flat: list[Node] = []
    for node in nodes:
        flat.extend(node.nodes if isinstance(node, kind) else (node,))
    return kind(tuple(flat))


def _compared(text: str) -> Value:
    if text and not text.strip("*"):
        return Present()
    if len(text) > 1 and text.startswith("*"):
        return Words(text[1:-1], "contains") if text.endswith("*") else Words(text[1:], "ends")
    return Words(text[:-1], "starts") if text.endswith("*") else Words(text)


def _unknown(name: str) -> str:
    lowered = name.lower()
    if name != lowered and lowered in BY_NAME:
        return f"no field {name!r}; did you mean {lowered!r}?"
    if f"{lowered}_1" in BY_NAME:
        return f"no field {name!r}; use {lowered}_1 (broadest) to {lowered}_5"
    if lowered in ("and", "or", "not"):
        return f"FIELD:VALUE is needed here; {lowered.upper()} is written in capitals"
    if lowered == "age":
        return "no field 'age'; use age_approx (rounded to 5 years)"
    alike = [known for known in BY_NAME if len(lowered) > 2 and known.startswith(lowered[:3])]
    close = difflib.get_close_matches(lowered, BY_NAME, n=3, cutoff=0.6) or alike[:3]
    hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"there are {', '.join(BY_NAME)}"
    return f"no field {name!r}; {hint}"
