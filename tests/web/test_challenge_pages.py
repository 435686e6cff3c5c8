"""The challenges in a real server and a real browser: what is shown, to whom, live, and what never leaves."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from conftest_web import PASSWORD, PATIENCE, Serve, accounts_for, axe, until
from playwright.sync_api import Page, expect

from cygnet.accounts import Role
from cygnet.challenge.store import runs
from cygnet.challenge.store.hosted import Challenges
from cygnet.web import Settings

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "challenge"))
from conftest_challenge import TABLE, submission, truth_frame

TEAMS = {"Baseline: lesion count": 0.0, "Dermatologists' votes": 2.5, "lesion-1": 2.4, "metadata only": 0.8}


@pytest.fixture
def hosted(archive_dir: Path, tmp_path: Path) -> Iterator[Path]:
    """An archive with the challenge "odd" (open, four teams) and "past" (revealed)."""
    store = Challenges(Settings(archive_dir).site)
    truth_frame().write_csv(tmp_path / "truth.csv")
    for name in ("odd", "past"):
        store.create(name, {**TABLE, "title": "Odd one out" if name == "odd" else "Past one"}, tmp_path / "truth.csv")
        store.open(name)
        for k, (team, skill) in enumerate(TEAMS.items()):
            enter(store, name, team, submission(skill, k))
    enter(store, "past", "lesion-1", submission(2.0, 9))
    store.freeze("past")
    store.reveal("past")
    store.close()
    return archive_dir


def enter(store: Challenges, name: str, team: str, data: bytes) -> int:
    run_id = runs.send(store, name, runs.join(store, name, team), io.BytesIO(data), "x.csv", approach="first")
    runs.score_run(store, run_id)
    return run_id


def csrf(client: httpx.Client) -> str:
    return client.get("/challenges").text.partition('name="csrf" content="')[2].partition('"')[0]


@contextmanager
def log_in(url: str, name: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=PATIENCE) as client:
        client.post("/login", data={"name": name, "password": PASSWORD})
        client.headers["X-CSRF-Token"] = csrf(client)
        yield client


def wait_for(client: httpx.Client, name: str, run: int) -> dict:
    def ended() -> dict | None:
        found = client.get(f"/challenges/{name}/runs/{run}.json").json()["run"]
        return found if found["state"] in ("scored", "refused") else None

    return until(ended)


def send(client: httpx.Client, data: bytes, name: str = "odd") -> httpx.Response:
    return client.post(
        f"/challenges/{name}/submit",
        files={"file": ("my secret method.csv", data)},
        data={"approach": "first", "external_data": "none"},
        headers={"Accept": "application/json"},
    )


def test_a_participant_from_team_to_final_choice_and_what_others_see(serve: Serve, hosted: Path) -> None:
    accounts_for(hosted, Role.VIEWER, Role.CONTRIBUTOR)
    url = serve(Settings(hosted, port=0))
    with (
        log_in(url, "viewer") as ann,
        log_in(url, "contributor") as bob,
        httpx.Client(base_url=url, timeout=PATIENCE) as nobody,
    ):
        assert send(ann, submission(1)).status_code == 403  # no team yet
        assert ann.post("/challenges/odd/teams", data={"team": "Ann's"}).status_code == 303
        bob.post("/challenges/odd/teams", data={"team": "Bob's"})
        assert (
            "another team"
            in bob.post("/challenges/odd/teams", data={"team": "Ann's"}, headers={"Accept": "application/json"}).json()[
                "message"
            ]
        )
        sent = send(ann, submission(3, 77))
        assert sent.status_code == 202
        run = sent.json()["run"]
        made = wait_for(ann, "odd", run)
        assert made["state"] == "scored" and made["file_name"] == "my secret method.csv"
        refused = wait_for(ann, "odd", send(ann, b"image,target\nL000,7\n").json()["run"])
        assert refused["state"] == "refused"
        assert {p["code"] for p in refused["problems"]} >= {"out-of-range", "missing-image"}
        assert ann.post(f"/challenges/odd/runs/{run}/choose").status_code == 303
        for other in (bob, nobody):
            seen = other.get(f"/challenges/odd/runs/{run}.json").json()["run"]
            assert "file_name" not in seen and "problems" not in seen and not seen["own"]
            assert other.get(f"/challenges/odd/runs/{refused['run']}.json").status_code == 404
            team = other.get(f"/challenges/odd/teams/{made['team_id']}.json")
            assert "my secret method" not in team.text and "members" not in team.json()["team"]
        assert bob.post(f"/challenges/odd/runs/{run}/choose", headers={"Accept": "application/json"}).status_code == 400
        assert bob.get(f"/challenges/odd/runs/{run}/events").status_code == 404
        assert nobody.get("/challenges/odd/submit", headers={"Accept": "application/json"}).status_code == 401
        rows = nobody.get("/challenges/odd/board.json").json()["board"]["rows"]
        assert next(r for r in rows if r["team"] == "Ann's")["run"] == run


def test_truth_and_private_scores_leave_by_no_route(serve: Serve, hosted: Path) -> None:
    """Every GET route, every side and export, as nobody and as a member: no private number, no salt, no truth."""
    tokens = accounts_for(hosted, Role.VIEWER)
    store = Challenges(Settings(hosted).site)
    with store.database.read() as c:
        private, truth, salt = c.exec_driver_sql(
            "select group_concat(private), max(truth_sha256), max(salt) from run join challenge on challenge.id = challenge_id "
            "where challenge.name = 'odd'"
        ).one()
    store.close()
    secrets = [t for t in re.findall(r"[0-9.]+", private) if len(t) > 8]
    url = serve(Settings(hosted, port=0))
    paths = ["", "/board", "/teams/1", "/runs/1", "/submit", "/organise", "/images.csv", "/split.csv", "/snapshot.zip"]
    paths += [
        "/runs/1/bundle.json",
        "/runs/1/bundle.json?side=public",
        "/board?side=private",
        "/board?entry=1",
        "/board.csv?side=private",
    ]
    headers = ({}, {"Authorization": f"Bearer {tokens[Role.VIEWER]}"})
    for who in headers:
        with httpx.Client(base_url=url, headers=who, timeout=PATIENCE) as client:
            texts = []
            for path in paths:
                for end in ("", ".json", ".csv") if "." not in path and "?" not in path else ("",):
                    texts.append(client.get(f"/challenges/odd{path}{end}").text)
            for file in (truth, f"{truth[:2]}/{truth}"):
                for root in (
                    "/static/",
                    "/files/",
                    "/challenges/odd/",
                    "/challenges/odd/../../site/challenge-files/",
                    "/",
                ):
                    answer = client.get(f"{root}{file}")
                    assert answer.status_code in (401, 404), answer.url
            whole = "\n".join(texts)
            assert salt not in whole and "P00" not in whole
            assert not [s for s in secrets if s in whole]
            assert client.get("/challenges/odd/board.json?side=private").status_code == 404
            assert client.get("/challenges/odd/split.csv").status_code == 404
            assert client.get("/challenges/past/split.csv").status_code == 200
            assert client.get("/challenges/past/board.json").json()["board"]["side"] == "private"


def test_organiser_makes_opens_freezes_reveals(serve: Serve, hosted: Path, tmp_path: Path) -> None:
    accounts_for(hosted, Role.ORGANISER, Role.VIEWER)
    url = serve(Settings(hosted, port=0))
    with log_in(url, "organiser") as client, log_in(url, "viewer") as viewer:
        files = {"truth": ("truth.csv", (tmp_path / "truth.csv").read_bytes())}
        text = 'kind = "ranking"\npublic_share = 0.5\nreplicates = 100'
        made = client.post("/challenges/new", files=files, data={"name": "mine", "definition": text})
        assert made.headers["location"] == "/challenges/mine/organise"
        assert viewer.get("/challenges/mine").status_code == 404  # a draft
        assert "mine" not in viewer.get("/challenges.json").text
        assert viewer.post("/challenges/mine/state/open").status_code == 403
        wrong = client.post(
            "/challenges/new",
            files=files,
            data={"name": "x", "definition": "kind ="},
            headers={"Accept": "application/json"},
        )
        assert wrong.status_code == 400 and "no TOML" in wrong.json()["message"]
        for step, state in (("open", "open"), ("freeze", "frozen"), ("reveal", "revealed")):
            assert client.post(f"/challenges/mine/state/{step}").status_code == 303
            assert client.get("/challenges/mine.json").json()["challenge"]["state"] == state
        assert client.get("/challenges/mine/snapshot.zip").content[:2] == b"PK"
        assert [e["what"] for e in client.get("/challenges/mine/organise.json").json()["log"]["events"]] == [
            "created",
            "open",
            "frozen",
            "revealed",
        ]


def test_a_hundred_submissions_in_flight(serve: Serve, hosted: Path) -> None:
    url = serve(Settings(hosted, port=0))
    with httpx.Client(base_url=url, timeout=PATIENCE) as client:
        client.headers["X-CSRF-Token"] = csrf(client)
        client.post("/challenges/odd/teams", data={"team": "many"})
        with ThreadPoolExecutor(25) as pool:
            answers = list(pool.map(lambda k: send(client, submission(1, 1000 + k)), range(100)))
            assert {a.status_code for a in answers} == {202}
            assert client.get("/challenges").status_code == 200  # it answers while it scores
        states = [wait_for(client, "odd", a.json()["run"])["state"] for a in answers]
        assert states == ["scored"] * 100
        log = client.get("/challenges/odd/organise.json").json()["log"]
        assert next(t for t in log["teams"] if t["team"] == "many")["probes"] == 100


def test_what_a_crash_left_is_scored_at_the_start(serve: Serve, hosted: Path) -> None:
    store = Challenges(Settings(hosted).site)
    run = runs.send(store, "odd", runs.join(store, "odd", "late"), io.BytesIO(submission(1, 5)), "x.csv", approach="x")
    store.close()
    url = serve(Settings(hosted, port=0))
    with httpx.Client(base_url=url, timeout=PATIENCE) as client:

        def late() -> list[int]:  # others see a run only once it is scored
            rows = client.get("/challenges/odd/board.json").json()["board"]["rows"]
            return [r["run"] for r in rows if r["team"] == "late"]

        assert until(late) == [run]


def test_uploads_need_the_forms_token(serve: Serve, hosted: Path) -> None:
    url = serve(Settings(hosted, port=0))
    with httpx.Client(base_url=url, timeout=PATIENCE) as client:
        for path in ("/challenges/odd/submit", "/challenges/odd/check", "/challenges/odd/teams", "/challenges/new"):
            assert client.post(path, files={"file": ("a", b"x")}).status_code == 403


@pytest.mark.browser
def test_the_pages_in_a_browser(serve: Serve, hosted: Path, new_page: Callable[..., Page], tmp_path: Path) -> None:
    url = serve(Settings(hosted, port=0))
    page = new_page()
    page.goto(f"{url}/challenges")
    assert axe(page) == []
    page.get_by_role("link", name="Odd one out").click()
    assert axe(page) == []
    page.get_by_role("link", name="Submit").click()
    page.get_by_label("Name of the team").fill("Browser")
    page.get_by_role("button", name="Make a team").click()
    bad, good = tmp_path / "bad.csv", tmp_path / "good.csv"
    bad.write_bytes(submission(2, 3).replace(b"\nL005,", b"\nL005,9"))
    good.write_bytes(submission(2, 3))
    page.locator('input[type="file"]').set_input_files(bad)
    expect(page.locator(".verdict .word")).to_contain_text("Problems: 1")
    expect(page.locator(".verdict tbody tr")).to_have_count(1)
    assert "7" in page.locator(".verdict tbody td").first.inner_text()
    assert axe(page) == []
    page.screenshot(path=tmp_path / "bad.png", full_page=True)
    drop(page, good)
    expect(page.locator(".verdict .word")).to_contain_text("The file is sound")
    page.get_by_label("Approach").fill("nearest sibling")
    page.get_by_label("Data beyond").fill("none")
    page.get_by_role("button", name="Send and score").click()
    expect(page.get_by_role("heading", name="Run 1: scored")).to_be_visible(timeout=20_000)
    assert axe(page) == []
    page.get_by_role("link", name="To the team").click()
    page.get_by_role("button", name="Choose run 1").click()
    expect(page.get_by_text("final", exact=True)).to_be_visible()
    assert axe(page) == []


def drop(page: Page, file: Path) -> None:
    """Let a file fall onto the field, as a hand would."""
    page.evaluate(
        """([name, text]) => {
            const data = new DataTransfer();
            data.items.add(new File([text], name));
            document.querySelector(".drop").dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
        }""",
        [file.name, file.read_text()],
    )


@pytest.mark.browser
def test_the_board_follows_live_and_curves_can_be_chosen(
    serve: Serve, hosted: Path, new_page: Callable[..., Page], tmp_path: Path
) -> None:
    url = serve(Settings(hosted, port=0))
    page = new_page()
    page.goto(f"{url}/challenges/odd/board")
    expect(page.locator("table.board tbody tr")).to_have_count(len(TEAMS))
    assert axe(page) == []
    with httpx.Client(base_url=url, timeout=PATIENCE) as client:
        client.headers["X-CSRF-Token"] = csrf(client)
        client.post("/challenges/odd/teams", data={"team": "Newcomer"})
        send(client, submission(9, 12))
    expect(page.locator("table.board tbody tr")).to_have_count(len(TEAMS) + 1)
    newcomer = page.locator("table.board tbody tr", has_text="Newcomer")
    expect(newcomer).to_contain_text(
        "1.0000"
    )  # not "the first row": which patients are public is drawn, and others may tie
    expect(page.locator("#live")).to_have_text("The board has changed.")
    page.screenshot(path=tmp_path / "board.png", full_page=True)
    page.goto(f"{url}/challenges/past/board")
    page.get_by_label("Curves of lesion-1").check()
    page.get_by_label("Curves of metadata only").check()
    page.get_by_role("button", name="Draw the curves").click()
    expect(page.locator("figure.plot")).not_to_have_count(0)
    assert axe(page) == []
    page.screenshot(path=tmp_path / "curves.png", full_page=True)
    page.goto(f"{url}/challenges/past/organise")
    assert axe(page) == []


@pytest.mark.browser
def test_the_pages_work_without_script_in_german_in_the_dark_and_narrow(
    serve: Serve, hosted: Path, new_page: Callable[..., Page], tmp_path: Path
) -> None:
    url = serve(Settings(hosted, port=0))
    page = new_page(viewport={"width": 390, "height": 800}, color_scheme="dark", locale="de")
    for path in ("", "/odd", "/odd/board", "/past/board", "/odd/organise", "/new"):
        page.goto(f"{url}/challenges{path}")
        assert axe(page) == [], path
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390, f"{path}: {wide} px wide"
    page.screenshot(path=tmp_path / "narrow.png", full_page=True)
    plain = new_page(java_script_enabled=False)
    plain.goto(f"{url}/challenges/odd/submit")
    plain.get_by_label("Name of the team").fill("No script")
    plain.get_by_role("button", name="Make a team").click()
    file = tmp_path / "bad.csv"
    file.write_bytes(b"image,target\nL000,7\n")
    plain.locator('input[type="file"]').set_input_files(file)
    plain.get_by_role("button", name="Only check").click()
    expect(plain.get_by_text("bad.csv would be refused")).to_be_visible()
