"""Lesions seen more than once."""

from __future__ import annotations

import numpy as np
import pytest

from cygnet.context.explain import change_words
from cygnet.context.visits import changes, company, photographs

#: Patient 0: lesion 0 on days 0 and 180, lesion 1 on both, lesion 2 new on day 180. Patient 1: one lesion.
PATIENT = np.array([0, 0, 0, 0, 0, 1])
LESION = np.array([0, 0, 1, 1, 2, 3])
DAY = np.array([0.0, 180, 0, 180, 180, np.nan])


def test_images_of_one_day_are_one_photograph() -> None:
    shown = photographs(np.r_[PATIENT, 0], np.r_[LESION, 1], np.r_[DAY, 180])
    assert shown.of.tolist() == [0, 1, 2, 3, 4, 5, 3]
    assert shown.day[:5].tolist() == [0, 180, 0, 180, 180]


def test_old_images_are_never_siblings_of_their_own_lesion() -> None:
    shown = photographs(PATIENT, LESION, DAY)
    stands = company(shown)
    for group in np.unique(stands.group):
        inside = stands.photograph[stands.group == group]
        assert len(set(shown.lesion[inside])) == len(inside)
    assert np.sort(stands.photograph[stands.judged]).tolist() == list(range(6))


def test_the_present_is_compared_with_the_present_and_the_past_with_the_past() -> None:
    shown = photographs(PATIENT, LESION, DAY)
    stands = company(shown)
    now = stands.photograph[stands.present & (stands.group == 0)]
    assert shown.day[now].tolist() == [180, 180, 180]
    past = stands.photograph[~stands.present]
    assert shown.day[past].tolist() == [0, 0]
    assert shown.lesion[past].tolist() == [0, 1]


def test_a_lesion_not_seen_today_is_there_as_it_was_last() -> None:
    shown = photographs(np.zeros(3, int), np.array([0, 1, 1]), np.array([5.0, 5, 90]))
    stands = company(shown)
    now = stands.photograph[stands.present]
    assert shown.day[now].tolist() == [5, 90]


def test_growth_by_hand() -> None:
    # Lesion 0 grows from 2 to 2.68 while lesion 1 keeps its 3: 34 % in 180 days.
    area = np.array([2.0, 2.68, 3.0, 3.0, 9.0, 1.0])[:, None]
    shown = photographs(PATIENT, LESION, DAY)
    found = changes(shown, area, np.array([True]))
    assert found.days[[1, 3]].tolist() == [180, 180]
    assert found.moved[1, 0] == pytest.approx(0.34)
    assert np.isnan(found.moved[[0, 2, 4, 5], 0]).all()
    assert found.fresh.tolist() == [False, False, False, False, True, False]
    words = change_words(found, np.ones(1), ["area"])
    assert words == ["", "area grew 34 % in 180 days", "", "", "new since an earlier visit", ""]


def test_what_all_lesions_do_is_not_growth() -> None:
    # Photographed from nearer, every lesion is larger by half; only the last has grown beyond that.
    n = 6
    patient, lesion = np.zeros(2 * n, int), np.repeat(np.arange(n), 2)
    area = np.tile([2.0, 3.0], n)
    area[-1] = 6.0
    shown = photographs(patient, lesion, np.tile([0.0, 90], n))
    words = change_words(changes(shown, area[:, None], np.array([True])), np.ones(1), ["area"])
    assert words[-1] == "area grew 200 % in 90 days (other lesions +50 %)"
    assert set(words[:-1]) == {""}


def test_other_measurements_change_in_units_of_their_spread() -> None:
    shown = photographs(np.zeros(2, int), np.zeros(2, int), np.array([0.0, 1]))
    found = changes(shown, np.array([[1.0], [7.0]]), np.array([False]))
    assert change_words(found, np.array([2.0]), ["darkness"])[1] == "darkness +3.0 SD in 1 day"
