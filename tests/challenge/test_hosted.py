"""A challenge from its making to its end: split, quota, choice, secrecy, proof, crashes and crowds."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from conftest_challenge import LABELS, PATIENTS, TABLE, submission, truth_frame

from cygnet.challenge import bundle as bundles
from cygnet.challenge.packed import Source
from cygnet.challenge.problems import RefusedError
from cygnet.challenge.scoring import read_answer
from cygnet.challenge.store import out, runs, views
from cygnet.challenge.store.hosted import Challenges, NotFoundError
from cygnet.challenge.store.runs import QuotaError
from cygnet.errors import InputError
from cygnet.evaluation.patients import by_patient

Enter = Callable[..., int]


def test_the_split_keeps_patients_together_and_its_hash_is_published(odd: Challenges, enter: Enter) -> None:
    challenge = odd.get("odd")
    public = odd.secret("odd").public
    sides = {p: {bool(s) for q, s in zip(PATIENTS, public, strict=True) if q == p} for p in PATIENTS}
    assert all(len(s) == 1 for s in sides.values())
    assert challenge.public_images == public.sum() and 0 < public.sum() < 400
    with pytest.raises(InputError, match="published with the private score"):
        odd.split_document("odd")
    enter("a", submission(1))
    odd.freeze("odd")
    odd.reveal("odd")
    document = odd.split_document("odd")
    assert hashlib.sha256(document).hexdigest() == challenge.commitment
    assert document.count(b",public\n") == challenge.public_images


def test_the_public_score_by_an_independent_path(odd: Challenges, enter: Enter) -> None:
    data = submission(1.5, seed=3)
    enter("a", data)
    (row,) = views.board(odd, "odd")["rows"]
    public = odd.secret("odd").public
    score = pl.read_csv(io.BytesIO(data))["target"].to_numpy()
    numbers = pl.Series(PATIENTS).cast(pl.Categorical).to_physical().to_numpy().astype(int)
    each = by_patient(score[public], LABELS[public], numbers[public]).auc
    assert row["value"] == round(float(each.mean()), 4)
    assert row["low"] < row["value"] < row["high"]
    assert row["columns"]["hit_at_1"]["n"] == len(each)
    assert {v["variable"] for v in row["subgroups"]} == {"sex"}


def test_the_quota_counts_scored_runs_only(store: Challenges, tmp_path: Path) -> None:
    truth_frame().write_csv(tmp_path / "truth.csv")
    store.create("odd", {**TABLE, "per_day": 2}, tmp_path / "truth.csv")
    store.open("odd")
    team = runs.join(store, "odd", "a")

    def send(data: bytes) -> str:
        return runs.score_run(store, runs.send(store, "odd", team, io.BytesIO(data), "x.csv", approach="x"))

    assert [send(b"image,target\nL000,2\n"), send(b"junk"), send(b"")] == ["refused"] * 3
    assert send(submission(1, 1)) == "scored"
    with pytest.raises(InputError, match="is this team's run 4"):
        send(submission(1, 1))
    assert send(submission(1, 2)) == "scored"
    with pytest.raises(QuotaError, match="2 runs in 24 hours"):
        send(submission(1, 3))
    made = views.team(store, "odd", team, own=True)
    assert made["used"] == {"day": 2, "all": 2}
    assert [r["state"] for r in made["runs"]] == ["refused"] * 3 + ["scored"] * 2
    assert {p["code"] for p in made["runs"][0]["problems"]} == {"out-of-range", "missing-image"}


def test_the_chosen_run_counts_and_choosing_ends_with_the_freeze(odd: Challenges, enter: Enter) -> None:
    first, second = enter("a", submission(3, 1)), enter("a", submission(0, 2))
    team = runs.join(odd, "odd", "a")
    assert views.board(odd, "odd")["rows"][0]["run"] == second  # the latest, not the best
    runs.choose(odd, "odd", team, first)
    (row,) = views.board(odd, "odd")["rows"]
    assert (row["run"], row["chosen"], row["probes"]) == (first, True, 2)
    other = runs.join(odd, "odd", "b")
    with pytest.raises(InputError, match="only a scored run of the team"):
        runs.choose(odd, "odd", other, first)
    odd.freeze("odd")
    with pytest.raises(InputError, match="while the challenge is open"):
        runs.choose(odd, "odd", team, second)
    with pytest.raises(InputError, match="takes no submissions"):
        enter("c", submission(1))


def test_states_go_one_way(odd: Challenges) -> None:
    with pytest.raises(InputError, match="only a challenge that is frozen becomes revealed"):
        odd.reveal("odd")
    odd.freeze("odd")
    with pytest.raises(InputError, match="odd is frozen"):
        odd.open("odd")


def everything_shown(odd: Challenges, team: int, run: int, folder: Path) -> str:
    """All that leaves the store for a participant, as one text."""
    written = out.snapshot(odd, "odd", folder)
    parts = [
        views.board(odd, "odd"),
        views.team(odd, "odd", team, own=True),
        views.run(odd, run, own=True),
        views.access_log(odd, "odd"),
        [c.task.as_json() for c in odd.all()],
        out.table(views.board(odd, "odd")).to_dicts(),
        repr(odd.get("odd")),
        [p.read_text() for p in written],
    ]
    return json.dumps(parts, default=str)


def test_nothing_private_leaves_before_the_reveal(odd: Challenges, enter: Enter, tmp_path: Path) -> None:
    run = enter("a", submission(1, 5))
    team = runs.join(odd, "odd", "a")
    with odd.database.read() as c:
        private, salt = c.exec_driver_sql("select private, (select salt from challenge) from run").one()
    values = json.loads(private)
    long = [t for t in re.findall(r"[0-9.]+", private) if len(t) > 8]  # shorter ones may be public numbers by chance
    assert len(long) > 20
    for state in ("open", "frozen"):
        shown = everything_shown(odd, team, run, tmp_path / state)
        assert salt not in shown
        assert not [t for t in long if t in shown]
        assert '"private"' not in shown.replace('"private", "public"', "")
        with pytest.raises(NotFoundError, match="opens when the challenge is revealed"):
            views.board(odd, "odd", "private")
        for which in ("private", "public"):
            with pytest.raises(NotFoundError):
                out.bundle(odd, run, which)
        if state == "open":
            odd.freeze("odd")
    odd.reveal("odd")
    assert json.dumps(values["value"]) in everything_shown(odd, team, run, tmp_path / "revealed")
    assert views.board(odd, "odd")["side"] == "private"


def test_other_teams_see_scores_and_nothing_else(odd: Challenges, enter: Enter) -> None:
    run = enter("a", submission(1), name="our secret name.csv")
    bad = enter("a", b"image,target\n")
    team = runs.join(odd, "odd", "a")
    seen = json.dumps([views.team(odd, "odd", team, own=False), views.run(odd, run, own=False)])
    for secret in ("our secret name", "problems", "file_sha256", "members", "used"):
        assert secret not in seen
    with pytest.raises(NotFoundError):
        views.run(odd, bad, own=False)
    with pytest.raises(NotFoundError):
        views.team(odd, "odd", team + 99, own=True)


def test_problems_never_depend_on_the_truth(odd: Challenges) -> None:
    """Refusals are the same for the truth and for its opposite, word for word."""
    truth = odd.secret("odd").truth
    turned = replace(truth, labels=~truth.labels)
    for data in (b"image,target\nL000,7\nL1,0.5\n", submission(1).replace(b"L003,", b"L004,")):
        told = []
        for known in (truth, turned):
            with pytest.raises(RefusedError) as left:
                read_answer(known, Source("x", data=data))
            told.append(left.value.problems)
        assert told[0] == told[1]


def test_accounts_are_in_one_team_each(odd: Challenges) -> None:
    mine = runs.join(odd, "odd", "a", "ann")
    assert runs.join(odd, "odd", "a", "ann") == mine == runs.team_of(odd, "odd", "ann")
    with pytest.raises(InputError, match="another team"):
        runs.join(odd, "odd", "b", "ann")
    with pytest.raises(InputError, match="ask one of its members"):
        runs.join(odd, "odd", "a", "bob")
    runs.add_member(odd, "odd", mine, "bob", "ann")
    assert runs.team_of(odd, "odd", "bob") == mine
    with pytest.raises(InputError, match="1 to 60"):
        runs.join(odd, "odd", " ")


def test_a_bundle_is_recomputed_and_a_changed_one_is_not(odd: Challenges, enter: Enter, tmp_path: Path) -> None:
    data = submission(1, 8)
    (tmp_path / "mine.csv").write_bytes(data)
    run = enter("a", data)
    odd.freeze("odd")
    odd.reveal("odd")
    split = tmp_path / "split.csv"
    split.write_bytes(odd.split_document("odd"))
    files = (tmp_path / "mine.csv", tmp_path / "truth.csv", None, split)
    for which in ("public", "private"):
        made = json.loads(json.dumps(out.bundle(odd, run, which)))
        held = bundles.verify(made, *files)
        assert held[-1].endswith("computed anew, with interval and all metrics")
        for key, value in (
            ("value", 0.999),
            ("submission_sha256", "0" * 64),
            ("challenge", "other"),
            ("signature", "AA=="),
        ):
            with pytest.raises(InputError, match="was changed after it was signed"):
                bundles.verify({**made, key: value})
        forged = bundles.signed({**{k: v for k, v in made.items() if k != "signature"}, "value": 0.999}, odd.folder)
        with pytest.raises(InputError, match="0.999 in the bundle"):
            bundles.verify(forged, *files)
    (tmp_path / "other.csv").write_bytes(data + b"\n")
    with pytest.raises(InputError, match="not the submission"):
        bundles.verify(made, tmp_path / "other.csv")
    with pytest.raises(InputError, match="not the truth"):
        bundles.verify(made, None, tmp_path / "mine.csv")
    with pytest.raises(InputError, match="not the split"):
        bundles.verify(made, None, None, None, tmp_path / "mine.csv")
    assert (odd.folder / "challenge-key.pem").stat().st_mode & 0o077 == 0


def test_a_hundred_at_once_are_all_scored(odd: Challenges) -> None:
    teams = [runs.join(odd, "odd", f"team {k}") for k in range(20)]
    failed: list[BaseException] = []

    def one(k: int) -> None:
        try:
            data = io.BytesIO(submission(1, k))
            runs.score_run(odd, runs.send(odd, "odd", teams[k % 20], data, "x.csv", approach="x"))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=one, args=(k,)) for k in range(100)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed, failed[:3]
    with odd.database.read() as c:
        assert c.exec_driver_sql("select state, count(*) from run group by state").all() == [("scored", 100)]
        assert c.exec_driver_sql("select count(*) from access where what = 'probe'").scalar() == 100
        numbers = c.exec_driver_sql("select number from run where team_id = 1 order by id").scalars().all()
    assert sorted(numbers) == [1, 2, 3, 4, 5]
    assert len(views.board(odd, "odd")["rows"]) == 20


SLOW = """
import io, sys, time
from pathlib import Path
import cygnet.challenge.store.runs as runs
from cygnet.challenge.store.hosted import Challenges
store = Challenges(Path(sys.argv[1]))
real = runs.read_answer
def slow(*args):
    print("scoring", flush=True)
    time.sleep(60)
    return real(*args)
runs.read_answer = slow
runs.score_run(store, int(sys.argv[2]))
"""


def test_killed_while_scoring_it_is_scored_once_after_the_restart(odd: Challenges, tmp_path: Path) -> None:
    team = runs.join(odd, "odd", "a")
    run = runs.send(odd, "odd", team, io.BytesIO(submission(1)), "x.csv", approach="x")
    worker = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(odd.folder), str(run)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ.copy(),
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == "scoring\n"
    assert runs.waiting(odd) == []  # a living process has it
    assert runs.score_run(odd, run) == "scoring"
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    worker.stdout.close()
    assert runs.waiting(odd) == [run]
    assert [runs.score_run(odd, k) for k in runs.waiting(odd)] == ["scored"]
    assert runs.waiting(odd) == []
    assert runs.score_run(odd, run) == "scored"
    assert views.access_log(odd, "odd")["probes"] == 1


def test_a_failure_while_scoring_leaves_the_run_waiting(odd: Challenges, monkeypatch: pytest.MonkeyPatch) -> None:
    team = runs.join(odd, "odd", "a")
    run = runs.send(odd, "odd", team, io.BytesIO(submission(1)), "x.csv", approach="x")
    with monkeypatch.context() as broken:
        broken.setattr(runs, "read_answer", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            runs.score_run(odd, run)
    with pytest.raises(InputError, match="still being scored"):
        odd.freeze("odd")
    assert runs.score_run(odd, run) == "scored"


def test_a_truth_that_changes_on_disk_is_noticed(odd: Challenges, enter: Enter) -> None:
    enter("a", submission(1))
    file = odd.files.path(odd.get("odd").truth_sha256)
    file.write_bytes(file.read_bytes().replace(b"L000,P00", b"L000,P01"))
    odd._secrets.clear()
    with pytest.raises(InputError, match="was changed since it was taken in"):
        odd.secret("odd")
    file.unlink()
    with pytest.raises(InputError, match="restore it from a backup"):
        odd.secret("odd")


def test_snapshots_are_whole_and_harmless(odd: Challenges, enter: Enter, tmp_path: Path) -> None:
    enter("=cmd|' /C calc'!A0", submission(2))
    enter("<script>alert(1)</script>", submission(0))
    written = {p.name: p.read_text() for p in out.snapshot(odd, "odd", tmp_path / "snap")}
    assert set(written) == {"board-public.json", "board-public.csv", "board.html"}
    assert ",'=cmd|" in written["board-public.csv"]
    assert "<script>" not in written["board.html"]
    assert "src=" not in written["board.html"] and "http" not in written["board.html"]
    rows = json.loads(written["board-public.json"])["rows"]
    assert [r["team"][0] for r in rows] == ["=", "<"]


def test_boards_follow_every_change(odd: Challenges, enter: Enter) -> None:
    heard: list[str] = []
    odd.told = lambda name, what: heard.append(f"{name} {what['what']}")
    assert views.board(odd, "odd")["rows"] == []
    enter("a", submission(1))
    assert len(views.board(odd, "odd")["rows"]) == 1
    assert views.board(odd, "odd") is views.board(odd, "odd")  # nothing new: nothing computed
    assert heard == ["odd sent", "odd scored"]


def test_a_board_that_remembers_is_the_one_that_is_made_anew(odd: Challenges, enter: Enter) -> None:
    for k, skill in enumerate((0.5, 1, 2, 3)):
        enter(f"team {k % 3}", submission(skill, k))
        views.board(odd, "odd")
    again = Challenges(odd.folder)
    remembered = views.board(odd, "odd")
    assert remembered == views.board(again, "odd")
    again.freeze("odd")
    again.reveal("odd")  # by another process
    for side in ("public", "private"):
        assert views.board(odd, "odd", side) == views.board(again, "odd", side)
    assert views.board(odd, "odd", "public")["rows"][0]["low"] != remembered["rows"][0]["low"]  # all digits
    again.close()


def test_wrong_definitions(store: Challenges, tmp_path: Path) -> None:
    truth_frame().write_csv(tmp_path / "truth.csv")
    for change, words in (
        ({"public_share": 0}, "above 0"),
        ({"public_share": 1e-9}, "leave one side empty"),
        ({"closes": "soon"}, "write a date"),
        ({"per_dya": 3}, "unknown key 'per_dya'"),
        ({"per_day": "3"}, "write a number"),
        ({"split": "weights"}, "validation_weight"),
        ({"split": "even"}, "choose hash or weights"),
    ):
        with pytest.raises(InputError, match=words):
            store.create("odd", {**TABLE, **change}, tmp_path / "truth.csv")
    store.create("odd", TABLE, tmp_path / "truth.csv")
    with pytest.raises(InputError, match="already hosted"):
        store.create("odd", TABLE, tmp_path / "truth.csv")
    with pytest.raises(NotFoundError):
        store.get("even")
