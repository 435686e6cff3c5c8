"""``cygnet evaluate`` from arguments to files, exit codes and words on the terminal."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Answer

    Command = Callable[..., Answer]

FEW = ("--replicates", "100")


@pytest.fixture
def tables(tmp_path):
    """truth.csv, a.csv, b.csv and votes.csv of 400 images of 50 patients."""
    rng = np.random.default_rng(1)
    names = [f"i{k}" for k in range(400)]
    labels = rng.random(400) < 0.2
    patients = [f"p{k % 50}" for k in range(400)]
    sex = rng.choice(["male", "female"], 400)
    pl.DataFrame(
        {
            "image": names,
            "target": labels.astype(int),
            "patient_id": patients,
            "age": rng.integers(20, 90, 400),
            "sex": sex,
        }
    ).write_csv(tmp_path / "truth.csv")
    for name, skill in (("a", 1.5), ("b", 0.5)):
        p = 1 / (1 + np.exp(-(rng.normal(-2, 1, 400) + skill * labels)))
        pl.DataFrame({"isic_id": [f"{n}.jpg" for n in names], "p_melanoma": p}).write_csv(tmp_path / f"{name}.csv")
    said = rng.binomial(10, np.where(labels, 0.7, 0.2))
    pl.DataFrame({"image": names, "melanoma": said, "readers": [10] * 400}).write_csv(tmp_path / "votes.csv")
    return tmp_path


def run(command, tables, *more):
    return command("evaluate", tables / "a.csv", "--truth", tables / "truth.csv", *FEW, *more)


def test_to_terminal(command: Command, tables) -> None:
    done = run(command, tables, "--compare", tables / "b.csv", "--controls", "--readers", f"experts={tables}/votes.csv")
    assert done.code == 0
    assert "400 images" in done.out and "100 resamples of 50 patients, 95% intervals" in done.out
    for words in (
        "AUC",
        "Within-patient AUC",
        "a minus b: AUC +",
        "true minus shuffled siblings",
        "experts (400 images)",
    ):
        assert words in done.out, words
    assert "sex: lowest AUC" in done.out
    assert done.out.rstrip().endswith("not a medical device.")
    assert run(command, tables, "--quiet").out == ""


def test_json(command: Command, tables) -> None:
    done = run(command, tables, "--json", "--no-subgroups")
    found = json.loads(done.out, parse_constant=lambda word: pytest.fail(word))
    (model,) = found["models"]
    assert (done.code, model["name"], found["unit"], found["units"]) == (0, "a", "patient", 50)
    assert found["metrics"] == model["metrics"]
    for name, m in model["metrics"].items():
        assert {"value", "low", "high", "n"} <= set(m), name
    labels = pl.read_csv(tables / "truth.csv")["target"].to_numpy()
    assert model["metrics"]["auc"]["value"] == pytest.approx(
        roc_auc_score(labels, pl.read_csv(tables / "a.csv")["p_melanoma"].to_numpy())
    )
    assert "subgroups" not in found and "controls" not in found
    assert run(command, tables, "--json", "--no-subgroups").out == done.out


def test_folder(command: Command, tables) -> None:
    pytest.importorskip("cygnet.report.evaluation_page")
    out = tables / "new" / "folder"
    assert run(command, tables, "--out", out).code == 0
    assert sorted(p.name for p in out.iterdir()) == ["evaluation.html", "evaluation.json"]
    found = json.loads((out / "evaluation.json").read_text())
    assert {g["variable"] for g in found["subgroups"]} == {"age", "sex"}
    assert "<html" in (out / "evaluation.html").read_text()


def test_folder_that_cannot_be_written(command: Command, tables) -> None:
    pytest.importorskip("cygnet.report.evaluation_page")
    done = run(command, tables, "--out", tables / "a.csv")
    assert done.code == 2 and "cannot be made" in done.err
    blocked = tables / "blocked"
    (blocked / "evaluation.json").mkdir(parents=True)
    (blocked / "evaluation.json" / "kept").touch()
    done = run(command, tables, "--out", blocked)
    assert done.code == 2 and "cannot be written" in done.err
    assert [p.name for p in blocked.iterdir()] == ["evaluation.json"]


@pytest.mark.parametrize(
    "more, words",
    [
        (["--threshold", "1.5"], "--threshold 1.5 is not between 0 and 1"),
        (["--unit", "hospital"], "choose patient, lesion or image"),
        (["--unit", "lesion"], "no lesion_id column"),
        (["--target", "gone"], "no column 'gone'; there are image, target"),
        (["--score", "gone"], "no column 'gone'; there are isic_id, p_melanoma"),
        (["--compare", "{}/none.csv"], "no such file"),
        (["--compare", "{}/a.csv"], "given twice"),
        (["--compare", "{}/empty.csv"], "no rows"),
        (["--compare", "{}/nameless.csv"], "no image column"),
        (["--readers", "votes.csv"], "write NAME=FILE"),
        (["--readers", "x={}/a.csv"], "a vote table has"),
        (["--fold", "gone"], "no table has the column 'gone'"),
    ],
)
def test_wrong_use(command: Command, tables, more, words) -> None:
    (tables / "empty.csv").write_text("image,score\n")
    (tables / "nameless.csv").write_text("name,score\na,1\n")
    done = run(command, tables, *(m.format(tables) for m in more))
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("cygnet: ") and words in done.err
    assert "Traceback" not in done.err


def test_controls_need_patients(command: Command, tables) -> None:
    pl.read_csv(tables / "truth.csv").drop("patient_id").write_csv(tables / "truth.csv")
    done = run(command, tables, "--controls")
    assert done.code == 2 and "needs a patient_id column" in done.err


def test_too_large(command: Command, tables) -> None:
    (tables / "a.csv").write_text("image,score\n" + "".join(f"j{k},0.5\n" for k in range(150_000)))
    done = run(command, tables, "--memory", "1")
    assert done.code == 2 and "more than the limit of 1 MB" in done.err


def test_problems_of_rows(command: Command, tables) -> None:
    pl.read_csv(tables / "a.csv").head(390).write_csv(tables / "a.csv")
    done = run(command, tables, "--problems", tables / "problems.txt")
    assert done.code == 2
    assert "10 problems" in done.err and "(and 5 more)" in done.err and "--subset" in done.err
    lines = (tables / "problems.txt").read_text().splitlines()
    assert len(lines) == 10
    assert all(f"i{k} " in line for k, line in enumerate(lines, 390))
    unwritable = run(command, tables, "--problems", tables / "a.csv" / "x.txt")
    assert unwritable.code == 2 and "cannot be written" in unwritable.err
    shared = run(command, tables, "--subset")
    assert shared.code == 0 and "390 images" in shared.out and "10 of 400 images have no score" in shared.out


def test_imports_nothing_heavy(tables) -> None:
    script = (
        "import sys\n"
        "from cygnet.cli import main\n"
        "sys.argv = ['cygnet', 'evaluate', *sys.argv[1:]]\n"
        "try:\n    main()\n"
        "except SystemExit as left:\n    assert not left.code, left.code\n"
        "heavy = {'torch', 'onnxruntime', 'scipy', 'matplotlib', 'sklearn', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    arguments = [tables / "a.csv", "--truth", tables / "truth.csv", *FEW, "--quiet", "--controls"]
    subprocess.run([sys.executable, "-W", "error", "-c", script, *map(str, arguments)], check=True)
