"""What isic-challenge-scoring itself says of some dozens of submissions: writes tests/challenge/data/scoring-5.8.0.json.

    CYGNET_SCORING_PYTHON=/path/to/python3.13 python studies/scoring_parity.py

The package needs Python 3.13 (``pip install isic-challenge-scoring==5.8.0 'numpy<2.5'``) and may live beside a Cygnet on
3.11: the named interpreter must be able to import it. Without the variable, python3.13 and later are looked for on the
PATH. Submissions are drawn here from a seed and handed over as files; truths are sorted by image, since the package
misplaces their weights otherwise.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    import polars as pl

OUT: Final = Path(__file__).resolve().parent.parent / "tests/challenge/data/scoring-5.8.0.json"
#: Task, metric as the package names it, images, seed, how predictions look, whether there are weights.
TABLES: Final = (
    ("isic2016-task3", "ap", 120, 1, "smooth", False),
    ("isic2016-task3", "ap", 60, 2, "coarse", True),
    ("isic2017-task3", "auc", 150, 3, "smooth", False),
    ("isic2017-task3", "auc", 150, 4, "coarse", True),
    ("isic2018-task3", "balanced_accuracy", 193, 5, "smooth", False),
    ("isic2018-task3", "balanced_accuracy", 193, 6, "coarse", True),
    ("isic2018-task3", "balanced_accuracy", 400, 7, "hard", False),
    ("isic2018-task3", "balanced_accuracy", 60, 8, "ties", True),
    ("isic2019-task1", "balanced_accuracy", 300, 9, "smooth", True),
    ("isic2019-task2", "balanced_accuracy", 300, 10, "coarse", False),
    ("isic2020", "auc", 250, 11, "smooth", False),
    ("isic2020", "auc", 250, 12, "hard", True),
    ("isic2024", "auc", 250, 13, "coarse", False),
)
#: Task, images, seed, whether predictions have soft edges.
MASKS: Final = (
    ("isic2018-task1", 12, 21, False),
    ("isic2018-task1", 12, 22, True),
    ("isic2016-task1", 8, 23, False),
    ("isic2018-task2", 5, 24, False),
    ("isic2018-task2", 4, 25, True),
)


def table(name: str, n: int, seed: int, look: str, weighted: bool) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A truth and a submission to a task of ``cygnet.challenge``; every class occurs, on both sides of the weights."""
    import polars as pl

    from cygnet.challenge.tasks import task

    rng = np.random.default_rng(seed)
    classes = task(name).classes
    kind = np.r_[np.tile(np.arange(max(len(classes), 2)), 4), rng.integers(0, max(len(classes), 2), n)][:n]
    hot = np.eye(max(len(classes), 2))[kind][:, : len(classes)]
    given = np.clip(rng.beta(1, 3, hot.shape) + 0.3 * hot * rng.random(hot.shape), 0, 1)
    if look == "coarse":
        given = np.round(given, 1)
    elif look == "hard":
        given = np.eye(given.shape[1])[given.argmax(axis=1)] if len(classes) > 1 else np.round(given)
    elif look == "ties":
        given = np.round(given * 2) / 2
    images = [f"ISIC_{1000000 + k:07d}" for k in range(n)]
    truth = pl.DataFrame({"image": images, **{c: hot[:, k] for k, c in enumerate(classes)}})
    if weighted:
        side = np.r_[np.ones(len(classes) * 2), np.zeros(len(classes) * 2), rng.random(n) < 0.3][:n].astype(float)
        truth = truth.with_columns(
            pl.Series("score_weight", np.round(rng.random(n) + 0.1, 2)), pl.Series("validation_weight", side)
        )
    order = rng.permutation(n)
    submission = pl.DataFrame({"image": images, **{c: given[:, k] for k, c in enumerate(classes)}})[order]
    return truth, submission.select("image", *rng.permutation(classes))


def masks(name: str, n: int, seed: int, soft: bool) -> Iterator[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]]:
    """File name, truth and submission (h, w) uint8 of each mask; some are empty in one or in both."""
    from cygnet.challenge.tasks import task

    rng = np.random.default_rng(seed)
    wanted = task(name)
    for k in range(n):
        size = (int(rng.integers(40, 90)), int(rng.integers(40, 90)))
        for part in wanted.classes or ("",):
            true, mine = _blob(rng, size), _blob(rng, size)
            if k % 3 == 0:
                mine = true * (rng.random(size) < 0.97)
            true, mine = true * ((k % 4 != 1) or part != "streaks"), mine * (k != 2)
            drawn = (mine * 255).astype(np.uint8)
            if soft:
                drawn = (drawn * rng.choice([1, 1, 0.502, 0.506, 0.4], size)).astype(np.uint8)
            ending = f"_attribute_{part}" if part else "_segmentation"
            yield f"ISIC_{2000000 + k:07d}{ending}.png", (true * 255).astype(np.uint8), drawn


def _blob(rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.float64]:
    y, x = np.mgrid[0 : 1 : size[0] * 1j, 0 : 1 : size[1] * 1j]
    disc = (x - rng.uniform(0.3, 0.7)) ** 2 + (y - rng.uniform(0.3, 0.7)) ** 2
    return np.asarray(disc < rng.uniform(0.02, 0.12), np.float64)


def lay_out(place: Path) -> list[dict[str, Any]]:
    """Write every case below ``place``; what to ask about each."""
    cases: list[dict[str, Any]] = []
    for k, (name, metric, n, seed, look, weighted) in enumerate(TABLES):
        truth, submission = table(name, n, seed, look, weighted)
        paths = [place / f"{k}-{kind}.csv" for kind in ("truth", "submission")]
        truth.write_csv(paths[0])
        submission.write_csv(paths[1])
        cases.append({"task": name, "metric": metric, "truth": str(paths[0]), "submission": str(paths[1])})
    for k, (name, n, seed, soft) in enumerate(MASKS):
        folders = [place / f"mask-{k}-{kind}" for kind in ("truth", "submission")]
        for folder in folders:
            folder.mkdir()
        for file, true, mine in masks(name, n, seed, soft):
            Image.fromarray(true).save(folders[0] / file)
            Image.fromarray(mine).save(folders[1] / file)
        cases.append({"task": name, "metric": "", "truth": str(folders[0]), "submission": str(folders[1])})
    return cases


def interpreter() -> str | None:
    """A Python that can import isic-challenge-scoring, None if there is none."""
    named = os.environ.get("CYGNET_SCORING_PYTHON")
    for name in [named] if named else [f"python3.{minor}" for minor in range(13, 19)]:
        found = shutil.which(name)
        if found:
            test = subprocess.run(
                [found, "-c", "import isic_challenge_scoring"], capture_output=True, check=False, env=_alone()
            )
            if test.returncode == 0:
                return found
    return None


def ask(python: str, cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What isic-challenge-scoring under ``python`` says of each case."""
    done = subprocess.run(
        [python, __file__, "--answer"],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=True,
        env=_alone(),
    )
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


def _alone() -> dict[str, str]:
    """The environment without what leads Python to this interpreter's packages."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}


def answer() -> None:
    """Runs where isic-challenge-scoring is installed: cases from standard input, answers to standard output."""
    peer = import_module("isic_challenge_scoring")
    attributes = import_module("isic_challenge_scoring.task2")
    made = []
    for case in json.load(sys.stdin):
        truth, submission = Path(case["truth"]), Path(case["submission"])
        if case["metric"]:
            metric = peer.ClassificationMetric(case["metric"])
            made.append(peer.ClassificationScore.from_file(truth, submission, metric).to_dict(rocs=False))
        elif case["task"].endswith("task2"):
            made.append(attributes.score(truth, submission))
        else:
            made.append(peer.SegmentationScore.from_dir(truth, submission).to_dict())
    print(json.dumps(made))


def main() -> None:
    """Write the table of answers."""
    python = interpreter()
    if python is None:
        sys.exit("no Python with isic-challenge-scoring found; " + (__doc__ or ""))
    with tempfile.TemporaryDirectory() as place:
        answers = ask(python, lay_out(Path(place)))
    made = {"source": "answers of isic-challenge-scoring 5.8.0 (Apache-2.0), written by studies/scoring_parity.py"}
    lines = json.dumps({**made, "answers": answers}).replace('{"overall"', '\n{"overall"').replace('{"glob', '\n{"glob')
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(lines + "\n", encoding="utf-8")
    print(f"{OUT.name}: {len(answers)} submissions")


if __name__ == "__main__":
    answer() if "--answer" in sys.argv else main()
