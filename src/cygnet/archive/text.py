"""Text from anywhere as every database can hold it."""

from __future__ import annotations

from typing import Any, Final

#: Characters of a file's name that are kept.
NAME_LENGTH: Final = 500
#: Characters of a cell that are kept.
CELL: Final = 20_000


def storable(text: str, most: int = NAME_LENGTH) -> str:
    """Without NUL and unpaired surrogates, which PostgreSQL refuses, and not longer than ``most`` characters."""
    return text.encode("utf-8", "replace").decode().replace("\0", "?")[:most]


def storable_values(values: dict[str, Any], most: int) -> dict[str, Any]:
    """The same for the texts among the values, and for the names."""
    return {storable(k): storable(v, most) if isinstance(v, str) else v for k, v in values.items()}
