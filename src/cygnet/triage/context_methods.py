"""The context methods by name, those that come with learned files among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cygnet.context import METHODS, Method
from cygnet.context.learned import SetTransformer
from cygnet.context.stack import Stack
from cygnet.errors import InputError
from cygnet.models.context import ContextNetwork, find_context, has_context

#: Methods of this installation; the learned ones need the files that ``cygnet train context`` makes.
NAMES: Final = (*METHODS, *((SetTransformer.name, Stack.name) if has_context() else ()))


@dataclass(frozen=True, slots=True)
class Chosen:
    """A method, and the SHA-256 of what it has ``learned``, empty where it learns from the table alone."""

    method: Method
    learned: str = ""


def context_method(name: str) -> Chosen:
    """A method by its name.

    Raises
    ------
    InputError
        If there is none of that name.
    ModelError
        If its files are missing or damaged.
    """
    if name in METHODS:
        return Chosen(METHODS[name])
    if name not in NAMES:
        raise InputError(f"no context method {name!r}; there are {', '.join(NAMES)}")
    files = find_context()
    learned = SetTransformer(ContextNetwork(files.network))
    if name == SetTransformer.name:
        return Chosen(learned, files.sha256)
    weights = files.card["stack"]
    members = {**METHODS, learned.name: learned}
    stack = Stack(tuple(members[member] for member in weights), tuple(float(w) for w in weights.values()))
    return Chosen(stack, files.sha256)
