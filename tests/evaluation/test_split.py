"""Safe splits: nothing that belongs together is separated, and folds resemble the whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cygnet.errors import InputError
from cygnet.evaluation.entries import Entry
from cygnet.evaluation.split import balance, groups, split


def entry(i: int, patient: str | None = None, lesion: str | None = None, **more) -> Entry:
    return Entry("all", f"I{i:04d}", f"row {i}", None, patient, lesion, **more)


rows = st.lists(
    st.tuples(st.sampled_from([None, *"ABCDEFGH"]), st.sampled_from([None, *"uvwxyz"]), st.booleans()),
    min_size=1,
    max_size=40,
).map(lambda found: [entry(i, p, lesion, target=t) for i, (p, lesion, t) in enumerate(found)])


@given(rows, st.integers(0, 3), st.data())
@settings(max_examples=60, deadline=None)
def test_every_row_is_placed_and_no_group_is_separated(entries: list[Entry], seed: int, data) -> None:
    n = len(entries)
    ties = data.draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=5))
    if groups(entries, ties).max() + 1 < 3:
        with pytest.raises(InputError, match="fewer folds"):
            split(entries, {"a": 1, "b": 1, "c": 1}, seed=seed, pairs=ties)
        return
    folds = split(entries, {"a": 1, "b": 1, "c": 1}, seed=seed, pairs=ties)
    assert len(folds) == n
    assert set(folds) == {"a", "b", "c"}
    for field in ("patient_id", "lesion_id"):
        for key in {getattr(e, field) for e in entries} - {None}:
            assert len({f for f, e in zip(folds, entries) if getattr(e, field) == key}) == 1
    assert all(folds[i] == folds[j] for i, j in ties)


@given(rows, st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_the_order_of_rows_never_matters(entries: list[Entry], random) -> None:
    if groups(entries).max() < 1:
        return
    turned = entries[:]
    random.shuffle(turned)
    one = dict(zip((e.image for e in entries), split(entries, {"a": 2, "b": 1})))
    assert one == dict(zip((e.image for e in turned), split(turned, {"a": 2, "b": 1})))


def test_groups_by_hand() -> None:
    found = [entry(0, "A"), entry(1, "A", "x"), entry(2, None, "x"), entry(3, "B"), entry(4, "C"), entry(5)]
    assert groups(found).tolist()[:3] == [groups(found)[0]] * 3
    assert len(set(groups(found).tolist())) == 4
    assert len(set(groups(found, [(3, 4), (4, 5)]).tolist())) == 2


def test_folds_resemble_the_whole() -> None:
    rng = np.random.default_rng(1)
    entries: list[Entry] = []
    for p in range(300):
        positive, site = rng.random() < 0.1, str(rng.choice(["torso", "head/neck"]))
        n = len(entries)
        entries += [entry(n + k, f"P{p}", target=positive and k == 0, site=site) for k in range(rng.integers(1, 9))]
    shares = {"train": 0.7, "val": 0.1, "test": 0.2}
    folds = split(entries, shares, seed=4)
    overall = np.mean([e.target for e in entries])
    for b in balance(entries, folds, shares):
        assert b.share == pytest.approx(b.wanted, abs=0.01)
        assert b.positive == pytest.approx(overall, abs=0.01)
    assert folds == split(entries, shares, seed=4)
    assert folds != split(entries, shares, seed=5)


@pytest.mark.parametrize("shares", [{}, {"a": 1.0}, {"a": 1.0, "b": 0.0}, {"a": 1.0, "b": -1.0}])
def test_wrong_shares(shares: dict[str, float]) -> None:
    with pytest.raises(InputError, match="two folds or more"):
        split([entry(0), entry(1)], shares)
