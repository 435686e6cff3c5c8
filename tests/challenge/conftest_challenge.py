"""A made-up challenge of 40 patients, with entries of different strength."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cygnet.challenge.store import runs
from cygnet.challenge.store.hosted import Challenges

TABLE = {
    "title": "Odd one out",
    "kind": "ranking",
    "headline": "within_patient_auc",
    "public_share": 0.4,
    "per_day": 0,
    "replicates": 200,
    "rules": "One team each.",
}
IDS = [f"L{k:03d}" for k in range(400)]
PATIENTS = [f"P{k // 10:02d}" for k in range(400)]
LABELS = np.array([k % 10 == (k // 10) % 10 and (k // 10) % 4 != 3 for k in range(400)])


def truth_frame() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "image": IDS,
            "patient_id": PATIENTS,
            "sex": ["male" if (k // 10) % 2 else "female" for k in range(400)],
            "target": LABELS.astype(int),
        }
    )


def submission(skill: float, seed: int = 0) -> bytes:
    """Scores that find a share of the odd lesions that grows with ``skill`` (0 is chance)."""
    rng = np.random.default_rng(seed)
    score = 1 / (1 + np.exp(-(rng.normal(size=400) + skill * LABELS)))
    return pl.DataFrame({"image": IDS, "target": np.round(score, 6)}).write_csv().encode()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Challenges]:
    made = Challenges(tmp_path / "site")
    yield made
    made.close()


@pytest.fixture
def odd(store: Challenges, tmp_path: Path) -> Challenges:
    """The store with the challenge "odd", open."""
    truth_frame().write_csv(tmp_path / "truth.csv")
    store.create("odd", TABLE, tmp_path / "truth.csv")
    store.open("odd")
    return store


@pytest.fixture
def enter(odd: Challenges) -> Callable[..., int]:
    """Send and score; the run's id."""

    def send(team: str, data: bytes, name: str = "mine.csv", approach: str = "first") -> int:
        team_id = runs.join(odd, "odd", team)
        run_id = runs.send(odd, "odd", team_id, io.BytesIO(data), name, approach=approach, external_data="none")
        runs.score_run(odd, run_id)
        return run_id

    return send
