"""The ISIC vocabulary as versioned data: fields, values, and the trees of diagnoses and anatomic sites."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final, Literal

from cygnet.errors import InputError
from cygnet.schema.suggest import nearest

#: The version that is used where none is asked for.
CURRENT: Final = "6.1"
LEVELS: Final = 5
Kind = Literal["integer", "decimal", "boolean", "text", "choice", "tree"]
_MELANOMA: Final = "Malignant:Malignant melanocytic proliferations (Melanoma)"
#: A collision tumour may hold a melanoma, so that ISIC takes melanoma's fields there.
_COLLISION: Final = "Malignant:Collision - At least one malignant proliferation"
_MELANOCYTIC: Final = (
    "Benign:Benign melanocytic proliferations",
    "Indeterminate:Indeterminate melanocytic proliferations",
    _MELANOMA,
)
#: Branches that may or may not be of melanocytes.
_OPEN: Final = ("Collision", "Flat melanotic pigmentations", "Benign - Other", "Skin metastasis")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the vocabulary. ``minimum`` is inclusive, ``digits`` and ``places`` bound a decimal number."""

    name: str
    kind: Kind
    group: Literal["acquisition", "clinical"]
    values: tuple[str, ...] = ()
    minimum: int | None = None
    digits: int | None = None
    places: int | None = None


class Tree:
    """A hierarchy of at most five levels, each node a path such as "Trunk:Posterior trunk:Upper back"."""

    def __init__(self, field: str, paths: Sequence[str]) -> None:
        self.field = field
        self.paths: tuple[str, ...] = tuple(paths)
        self._by_path = {path.casefold(): path for path in self.paths}
        self._by_leaf = {leaf(path).casefold(): path for path in self.paths}

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and self._by_path.get(path.casefold()) == path

    def __len__(self) -> int:
        return len(self.paths)

    def find(self, text: str) -> str | None:
        """The path that a last name ("Scalp") or a path ("a:b:c", "a::b::c") means, capitals aside; None if none."""
        parts = [" ".join(part.split()) for part in text.split(":")]
        wanted = ":".join(part for part in parts if part).casefold()
        return self._by_path.get(wanted) or self._by_leaf.get(wanted)

    def suggest(self, text: str, n: int = 3) -> list[str]:
        """At most ``n`` names (paths, where ``text`` is an attempt at one) that ``text`` may have meant."""
        return nearest(text, self.paths if ":" in text else map(leaf, self.paths), n)

    def below(self, path: str) -> tuple[str, ...]:
        """A node and all below it."""
        return tuple(p for p in self.paths if within(p, path))


def leaf(path: str) -> str:
    """The last name of a path."""
    return path.rsplit(":", 1)[-1]


def levels(path: str | None) -> tuple[str | None, ...]:
    """The five levels of a path, None below its last; five times None for None."""
    parts: list[str | None] = list(path.split(":")) if path else []
    return tuple(parts + [None] * (LEVELS - len(parts)))


def within(path: str, ancestor: str) -> bool:
    """Whether ``path`` is ``ancestor`` or lies below it."""
    return path == ancestor or path.startswith(f"{ancestor}:")


def related(a: str, b: str) -> bool:
    """Whether one of two paths lies on the way to the other: they agree, one more exactly."""
    return within(a, b) or within(b, a)


def common(paths: Sequence[str]) -> str | None:
    """The deepest node that is above (or is) all of ``paths``; None where they share none."""
    shared: list[str] = []
    for names in zip(*(path.split(":") for path in paths), strict=False):
        if len(set(names)) > 1:
            break
        shared.append(names[0])
    return ":".join(shared) or None


def is_melanoma(path: str) -> bool:
    """Whether melanoma's fields (thickness, ulceration, mitoses) may go with a diagnosis."""
    return within(path, _MELANOMA) or path == _COLLISION


def is_melanocytic(path: str) -> bool | None:
    """Whether a diagnosis is of melanocytes; None where its name does not say."""
    if any(within(path, branch) for branch in _MELANOCYTIC):
        return True
    second = levels(path)[1]
    return None if second is None or second.startswith(_OPEN) else False


class Vocabulary:
    """One version of the ISIC vocabulary. ``provenance`` holds source, licence and hash of what it was made from."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.version: str = content["version"]
        self.fields: dict[str, Field] = {
            name: Field(name, **{**given, "values": tuple(given.get("values", ()))})
            for name, given in content["fields"].items()
        }
        self.trees = {field: Tree(field, paths) for field, paths in content["trees"].items()}
        self.provenance: dict[str, str] = {k: v for k, v in content.items() if isinstance(v, str)}

    @property
    def diagnoses(self) -> Tree:
        """The 418 diagnoses."""
        return self.trees["diagnosis"]

    @property
    def sites(self) -> Tree:
        """The 206 anatomic sites."""
        return self.trees["anatom_site"]


@cache
def vocabulary(version: str = CURRENT) -> Vocabulary:
    """The vocabulary of a version, read once.

    Raises
    ------
    InputError
        If Cygnet does not hold that version.
    """
    file = resources.files("cygnet.schema") / "data" / f"isic-{version}.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, OSError) as error:
        raise InputError(f"no ISIC vocabulary {version!r} here; there is {CURRENT}") from error
    return Vocabulary(content)
