"""``cygnet context`` from the outside."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Answer

    Command = Callable[..., Answer]

N = 24


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """Scores of two patients of twelve, each with one odd lesion; embeddings and measurements of the same."""
    rng = np.random.default_rng(0)
    owner = np.repeat([0, 1], 12)
    odd = np.isin(np.arange(N), [3, 20])
    frame = pl.DataFrame(
        {
            "image": [f"I{k}" for k in range(N)],
            "patient_id": [f"P{k}" for k in owner],
            "score": np.where(odd, 0.03, rng.uniform(0.001, 0.01, N)),
            "site": ["left arm"] * 11 + ["back"] + ["torso"] * 12,
        }
    )
    frame.write_csv(tmp_path / "scores.csv")
    measured = pl.DataFrame(
        {"image": [f"I{k}" for k in range(N)], "area": 3 + rng.normal(0, 0.2, N) + 4 * odd, "hue": rng.normal(0, 1, N)}
    )
    measured.sample(fraction=1, shuffle=True, seed=1).write_csv(tmp_path / "measured.csv")
    look = rng.normal(size=(2, 8))[owner] + rng.normal(0, 0.2, (N, 8)) + 4 * odd[:, None] * rng.normal(size=8)
    np.save(tmp_path / "look.npy", look.astype(np.float32))
    pl.DataFrame({"image": frame["image"], "embedding": look.tolist()}).write_parquet(tmp_path / "look.parquet")
    return tmp_path


def change(desk: Path, **columns: object) -> None:
    frame = pl.read_csv(desk / "scores.csv")
    frame.with_columns(**{name: pl.Series(name, v, strict=False) for name, v in columns.items()}).write_csv(
        desk / "scores.csv"
    )


def run(command: Command, desk: Path, *more: object) -> Answer:
    return command("context", desk / "scores.csv", "--out", desk / "out.csv", *more)


@pytest.mark.parametrize(
    "more",
    [
        (),
        ("--measurements", "measured.csv"),
        ("--embeddings", "look.npy"),
        ("--embeddings", "look.parquet", "--measurements", "measured.csv"),
        *(("--embeddings", "look.npy", "--method", m) for m in ("lof", "pca_cosine", "whitened")),
    ],
)
def test_the_same_rows_with_what_their_siblings_say(command: Command, desk: Path, more: tuple[str, ...]) -> None:
    done = run(command, desk, *(desk / w if "." in w else w for w in more))
    assert done.code == 0, done.err
    given, found = pl.read_csv(desk / "scores.csv"), pl.read_csv(desk / "out.csv")
    assert found.select(given.columns).equals(given)
    odd = found.filter(pl.col("image").is_in(["I3", "I20"]))
    usual = found.filter(~pl.col("image").is_in(["I3", "I20"]))
    assert odd["oddness"].min() > usual["oddness"].mean()
    assert (odd["adjusted_score"] > odd["score"]).all()
    assert odd["rank"].to_list() == [1, 1]
    assert found["reason"].str.len_chars().min() > 0
    assert set(found["nearest"]) <= set(found["image"])
    assert "24 images of 24 lesions, 2 patients" in done.out
    if "measured.csv" in more:
        assert "highest in area of 12 lesions" in odd["reason"][1]


def test_summary_as_json_and_quiet(command: Command, desk: Path) -> None:
    done = run(command, desk, "--json")
    summary = json.loads(done.out)
    assert summary["company"] == {"good": 24}
    assert summary["method"] == "robust_z"
    assert "doi" in summary["paper"]
    assert run(command, desk, "--quiet").out == ""


def test_parquet_out_and_log_odds_in(command: Command, desk: Path) -> None:
    change(desk, score=np.linspace(-9, 3, N))
    assert command("context", desk / "scores.csv", "--logits", "--out", desk / "o.parquet").code == 0
    found = pl.read_parquet(desk / "o.parquet")
    assert found["adjusted_score"].is_between(0, 1).all()
    assert found["adjusted_score"][N - 1] >= 1 / (1 + np.exp(-3))


def test_all_patients_with_one_lesion(command: Command, desk: Path) -> None:
    change(desk, patient_id=[f"P{k}" for k in range(N)])
    done = run(command, desk)
    assert done.code == 0
    assert "no patient has a second lesion" in done.out
    found = pl.read_csv(desk / "out.csv")
    assert found["adjusted_score"].to_list() == pl.read_csv(desk / "scores.csv")["score"].to_list()
    assert found["oddness"].null_count() == N
    assert set(found["reason"]) == {"no siblings to compare with; absolute score only"}
    assert set(found["company"]) == {"none"}


def test_images_of_another_device_are_not_compared(command: Command, desk: Path) -> None:
    change(desk, device=["A", "B"] * 12)
    assert run(command, desk).code == 0
    found = pl.read_csv(desk / "out.csv")
    assert set(found["company"]) == {"not comparable"}
    assert found["reason"][0].startswith("too few siblings to compare well (6 others of another image type or device")
    assert found["siblings"].to_list() == [5] * N


def test_visits_change_and_newness(command: Command, desk: Path) -> None:
    frame = pl.read_csv(desk / "scores.csv").head(12).with_columns(lesion_id="image", acquisition_day=pl.lit(180))
    before = frame.filter(pl.col("image") != "I5").with_columns(image=pl.col("image") + "a", acquisition_day=pl.lit(0))
    pl.concat([frame, before]).write_csv(desk / "scores.csv")
    measured = pl.read_csv(desk / "measured.csv")
    then = measured.with_columns(
        image=pl.col("image") + "a", area=pl.col("area") / pl.when(pl.col("image") == "I2").then(1.34).otherwise(1)
    )
    pl.concat([measured, then]).write_csv(desk / "measured.csv")
    assert run(command, desk, "--measurements", desk / "measured.csv").code == 0
    found = {row["image"]: row for row in pl.read_csv(desk / "out.csv").iter_rows(named=True)}
    assert found["I2"]["change"] == "area grew 34 % in 180 days"
    assert found["I5"]["change"] == "new since an earlier visit"
    assert found["I5"]["reason"].startswith("new since an earlier visit; ")
    assert found["I2"]["siblings"] == 10  # the other lesions of the arm
    assert found["I2a"]["siblings"] == 9
    assert not any(row["nearest"].endswith("a") != image.endswith("a") for image, row in found.items())


def test_images_of_one_lesion_are_taken_together(command: Command, desk: Path) -> None:
    change(desk, lesion_id=["L0", "L0", *(f"L{k}" for k in range(2, N))])
    assert run(command, desk).code == 0
    found = pl.read_csv(desk / "out.csv")
    assert found["oddness"][0] == found["oddness"][1]
    assert found["siblings"][0] == 9


#: Columns of the scores that make one thing wrong.
WRONG_COLUMNS = {
    "a row without patient": {"patient_id": ["", *["P0"] * 23]},
    "a score that is none": {"score": [None, *[0.1] * 23]},
    "a score of 2": {"score": [2.0, *[0.1] * 23]},
    "a lesion of two patients": {"lesion_id": ["L", *(f"L{k}" for k in range(1, 23)), "L"]},
    "a lesion at two sites": {"lesion_id": ["L", *(f"L{k}" for k in range(1, 11)), "L", *(f"M{k}" for k in range(12))]},
    "a patient in two folds": {"fold": [0, 1] * 12},
    "half a day": {"acquisition_day": [0.5] * N},
    "columns of its own": {"rank": [1] * N},
}


def wrong_looks(what: str, look: np.ndarray) -> np.ndarray:
    return {
        "too few embeddings": look[:5],
        "embeddings with NaN": np.where(np.arange(N)[:, None] == 2, np.nan, look),
        "constant embeddings": look * 0 + 1,
        "embeddings of words": np.array([["a"]] * N),
        "embeddings in one row": look[0],
    }[what]


def wrong_measurements(what: str, measured: pl.DataFrame) -> pl.DataFrame:
    return {
        "measurements of others": measured.with_columns(image="X" + pl.col("image")),
        "a measurement missing": measured.with_columns(
            hue=pl.when(pl.col("image") == "I7").then(None).otherwise("hue")
        ),
        "measurements without numbers": measured.select("image", word=pl.lit("x")),
    }[what]


def spoil(desk: Path, what: str) -> tuple[object, ...]:
    """Make one thing wrong and say with what arguments to meet it."""
    if what in WRONG_COLUMNS:
        change(desk, **WRONG_COLUMNS[what])
    elif what.startswith("no "):
        pl.read_csv(desk / "scores.csv").drop("patient_id" if "patient" in what else "score").write_csv(
            desk / "scores.csv"
        )
    elif "measurement" in what:
        wrong_measurements(what, pl.read_csv(desk / "measured.csv")).write_csv(desk / "measured.csv")
        return ("--measurements", desk / "measured.csv")
    elif what == "ragged embeddings":
        rows = [v[:7] if k == 4 else v for k, v in enumerate(np.load(desk / "look.npy").tolist())]
        pl.DataFrame({"image": [f"I{k}" for k in range(N)], "embedding": rows}).write_parquet(desk / "look.parquet")
        return ("--embeddings", desk / "look.parquet")
    else:
        if what == "words for embeddings":
            (desk / "look.npy").write_text("hello")
        else:
            np.save(desk / "look.npy", wrong_looks(what, np.load(desk / "look.npy")))
        return ("--embeddings", desk / "look.npy")
    return ()


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("no patient column", "no patient_id column"),
        ("a row without patient", "scores.csv row 2: no patient in column patient_id"),
        ("no score column", "no score column"),
        ("a score that is none", "scores.csv row 2: no finite number in score"),
        ("a score of 2", "scores.csv row 2: score is not between 0 and 1"),
        ("a lesion of two patients", "rows 2, 25: lesion L belongs to two patients (P0, P1)"),
        ("a lesion at two sites", "rows 2, 13: lesion L is at two sites (upper extremity, posterior torso)"),
        ("a patient in two folds", "rows 2, 3: patient P0 is in two folds (0, 1)"),
        ("half a day", "scores.csv row 2: acquisition_day '0.5' is not a whole number"),
        ("columns of its own", "has a column rank already"),
        ("too few embeddings", "5 embeddings for the 24 rows"),
        ("embeddings with NaN", "scores.csv row 4: its embedding in look.npy holds NaN"),
        ("constant embeddings", "all embeddings are the same"),
        ("embeddings of words", "floats is needed"),
        ("embeddings in one row", "(images, numbers) of floats is needed"),
        ("words for embeddings", "cannot be read as a numpy array"),
        ("ragged embeddings", "embeddings of different lengths"),
        ("measurements of others", "0 of 24 images were found"),
        ("a measurement missing", "image I7 has no hue"),
        ("measurements without numbers", "no column of numbers"),
    ],
)
def test_bad_input_is_named(command: Command, desk: Path, what: str, words: str) -> None:
    done = run(command, desk, *spoil(desk, what))
    assert done.code == 2
    assert words in done.err
    assert not (desk / "out.csv").exists()
    assert not list(desk.glob(".*.part"))


def test_problems_in_full(command: Command, desk: Path) -> None:
    change(desk, score=[3.0] * N)
    done = run(command, desk, "--problems", desk / "all.txt")
    assert done.code == 2
    assert "and 19 more" in done.err
    assert len((desk / "all.txt").read_text().splitlines()) == N


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--method", "magic"), "no context method 'magic'; there are robust_z"),
        (("--method", "lof"), "give --embeddings"),
        (("--guard", "2"), "--guard 2.0 is not between 0 and 1"),
        (("--score", "rating"), "no column 'rating'"),
        (("--embeddings", "gone.npy"), "gone.npy: no such file"),
    ],
)
def test_wrong_options(command: Command, desk: Path, more: tuple[str, ...], words: str) -> None:
    done = run(command, desk, *more)
    assert (done.code, words in done.err) == (2, True), done.err


def test_a_place_that_cannot_be_written(command: Command, desk: Path) -> None:
    (desk / "file").write_text("")
    done = command("context", desk / "scores.csv", "--out", desk / "file" / "out.csv")
    assert done.code == 2
    assert "could not be written" in done.err
