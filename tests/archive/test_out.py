"""Exports, snapshots, backups, DICOM."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from conftest_archive import item, jpeg, new_database, pixels, take
from PIL import Image

from cygnet.archive import Archive
from cygnet.archive.backup import backup, restore
from cygnet.archive.exports import layouts, snapshots
from cygnet.archive.exports.manifest import is_export, verify_export
from cygnet.archive.exports.rows import rows_matching
from cygnet.archive.exports.targets import write_folder, write_zip, zip_stream
from cygnet.errors import InputError, OutputError

NEVUS = {
    "diagnosis": "Benign:Benign melanocytic proliferations:Nevus",
    "diagnosis_1": "Benign",
    "diagnosis_2": "Benign melanocytic proliferations",
    "diagnosis_3": "Nevus",
}
MELANOMA = {
    "diagnosis": "Malignant:Malignant melanocytic proliferations (Melanoma):Melanoma, NOS",
    "diagnosis_1": "Malignant",
    "diagnosis_2": "Malignant melanocytic proliferations (Melanoma)",
    "diagnosis_3": "Melanoma, NOS",
}
SITE = {"anatom_site": "Trunk:Posterior trunk", "anatom_site_1": "Trunk", "anatom_site_2": "Posterior trunk"}


def fill(archive: Archive) -> Archive:
    items = [
        item(
            "a.jpg",
            jpeg(1),
            patient_id="P1",
            lesion_id="L1",
            sex="male",
            age=41,
            image_type="dermoscopic",
            **NEVUS,
            **SITE,
        ),
        item("b.jpg", jpeg(2), patient_id="P1", sex="male", age=41, melanocytic=True, mel_thick_mm=0.4, **MELANOMA),
        item("c.jpg", jpeg(3), patient_id="P2"),
    ]
    take(archive, items[:2], publish=True, attribution="Clinic A", licence="CC-BY")
    take(archive, items[2:], publish=True, attribution="Clinic B")
    return archive


def files(archive: Archive, layout: Any = layouts.isic_layout, query: str = "") -> dict[str, bytes]:
    with archive.database.read() as connection:
        return dict(layout(rows_matching(connection, archive.matches(query)), archive.blobs))


def test_an_export_is_whole_checked_and_can_go_on(archive: Archive, tmp_path: Path) -> None:
    fill(archive)
    made = files(archive)
    names = [r["isic_id"] for r in archive.search("").results]
    assert set(made) == {
        *(f"images/{n}.jpg" for n in names),
        "metadata.csv",
        "attribution.txt",
        "licenses/CC-0.txt",
        "licenses/CC-BY.txt",
    }
    rows = list(csv.DictReader(io.StringIO(made["metadata.csv"].decode())))
    assert [r["isic_id"] for r in rows] == names
    assert (rows[0]["age_approx"], rows[0]["diagnosis_3"], rows[1]["melanocytic"], rows[1]["mel_thick_mm"]) == (
        "40",
        "Nevus",
        "true",
        "0.4",
    )
    assert (rows[2]["sex"], rows[2]["attribution"]) == ("", "Clinic B")
    assert made["attribution.txt"].decode() == "Clinic A\n(2 images)\n\nClinic B\n(1 images)\n"
    out = tmp_path / "out"
    assert write_folder(out, made.items()) == len(made) + 1
    assert is_export(str(out)) and verify_export(out).clean
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "--check", "--quiet", "manifest.sha256"], cwd=out, check=True)
    image = out / "images" / f"{names[0]}.jpg"
    stamp = (out / "images" / f"{names[1]}.jpg").stat().st_mtime_ns
    image.write_bytes(image.read_bytes()[:-1])
    (out / "attribution.txt").unlink()
    assert sorted(verify_export(out).problems) == [
        "attribution.txt: missing",
        f"images/{names[0]}.jpg: changed or damaged",
    ]
    write_folder(out, made.items())
    assert verify_export(out).clean
    assert (out / "images" / f"{names[1]}.jpg").stat().st_mtime_ns == stamp, "what was right is not written again"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(InputError, match="no export"):
        write_folder(tmp_path / "mine", made.items())


def test_an_interrupted_export_says_so(local: Archive, tmp_path: Path) -> None:
    made = files(fill(local))
    out = tmp_path / "out"

    def stopped() -> Any:
        yield from list(made.items())[:2]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_folder(out, stopped())
    assert not is_export(str(out))
    write_folder(out, made.items())
    assert verify_export(out).clean
    assert not list(out.rglob("*.part"))


def test_an_export_stays_in_its_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="leads out"):
        write_folder(tmp_path / "out", [("images/../../../x.jpg", b"")])
    assert not (tmp_path / "x.jpg").exists()


def test_zips_are_streamed_and_the_same_each_time(local: Archive, tmp_path: Path) -> None:
    made = files(fill(local))
    pieces = list(zip_stream(made.items()))
    assert len(pieces) == len(made) + 2, "a piece per file, the manifest and the end"
    write_zip(tmp_path / "a.zip", made.items())
    assert (tmp_path / "a.zip").read_bytes() == b"".join(pieces)
    with zipfile.ZipFile(tmp_path / "a.zip") as z:
        assert z.testzip() is None
        assert {n: z.read(n) for n in made} == made
        z.extractall(tmp_path / "x")
    assert verify_export(tmp_path / "x").clean


def test_kaggle_and_parquet(local: Archive, tmp_path: Path) -> None:
    made = files(fill(local), layouts.kaggle_layout)
    rows = list(csv.DictReader(io.StringIO(made["train.csv"].decode())))
    assert [(r["diagnosis"], r["benign_malignant"], r["target"], r["anatom_site_general_challenge"]) for r in rows] == [
        ("nevus", "benign", "0", "torso"),
        ("melanoma", "malignant", "1", ""),
        ("unknown", "", "", ""),
    ]
    assert all(f"train/{r['image_name']}.jpg" in made for r in rows)
    with local.database.read() as connection:
        assert layouts.write_parquet(rows_matching(connection, local.matches()), tmp_path / "a.parquet") == 3
    frame = pl.read_parquet(tmp_path / "a.parquet")
    assert frame["age_approx"].to_list() == [40, 40, None]
    assert frame["melanocytic"].to_list() == [None, True, None]
    assert frame.schema["mel_thick_mm"] == pl.Float64


def test_snapshots_never_change(archive: Archive) -> None:
    fill(archive)
    with archive.database.write() as connection:
        made = snapshots.freeze(
            connection, archive.blobs, "Set 1", "", rows_matching(connection, archive.matches()), "anna"
        )
        with pytest.raises(InputError, match="never change"):
            snapshots.freeze(
                connection, archive.blobs, "Set 1", "", rows_matching(connection, archive.matches()), "anna"
            )
        with pytest.raises(InputError, match="needs images"):
            snapshots.freeze(connection, archive.blobs, "Set 2", "sex:x", iter(()), "anna")
    sha256 = made["manifest_sha256"]
    assert made["citation"] == (
        f"Clinic A; Clinic B ({made['created'][:4]}). Set 1. 3 images, snapshot of {made['created'][:10]}, sha256:{sha256}."
    )
    before = dict(layouts.isic_layout(snapshots.rows_of_snapshot(archive.blobs, sha256), archive.blobs))
    assert before == files(archive)
    from cygnet.archive.edit import edit, relicense

    with archive.database.write() as connection:
        edit(connection, [1, 2, 3], {"sex": "female"}, "anna")
        relicense(connection, archive.blobs, [1, 2], "CC-0", "anna")
    verdict = archive.verify()
    assert (verdict.clean, verdict.unused) == (True, []), "old views belong to the snapshot"
    assert dict(layouts.isic_layout(snapshots.rows_of_snapshot(archive.blobs, sha256), archive.blobs)) == before
    head = json.loads(archive.blobs.get(sha256).splitlines()[0])
    assert (head["images"], head["name"]) == (3, "Set 1")
    with archive.database.read() as connection:
        assert [s["name"] for s in snapshots.listed(connection)] == ["Set 1"]
        assert snapshots.found(connection, "Set 1").images == 3
        with pytest.raises(InputError, match="no snapshot"):
            snapshots.found(connection, "x")


@pytest.mark.parametrize("turn", ["to sqlite", "to postgresql"])
def test_backup_and_restore_onto_another_database(tmp_path: Path, archive: Archive, turn: str, postgres: str) -> None:
    fill(archive)
    with archive.database.write() as connection:
        snapshots.freeze(connection, archive.blobs, "S", "", rows_matching(connection, archive.matches()), "anna")
    summary = backup(archive, tmp_path / "b.zip")
    head = archive.verify().head
    assert (summary["log_head"], summary["rows"]["image"]) == (head, 3)
    db = new_database(postgres) if turn == "to postgresql" else None
    with Archive.init(tmp_path / "again", db=db) as again:
        restore(tmp_path / "b.zip", again)
        verdict = again.verify(known_head=head)
        assert (verdict.problems, verdict.images, verdict.head) == ([], 3, head)
        plain = lambda a: [{**r, "files": None} for r in a.search("").results]  # noqa: E731
        assert plain(again) == plain(archive)
        summary, _ = take(again, [item("d.jpg", jpeg(9))])
        assert (summary.added, again.verify().clean) == (1, True)
        with pytest.raises(InputError, match="already"):
            restore(tmp_path / "b.zip", again)


def test_damaged_backups_are_refused(local: Archive, tmp_path: Path) -> None:
    fill(local)
    backup(local, tmp_path / "b.zip")
    data = bytearray((tmp_path / "b.zip").read_bytes())
    place = data.index(b"\xff\xd8\xff")
    data[place + 40 : place + 44] = b"ABCD"
    (tmp_path / "c.zip").write_bytes(data)
    (tmp_path / "d.zip").write_bytes(bytes(data)[: len(data) // 2])
    for name in ("c.zip", "d.zip"):
        with Archive.init(tmp_path / name.replace(".zip", "")) as empty:
            with pytest.raises(InputError, match="damaged"):
                restore(tmp_path / name, empty)
            assert len(empty) == 0
    from cygnet.archive.blobs import FolderBlobs

    assert isinstance(local.blobs, FolderBlobs)
    next(iter(p for p in local.blobs.root.rglob("*") if p.is_file())).unlink()
    with pytest.raises(OutputError, match="missing"):
        backup(local, tmp_path / "e.zip")
    assert not (tmp_path / "e.zip").exists()


dciodvfy = pytest.mark.skipif(
    shutil.which("dciodvfy") is None, reason="dciodvfy is not installed (apt-get install dicom3tools)"
)


@pytest.fixture
def dicoms(local: Archive, tmp_path: Path) -> dict[str, Path]:
    """DICOM files of six images of different make."""
    fill(local)
    grey, progressive, turned, deep = (io.BytesIO() for _ in range(4))
    Image.fromarray(pixels(4)).convert("L").save(grey, "JPEG")
    Image.fromarray(pixels(5)).save(progressive, "JPEG", progressive=True, quality=95)
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray(pixels(6)).save(turned, "JPEG", exif=exif, subsampling=0)
    Image.fromarray(pixels(7)).save(deep, "PNG")
    names = ("grey.jpg", "progressive.jpg", "turned.jpg", "deep.png")
    more = [
        item(n, b.getvalue(), image_type="dermoscopic", dermoscopic_type=t)
        for n, b, t in zip(
            names,
            (grey, progressive, turned, deep),
            (None, "contact polarized", "non-contact polarized", "contact non-polarized"),
            strict=True,
        )
    ]
    take(local, more)
    made = files(local, layouts.dicom_layout)
    write_folder(tmp_path / "out", made.items())
    return {p.stem: p for p in sorted((tmp_path / "out" / "dicom").glob("*.dcm"))}


@dciodvfy
def test_dicom_is_valid(dicoms: dict[str, Path]) -> None:
    assert len(dicoms) == 7
    for path in dicoms.values():
        done = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, check=False)
        assert not [line for line in done.stderr.splitlines() if line.startswith("Error")], done.stderr


def test_dicom_comes_back(dicoms: dict[str, Path], local: Archive, tmp_path: Path) -> None:
    from cygnet.archive.ingest.sources import files_of

    originals = local.search("").results
    with Archive.init(tmp_path / "second") as second:
        found = files_of(tmp_path / "out" / "dicom")
        summary, outcomes = take(second, [item(n, load()) for n, load in found.items()])
        assert (summary.added, summary.refused) == (7, 0)
        by_name = {o.name.removesuffix(".dcm"): second.image(o.isic_id) for o in outcomes}
        for before in originals:
            after = by_name[before["isic_id"]]["metadata"]
            clinical = before["metadata"]["clinical"]
            assert after["clinical"].get("sex") == clinical.get("sex")
            assert after["clinical"].get("age_approx") == clinical.get("age_approx")
            assert after["acquisition"]["image_type"] == "dermoscopic"
            assert after["acquisition"].get("dermoscopic_type") == before["metadata"]["acquisition"].get(
                "dermoscopic_type"
            )
            assert ("patient_id" in after["clinical"]) == ("patient_id" in clinical)
        plain = [o for o in outcomes if o.name.startswith(originals[0]["isic_id"])][0]
        one, other = (
            np.asarray(Image.open(io.BytesIO(a.picture(i))))
            for a, i in ((local, originals[0]["isic_id"]), (second, plain.isic_id))
        )
        assert np.array_equal(one, other), "a baseline JPEG goes through DICOM unchanged"


def test_headers_that_name_people_are_reported_and_left_behind(local: Archive) -> None:
    from pydicom import Dataset, FileDataset, uid

    data = FileDataset(None, Dataset(), preamble=b"\0" * 128)
    data.file_meta = Dataset()  # type: ignore[assignment]
    data.SOPClassUID = uid.SecondaryCaptureImageStorage
    data.SOPInstanceUID = uid.generate_uid()
    data.PatientName, data.PatientID, data.PatientBirthDate = "Meyer^Anna", "4711", "19570203"
    data.PatientSex, data.PatientAge = "F", "066Y"
    shown = pixels(3)
    data.Rows, data.Columns, data.SamplesPerPixel = *shown.shape[:2], 3
    data.PhotometricInterpretation, data.PlanarConfiguration = "RGB", 0
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation = 7, 0
    data.PixelData = shown.tobytes()
    from pydicom.dataset import FileMetaDataset

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = data.SOPClassUID, data.SOPInstanceUID
    data.file_meta = meta
    buffer = io.BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    _, [outcome] = take(local, [item("a.dcm", buffer.getvalue())])
    assert "dicom-person" in {f.code for f in outcome.findings}
    result = local.image(outcome.isic_id)
    assert (result["metadata"]["clinical"]["sex"], result["metadata"]["clinical"]["age_approx"]) == ("female", 65)
    view = local.picture(outcome.isic_id)
    assert b"Meyer" not in view and "Meyer" not in repr(outcome) and "4711" not in repr(result)
    assert local.blobs.get(hashlib.sha256(buffer.getvalue()).hexdigest()) == buffer.getvalue()
    many = buffer.getvalue()
    _, [cut] = take(local, [item("b.dcm", many[: len(many) // 2])])
    assert cut.result == "refused"
