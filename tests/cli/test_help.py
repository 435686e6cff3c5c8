"""What a command's options are for is read to the end: nothing in brackets is taken for markup and lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cygnet.cli.app import app


def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command below a command, with the words that call it."""
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from walk(below, (*path, name))


COMMANDS = list(walk(typer.main.get_command(app)))


@pytest.mark.parametrize(("path", "made"), COMMANDS, ids=[" ".join(path) or "cygnet" for path, _ in COMMANDS])
def test_help_says_all_that_is_written(path: tuple[str, ...], made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 1000)
    shown = CliRunner().invoke(app, [*path, "--help"])
    assert shown.exit_code == 0
    for parameter in made.params:
        written = (getattr(parameter, "help", None) or "").replace("\\[", "[")
        assert written in shown.stdout, parameter.name
