"""``cygnet challenge`` as its users meet it: contract of the JSON, exit codes, messages."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

TRUTH = "image_name,target,patient_id\n" + "".join(f"L{k},{int(k % 5 == 0)},P{k // 10}\n" for k in range(100))
SCORES = "image_name,target\n" + "".join(f"L{k},{0.9 if k % 5 == 0 else 0.1}\n" for k in range(100))
TOML = 'title = "Mine"\nkind = "ranking"\ntruth = "truth.csv"\npublic_share = 0.5\nreplicates = 100\n'


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "truth.csv").write_text(TRUTH)
    (tmp_path / "mine.csv").write_text(SCORES)
    (tmp_path / "mine.toml").write_text(TOML)
    return tmp_path


def test_the_contract_of_score(command: Callable, desk: Path) -> None:
    done = command("challenge", "score", "isic2020", "truth.csv", "mine.csv", "--json")
    assert done.code == 0 and done.err == ""
    made = json.loads(done.out)
    assert set(made) == {"overall", "validation", "metrics", "problems"}
    assert made["overall"] == made["validation"] == 1.0 and made["problems"] == []
    (desk / "bad.csv").write_text(SCORES.replace("L7,0.1", "L7,7"))
    done = command("challenge", "score", "isic2020", "truth.csv", "bad.csv", "--json")
    assert done.code == 1
    made = json.loads(done.out)
    assert made["overall"] is None and made["validation"] is None
    (problem,) = made["problems"]
    assert (problem["line"], problem["column"], problem["value"]) == (9, "target", "7")
    assert "percentages" in problem["fix"]


def test_score_in_words(command: Callable, desk: Path) -> None:
    done = command("challenge", "score", "isic2020", "truth.csv", "mine.csv", "--replicates", 200)
    assert done.code == 0
    assert "AUC: 1.0000 [1.0000, 1.0000] (95 %, 200 resamples of patients)" in done.out
    (desk / "bad.csv").write_text("image,target\nL0,1\n")
    done = command("challenge", "score", "isic2020", "truth.csv", "bad.csv")
    assert done.code == 1 and done.out == ""
    assert "refused, 99 problems" in done.err and "image L1 has no row; add one" in done.err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("score", "isic2021", "truth.csv", "mine.csv"), "did you mean"),
        (("score", "isic2020", "nothing.csv", "mine.csv"), "no such file"),
        (("score", "isic2020", "truth.csv", "nothing.csv"), "no such file"),
        (("score", "isic2018-task3", "truth.csv", "mine.csv"), "no column MEL"),
        (("board", "nothing"), "no challenge 'nothing'"),
        (("new", "truth.csv"), "not TOML"),
    ],
)
def test_wrong_use_exits_2(command: Callable, desk: Path, args: tuple[str, ...], words: str) -> None:
    done = command("challenge", *args)
    assert done.code == 2, done
    assert words in done.err


def test_list(command: Callable, desk: Path) -> None:
    assert "isic2018-task3" in command("challenge", "list").out
    made = json.loads(command("challenge", "list", "--json").out)
    assert len(made) == 15 and all(t["layout"] and t["citation"] for t in made)
    assert "no challenge in" in command("challenge", "list", "--archive", "site").out


def test_check(command: Callable, desk: Path) -> None:
    done = command("challenge", "check", "isic2020", "mine.csv")
    assert done.code == 0 and "names were not compared" in done.out
    done = command("challenge", "check", "isic2020", "mine.csv", "--images", "truth.csv")
    assert done.code == 0 and done.out == "mine.csv: sound\n"
    (desk / "bad.csv").write_text(SCORES.replace("L7,", "l7,"))
    done = command("challenge", "check", "isic2020", "bad.csv", "--images", "truth.csv", "--json")
    assert done.code == 1
    assert {p["code"] for p in json.loads(done.out)["problems"]} == {"unknown-image", "missing-image"}


def test_a_challenge_from_new_to_verify(command: Callable, desk: Path) -> None:
    def ok(*args: object) -> str:
        done = command("challenge", *args)
        assert done.code == 0, done
        return done.out

    site = ("--archive", "site")
    assert "a draft" in ok("new", "mine.toml", *site)
    assert command("challenge", "submit", "mine", "mine.csv", "--team", "a", *site).code == 2
    ok("open", "mine", *site)
    out = ok("submit", "mine", "mine.csv", "--team", "a", *site)
    assert "public: 1.0 [1.0, 1.0]" in out
    (desk / "bad.csv").write_text("image,target\n")
    bad = command("challenge", "submit", "mine", "bad.csv", "--team", "a", *site)
    assert bad.code == 1 and "does not count" in bad.out
    assert command("challenge", "board", "mine", "--side", "private", *site).code == 2
    assert json.loads(ok("board", "mine", "--json", *site))["rows"][0]["value"] == 1.0
    assert ok("board", "mine", "--csv", *site).startswith("rank,rank_low,rank_high,team")
    assert command("challenge", "bundle", 1, *site).code == 2
    ok("choose", "mine", 1, "--team", "a", *site)
    ok("freeze", "mine", "--out", "kept", *site)
    ok("reveal", "mine", "--out", "kept", *site)
    assert {p.name for p in (desk / "kept").iterdir()} == {
        *(
            "board-public.json",
            "board-public.csv",
            "board-private.json",
            "board-private.csv",
            "board.html",
            "split.csv",
        ),
    }
    ok("bundle", 1, "--out", "score.json", *site)
    whole = ("--submission", "mine.csv", "--truth", "truth.csv", "--split", "kept/split.csv")
    assert "computed anew, with interval" in ok("verify", "score.json", *whole)
    made = json.loads((desk / "score.json").read_text())
    (desk / "forged.json").write_text(json.dumps({**made, "value": 0.5}))
    done = command("challenge", "verify", "forged.json")
    assert done.code == 1 and "changed after it was signed" in done.err
    assert command("challenge", "verify", "score.json", "--key", "0" * 16).code == 1


def test_demo_on_simulated_patients(command: Callable, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cygnet.challenge.demo import simulated

    for name, value in (("PATIENTS", 8), ("OUTLINED", 12)):
        monkeypatch.setattr(simulated, name, value)
    done = command("challenge", "demo", "--archive", "site")
    assert done.code == 0, done
    made = json.loads(command("challenge", "board", "sim-odd-2025", "--json", "--archive", "site").out)
    assert made["side"] == "private" and "SIMULATED" in made["title"]
    values = {r["team"]: r["value"] for r in made["rows"]}
    assert values["Lesion count only"] == 0.5  # cannot tell a patient's lesions apart
    assert command("challenge", "demo", "--archive", "site").out.count("is there already") == 3


@pytest.mark.realdata
def test_official_truths_are_read_and_score_themselves_perfectly(command: Callable, desk: Path) -> None:
    data = Path(os.environ.get("CYGNET_DATA", Path(__file__).resolve().parents[2] / "../shared/data"))
    if not (data / "tables").is_dir():
        pytest.skip(f"no real data in {data}")
    for name, file in (
        ("isic2016-task3", "ISBI2016_ISIC_Part3_Test_GroundTruth.csv"),
        ("isic2016-task3b", "ISBI2016_ISIC_Part3_Training_GroundTruth.csv"),
        ("isic2017-task3", "ISIC-2017_Training_Part3_GroundTruth.csv"),
        ("isic2018-task3", "ISIC2018_Task3_Training_GroundTruth.csv"),
        ("isic2019-task1", "ISIC_2019_Training_GroundTruth.csv"),
        ("isic2020", "isic2020_train.csv"),
        ("isic2024", "isic2024_sample.csv"),
    ):
        from cygnet.challenge.tasks import task
        from cygnet.challenge.truth import truth_of

        truth = truth_of(task(name), data / "tables" / file)
        columns = {c: truth.labels[:, k].astype(int) for k, c in enumerate(truth.task.classes)}
        pl.DataFrame({"image": truth.ids, **columns}).write_csv(desk / "perfect.csv")
        done = command("challenge", "score", name, data / "tables" / file, "perfect.csv", "--json")
        assert done.code == 0, (name, done)
        assert np.isclose(json.loads(done.out)["overall"], 0.2 if name == "isic2024" else 1.0), name
    masks = data / "ham10000/masks"
    some = desk / "masks"
    some.mkdir()
    for mask in sorted(masks.iterdir())[:20]:
        (some / mask.name).write_bytes(mask.read_bytes())
    done = command("challenge", "score", "isic2018-task1", some, some, "--json")
    assert json.loads(done.out)["overall"] == 1.0
