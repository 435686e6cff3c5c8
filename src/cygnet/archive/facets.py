"""Facets: how many matching images have each value of each field.

A profile's values never change once it is made; only its number of images does. So they are read once, as codes in arrays, and each
answer needs from the database only which profiles match with how many images.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from cygnet.archive.fields import BY_NAME, FACETS
from cygnet.archive.query import Matches
from cygnet.archive.search import profile_counts
from cygnet.archive.tables import profile

#: The column that each facet is read from.
_COLUMNS: Final = tuple("state" if name == "public" else name for name in FACETS)


class ProfileValues:
    """The values of all profiles. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: NDArray[np.int64] = np.zeros(0, np.int64)
        self._codes: NDArray[np.int32] = np.zeros((len(_COLUMNS), 0), np.int32)
        self._values: list[dict[Any, int]] = [{} for _ in _COLUMNS]

    def _refresh(self, connection: Connection) -> None:
        """Take in profiles that were made since; ids only grow."""
        last = int(self._ids[-1]) if len(self._ids) else 0
        columns = [profile.c[name] for name in _COLUMNS]
        statement = select(profile.c.id, *columns).where(profile.c.id > last).order_by(profile.c.id)
        rows = connection.execute(statement).all()
        if rows:
            ids, *found = zip(*rows, strict=True)
            new = [
                [known.setdefault(v, len(known)) for v in column]
                for known, column in zip(self._values, found, strict=True)
            ]
            self._ids = np.concatenate([self._ids, np.array(ids, np.int64)])
            self._codes = np.concatenate([self._codes, np.array(new, np.int32)], axis=1)

    def count(self, connection: Connection, matches: Matches, names: Sequence[str] = FACETS) -> dict[str, Any]:
        """For each field the values with the number of images, most first, and how many have a value or none.

        ``{"sex": {"buckets": [{"key": "male", "doc_count": 3}], "meta": {"present_count": 3, "missing_count": 1}}}``, the form
        that the ISIC Archive answers in.
        """
        rows = profile_counts(connection, matches)
        with self._lock:
            self._refresh(connection)
            ids, codes, values = self._ids, self._codes, [list(known) for known in self._values]
        places = np.searchsorted(ids, np.array([row[0] for row in rows], np.int64))
        n = np.array([row[1] for row in rows], np.float64)
        result = {}
        for name in names:
            k = FACETS.index(name)
            counts = np.bincount(codes[k, places], n, len(values[k])) if len(places) else np.zeros(len(values[k]))
            result[name] = _facet(name, {v: int(c) for v, c in zip(values[k], counts, strict=True) if c})
        return result


def _facet(name: str, counts: dict[Any, int]) -> dict[str, Any]:
    if name == "public":
        published = counts.get("published", 0)
        counts = {True: published, False: sum(counts.values()) - published}
    missing = counts.pop(None, 0)
    if BY_NAME[name].kind == "number":
        ordered = sorted(counts.items())
    else:
        ordered = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    return {
        "buckets": [{"key": key, "doc_count": n} for key, n in ordered if n],
        "meta": {"present_count": sum(counts.values()), "missing_count": missing},
    }
