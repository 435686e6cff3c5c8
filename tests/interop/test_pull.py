"""What a pull leaves, and how it goes on."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest_pull import QUICK, Far, status

from cygnet.errors import InputError, OutputError
from cygnet.interop import Problem, Pulled, pull, verify
from cygnet.interop.records import Record

Fetch = Callable[..., Pulled]


def manifest(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "manifest.json").read_text())
    return found


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "metadata.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_folder_of_a_pull(far: Far, fetch: Fetch, tmp_path: Path) -> None:
    far.metadata[far.ids[2]] = {
        "acquisition": {"image_type": "dermoscopic"},
        "clinical": {"age_approx": 55, "melanocytic": True, "new_field": "=1+1", "sex": None},
    }
    done = fetch("sex:male")
    assert (done.complete, done.said, done.listed, done.received, done.fetched) == (True, 6, 6, 6, 6)
    out = tmp_path / "out"
    assert sorted(p.name for p in out.iterdir()) == [
        "attribution.txt",
        "images",
        "licenses",
        "manifest.json",
        "metadata.csv",
    ]
    assert {p.stem: p.read_bytes() for p in (out / "images").iterdir()} == far.files
    assert (out / "attribution.txt").read_text() == "Far clinic\n(6 images)\n"
    assert {p.name: p.read_text() for p in (out / "licenses").iterdir()} == {
        "CC-0.txt": "The text of CC-0",
        "CC-BY.txt": "The text of CC-BY",
    }
    read = rows(out)
    assert list(read[0]) == [
        *("isic_id", "attribution", "copyright_license", "pixels_x", "image_type", "age_approx", "sex", "melanocytic"),
        "new_field",
    ]
    assert [row["isic_id"] for row in read] == far.ids
    assert read[2] == {
        **dict.fromkeys(read[0], ""),
        **{"isic_id": far.ids[2], "attribution": "Far clinic", "copyright_license": "CC-0", "age_approx": "55"},
        **{"image_type": "dermoscopic", "melanocytic": "true", "new_field": "'=1+1"},
    }
    found = manifest(out)
    assert (found["source"], found["query"], found["complete"]) == (far.url, "sex:male", True)
    assert found["count"] == {"server": 6, "listed": 6, "received": 6}
    assert len(found["files"]) == 6 + 4
    for file in found["files"]:
        data = (out / file["path"]).read_bytes()
        assert (file["size"], file["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())


def test_an_ampersand_in_a_query_is_part_of_it(far: Far, fetch: Fetch) -> None:
    fetch('attribution:"A & B" collections=9')
    searches = [path for path in far.asked if path.startswith("/api/v2/images/search/")]
    assert len(searches) == 3  # size, two pages
    assert all("query=attribution%3A%22A+%26+B%22+collections%3D9" in path for path in searches)


def test_again_fetches_nothing_and_changed_files_are_fetched(far: Far, fetch: Fetch, tmp_path: Path) -> None:
    fetch()
    assert far.served.total() == 6
    assert (fetch().fetched, far.served.total()) == (0, 6)
    images = tmp_path / "out" / "images"
    first, second, third = (images / f"{isic_id}.jpg" for isic_id in far.ids[:3])
    data = first.read_bytes()
    first.write_bytes(data[:-1] + b"?")
    second.write_bytes(b"short")
    third.unlink()
    assert {p.image for p in verify(tmp_path / "out").problems} == {f"images/{isic_id}.jpg" for isic_id in far.ids[:3]}
    done = fetch()
    assert (done.complete, done.received, done.fetched) == (True, 6, 3)
    assert verify(tmp_path / "out").sound


def test_an_image_that_leaves_the_archive_leaves_the_manifest(far: Far, fetch: Fetch, tmp_path: Path) -> None:
    fetch()
    gone = far.ids.pop()
    assert fetch().received == 5
    found = verify(tmp_path / "out")
    assert (found.sound, found.strangers) == (True, (f"images/{gone}.jpg",))


def test_limit(far: Far, fetch: Fetch, tmp_path: Path) -> None:
    done = fetch(limit=5)
    assert (done.complete, done.said, done.received) == (True, 5, 5)
    assert [row["isic_id"] for row in rows(tmp_path / "out")] == far.ids[:5]
    with pytest.raises(InputError, match=r"holds a pull of '', limit 5 from http.*; choose another folder"):
        fetch(limit=6)


def test_nothing_found(far: Far, fetch: Fetch, tmp_path: Path) -> None:
    far.ids.clear()
    done = fetch()
    assert (done.complete, done.said, done.received) == (True, 0, 0)
    assert rows(tmp_path / "out") == []


def test_missing_ones_are_fetched_later(far: Far, fetch: Fetch, tmp_path: Path) -> None:
    far.faults[far.ids[3]] = status(404)
    done = fetch()
    assert (done.complete, done.received) == (False, 5)
    assert done.problems == (Problem(far.ids[3], "refused", f"127.0.0.1:{far.port} answers 404 (not found)"),)
    assert manifest(tmp_path / "out")["problems"][0]["image"] == far.ids[3]
    assert [p.code for p in verify(tmp_path / "out").problems] == ["pending"]
    far.faults.clear()
    searches = sum("search" in path for path in far.asked)
    done = fetch()
    assert (done.complete, done.received, done.fetched) == (True, 6, 1)
    assert sum("search" in path for path in far.asked) == searches, "the list was whole and is not asked for again"
    assert verify(tmp_path / "out").sound
    assert not (tmp_path / "out" / ".cygnet-pull").exists()


def test_an_expired_address_is_renewed(far: Far, fetch: Fetch) -> None:
    """Signed addresses expire; the archive gives a new one."""
    listed = True

    def sign(result: dict[str, Any]) -> None:
        result["files"]["full"]["url"] += "?signature=old" if listed else "?signature=new"

    def check(handler: Any) -> bool:
        nonlocal listed
        if handler.path.startswith("/files/") and handler.path.endswith("old"):
            listed = False
            handler.send(b"expired", status=403)
            return True
        return False

    far.result, far.before = sign, check
    assert fetch().complete


def test_collections_and_data_sets(far: Far, fetch: Fetch, tmp_path: Path) -> None:
    far.collections = [
        {"id": 7, "name": "Challenge 2020: Training", "doi": None},
        {"id": 9, "name": "Slices", "doi": "https://doi.org/10.34970/2024-slice-3d"},
        "nonsense",
    ]
    assert fetch(collections=[7, 9], out=tmp_path / "both").complete
    assert any("collections=7%2C9" in path and "cursor" in path for path in far.asked)
    assert fetch(data_set="isic2020", out=tmp_path / "a").collections == (7,)
    assert fetch(data_set="ISIC2024", out=tmp_path / "b").collections == (9,)
    found = manifest(tmp_path / "a")
    assert found["dataset"] == "isic2020"
    assert found["collection_names"] == [{"id": 7, "name": "Challenge 2020: Training", "doi": None}]
    with pytest.raises(InputError, match="has no collection 8"):
        fetch(collections=[8], out=tmp_path / "c")
    with pytest.raises(InputError, match=r"has no collection 'HAM10000' for the data set ham10000. Give a query"):
        fetch(data_set="ham10000", out=tmp_path / "c")
    with pytest.raises(InputError, match=r"no data set 'isic2021' is known; did you mean '.*'\?"):
        fetch(data_set="isic2021", out=tmp_path / "c")
    with pytest.raises(InputError, match="one or the other"):
        fetch(data_set="isic2020", collections=[7], out=tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_wrong_use(far: Far, fetch: Fetch, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="where to"):
        pull("", source=far.url)
    with pytest.raises(InputError, match="Could not parse search query"):
        fetch("bad:")
    assert not (tmp_path / "out").exists(), "nothing came, so nothing is left"
    for url in ("ftp://x/y", "https://", "nonsense", "http://[::1"):
        with pytest.raises(InputError, match="not the address"):
            fetch(source=url)
    with pytest.raises(InputError, match="leave them out"):
        fetch(source="http://me:secret@127.0.0.1")
    for wrong in ({"jobs": 0}, {"jobs": 99}, {"limit": 0}):
        with pytest.raises(InputError, match="jobs must be"):
            fetch(**wrong)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    with pytest.raises(InputError, match="is not empty and holds no earlier pull"):
        fetch(out=tmp_path / "mine")
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot be made"):
        fetch(out=tmp_path / "file")
    with pytest.raises(InputError, match="nothing was pulled here"):
        verify(tmp_path / "mine")


def test_an_unfinished_pull_is_kept_from_another(far: Far, fetch: Fetch) -> None:
    far.faults[far.ids[0]] = status(404)
    assert not fetch("sex:male").complete
    with pytest.raises(InputError, match=r"holds an unfinished pull of 'sex:male' from"):
        fetch("sex:female")


def test_two_pulls_in_one_folder(fetch: Fetch, tmp_path: Path) -> None:
    from cygnet.interop.journal import Journal

    (tmp_path / "out" / ".cygnet-pull").mkdir(parents=True)
    with Journal(tmp_path / "out" / ".cygnet-pull" / "journal.sqlite") as journal:
        with journal.change():
            journal.set(asked={"query": "", "source": "elsewhere"})
        with pytest.raises(InputError, match="another pull is at work"):
            fetch()
        assert journal.path.exists(), "the other's journal is left alone"
    with pytest.raises(InputError, match="an unfinished pull of '' from elsewhere"):
        fetch()
    assert journal.path.exists()


def test_a_complete_folder_outlives_a_server_that_is_away(far: Far, fetch: Fetch, tmp_path: Path) -> None:
    fetch()
    far.stop()
    with pytest.raises(InputError, match="cannot be reached"):
        fetch()
    assert verify(tmp_path / "out").sound
    assert sorted(p.name for p in (tmp_path / "out").iterdir())[0] == "attribution.txt"


def test_too_little_room_is_said_before(
    far: Far, fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cygnet.interop import place

    free = type("Usage", (), {"free": 10})
    monkeypatch.setattr(place.shutil, "disk_usage", lambda _: free)
    with pytest.raises(OutputError, match="will come and 0.0 MB are free"):
        fetch()
    assert far.served.total() == 0


def test_a_full_disk_is_said_and_the_pull_goes_on_later(
    fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, moved = os.replace, []

    def replace(source: Any, target: Any) -> None:
        if str(target).endswith(".jpg"):
            if len(moved) == 2:
                raise OSError(28, "No space left on device")
            moved.append(target)
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(OutputError, match="No space left on device.*run the same again to go on"):
        fetch(jobs=1)
    monkeypatch.undo()
    assert len(list((tmp_path / "out" / "images").iterdir())) == 2
    done = fetch()
    assert (done.complete, done.received, done.fetched) == (True, 6, 4)


def test_manifests_that_lead_elsewhere_or_are_damaged(fetch: Fetch, tmp_path: Path) -> None:
    fetch()
    path = tmp_path / "out" / "manifest.json"
    found = manifest(tmp_path / "out")
    found["files"].append({"path": "../../etc/passwd", "sha256": "0", "size": 1})
    path.write_text(json.dumps(found))
    assert "leads out of the folder" in str(verify(tmp_path / "out").problems[0])
    for text in ("{", "[]", '{"files": [], "schema": "x"}', '{"files": [{"path": 1}], "schema": "cygnet-pull-1"}'):
        path.write_text(text)
        with pytest.raises(InputError, match="pull again"):
            verify(tmp_path / "out")


def test_records_go_through_the_journal_unchanged() -> None:
    record = Record("ISIC_1", "http://x/y.PNG?a=.jpg", None, None, "Ä", {"a": 1.5, "b": True})
    assert Record.from_json(record.to_json()) == record
    assert record.file == "images/ISIC_1.png"


def test_quick_is_quick() -> None:
    assert QUICK.pause(1) <= 0.01
    assert 0.025 <= QUICK.pause(50) <= 0.05
