"""Facets that a server remembers: never out of date, never another's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cygnet.archive import Archive, collections, edit
from cygnet.archive.remembered import Remembered
from cygnet.archive.states import set_state


@pytest.fixture
def archive(archive_dir: Path) -> Iterator[Archive]:
    with Archive.open(archive_dir) as opened:
        yield opened


@pytest.fixture
def asked(archive: Archive) -> Callable[..., dict[str, Any]]:
    remembered = Remembered()

    def facets(query: str = "", **narrowed: Any) -> dict[str, Any]:
        found = archive.facets(query, **narrowed, shared=remembered)
        assert found == archive.facets(query, **narrowed)
        assert archive.facets(query, **narrowed, shared=remembered) is found
        return found

    return facets


def test_facets_follow_every_change(archive: Archive, asked: Callable[..., dict[str, Any]]) -> None:
    """After each kind of change what is remembered equals what is counted anew: for everyone, and for those who see all."""
    number = 0

    def look() -> tuple[Any, ...]:
        seen = [
            asked(query, public_only=public_only, **chosen)["sex"]
            for query in ("", "sex:male", "isic_id:*1")
            for public_only in (True, False)
            for chosen in ({}, {"collections": (number,)})
        ]
        return tuple(map(str, seen))

    def written(work: Callable[[Any], Any]) -> Any:
        with archive.database.write() as connection:
            return work(connection)

    before = [look()]
    ids = archive.ids("")
    number = written(lambda c: collections.create(c, "some", "tester"))
    changes: list[Callable[[Any], Any]] = [
        lambda c: collections.add(c, number, archive.matches("sex:male"), "tester"),
        lambda c: edit.edit(c, ids[:9], {"sex": "female"}, "tester"),
        lambda c: [set_state(c, ids[:9], state, "tester") for state in ("accepted", "published")],
        lambda c: collections.change(c, number, "tester", public=True),
    ]
    for change in changes:
        written(change)
        assert look() not in before, change
        before.append(look())


def test_what_is_private_is_not_remembered_for_everyone(asked: Callable[..., dict[str, Any]]) -> None:
    everything, public = asked(), asked(public_only=True)
    assert everything["public"]["buckets"] != public["public"]["buckets"]
