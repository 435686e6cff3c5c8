"""``cygnet archive`` from the outside."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Answer

    Command = Callable[..., Answer]


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first test that needs the filled archive leaves it for the others to copy."""
    return tmp_path_factory.mktemp("filled") / "a"


@pytest.fixture
def filled(command: Command, simulated: Path, tmp_path: Path, made_once: Path) -> Path:
    """An archive with the nine simulated images, published."""
    if not made_once.exists():
        shutil.copytree(_filled(command, simulated, tmp_path / "made"), made_once)
    return Path(shutil.copytree(made_once, tmp_path / "a"))


def _filled(command: Command, simulated: Path, place: Path) -> Path:
    assert command("archive", "init", place).code == 0
    done = command(
        *("archive", "ingest", place, simulated, "--metadata", simulated / "manifest.csv", "--license", "CC-0"),
        *("--attribution", "Simulated", "--publish", "--json"),
    )
    assert done.code == 0, done.err
    summary = json.loads(done.out)
    assert (summary["added"], summary["refused"], summary["states"]) == (9, 0, {"published": 9})
    return place


def test_the_contract(command: Command, filled: Path, simulated: Path) -> None:
    found = json.loads(command("archive", "search", filled, "sex:male OR sex:female", "--json").out)
    assert (found["count"], len(found["results"]), found["next"]) == (9, 9, None)
    first = found["results"][0]
    assert set(first) == {"isic_id", "public", "copyright_license", "attribution", "files", "metadata"}
    assert set(first["files"]) == {"full", "thumbnail_256"}
    assert set(first["metadata"]) == {"acquisition", "clinical"}
    with (simulated / "manifest.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert first["metadata"]["clinical"]["sex"] == rows[0]["sex"]
    assert first["metadata"]["clinical"]["patient_id"].startswith("IP_")
    # Nine images of one patient.
    assert len({r["metadata"]["clinical"]["patient_id"] for r in found["results"]}) == 1
    bad = command("archive", "search", filled, "sexx:male", "--json")
    assert (bad.code, "did you mean 'sex'" in bad.err, bad.out) == (2, True, "")


def test_again_dry_and_reported(command: Command, filled: Path, simulated: Path, tmp_path: Path) -> None:
    args = (
        "archive",
        "ingest",
        filled,
        simulated,
        "--metadata",
        simulated / "manifest.csv",
        "--license",
        "CC-0",
        "--attribution",
        "Simulated",
        "--publish",
        "--no-embed",
    )
    assert "0 added, 9 there already, 0 refused" in command(*args).out
    table = tmp_path / "m.csv"
    table.write_text("image,sex\nSIM-0003_01,x\nnot there,male\n")
    odd = (
        "archive",
        "ingest",
        filled,
        simulated,
        "--metadata",
        table,
        "--license",
        "CC-0",
        "--attribution",
        "A",
        "--no-embed",
    )
    done = command(*odd, "--dry-run", "--report", tmp_path / "r.csv")
    assert (done.code, "2 would be refused" in done.out) == (1, True)
    with (tmp_path / "r.csv").open() as stream:
        assert [(r["result"], r["code"]) for r in csv.DictReader(stream) if r["level"] == "refuse"] == [
            ("refused", "unknown-value"),
            ("refused", "missing"),
        ]
    assert command("archive", "ingest", filled, simulated, "--license", "CC-0").code == 2
    assert command("archive", "ingest", filled, tmp_path / "none", "--license", "CC-0", "--attribution", "A").code == 2
    assert command(*odd, "--set", "nonsense").code == 2
    assert command(*odd, "--embargo", "tomorrow").code == 2


def test_looking(command: Command, filled: Path, simulated: Path) -> None:
    page = command("archive", "search", filled, "--limit", "4")
    assert page.out.startswith("9 images\n")
    cursor = page.out.split("--cursor ")[1].strip()
    assert "ISIC_" in command("archive", "search", filled, "--limit", "4", "--cursor", cursor).out
    assert command("archive", "search", filled, "--cursor", "x").code == 2
    facets = json.loads(command("archive", "facets", filled, "--field", "copyright_license", "--json").out)
    assert facets == {
        "copyright_license": {
            "buckets": [{"key": "CC-0", "doc_count": 9}],
            "meta": {"present_count": 9, "missing_count": 0},
        }
    }
    assert "CC-0" in command("archive", "facets", filled).out
    assert command("archive", "facets", filled, "--field", "colour").code == 2
    isic_id = json.loads(command("archive", "search", filled, "--json").out)["results"][0]["isic_id"]
    near = json.loads(command("archive", "search", filled, "--like", isic_id, "--limit", "3", "--json").out)
    assert len(near) == 3
    assert near[0]["distance"] <= near[1]["distance"] <= near[2]["distance"]
    picture = min((simulated / "images").glob("*.jpg"))
    same = json.loads(command("archive", "search", filled, "--like", picture, "--limit", "1", "--json").out)
    assert same[0]["distance"] == pytest.approx(0, abs=0.02)
    stats = json.loads(command("archive", "stats", filled, "--json").out)
    assert (stats["images"], stats["patients"], stats["states"]) == (9, 1, {"published": 9})
    assert "images" in command("archive", "stats", filled).out


def test_review_and_collections(command: Command, filled: Path) -> None:
    def say(*args: Any) -> str:
        done = command("archive", *args)
        assert done.code == 0, done.err
        return str(done.out)

    isic_id = json.loads(say("search", filled, "--json"))["results"][0]["isic_id"]
    assert say("review", filled, isic_id, "--withdraw") == "1 now draft\n"
    assert isic_id in say("review", filled)
    assert say("review", filled, isic_id, "--accept", "--actor", "anna") == "1 accepted\n"
    assert say("review", filled, isic_id, "--publish") == "1 now published\n"
    assert (
        say("review", filled, isic_id, "--edit", "family_hx_mm=true", "--edit", "age=33") == "1 changed, now drafts\n"
    )
    assert "age': 5" in say("review", filled, isic_id, "--history") or "age" in say(
        "review", filled, isic_id, "--history"
    )
    assert (
        say("review", filled, isic_id, "--reject", "technique", "--actor", "bob", "--note", "blurred") == "1 rejected\n"
    )
    assert say("review", filled, "--agreement") == "no two readers have read the same image\n"
    assert say("review", filled, "--release") == "0 published\n"
    for wrong in (("--accept", "--publish"), ("--edit", "x"), ("--embargo", "soon"), ("--reject", "ugly")):
        assert command("archive", "review", filled, isic_id, *wrong).code == 2
    assert command("archive", "review", filled, "--accept").code == 2
    assert command("archive", "review", filled, "sex:nobody", "--accept").code == 2
    assert say("collection", "create", filled, "Teaching", "--public") == "collection 1: Teaching\n"
    assert say("collection", "add", filled, "Teaching", "public:true") == "8 added\n"
    (filled / "list.txt").write_text(f"{isic_id}\nISIC_1\n")
    assert say("collection", "add", filled, "1", "--list", filled / "list.txt") == "not in the archive: ISIC_1\n"
    assert say("collection", "remove", filled, "1", isic_id) == "removed\n"
    assert say("collection", "change", filled, "Teaching", "--pin", "--lock", "--share", "bob") == "changed\n"
    assert say("collection", "list", filled) == "   1  Teaching: 8 images, public, pinned, locked\n"
    assert command("archive", "collection", "change", filled, "Teaching").code == 2
    assert command("archive", "collection", "add", filled, "Teaching").code == 2
    assert json.loads(say("search", filled, "--collection", "1", "--json"))["count"] == 8
    assert command("archive", "verify", filled, "--quiet").code == 0


def test_out_and_back(command: Command, filled: Path, tmp_path: Path) -> None:
    def say(*args: Any) -> str:
        done = command("archive", *args)
        assert done.code == 0, done.err
        return str(done.out)

    out = tmp_path / "out"
    assert say("export", filled, out) == f"9 images: {out}\n"
    assert say("verify", out).endswith("all is well\n")
    (out / "metadata.csv").unlink()
    broken = command("archive", "verify", out)
    assert (broken.code, "metadata.csv: missing" in broken.err) == (1, True)
    for layout, name in (("kaggle", "k"), ("dicom", "d.zip"), ("metadata", "m"), ("parquet", "p.parquet")):
        say("export", filled, tmp_path / name, "--layout", layout)
        assert (tmp_path / name).exists()
    cited = say("snapshot", filled, "Set 1")
    assert cited.startswith("Simulated (") and "9 images" in cited
    assert say("snapshot", filled).startswith("Set 1: 9 images")
    say("export", filled, tmp_path / "snap", "--snapshot", "Set 1")
    assert command("archive", "export", filled, tmp_path / "none", "--query", "sex:nobody").code == 2
    head = say("backup", filled, tmp_path / "b.zip").split("log: ")[1].split()[0]
    say("restore", tmp_path / "b.zip", tmp_path / "again")
    assert "9 images" in say("verify", tmp_path / "again", "--head", head)
    assert command("archive", "verify", tmp_path / "again", "--head", "0" * 64).code == 1
    assert command("archive", "restore", tmp_path / "none.zip", tmp_path / "x").code == 2
    assert command("archive", "search", tmp_path).code == 2


def test_a_missing_package_is_named(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for name in [n for n in sys.modules if n.startswith("cygnet.archive")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    done = command("archive", "init", tmp_path / "a")
    assert (done.code, "pip install 'cygnet[archive]'" in done.err) == (2, True)


def test_every_answer_can_be_had_as_json(command: Command, filled: Path, tmp_path: Path) -> None:
    def asked(*args: object) -> Any:
        done = command("archive", *args, "--json")
        assert (done.code, done.err) == (0, ""), done.err
        return json.loads(done.out)

    assert asked("init", filled) == {"archive": str(filled), "images": 9}
    assert asked("collection", "create", filled, "Set") == {"id": 1}
    added = asked("collection", "add", filled, "Set", "isic_id:*")
    assert added == {"added": 9}
    name = asked("search", filled, "--limit", 1)["results"][0]["isic_id"]
    assert asked("collection", "remove", filled, "Set", name, "ISIC_x") == {"missing": ["ISIC_x"]}
    assert asked("collection", "change", filled, "Set", "--lock", "--name", "Set 2") == {"changed": ["name", "locked"]}
    assert asked("export", filled, tmp_path / "out") == {"images": 9, "layout": "isic", "out": str(tmp_path / "out")}
    assert asked("backup", filled, tmp_path / "b.zip")["rows"]["image"] == 9
    assert asked("restore", tmp_path / "b.zip", tmp_path / "again")["blobs"] == 27
    assert asked("review", filled, "--release") == {"now published": 0}
