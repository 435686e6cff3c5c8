"""The promise, of every method as it ships: what must hold for any patient, whoever made the scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cygnet.context import MIN_LESIONS, Cohort, Context, Method, Options, Reference, in_context, learn
from cygnet.triage.context_methods import NAMES, context_method

Floats = NDArray[np.float64]
quick = settings(max_examples=25, deadline=None, derandomize=True)
seeds = st.integers(0, 2**32 - 1)
D = 16
M = 5
#: What a lesion is known by: all, looks alone, measurements alone, the score alone.
KNOWN = ("all", "embedding", "measurements", "score")


class Lesions:
    """Some lesions of patients, before anything is left out."""

    def __init__(self, patient: NDArray, score: Floats, look: Floats, measured: Floats, site: NDArray) -> None:
        self.patient, self.score, self.look, self.measured, self.site = patient, score, look, measured, site

    def cohort(self, known: str) -> Cohort:
        return Cohort.build(
            self.patient,
            self.score,
            embedding=self.look if known in ("all", "embedding") else None,
            measurements=self.measured if known in ("all", "measurements") else None,
            site=self.site,
        )

    def take(self, rows: NDArray) -> Lesions:
        return Lesions(self.patient[rows], self.score[rows], self.look[rows], self.measured[rows], self.site[rows])

    def __add__(self, other: Lesions) -> Lesions:
        return Lesions(*(np.concatenate([getattr(self, k), getattr(other, k)]) for k in vars(self)))


def ordinary(rng: np.random.Generator, n: int, patient: int = 0, *, sites: int = 2) -> Lesions:
    """Lesions of one patient, who has a pattern of its own."""
    pattern = rng.normal(size=D)
    return Lesions(
        np.full(n, patient),
        rng.normal(-4, 0.8, n),
        pattern + rng.normal(0, 0.4, (n, D)),
        rng.normal(size=M) + rng.normal(0, 0.5, (n, M)),
        rng.integers(-1, sites, n),
    )


def crowd(seed: int = 7, patients: int = 60) -> Lesions:
    rng = np.random.default_rng(seed)
    made = ordinary(rng, 12, 0)
    for p in range(1, patients):
        made = made + ordinary(rng, int(rng.integers(1, 25)), p)
    return made


def prepared(known: str) -> dict[str, tuple[Method, Reference]]:
    cohort = crowd().cohort(known)
    methods = {name: context_method(name).method for name in NAMES}
    return {name: learn(cohort, method) for name, method in methods.items() if known != "score" or not method.vectors}


READY = {(name, known): ready for known in KNOWN for name, ready in prepared(known).items()}
every = pytest.mark.parametrize(("name", "known"), list(READY))


def judge(lesions: Lesions, name: str, known: str, guard: float = 1.0) -> Context:
    return in_context(lesions.cohort(known), *READY[name, known], Options(guard=guard))


@every
@quick
@given(seeds, st.integers(MIN_LESIONS, 30))
def test_order_and_names_change_nothing_at_all(name: str, known: str, seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    lesions = ordinary(rng, n, 0) + ordinary(rng, 9, 1) + ordinary(rng, n, 2)
    order = rng.permutation(len(lesions.patient))
    renamed = lesions.take(order)
    renamed.patient = np.array([5, 3, 4])[renamed.patient]
    one, other = judge(lesions, name, known), judge(renamed, name, known)
    for field in ("oddness", "change", "adjusted", "rank", "rank_low", "rank_high"):
        assert np.array_equal(getattr(one, field)[order], getattr(other, field), equal_nan=True), field
    back = np.where(other.compared.nearest >= 0, order[other.compared.nearest], -1)
    assert np.array_equal(one.compared.nearest[order], back)


@every
@quick
@given(seeds, st.integers(1, 30))
def test_other_patients_change_nothing(name: str, known: str, seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    mine, others = ordinary(rng, n), ordinary(rng, n, 1) + ordinary(rng, 5, 2) + ordinary(rng, n, 3)
    alone, among = judge(mine, name, known), judge(mine + others, name, known)
    assert np.array_equal(alone.oddness, among.oddness[:n], equal_nan=True)
    assert np.array_equal(alone.adjusted, among.adjusted[:n])


@every
@quick
@given(seeds, st.floats(0, 1))
def test_a_lesion_alone_keeps_its_absolute_score(name: str, known: str, seed: int, p: float) -> None:
    one = ordinary(np.random.default_rng(seed), 1)
    found = in_context(one.cohort(known), *READY[name, known], probability=np.array([p]))
    assert found.adjusted.tolist() == [p]
    assert np.isnan(found.oddness).all()
    assert (found.rank.tolist(), found.rank_low.tolist(), found.rank_high.tolist()) == ([1], [1], [1])
    assert found.compared.nearest.tolist() == [-1]


@every
@quick
@given(seeds, st.integers(2, 24), st.integers(1, 3))
def test_a_duplicate_never_makes_a_lesion_odder(name: str, known: str, seed: int, n: int, copies: int) -> None:
    rng = np.random.default_rng(seed)
    lesions = ordinary(rng, n)
    lesions.score = np.round(lesions.score, int(rng.integers(0, 4)))  # with few digits, scores coincide by themselves
    which = int(rng.integers(n))
    before, after = judge(lesions, name, known), judge(lesions + lesions.take(np.full(copies, which)), name, known)
    if n > 1 and not np.isnan(before.oddness[which]):
        assert after.oddness[which] <= before.oddness[which] + 1e-12
        assert after.adjusted[which] <= before.adjusted[which] * (1 + 1e-12)
    assert (after.oddness[n:] == after.oddness[which]).all() or np.isnan(after.oddness[which])


@every
@quick
@given(seeds, st.integers(1, 40), st.floats(0, 1))
def test_the_guard_holds_and_scores_stay_in_range(name: str, known: str, seed: int, n: int, guard: float) -> None:
    lesions = ordinary(np.random.default_rng(seed), n)
    lesions.score = lesions.score * 3 + 8
    p = 1 / (1 + np.exp(-lesions.score))
    found = in_context(lesions.cohort(known), *READY[name, known], Options(guard=guard), probability=p)
    assert (found.adjusted[p >= guard] >= p[p >= guard]).all()
    assert ((found.adjusted >= 0) & (found.adjusted <= 1)).all()
    defined = found.oddness[~np.isnan(found.oddness)]
    assert ((defined >= 0) & (defined <= 1)).all()
    if n < MIN_LESIONS:
        assert np.array_equal(found.adjusted, p)
    assert (found.rank_low <= found.rank).all()
    assert (found.rank <= found.rank_high).all()
    assert (found.rank_high <= n).all()


def cluster(rng: np.random.Generator, look: Floats, score: float, measured: Floats, n: int) -> Lesions:
    return Lesions(
        np.zeros(n, int),
        rng.normal(score, 0.3, n),
        look + rng.normal(0, 0.15, (n, D)),
        measured + rng.normal(0, 0.2, (n, M)),
        np.full(n, -1),
    )


@every
@quick
@given(seeds, st.integers(MIN_LESIONS, 24))
def test_swapped_siblings_move_the_score_the_stated_way(name: str, known: str, seed: int, n: int) -> None:
    """The same lesion is more alarming among benign siblings than among atypical ones that resemble it."""
    rng = np.random.default_rng(seed)
    look, measured = rng.normal(size=D) * 1.2, rng.normal(size=M) * 1.5 + 3
    lesion = cluster(rng, look, -1.0, measured, 1)
    calm = cluster(rng, np.linalg.qr(np.stack([look, rng.normal(size=D)]).T)[0][:, 1] * 4, -5.0, measured - 4, n)
    alike = cluster(rng, look, -1.0, measured, n)
    among_benign = judge(lesion + calm, name, known)
    among_alike = judge(lesion + alike, name, known)
    assert among_benign.oddness[0] > among_alike.oddness[0]
    assert among_benign.adjusted[0] > among_alike.adjusted[0]
    assert among_benign.adjusted[0] > 1 / (1 + np.exp(-lesion.score[0]))


@every
@quick
@given(seeds, st.integers(MIN_LESIONS, 24), st.floats(2, 1e3))
def test_a_far_outlier_does_not_hide_the_next(name: str, known: str, seed: int, n: int, far: float) -> None:
    rng = np.random.default_rng(seed)
    looks, measured = (np.linalg.qr(rng.normal(size=(d, d)))[0] * 4 for d in (D, M))
    calm = cluster(rng, looks[0], -5.0, measured[0], n)
    odd = cluster(rng, looks[1], -1.0, measured[1], 1)
    farther = cluster(rng, looks[2] * far, -1.0 + min(far, 20), measured[2] * far, 1)
    without, both = judge(odd + calm, name, known), judge(odd + calm + farther, name, known)
    assert without.oddness[0] > 0.5
    assert both.oddness[0] >= 0.7 * without.oddness[0]
    assert both.oddness[-1] > 0.5
    assert both.rank[0] <= 2
