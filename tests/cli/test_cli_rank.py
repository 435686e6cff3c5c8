"""``cygnet rank`` from arguments to files, exit codes and words on the terminal."""

from __future__ import annotations

import csv
import hashlib
import inspect
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest
from PIL import Image

import cygnet.cli.rank
import cygnet.cli.show
from cygnet.models.registry import ALIASES, PREFERRED
from cygnet.report.folder import FILES
from cygnet.triage import RESEARCH_USE
from cygnet.triage.journal import NAME
from cygnet.triage.rows import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Answer

    Command = Callable[..., Answer]

PART = ".cygnet-part"
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def validate(document: object) -> None:
    """Against the schema that comes with the package."""
    jsonschema = pytest.importorskip("jsonschema")
    schema = files("cygnet.report") / "assessment.schema.json"
    if not schema.is_file():
        pytest.skip("assessment.schema.json is not there yet")
    rules = json.loads(schema.read_text(encoding="utf-8"))
    kind = jsonschema.validators.validator_for(rules)
    kind.check_schema(rules)
    kind(rules).validate(document)


def test_to_terminal(simulated: Path, command: Command) -> None:
    done = command("rank", simulated)
    assert done.code == 0
    assert "patient SIM-0003, 55 years, female: 9 lesions" in done.out
    assert "9 assessed, 0 not assessable, 0 failed" in done.out
    assert RESEARCH_USE in done.out
    assert done.err == ""


def test_to_folder(simulated: Path, tmp_path: Path, command: Command) -> None:
    out = tmp_path / "deep" / "report"
    done = command("rank", simulated, "--out", out)
    assert done.code == 0
    assert sorted(contents(out)) == sorted(FILES)
    assert str(out / "report.html") in done.out.replace("\n", "")
    rows = list(csv.DictReader(io.StringIO((out / "assessment.csv").read_text())))
    assert [r["rank"] for r in rows] == [str(k) for k in range(1, 10)]
    document = json.loads((out / "assessment.json").read_text())
    assert document["counts"] == {"patients": 1, "lesions": 9, "images": 9, "assessable_images": 9}
    assert "<html" in (out / "report.html").read_text()


def test_manifest_holds_hashes(simulated: Path, tmp_path: Path, command: Command) -> None:
    command("rank", simulated, "--out", tmp_path / "r", "--prevalence", "0.1", "--guard", "0.2")
    manifest = json.loads((tmp_path / "r" / "manifest.json").read_text())
    assert manifest["options"] == {"prevalence": 0.1, "guard": 0.2}
    assert len(manifest["inputs"]) == 9
    for line in manifest["inputs"]:
        with open(line["file"], "rb") as stream:  # noqa: PTH123
            assert hashlib.file_digest(stream, "sha256").hexdigest() == line["sha256"]
    assert len(manifest["model_sha256"]) == 64


def test_bytes_are_the_same_again(simulated: Path, tmp_path: Path, command: Command) -> None:
    for name, workers in (("a", 1), ("b", 1), ("c", 2)):
        assert command("rank", simulated, "--out", tmp_path / name, "--workers", workers).code == 0
    assert contents(tmp_path / "a") == contents(tmp_path / "b") == contents(tmp_path / "c")
    command("rank", simulated, "--out", tmp_path / "a")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_json(simulated: Path, command: Command) -> None:
    done = command("rank", simulated, "--json")
    document = json.loads(done.out)
    assert done.code == 0
    assert document["patients"][0]["lesions"][0]["rank"] == 1
    assert document["research_use"] is True
    assert RESEARCH_USE in done.err


def test_json_follows_the_schema(simulated: Path, photos: Path, command: Command) -> None:
    (photos / "bad.jpg").touch()
    shutil.copy(photos / "SIM-0003_01.jpg", photos / "zz.jpg")
    done = command("rank", simulated, photos, "--json")
    validate(json.loads(done.out))


def test_json_schema_of_nothing_assessed_and_one(tmp_path: Path, simulated: Path, command: Command) -> None:
    (tmp_path / "bad.jpg").touch()
    done = command("rank", tmp_path, "--json")
    assert done.code == 1
    validate(json.loads(done.out))
    validate(json.loads(command("rank", simulated, "--json", "--limit", 1).out))


def test_csv(simulated: Path, command: Command) -> None:
    done = command("rank", simulated, "--csv")
    rows = list(csv.reader(io.StringIO(done.out)))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 10
    assert done.code == 0


@pytest.mark.parametrize(("option", "name"), [("--json", "assessment.json"), ("--csv", "assessment.csv")])
def test_printed_and_kept_are_the_same(
    simulated: Path, tmp_path: Path, command: Command, option: str, name: str
) -> None:
    printed = command("rank", simulated, option).out
    done = command("rank", simulated, option, "--out", tmp_path / "r")
    assert done.out == printed == (tmp_path / "r" / name).read_text()


@pytest.mark.parametrize("more", [(), ("--out", "r")])
def test_quiet(
    simulated: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command("rank", simulated, "--quiet", *more) == (0, "", "")


def test_limit(simulated: Path, command: Command) -> None:
    done = command("rank", simulated, "--limit", "3", "--csv")
    assert len(done.out.splitlines()) == 4
    assert command("rank", simulated, "--limit", "0").code == 2


def test_json_with_csv(simulated: Path, command: Command) -> None:
    done = command("rank", simulated, "--json", "--csv")
    assert (done.code, done.out) == (2, "")
    assert "choose one" in done.err


def test_resume_without_out(simulated: Path, command: Command) -> None:
    done = command("rank", simulated, "--resume")
    assert done.code == 2
    assert "--resume needs the --out folder" in done.err


@pytest.mark.parametrize(("option", "value"), [("--prevalence", "0"), ("--prevalence", "nan"), ("--guard", "2")])
def test_options_are_checked(simulated: Path, command: Command, option: str, value: str) -> None:
    done = command("rank", simulated, option, value)
    assert done.code == 2
    assert "is not between 0 and 1" in done.err


def test_missing_path(tmp_path: Path, command: Command) -> None:
    done = command("rank", tmp_path / "nowhere")
    assert (done.code, done.out) == (2, "")
    assert done.err == f"cygnet: {tmp_path / 'nowhere'}: no such file or folder; check the path\n"


@pytest.mark.parametrize("name", ["", "notes.txt"])
def test_folder_without_images(tmp_path: Path, command: Command, name: str) -> None:
    place = tmp_path / "empty"
    place.mkdir()
    if name:
        (place / name).write_text("x")
    done = command("rank", place, "--out", tmp_path / "out")
    assert done.code == 2
    assert f"{place}: no images here; Cygnet reads" in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("picture_name\nSIM-0003_01\n", ("list.csv", "rename 'picture_name' to image")),
        ("image,sex\nSIM-0003_01,x\n", ("list.csv row 2", "use male, female")),
        ("image,age\nSIM-0003_01,-3\n", ("list.csv row 2", "give years")),
        ("image,site\nSIM-0003_01,moon\n", ("list.csv row 2", "leave it empty")),
        ("image\nSIM-0003_01\nSIM-0003_01\n", ("list.csv row 3", "named twice", "remove one")),
        ("image\nnothing\n", ("list.csv", "--images")),
    ],
)
def test_bad_tables(photos: Path, command: Command, text: str, words: tuple[str, ...]) -> None:
    (photos / "list.csv").write_text(text)
    done = command("rank", photos / "list.csv")
    assert (done.code, done.out) == (2, "")
    assert all(word in done.err for word in words), done.err


def test_patient_twice(photos: Path, tmp_path: Path, command: Command) -> None:
    for clinic in ("north", "south"):
        shutil.copytree(photos, tmp_path / "all" / clinic / "anna")
    done = command("rank", tmp_path / "all")
    assert done.code == 2
    assert "a second folder for patient 'anna'" in done.err
    assert "rename one" in done.err


def test_some_images_missing(photos: Path, tmp_path: Path, command: Command) -> None:
    (photos / "list.csv").write_text("image,patient_id\nSIM-0003_01,p\nSIM-0003_02,p\ngone,p\n")
    done = command("rank", photos / "list.csv", "--out", tmp_path / "r")
    assert done.code == 0
    assert "2 assessed, 0 not assessable, 1 failed (1 missing)" in done.out
    rows = list(csv.DictReader(io.StringIO((tmp_path / "r" / "assessment.csv").read_text())))
    assert [(r["image"], r["codes"]) for r in rows if r["assessable"] == "False"] == [("gone", "missing")]


def test_bad_images_do_not_stop_the_rest(photos: Path, tmp_path: Path, command: Command) -> None:
    (photos / "a-empty.jpg").touch()
    (photos / "b-cut.jpg").write_bytes((photos / "SIM-0003_01.jpg").read_bytes()[:2000])
    Image.new("L", (9000, 8000)).save(photos / "c-huge.png")
    done = command("rank", photos, "--out", tmp_path / "r")
    assert done.code == 0
    assert "9 assessed, 0 not assessable, 3 failed (1 too large, 2 truncated)" in done.out
    rows = list(csv.DictReader(io.StringIO((tmp_path / "r" / "assessment.csv").read_text())))
    codes = {r["image"]: r["codes"] for r in rows if r["codes"]}
    assert codes == {"a-empty": "truncated", "b-cut": "truncated", "c-huge": "too_large"}


def test_nothing_can_be_assessed(tmp_path: Path, command: Command) -> None:
    place = tmp_path / "bad"
    place.mkdir()
    for name in ("a.jpg", "b.png"):
        (place / name).write_bytes(b"not an image")
    done = command("rank", place, "--out", tmp_path / "r")
    assert done.code == 1
    assert "none of 2 images could be assessed" in done.err
    assert "0 assessed, 0 not assessable, 2 failed (2 unreadable)" in done.out
    rows = list(csv.DictReader(io.StringIO((tmp_path / "r" / "assessment.csv").read_text())))
    assert [r["codes"] for r in rows] == ["unreadable"] * 2
    assert all("not a JPEG" in r["reason"] for r in rows)
    assert command("rank", place, "--quiet").code == 1


def test_second_copy_is_noted(photos: Path, command: Command) -> None:
    shutil.copy(photos / "SIM-0003_01.jpg", photos / "zz.jpg")
    done = command("rank", photos)
    assert done.code == 0
    assert "note: zz is the same file as SIM-0003_01 and was left out" in done.out


def test_out_is_a_file(simulated: Path, tmp_path: Path, command: Command) -> None:
    (tmp_path / "r").touch()
    done = command("rank", simulated, "--out", tmp_path / "r")
    assert done.code == 2
    assert "choose another --out" in done.err


def interrupt_after(monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    """Ctrl-C when the progress has counted n images."""
    from contextlib import contextmanager

    @contextmanager
    def progress(*_: object, **__: object) -> object:
        def advance(done: int, note: str = "") -> None:
            if done == n:
                raise KeyboardInterrupt

        yield advance

    monkeypatch.setattr(cygnet.cli.show, "progress", progress)


@pytest.mark.parametrize("n", [1, 6, 9])
def test_interrupted_and_resumed(simulated: Path, tmp_path: Path, command: Command, n: int) -> None:
    whole, out = tmp_path / "whole", tmp_path / "r"
    assert command("rank", simulated, "--out", whole).code == 0
    out.mkdir()
    (out / "report.html").write_text("mine")
    with pytest.MonkeyPatch.context() as patch:
        interrupt_after(patch, n)
        done = command("rank", simulated, "--out", out)
    assert done.code == 130
    assert f"interrupted after {n} of 9 images" in done.err
    assert "--resume" in done.err
    assert sorted(p.name for p in out.iterdir()) == [NAME, "report.html"]
    assert (out / "report.html").read_text() == "mine"

    refused = command("rank", simulated, "--out", out)
    assert refused.code == 2
    assert "add --resume to go on with it" in refused.err
    other = command("rank", simulated, "--out", out, "--resume", "--limit", 2)
    assert other.code == 2
    assert "had other images, another model, other options or another version" in other.err
    assert (out / NAME).exists()

    done = command("rank", simulated, "--out", out, "--resume")
    assert done.code == 0
    assert f"resuming: {n} of 9 images are done" in done.err
    assert contents(out) == contents(whole)


def test_refused_run_leaves_no_part(simulated: Path, tmp_path: Path, command: Command) -> None:
    (tmp_path / NAME).write_bytes(b"")
    assert command("rank", simulated, "--out", tmp_path).code == 2
    assert [p.name for p in tmp_path.iterdir() if p.name == PART] == []


def test_interrupted_on_the_terminal(simulated: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_after(monkeypatch, 2)
    assert command("rank", simulated).code == 130


def test_resume_of_nothing_starts_over(simulated: Path, tmp_path: Path, command: Command) -> None:
    done = command("rank", simulated, "--out", tmp_path, "--resume", "--limit", 2)
    assert done.code == 0
    assert "resuming: 0 of 2" in done.err


@LINUX
def test_real_interrupt(tmp_path: Path, simulated: Path) -> None:
    many = tmp_path / "many"
    many.mkdir()
    names = sorted((simulated / "images").iterdir())
    for k in range(900):
        os.link(names[k % 9], many / f"{k:04}.jpg")
    out = tmp_path / "r"
    run = subprocess.Popen(
        [sys.executable, "-m", "cygnet.cli", "rank", str(many), "--out", str(out)]
        if (files("cygnet.cli") / "__main__.py").is_file()
        else [sys.executable, "-c", "from cygnet.cli import main; main()", "rank", str(many), "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        part = out / PART / "report.html"
        for _ in range(600):
            if part.exists() or run.poll() is not None:
                break
            time.sleep(0.05)
        time.sleep(0.4)
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=60)
    finally:
        run.kill()
    assert run.returncode == 130, err
    assert "of 900 images; nothing is lost" in err
    assert "Traceback" not in err
    assert [p.name for p in out.iterdir()] == [NAME]


@LINUX
@pytest.mark.parametrize("limit", [1_000, 60_000])
def test_full_disk(tmp_path: Path, simulated: Path, limit: int) -> None:
    out = tmp_path / "r"
    out.mkdir()
    for name in FILES:
        (out / name).write_text("what was there")
    code = (
        "import resource, signal, sys\n"
        "import cygnet.triage, cygnet.report, cygnet.cli.rank\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY))\n"
        f"sys.argv = ['cygnet', 'rank', {str(simulated)!r}, '--out', {str(out)!r}]\n"
        "from cygnet.cli import main\nmain()"
    )
    done = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "cygnet: " in done.stderr
    assert "free some space" in done.stderr
    assert "Traceback" not in done.stderr
    assert {name: (out / name).read_text() for name in FILES} == dict.fromkeys(FILES, "what was there")
    assert not (out / PART).exists()


def test_the_command_and_the_library_take_the_same_model() -> None:
    """The command says its default in words of its own, since its help must not wait for ONNX Runtime."""
    assert inspect.signature(cygnet.cli.rank.rank).parameters["model"].default == PREFERRED


def test_a_model_that_is_not_there(photos: Path, command: Callable[..., Answer]) -> None:
    answer = command("rank", photos, "--model", "nevus-9")
    assert answer.code == 2
    assert (
        f"no lesion model 'nevus-9'; there are fast, accurate, {ALIASES['accurate']}, {ALIASES['fast']}" in answer.err
    )
