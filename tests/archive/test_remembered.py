"""Answers that hold until the archive changes: made once for many."""

from __future__ import annotations

import threading

import pytest

from cygnet.archive.remembered import MOST, Remembered


def test_many_who_ask_at_once_wait_for_one() -> None:
    remembered, goes_on, calls = Remembered(), threading.Event(), []

    def make() -> str:
        calls.append(1)
        assert goes_on.wait(60)
        return "answer"

    answers: list[str] = []
    threads = [threading.Thread(target=lambda: answers.append(remembered.get("key", make))) for _ in range(8)]
    for thread in threads:
        thread.start()
    goes_on.set()
    for thread in threads:
        thread.join()
    assert answers == ["answer"] * 8 and len(calls) == 1


def test_errors_are_told_and_forgotten() -> None:
    remembered = Remembered()

    def wrong() -> None:
        raise OSError("away")

    with pytest.raises(OSError, match="away"):
        remembered.get("key", wrong)
    assert remembered.get("key", lambda: 1) == 1
    assert remembered.get("key", wrong) == 1  # not asked again


def test_the_oldest_go_first() -> None:
    remembered = Remembered()
    for k in range(MOST):
        remembered.get(k, lambda: "old")
    remembered.get(0, lambda: "new")
    remembered.get("one more", lambda: "")
    assert remembered.get(0, lambda: "new") == "old"
    assert remembered.get(1, lambda: "new") == "new"
