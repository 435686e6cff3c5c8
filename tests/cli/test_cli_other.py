"""The other commands: doctor, simulate, demo, and the entry itself."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import cygnet.cli.doctor
from cygnet.models.registry import DEFAULT
from cygnet.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Answer

    Command = Callable[..., Answer]


def test_help(command: Command) -> None:
    done = command("--help")
    assert done.code == 0
    assert all(
        name in done.out
        for name in ("rank", "evaluate", "audit", "split", "metadata", "demo", "simulate", "doctor", "train")
    )
    assert "not a medical device" in done.out


@pytest.mark.parametrize(
    "name", ["rank", "evaluate", "audit", "split", "metadata", "demo", "simulate", "doctor", "train"]
)
def test_help_of_each(command: Command, name: str) -> None:
    assert command(name, "--help").code == 0


def test_version(command: Command) -> None:
    assert command("--version") == (0, f"cygnet {VERSION}\n", "")


@pytest.mark.parametrize("args", [("fly",), ("rank",), ("rank", "--fly")])
def test_wrong_use(command: Command, args: tuple[str, ...]) -> None:
    assert command(*args).code == 2


def test_doctor(command: Command) -> None:
    done = command("doctor", "--json")
    answer = json.loads(done.out)
    assert (done.code, answer["ok"]) == (0, True)
    states = {c["name"]: c["state"] for c in answer["checks"]}
    assert states[f"model {DEFAULT}"] == states["numpy"] == states["onnxruntime"] == "ok"
    assert all(set(c) == {"name", "state", "detail", "fix"} for c in answer["checks"])


def test_doctor_in_words(command: Command) -> None:
    done = command("doctor")
    assert done.code == 0
    assert "cygnet demo" in done.out.splitlines()[-1]


def test_doctor_finds_what_is_broken(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = cygnet.cli.doctor._version
    monkeypatch.setattr(
        cygnet.cli.doctor, "_version", lambda name: None if name in ("polars", "torch") else honest(name)
    )
    done = command("doctor", "--json")
    answer = json.loads(done.out)
    checks = {c["name"]: c for c in answer["checks"]}
    assert (done.code, answer["ok"]) == (1, False)
    assert (checks["polars"]["state"], checks["polars"]["fix"]) == ("broken", "pip install polars")
    assert checks["extra [train]"]["state"] == "missing"
    assert "torch" in checks["extra [train]"]["detail"]
    assert command("doctor").code == 1


def test_simulate_then_rank(tmp_path: Path, command: Command) -> None:
    place = tmp_path / "made"
    done = command("simulate", place, "--patients", 2, "--lesions", 3, "--size", "200x150", "--seed", 5)
    assert done.code == 0
    assert "6 simulated images" in done.out
    ranked = json.loads(command("rank", place, "--json").out)
    assert [len(p["lesions"]) for p in ranked["patients"]] == [3, 3]
    again = command("simulate", place)
    assert again.code == 2
    assert "not an empty folder" in again.err


def test_simulate_quiet(tmp_path: Path, command: Command) -> None:
    assert command("simulate", tmp_path / "q", "--lesions", 2, "--size", "200x150", "-q") == (0, "", "")


@pytest.mark.parametrize("size", ["600", "axb", "600x"])
def test_simulate_size(tmp_path: Path, command: Command, size: str) -> None:
    done = command("simulate", tmp_path / "made", "--size", size)
    assert done.code == 2
    assert "give width x height in pixels" in done.err


def test_demo(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    run = [sys.executable, "-c", "from cygnet.cli import main; main()", "demo", "--no-open", "--out", str(out)]
    done = subprocess.run(run, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "SIMULATED" in done.stdout
    assert sorted(p.name for p in (out / "report").iterdir()) == [
        "assessment.csv",
        "assessment.json",
        "manifest.json",
        "report.html",
    ]
    assert [p.name for p in tmp_path.iterdir()] == ["demo"]


def test_demo_keeps_off_a_folder_in_use(tmp_path: Path, command: Command) -> None:
    (tmp_path / "mine.txt").write_text("x")
    done = command("demo", "--no-open", "--out", tmp_path)
    assert done.code == 2
    assert "choose another --out" in done.err
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_reader_that_leaves(simulated: Path) -> None:
    code = "from cygnet.cli import main; main()"
    run = subprocess.Popen(
        [sys.executable, "-c", code, "rank", str(simulated), "--csv"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stdout is not None
    run.stdout.close()
    assert run.stderr is not None
    err = run.stderr.read()
    run.stderr.close()
    assert run.wait(60) in (0, 1)
    assert "Traceback" not in err


def test_train_without_data(tmp_path: Path, command: Command) -> None:
    done = command("train", "lesion", "--data", tmp_path, "--out", tmp_path / "run")
    assert done.code == 2
    assert "no training source here" in done.err


@pytest.mark.parametrize("sizes", ["a", "100", "16,160"])
def test_train_sizes(tmp_path: Path, command: Command, sizes: str) -> None:
    done = command("train", "lesion", "--data", tmp_path, "--out", tmp_path / "run", "--sizes", sizes)
    assert done.code == 2
    assert f"--sizes {sizes}" in done.err


def test_train_without_the_extra(tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [m for m in sys.modules if m.startswith("cygnet.training")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    done = command("train", "lesion", "--data", tmp_path, "--out", tmp_path / "run")
    assert done.code == 2
    assert "pip install 'cygnet[train]'" in done.err
