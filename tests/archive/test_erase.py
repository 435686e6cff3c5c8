"""Erasure: nothing of a patient is left but one entry of the log, and everything else is as it was."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from conftest_archive import item, jpeg, take

from cygnet.archive import Archive, log, traces
from cygnet.archive.archive import NotFoundError
from cygnet.archive.backup import backup
from cygnet.archive.collections import change_members, create
from cygnet.archive.edit import edit, relicense
from cygnet.archive.erase import images_of
from cygnet.archive.exports import layouts, snapshots
from cygnet.archive.exports.rows import rows_matching
from cygnet.errors import InputError

#: Private ids that only the patient who goes has.
PATIENT, LESION = "clinic-patient-77", "clinic-lesion-77-a"


def fill(archive: Archive) -> list[str]:
    """Two images of one patient (in two ingests, one relicensed, one edited, one rejected) among two of another; returns the public ids."""
    items = [
        item("first-of-77.jpg", jpeg(1), patient_id=PATIENT, lesion_id=LESION, sex="male", age=41, melanocytic=True),
        item("x.jpg", jpeg(2), patient_id="P2", sex="male", age=41),
        item("y.jpg", jpeg(3), patient_id="P2", sex="male", age=41),
    ]
    take(archive, items, publish=True, licence="CC-BY-NC")
    # The same photograph, re-encoded, comes in for another patient: the finding on it names the first.
    take(archive, [item("second-of-77.jpg", jpeg(9), patient_id=PATIENT)], cohort="default")
    take(archive, [item("again.jpg", jpeg(1, quality=80), patient_id="P2")], cohort="default")
    take(archive, [item("copy-of-77.jpg", jpeg(1), patient_id="P2")])
    with archive.database.write() as connection:
        mine = archive.ids('attribution:"Tests" melanocytic:true')
        relicense(connection, archive.blobs, mine, "CC-BY", "anna")
        edit(connection, mine, {"age_approx": "45"}, "anna")
    return [r["isic_id"] for r in archive.search("").results]


def freeze(archive: Archive) -> None:
    with archive.database.write() as connection:
        rows = rows_matching(connection, archive.matches())
        snapshots.freeze(connection, archive.blobs, "Set 1", "", rows, "anna")


def everything(archive: Archive, folder: Path) -> bytes:
    """All that can come out: every layout, the snapshot, a backup, and each file of the archive's folder."""
    with archive.database.read() as connection:
        rows = list(rows_matching(connection, archive.matches()))
        frozen = list(snapshots.rows_of_snapshot(archive.blobs, snapshots.found(connection, "Set 1").manifest_sha256))
    parts = [data for _, data in layouts.isic_layout(iter(rows), archive.blobs)]
    parts += [data for _, data in layouts.isic_layout(iter(frozen), archive.blobs)]
    parts += [json.dumps(archive.facets("")).encode(), json.dumps(archive.search("").results).encode()]
    backup(archive, folder / "all.zip")
    with zipfile.ZipFile(folder / "all.zip") as made:
        parts += [made.read(name) for name in made.namelist() if name != "tables/log.jsonl"]
    assert archive.root is not None
    parts += [path.read_bytes() for path in archive.root.rglob("*") if path.is_file() and "catalogue" not in path.name]
    return b"\n".join(parts)


def test_nothing_of_a_patient_is_left(archive: Archive, tmp_path: Path) -> None:
    first, x, y, second, again = fill(archive)
    with archive.database.write() as connection:
        create(connection, "Teaching", "anna", public=False)
        change_members(connection, "Teaching", [first, x], "anna")
    freeze(archive)
    with archive.database.read() as connection:
        before = snapshots.found(connection, "Set 1").manifest_sha256
        mine = images_of(connection, PATIENT)
        assert mine == [first, second]
        public = archive.search("melanocytic:true").results[0]["metadata"]["clinical"]["patient_id"]
        assert images_of(connection, public) == mine
        assert images_of(connection, first) == [first]
        head = log.head_hash(connection)
    files = {archive.file(i, kind)[0] for i in mine for kind in ("full", "thumbnail_256")}
    assert PATIENT.encode() in everything(archive, tmp_path)

    proof = archive.erase(mine, "anna", "asked by the patient")

    assert proof["images"] == sorted(mine)
    assert (proof["found"], proof["mentioned"]) == ([], [])
    assert {k: proof["rows"][k] for k in ("image", "patient", "lesion", "image_version")} == {
        "image": 2, "patient": 1, "lesion": 1, "image_version": 2,
    }  # fmt: skip
    # original, view and thumbnail of both, the view under the first licence and that of the refused copy, the snapshot's manifest
    assert len(proof["files"]) == 9
    assert files <= set(proof["files"])
    out = everything(archive, tmp_path)
    traced = (PATIENT, LESION, "of-77", first, second, *proof["files"])
    # a snapshot's new manifest names the old one's hash, so that who cited it finds it
    assert [text for text in traced if text.encode() in out and text != before] == []
    assert {r["isic_id"] for r in archive.search("").results} == {x, y, again}
    assert archive.count("melanocytic:true") == 0
    verdict = archive.verify(known_head=head)
    assert (verdict.problems, verdict.unused) == ([], [])
    with archive.database.read() as connection:
        entry = list(log.entries(connection))[-1]
        frozen = snapshots.found(connection, "Set 1")
    assert (entry.action, entry.hash, entry.detail["erased"]) == ("erase", proof["log_entry"], sorted(mine))
    assert frozen.images == 3
    assert f"2 images were erased on {proof['at'][:10]}; before, sha256:{before}" in frozen.citation
    assert frozen.manifest_sha256 in frozen.citation
    with pytest.raises(NotFoundError):
        archive.erase(mine, "anna", "again")


def test_numbers_are_not_given_away_again(local: Archive) -> None:
    _, _, _, _, again = fill(local)
    last = local.ids(f"isic_id:{again}")
    local.erase([again], "anna", "test")
    take(local, [item("new.jpg", jpeg(30)), item("newer.jpg", jpeg(31))])
    assert local.ids("")[-2:] == [last[0] + 1, last[0] + 2]
    assert local.verify().clean


def test_what_others_share_stays(local: Archive) -> None:
    take(local, [item("a.jpg", jpeg(1), patient_id="P1"), item("b.jpg", jpeg(1) + b"\0", patient_id="P2")])
    a, b = (r["isic_id"] for r in local.search("").results)
    proof = local.erase([a], "anna", "test")
    assert proof["shared_files_kept"] == 2  # one view and one thumbnail for both
    assert len(proof["files"]) == 1
    assert local.picture(b)
    assert local.verify().clean
    with local.database.read() as connection, pytest.raises(InputError, match="cohort 'other'"):
        images_of(connection, "P2", cohort="other")


def test_files_are_searched_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "_BLOCK", 8)
    (tmp_path / "f").write_bytes(b"0123456needle890")
    assert traces.found_in(tmp_path / "f", traces.marks(["needle", "absent", "123"])) == ["needle"]
    assert traces.found_in(tmp_path / "none", [b"needle"]) == []
