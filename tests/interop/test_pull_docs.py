"""docs/pull.md is true: its commands and its Python run, against an archive on loopback."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest_pull import Far

from cygnet.interop.catalogue import datasets

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "pull.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return [found[1] for found in re.finditer(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)]


def test_its_commands_run(
    far: Far, tmp_path: Path, command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["Challenge 2020: Training", "Challenge 2019: Training", "HAM10000"]
    far.collections = [{"id": number, "name": name} for number, name in zip((70, 65, 212), names, strict=True)]
    lines = [shlex.split(line)[1:] for block in blocks("sh") for line in block.splitlines()]
    assert len(lines) == 6
    codes = []
    for line in lines:
        more = ["--from", far.url] if line[0] == "pull" and "--verify" not in line else []
        codes.append(command(*line, *more).code)
    # The made-up images are too small for an archive, which refuses them and says so.
    assert codes == [0, 0, 0, 0, 0, 1] or codes == [0] * 6


def test_its_python_runs(
    far: Far, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("python")
    exec(compile(code, "pull.md", "exec"), {"URL": far.url})
    assert capsys.readouterr().out == "True 6 []\nTrue\n"


def test_every_data_set_stands_in_it() -> None:
    for known in datasets().values():
        assert f"`{known.name}`" in PAGE
        assert known.collections
        assert known.source.startswith("https://")
