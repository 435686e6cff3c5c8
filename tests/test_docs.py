"""The documentation is true: its commands run, its commands exist, its links lead somewhere."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import cygnet
from cygnet.cli.app import app
from cygnet.simulate import write_patients

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
#: What a page's example commands may expect in the folder where the reader stands.
NEEDS_TRAINING = ("cygnet train",)


def blocks(page: Path, language: str = "") -> Iterator[str]:
    """The fenced and indented code blocks of a page."""
    for found in re.finditer(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S):
        if found[1] == language:
            yield found[2]


def commands(page: Path) -> Iterator[list[str]]:
    """Every line of a page that calls cygnet."""
    lines = [line for block in blocks(page) for line in block.splitlines()]
    lines += [line.strip() for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("    cygnet ")]
    for line in lines:
        for part in line.split("&&"):
            if part.strip().startswith("cygnet "):
                yield shlex.split(part.split("#", 1)[0])


ALL = [(page, command) for page in PAGES for command in commands(page)]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the documentation supposes it: images of a patient, a table, scores."""
    place = tmp_path_factory.mktemp("desk")
    made = write_patients(place / "made", n_patients=2, n_lesions=9, seed=5, size=(240, 240))
    assert made
    folders = sorted(p for p in (place / "made").rglob("*") if p.is_dir() and list(p.glob("*.jpg")))
    (place / "ISIC_patient").symlink_to(folders[0])
    (place / "drawn").symlink_to(folders[0].parent / "masks")
    (place / "photos").mkdir()
    rows = ["image,patient_id,lesion_id,age,sex,site"]
    truth = ["isic_id,target,patient_id,age,sex,site"]
    scores, other, votes = ["isic_id,score"], ["isic_id,score"], ["isic_id,MEL,NV"]
    for k, photo in enumerate(sorted((place / "made").rglob("*.jpg"))):
        name = f"{photo.parent.name}-{photo.stem}"
        (place / "photos" / f"{name}.jpg").write_bytes(photo.read_bytes())
        rows.append(f"{name},{photo.parent.name},,50,male,torso")
        truth.append(f"{name},{int(k % 4 == 0)},P{k % 7},{30 + k},{'male' if k % 3 else 'female'},torso")
        scores.append(f"{name},{(k * 37 % 100) / 100}")
        other.append(f"{name},{(k * 53 % 100) / 100}")
        votes.append(f"{name},{k % 5},{3 + k % 2}")
    write_context_tables(place, rows)
    write_challenge(place, truth)
    for file, content in (
        ("manifest", rows),
        ("truth", truth),
        ("scores", scores),
        ("other", other),
        ("votes", votes),
        *splits(truth),
    ):
        (place / f"{file}.csv").write_text("\n".join(content) + "\n")
    return place


def write_context_tables(place: Path, rows: list[str]) -> None:
    """Scores with patients, measurements and embeddings of the same lesions."""
    names = [row.split(",")[:2] for row in rows[1:]]
    scored = [f"{name},{patient},{(k * 37 % 100) / 1000}" for k, (name, patient) in enumerate(names)]
    measured = [f"{name},{2 + (k * 53 % 17) / 10},{k * 29 % 11},{k * 31 % 7}" for k, (name, _) in enumerate(names)]
    (place / "lesions.csv").write_text("\n".join(["image,patient_id,score", *scored]) + "\n")
    (place / "measured.csv").write_text("\n".join(["image,area,darkness,colours", *measured]) + "\n")
    np.save(place / "look.npy", np.random.default_rng(0).normal(size=(len(names), 8)).astype(np.float32))


def write_challenge(place: Path, truth: list[str]) -> None:
    """A submission for the truth's images, and a challenge of one's own with a split of its own."""
    head, *lines = truth
    entry = [f"{row.split(',')[0]},{(k * 37 % 100) / 100}" for k, row in enumerate(lines)]
    (place / "entry.csv").write_text("\n".join(["isic_id,target", *entry]) + "\n")
    sides = [f"{row},{int(row.split(',')[2] in ('P0', 'P1', 'P2'))}" for row in lines]
    (place / "challenge-truth.csv").write_text("\n".join([f"{head},validation_weight", *sides]) + "\n")
    (toml,) = blocks(ROOT / "docs" / "challenges.md", "toml")
    (place / "odd.toml").write_text(toml)


def splits(truth: list[str]) -> Iterator[tuple[str, list[str]]]:
    """The truth's rows in two tables by patient, and in one with a fold column."""
    head, *rows = truth
    late = [row.split(",")[2] in ("P5", "P6") for row in rows]
    yield "train", [head, *(row for row, last in zip(rows, late, strict=True) if not last)]
    yield "test", [head, *(row for row, last in zip(rows, late, strict=True) if last)]
    yield "all", [f"{head},fold", *(f"{row},{int(last)}" for row, last in zip(rows, late, strict=True))]


def served(command: list[str], desk: Path) -> str:
    """Start a server as the page says, but on a free port; it says where it is, and ends well when it is asked to."""
    kept = [word for k, word in enumerate(command) if "--port" not in command[max(0, k - 1) : k + 1]]
    caller = [sys.executable, "-c", "from cygnet.cli import main; main()", *kept[1:], "--port", "0"]
    with subprocess.Popen(caller, cwd=desk, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        said = next((line for line in process.stdout if "http://" in line), "")
        process.terminate()
        assert process.wait(60) == 0
    return said


def run(command: list[str], desk: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "100", "CYGNET_PASSWORD": "correct horse battery"}
    caller = [sys.executable, "-c", "from cygnet.cli import main; main()"]
    return subprocess.run(
        [*caller, *command[1:]], cwd=desk, env=environment, capture_output=True, text=True, timeout=240, check=False
    )


@pytest.mark.parametrize(("page", "command"), ALL, ids=[f"{p.stem}: {' '.join(c)}" for p, c in ALL])
def test_commands_of_the_documentation_run(page: Path, command: list[str], desk: Path) -> None:
    if " ".join(command).startswith(NEEDS_TRAINING):
        helped = run([*command[: 1 + sum(not w.startswith("-") for w in command[1:3])], "--help"], desk)
        assert helped.returncode == 0
        plain = re.sub(r"\x1b\[[0-9;]*m", "", helped.stdout)
        assert all(word in plain for word in command if word.startswith("--"))
        return
    if command[1] == "serve" and "account" not in command:
        assert "http://127.0.0.1:" in served(command, desk)
        return
    done = run(command, desk)
    assert done.returncode == 0, f"{page.name}: {' '.join(command)}\n{done.stderr}"


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "context.md"], ids=lambda page: page.name)
def test_python_of_the_documentation_runs(page: Path, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk)
    found = list(blocks(page, "python"))
    assert found
    for code in found:
        exec(compile(code, page.name, "exec"), {"__name__": "readme", "cygnet": cygnet})


def test_every_command_is_documented() -> None:
    words = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    names = [command.name for command in app.registered_commands]
    for group in app.registered_groups:
        assert group.typer_instance is not None
        names += [
            f"{group.name} {command.name or command.callback.__name__}"
            for command in group.typer_instance.registered_commands
        ]
    missing = [name for name in names if f"cygnet {name}" not in words]
    assert not missing, f"commands that no page mentions: {missing}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in link:
            assert (page.parent / link).exists(), f"{page.name} links to {link}"
