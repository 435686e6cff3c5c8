"""Challenges: tasks as data, submissions checked and scored, boards with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cygnet.challenge.problems import Problem, RefusedError
    from cygnet.challenge.scoring import Score, score
    from cygnet.challenge.tasks import Task, task

__all__ = ["Problem", "RefusedError", "Score", "Task", "score", "task"]

_WHERE = {
    "Problem": "problems",
    "RefusedError": "problems",
    "Score": "scoring",
    "Task": "tasks",
    "score": "scoring",
    "task": "tasks",
}


def __getattr__(name: str) -> Any:
    """Loaded at first use, so that the command line stays quick."""
    from importlib import import_module

    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
