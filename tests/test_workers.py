"""Threads that answer in order, a few things at a time."""

from __future__ import annotations

import os
import threading
import time

import pytest

from cygnet.workers import cores, worked


def test_answers_come_in_order_whichever_is_ready_first() -> None:
    def slow_first(n: int) -> int:
        time.sleep(0.02 if n % 4 == 0 else 0)
        return n * n

    assert list(worked(range(40), slow_first, 4)) == [n * n for n in range(40)]
    assert list(worked([], slow_first)) == []


def test_only_a_few_things_are_fetched_ahead() -> None:
    fetched = 0

    def things():
        nonlocal fetched
        while fetched < 1000:
            fetched += 1
            yield fetched

    for answer in worked(things(), lambda n: n, 2):
        assert fetched <= answer + 2 * 2 + 1
    assert fetched == 1000


def test_who_stops_early_waits_for_what_runs_only() -> None:
    done: list[int] = []
    go = threading.Event()

    def work(n: int) -> int:
        if n:
            go.wait(10)
        done.append(n)
        return n

    answers = worked(range(100), work, 2)
    assert next(answers) == 0
    threading.Timer(0.05, go.set).start()
    answers.close()
    assert len(done) <= 3


def test_an_error_reaches_the_caller() -> None:
    answers = worked([2, 1, 0], lambda n: 6 // n, 2)
    assert [next(answers), next(answers)] == [3, 6]
    with pytest.raises(ZeroDivisionError):
        next(answers)


def test_cores_are_counted_where_the_system_has_no_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS and Windows."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert cores() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores() == 1
