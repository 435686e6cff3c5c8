"""Methods against independent libraries, by hand, and on what they are fitted to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from sklearn.neighbors import LocalOutlierFactor as SklearnLof

from cygnet.context import METHODS, Cohort, in_context, learn
from cygnet.context.cohort import arrange, content, pools
from cygnet.context.compare import compare_all, reference_of
from cygnet.context.learned import REACH, SetTransformer, scaled
from cygnet.context.method import View
from cygnet.context.methods import local_outlier_factor, neighbours_for, principal
from cygnet.context.ranking import interval_over_siblings, moved_by
from cygnet.context.robust import z_beside_copies, z_without_self
from cygnet.context.stack import Stack, combine, learn_weights
from cygnet.errors import InputError

quick = settings(max_examples=40, deadline=None, derandomize=True)


def people(seed: int = 0, patients: int = 50, d: int = 6) -> Cohort:
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(patients), rng.integers(1, 20, patients))
    return Cohort.build(
        owner,
        rng.normal(-4, 1, len(owner)),
        embedding=rng.normal(size=(patients, d))[owner] + rng.normal(0, 0.3, (len(owner), d)),
        measurements=rng.normal(size=(len(owner), 4)),
        site=rng.integers(-1, 3, len(owner)),
        age=rng.uniform(20, 80, patients)[owner],
    )


@quick
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(4, 60), st.integers(2, 8))
def test_lof_as_scikit_learn_has_it(seed: int, b: int, n: int, d: int) -> None:
    points = np.random.default_rng(seed).normal(size=(b, n, d))
    k = neighbours_for(n)
    found = local_outlier_factor(points, k)
    for group, mine in zip(points, found, strict=True):
        theirs = -SklearnLof(n_neighbors=k).fit(group).negative_outlier_factor_
        assert mine == pytest.approx(theirs, rel=1e-6)


def test_lof_neighbours_leave_half_of_the_siblings_out() -> None:
    assert [neighbours_for(n) for n in (4, 5, 8, 21, 61, 500)] == [2, 2, 3, 10, 30, 30]


@quick
@given(st.integers(1, 60), st.data())
def test_rank_intervals_as_the_binomial_has_them(n: int, data: st.DataObject) -> None:
    above = data.draw(st.integers(0, n))
    low, high = interval_over_siblings(np.array([above]), np.array([n]))
    share = (above + 0.5) / (n + 1)
    assert low[0] == min(binom.ppf(0.1, n, share), above) + 1
    assert high[0] == max(binom.ppf(0.9, n, share), above) + 1


def test_rank_intervals_as_drawn() -> None:
    rng = np.random.default_rng(0)
    for n, above in [(12, 0), (30, 7), (400, 100)]:
        drawn = (rng.random((20_000, n)) < (above + 0.5) / (n + 1)).sum(axis=1) + 1
        low, high = interval_over_siblings(np.array([above]), np.array([n]))
        assert abs(low[0] - np.quantile(drawn, 0.1)) <= 1
        assert abs(high[0] - np.quantile(drawn, 0.9)) <= 1
    assert interval_over_siblings(np.array([0]), np.array([0])) == (1, 1)


def test_moved_probabilities_by_hand() -> None:
    # Odds of 1 times 3 are 3 in 4; nothing moved is the same number; 0 and 1 stay what they are.
    assert moved_by(np.array([0.5, 0.3, 0.0, 1.0]), np.array([np.log(3), 0, 2, -2])) == pytest.approx(
        [0.75, 0.3, 0, 1], rel=1e-12
    )


def test_every_lesion_is_judged_once() -> None:
    arranged = arrange(people(), merge=True)
    times = np.zeros(len(arranged.row), int)
    for pool in pools(arranged):
        np.add.at(times, pool.rows[pool.judged], 1)
        assert (arranged.company[pool.rows] == arranged.company[pool.rows[:, :1]]).all()
    assert (times == 1).all()


def test_content_tells_lesions_apart_and_copies_not() -> None:
    cohort = people()
    twice = cohort.take(np.r_[np.arange(len(cohort)), [3, 3]])
    keys = content(twice)
    assert len(np.unique(keys)) == len(cohort)
    assert keys[3] == keys[-1] == keys[-2]
    assert len(arrange(twice, merge=True).row) == len(cohort)


def test_shrinking_towards_what_is_usual_in_the_table() -> None:
    arranged = arrange(people(), merge=True)
    reference = reference_of(arranged)
    values = arranged.cohort.score
    assert reference.logit_spread == pytest.approx(1.4826 * np.median(np.abs(values - np.median(values))))
    assert 0 < reference.isolation_centre < 2
    assert compare_all(arranged, reference).family.max() >= 0


@quick
@given(st.lists(st.integers(-3, 3).map(float), min_size=2, max_size=14), st.floats(0.1, 3))
def test_one_more_of_the_same_is_never_odder(values: list[float], prior: float) -> None:
    row = np.array([values])
    for value in set(values):
        more = np.append(row, [[value]], axis=1)
        before = abs(z_beside_copies(row, prior)[0, values.index(value)])
        assert abs(z_beside_copies(more, prior)[0, -1]) <= before + 1e-12
    if len(set(values)) == len(values):
        assert z_beside_copies(row, prior) == pytest.approx(z_without_self(row, prior))


def test_whitening_shrinks_what_varies_within_patients() -> None:
    rng = np.random.default_rng(0)
    owner = np.repeat(np.arange(80), 10)
    within, between = np.array([3.0, 0.2, 0.2, 0.2]), np.array([0.2, 1.0, 1.0, 1.0])
    look = (rng.normal(size=(80, 4)) * between)[owner] + rng.normal(size=(800, 4)) * within
    cohort = Cohort.build(owner, np.zeros(800), measurements=look)
    ready, _ = learn(cohort, METHODS["whitened"])
    # One step along the noisy axis counts for less than one along a quiet one (measurements are first scaled alike).
    scale = 1.4826 * np.median(np.abs(look - np.median(look, axis=0)), axis=0)
    step = np.linalg.norm(ready.projection.axes / scale, axis=0)  # type: ignore[attr-defined]
    assert step[0] < 0.2 * step[1:].min()


def test_principal_components_hold_the_variance() -> None:
    rng = np.random.default_rng(1)
    owner = np.repeat(np.arange(40), 6)
    spread = np.array([5.0, 3.0, 0.1, 0.1, 0.1])
    cohort = Cohort.build(owner, np.zeros(240), measurements=rng.normal(size=(240, 5)))
    view = View(arrange(cohort, merge=True), reference_of(arrange(cohort, merge=True)))
    axes = principal(view, 5).axes
    assert axes @ axes.T == pytest.approx(np.eye(5), abs=1e-9)
    assert spread.shape == (5,)


def test_the_learned_part_only_scales_the_odds() -> None:
    cohort = people()
    base, reference = learn(cohort, METHODS["robust_z"])
    plain = in_context(cohort, base, reference).oddness
    for answer in (-5.0, 0.0, 5.0):
        method = SetTransformer(
            lambda lesions, sites, pairs, patients, a=answer: np.full(lesions.shape[:2], a, np.float32)
        )
        odd = in_context(cohort, method, reference).oddness
        factor = np.exp(REACH * np.clip(answer, -1, 1))
        known = ~np.isnan(plain)
        assert odd[known] == pytest.approx((plain * factor / (1 - plain + plain * factor))[known])
        assert np.isnan(odd[~known]).all()
    assert scaled(np.array([0.5]), np.array([1.0]))[0] == pytest.approx(1 / (1 + np.exp(-2)))


def test_a_stack_is_a_weighted_mean_that_forgets_who_cannot_say() -> None:
    parts = np.array([[0.2, 0.8], [0.4, np.nan], [np.nan, np.nan]])
    assert combine(parts, np.array([3.0, 1.0])) == pytest.approx([0.35, 0.4, np.nan], nan_ok=True)
    assert combine(parts, np.array([0.0, 1.0])) == pytest.approx([0.8, np.nan, np.nan], nan_ok=True)


def test_a_stack_learns_who_is_right() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random(2000) < 0.2
    right, wrong = rng.random(2000) * 0.5 + 0.5 * labels, rng.random(2000) * 0.5 + 0.5 * ~labels
    weights = learn_weights(np.column_stack([right, wrong]), rng.normal(size=2000), labels)
    assert weights[0] > 1
    assert weights[1] == 0


def test_a_stack_without_looks_keeps_the_members_that_need_none() -> None:
    cohort = people().take(np.arange(100))
    scores = Cohort.build(cohort.patient, cohort.score)
    ready, _ = learn(scores, Stack(tuple(METHODS.values())))
    assert [m.name for m in ready.members] == ["robust_z"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", [name for name, m in METHODS.items() if m.vectors])
def test_scores_alone_are_refused_where_looks_are_compared(name: str) -> None:
    cohort = people()
    with pytest.raises(InputError, match="--embeddings"):
        learn(Cohort.build(cohort.patient, cohort.score), METHODS[name])


@pytest.mark.parametrize("name", list(METHODS))
def test_one_patient_of_one_lesion_is_no_error(name: str) -> None:
    one = people().take(np.arange(1))
    found = in_context(one, *learn(one, METHODS[name]))
    assert np.isnan(found.oddness).all()


def test_lesions_of_another_kind_are_not_siblings() -> None:
    cohort = people(patients=1).take(np.zeros(0, int))
    rng = np.random.default_rng(0)
    cohort = Cohort.build(
        np.zeros(12), rng.normal(size=12), embedding=rng.normal(size=(12, 4)), kind=np.r_[np.zeros(9), np.ones(3)]
    )
    found = in_context(cohort, *learn(cohort, METHODS["robust_z"]))
    assert found.compared.siblings.tolist() == [8] * 9 + [2] * 3
    assert found.apart.tolist() == [3] * 9 + [9] * 3
    assert (found.change[9:] == 0).all()
    assert sorted(found.rank) == list(range(1, 13))


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"embedding": np.ones((3, 4))}, "has 3 rows for 5 lesions"),
        ({"embedding": np.ones((5, 4))}, "all embeddings are the same"),
        ({"embedding": np.full((5, 4), np.nan)}, "embedding: 5 rows hold NaN"),
        (
            {"measurements": np.array([[0.0], [1], [np.inf], [3], [4]])},
            "measurements: 1 rows hold NaN or infinity, first row 2",
        ),
        ({"site": np.zeros(2)}, "site has 2 rows"),
    ],
)
def test_columns_that_cannot_be(columns: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Cohort.build(np.zeros(5), np.zeros(5), **columns)
