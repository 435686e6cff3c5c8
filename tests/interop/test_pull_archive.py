"""A pull into a Cygnet archive, and the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest_pull import Far, cut, instead, jpeg, serving, status

from cygnet.archive import Archive
from cygnet.interop import Pulled

Fetch = Callable[..., Pulled]


@pytest.fixture
def lesions(tmp_path: Path) -> Far:
    """Five images that an archive takes, of two patients."""
    from cygnet.simulate import write_patients

    far = Far(n=5, page=2)
    made = sorted(
        (write_patients(tmp_path / "made", n_patients=1, seed=4, n_lesions=5, size=(160, 120)) / "images").iterdir()
    )
    for k, (isic_id, path) in enumerate(zip(far.ids, made, strict=True)):
        far.files[isic_id] = path.read_bytes()
        clinical = {"sex": "male", "age_approx": 50, "patient_id": f"IP_000000{k % 2}", "lesion_id": f"IL_000000{k}"}
        far.metadata[isic_id] = {"acquisition": {"image_type": "dermoscopic"}, "clinical": clinical}
    return far


@pytest.fixture
def place(tmp_path: Path) -> Path:
    Archive.init(tmp_path / "mine").close()
    return tmp_path / "mine"


def results(place: Path) -> dict[str, Any]:
    with Archive.open(place) as archive:
        assert archive.verify().clean
        return {r["isic_id"]: r for r in archive.search("").results}


def test_into_an_archive_and_again(lesions: Far, place: Path, fetch: Fetch) -> None:
    with serving(lesions) as far:
        far.faults[far.ids[3]] = instead(jpeg(9)[:-5])
        told: list[Any] = []
        options: dict[str, Any] = {"source": far.url, "out": None, "archive": place}
        done = fetch(**options, publish=True, on_progress=told.append)
        assert (done.said, done.listed, done.received) == (5, 5, 4)
        assert [(p.image, p.code) for p in done.problems] == [(far.ids[3], "archive")]
        assert "were announced" in done.problems[0].message
        assert told[-1].done == 4
        far.faults.clear()
        served = far.served.total()
        done = fetch(**options, publish=True)
        assert (done.complete, done.received, done.fetched) == (True, 5, 1)
        assert far.served.total() == served + 1, "what the archive has is not fetched again"
    found = results(place)
    assert sorted(found) == far.ids
    assert found[far.ids[1]]["copyright_license"] == "CC-BY"
    assert all(r["attribution"] == "Far clinic" and r["public"] for r in found.values())
    assert {r["metadata"]["clinical"]["patient_id"] for r in found.values()} == {"IP_0000000", "IP_0000001"}


def test_through_a_folder_into_an_archive(lesions: Far, place: Path, fetch: Fetch, tmp_path: Path) -> None:
    with serving(lesions) as far:
        done = fetch(source=far.url, archive=place)
    assert (done.complete, done.received, done.archive, done.out) == (True, 5, place, tmp_path / "out")
    found = results(place)
    assert sorted(found) == far.ids
    assert not any(r["public"] for r in found.values())
    assert found[far.ids[2]]["metadata"]["clinical"]["patient_id"] == "IP_0000000"


def test_lists_that_lie_into_an_archive(lesions: Far, place: Path, fetch: Fetch) -> None:
    lesions.ids[4] = lesions.ids[0]
    lesions.change = lambda page: page.update(count=page["count"] and 7)
    with serving(lesions) as far:
        done = fetch(source=far.url, out=None, archive=place)
    assert sorted(p.code for p in done.problems) == ["count", "twice"]
    assert done.received == 4


def test_a_server_that_leaves_while_an_archive_is_filled(lesions: Far, place: Path, fetch: Fetch) -> None:
    with serving(lesions) as far:
        far.before = lambda handler: "cursor=2" in handler.path and (far.stop() or True)  # type: ignore[func-returns-value]
        done = fetch(source=far.url, out=None, archive=place, jobs=1)
        assert not done.complete
        assert done.problems[-1].code == "pending"
        assert "run the same again to go on" in done.problems[-1].message
        far.before = lambda handler: False
        far.start()
        assert fetch(source=far.url, out=None, archive=place).complete
    assert sorted(results(place)) == lesions.ids


def test_a_limit_into_an_archive(lesions: Far, place: Path, fetch: Fetch) -> None:
    with serving(lesions) as far:
        done = fetch(source=far.url, out=None, archive=place, limit=3)
    assert (done.complete, done.said, done.received) == (True, 3, 3)


def test_the_command(far: Far, tmp_path: Path, command: Callable[..., Any]) -> None:
    out = tmp_path / "out"
    base = ("pull", "sex:male", "--from", far.url, "--out", out)
    answer = command(*base)
    assert answer.code == 0
    assert answer.out.startswith(f"6 images (0.0 MB) in {out}\nwhom to credit: ")
    assert command(*base).out.startswith(f"6 images (0.0 MB) in {out}, 6 of them from before")
    assert command("pull", "--verify", out).out == "10 files (0.0 MB): all as they came\n"
    found = json.loads(command(*base, "--json").out)
    assert (found["complete"], found["count"]) == (True, {"server": 6, "listed": 6, "received": 6})
    assert command(*base, "--quiet").out == ""
    (out / "images" / f"{far.ids[2]}.jpg").write_bytes(b"x")
    (out / "images" / "mine.jpg").write_bytes(b"x")
    answer = command("pull", "--verify", out)
    assert answer.code == 1
    assert f"images/{far.ids[2]}.jpg: has 1 bytes and came with" in answer.err
    assert (
        "10 files (0.0 MB): 1 problem\n1 images here are not part of the pull, such as images/mine.jpg\n" in answer.out
    )
    assert json.loads(command("pull", "--verify", out, "--json").out)["sound"] is False


def test_the_command_tells_what_is_missing(far: Far, tmp_path: Path, command: Callable[..., Any]) -> None:
    far.faults = dict.fromkeys(far.ids[1:3], status(404))
    answer = command("pull", "--collection", 3, "--from", far.url, "--out", tmp_path / "x")
    assert (answer.code, answer.err) == (2, f"cygnet: {far.url}: has no collection 3\n")
    answer = command("pull", "", "--from", far.url, "--out", tmp_path / "out", "-q")
    assert answer.code == 1
    assert answer.err.splitlines() == [
        "incomplete: 2 problems",
        *(f"  {isic_id}: 127.0.0.1:{far.port} answers 404 (not found)" for isic_id in far.ids[1:3]),
    ]
    answer = command("pull", "--from", far.url)
    assert (answer.code, answer.out) == (2, "")
    assert "where to?" in answer.err
    answer = command("pull", "--out", tmp_path / "all")
    assert answer.code == 2
    assert "an empty query, '', takes the whole ISIC Archive" in answer.err
    far.ids.clear()
    answer = command("pull", "--from", far.url, "--out", tmp_path / "none")
    assert (answer.code, answer.out) == (0, f"nothing in {far.url} matches; {tmp_path / 'none'} has no images\n")


def test_a_cut_is_no_news_to_the_command(far: Far, tmp_path: Path, command: Callable[..., Any]) -> None:
    far.faults[far.ids[0]] = cut(300, 1)
    assert command("pull", "--from", far.url, "--out", tmp_path / "out").code == 0


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_pulling_into_folders_needs_one_small_package() -> None:
    heavy = "('sqlalchemy', 'fsspec', 'torch', 'onnxruntime', 'typer')"
    assert python(f"import sys, cygnet.interop; print([m for m in {heavy} if m in sys.modules])") == "[]"
    code = (
        "import sys; sys.modules['urllib3'] = None; sys.argv = ['cygnet', 'pull', 'x', '--out', 'nowhere']\n"
        "sys.stderr = sys.stdout\nfrom cygnet.cli import main\n"
        "try:\n    main()\nexcept SystemExit as left:\n    print(left.code)"
    )
    assert python(code) == "cygnet: this needs the package urllib3: pip install 'cygnet[pull]'\n2"


def test_ingest_from_an_archive_that_leaves(lesions: Far, place: Path, command: Callable[..., Any]) -> None:
    """cygnet archive ingest URL is the same client."""
    with serving(lesions) as far:
        answer = command("archive", "ingest", place, far.url, "--no-embed", "--publish", "-q")
        assert (answer.code, answer.err) == (0, "")
    answer = command("archive", "ingest", place, far.url, "--no-embed")
    assert answer.code == 2
    assert "cannot be reached" in answer.err
    assert sorted(results(place)) == lesions.ids
