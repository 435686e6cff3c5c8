"""The context methods by name, those that come with learned files among them."""

from __future__ import annotations

from dataclasses import dataclass

from cygnet.context import METHODS, Method
from cygnet.errors import InputError


@dataclass(frozen=True, slots=True)
class Chosen:
    """A method, and whether it is ``fitted``: brings what it knows instead of learning from the table."""

    method: Method
    fitted: bool = False


def context_method(name: str) -> Chosen:
    """A method by its name.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    if name in METHODS:
        return Chosen(METHODS[name])
    raise InputError(f"no context method {name!r}; there are {', '.join(METHODS)}")
