"""States, readers, edits, licences, collections."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from conftest_archive import item, jpeg, take
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from cygnet.archive import Archive, collections, review
from cygnet.archive.edit import edit, history, relicense
from cygnet.archive.log import entries
from cygnet.archive.states import set_state
from cygnet.errors import InputError, TableError


def state(archive: Archive, id_: int) -> str:
    from cygnet.archive.states import profiles_of

    with archive.database.read() as connection:
        return str(profiles_of(connection, [id_])[id_]["state"])


def vote(
    archive: Archive, ids: list[int], reader: str, accepts: bool, reason: str | None = "technique"
) -> dict[str, int]:
    with archive.database.write() as connection:
        return review.vote(connection, ids, reader, accepts=accepts, reason=None if accepts else reason)


@pytest.fixture
def drafts(archive: Archive) -> Archive:
    """Three drafts, with ids 1 to 3."""
    take(archive, [item(f"{k}.jpg", jpeg(k), sex="male", age=41) for k in range(3)])
    return archive


def test_one_reader_decides(drafts: Archive) -> None:
    assert vote(drafts, [1, 2], "anna", True) == {"accepted": 2}
    assert vote(drafts, [3], "anna", False) == {"rejected": 1}
    assert vote(drafts, [1], "anna", False) == {"rejected": 1}, "a later verdict of the same reader replaces the first"
    assert vote(drafts, [2], "bob", False) == {"draft": 1}, "two readers who disagree decide nothing"
    assert vote(drafts, [2], "carl", True) == {"accepted": 1}
    with pytest.raises(InputError, match="reject for one of technology, technique"):
        vote(drafts, [1], "anna", False, reason="ugly")
    assert drafts.verify().clean


def test_two_readers_must_agree(tmp_path: Any) -> None:
    with Archive.init(tmp_path / "two", readers=2) as archive:
        take(archive, [item(f"{k}.jpg", jpeg(k)) for k in range(4)])
        assert vote(archive, [1, 2, 3, 4], "anna", True) == {"draft": 4}
        assert vote(archive, [1, 2], "bob", True) == {"accepted": 2}
        assert vote(archive, [3], "bob", False) == {"draft": 1}
        assert vote(archive, [3], "carl", False) == {"rejected": 1}
        with archive.database.read() as connection:
            found = {a.readers: a for a in review.agreements(connection)}
        # anna yes yes yes, bob yes yes no: they agree on 2 of 3; by chance 1 * 2/3 + 0 * 1/3 = 2/3 of the time.
        assert (found["anna", "bob"].images, found["anna", "bob"].agree) == (3, pytest.approx(2 / 3))
        assert found["anna", "bob"].kappa == pytest.approx(0)
        assert archive.verify().clean


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
@settings(deadline=None)
def test_kappa_is_that_of_scikit_learn(pairs: list[tuple[bool, bool]]) -> None:
    ours = review.cohen_kappa(pairs)
    one, other = zip(*pairs, strict=True)
    if len({*one, *other}) == 1:
        assert math.isnan(ours)
    else:
        assert ours == pytest.approx(cohen_kappa_score(one, other), abs=1e-12)


def test_states_follow_their_order(drafts: Archive) -> None:
    def to(ids: list[int], wanted: str) -> int:
        with drafts.database.write() as connection:
            return set_state(connection, ids, wanted, "anna")

    with pytest.raises(InputError, match="is draft; it can become accepted or rejected, not published"):
        to([1, 2], "published")
    assert to([1, 2], "accepted") == 2
    with pytest.raises(InputError):
        to([1, 3], "published")
    assert state(drafts, 1) == "accepted", "all or none"
    assert (to([1], "published"), to([1], "published"), to([2], "embargoed")) == (1, 0, 1)
    assert (drafts.count("public:true"), drafts.count("public:false")) == (1, 2)
    with pytest.raises(InputError, match="take it back to draft"):
        vote(drafts, [1], "anna", True)
    assert drafts.verify().clean


def test_an_edit_is_versioned_checked_and_resets_review(drafts: Archive) -> None:
    vote(drafts, [1], "anna", True)
    with drafts.database.write() as connection:
        set_state(connection, [1], "published", "anna")
        assert edit(connection, [1], {"diagnosis": "Nevus", "age": "63"}, "bob") == 1
        assert edit(connection, [1], {"diagnosis": "Nevus"}, "bob") == 0, "no change, no version"
    assert state(drafts, 1) == "draft"
    assert drafts.count("diagnosis_3:Nevus age_approx:65 sex:male") == 1
    with drafts.database.write() as connection:
        edit(connection, [1], {"diagnosis_1": "", "diagnosis": "", "sex": ""}, "bob")
    assert drafts.count("-diagnosis_1:* -sex:*") == 1
    isic_id = drafts.search("age_approx:65").results[0]["isic_id"]
    with drafts.database.read() as connection:
        versions = history(connection, isic_id)
        log = list(entries(connection))
    assert [(v["version"], v["actor"], v["record"].get("age"), v["record"].get("diagnosis_3")) for v in versions] == [
        (1, "bob", 41, None),
        (2, "bob", 63, "Nevus"),
    ]
    assert [e.action for e in log if e.actor == "bob"] == ["edit", "edit"]
    for changes, says in (({"sex": "m/f"}, "sex"), ({"mel_thick_mm": "2"}, "mel_thick_mm")):
        with pytest.raises(TableError, match=says), drafts.database.write() as connection:
            edit(connection, [1, 2], changes, "bob")
    with pytest.raises(InputError, match="colour"), drafts.database.write() as connection:
        edit(connection, [1], {"colour": "red"}, "bob")
    assert vote(drafts, [1], "bob", True) == {"accepted": 1}
    assert drafts.verify().clean


def test_licences_only_get_wider(archive: Archive) -> None:
    take(
        archive,
        [item("a.jpg", jpeg(1)), item("b.jpg", jpeg(2))],
        licence="CC-BY-NC",
        attribution="Clinic",
        publish=True,
    )
    isic_id = archive.search("").results[0]["isic_id"]
    before = archive.picture(isic_id)
    with archive.database.write() as connection:
        assert relicense(connection, archive.blobs, [1], "CC BY 4.0", "anna") == 1
    assert archive.count("copyright_license:CC-BY public:true") == 1
    after = archive.picture(isic_id)
    assert b"licenses/by/4.0" in after and b"licenses/by-nc" in before and b"licenses/by-nc" not in after
    with pytest.raises(InputError, match="asks more"), archive.database.write() as connection:
        relicense(connection, archive.blobs, [1], "CC-BY-NC", "anna")
    assert archive.verify().clean


def test_collections(drafts: Archive) -> None:
    with drafts.database.write() as connection:
        number = collections.create(connection, "Teaching", "anna", description="For lectures")
        other = collections.create(connection, "Other", "anna", pinned=True)
        assert collections.add(connection, "Teaching", drafts.matches("sex:male"), "anna") == 3
        assert collections.add(connection, number, drafts.matches("sex:male"), "anna") == 0
    names = [r["isic_id"] for r in drafts.search(f"collections:{number}").results]
    assert len(names) == 3
    assert drafts.search("", collections=[number, other]).count == 3
    assert drafts.search("", collections=[]).count == 0
    with drafts.database.write() as connection:
        assert collections.change_members(connection, number, [names[0], "ISIC_9"], "anna", remove=True) == ["ISIC_9"]
        collections.change(connection, number, "anna", locked=True)
        for change in (
            lambda: collections.add(connection, number, drafts.matches(""), "anna"),
            lambda: collections.change_members(connection, number, names, "anna"),
            lambda: collections.change(connection, number, "anna", name="New"),
        ):
            with pytest.raises(InputError, match="locked"):
                change()
        with pytest.raises(InputError, match="pinned"):
            collections.change(connection, other, "anna", public=False)
        with pytest.raises(InputError, match="already"):
            with connection.begin_nested():
                collections.create(connection, "Other", "anna")
        collections.share(connection, number, "bob", "anna")
    with drafts.database.read() as connection:
        shown = collections.listed(connection)
        assert [(c["name"], c["images"], c["public"], c["locked"]) for c in shown] == [
            ("Other", 0, True, False),
            ("Teaching", 2, False, True),
        ]
        assert collections.listed(connection, public_only=True)[0]["id"] == other
        assert collections.attributions(connection, number) == [("Tests", 2)]
        assert collections.shared_with(connection, "bob") == [number]
        with pytest.raises(InputError, match="no collection 'x'"):
            collections.found(connection, "x")
    assert drafts.verify().clean
    assert json.dumps(shown)
