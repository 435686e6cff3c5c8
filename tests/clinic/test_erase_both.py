"""One erasure for clinic and archive: found by the pictures, proven on both sides, and careful where it is not sure."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from cygnet.archive import Archive, log
from cygnet.archive.ingest.items import Item
from cygnet.archive.ingest.run import Options
from cygnet.clinic import elsewhere, erase, verify
from cygnet.clinic.admit import admit
from cygnet.clinic.incoming import from_archive, from_paths
from cygnet.clinic.store import Clinic

if TYPE_CHECKING:
    from conftest import Answer


def item(name: str, data: bytes, patient: str) -> Item:
    return Item(name, lambda: data, record={"patient_id": patient})


@pytest.fixture
def archive(tmp_path: Path, photos: Path) -> Iterator[Archive]:
    """Photos 0 to 3 of one patient, 4 and 5 of another, 6 as PNG of a third, 7 of a fourth in other bytes."""
    files = sorted(photos.glob("*.jpg"))
    items = [
        item(f.name, f.read_bytes(), f"hospital-{'A' if k < 4 else 'B'}") for k, f in enumerate(files) if k in range(6)
    ]
    items.append(item("six.png", encoded(files[6], "PNG"), "hospital-C"))
    items.append(item("seven.jpg", encoded(files[7], "JPEG"), "hospital-D"))
    with Archive.init(tmp_path / "desk") as made:
        made.ingest(items, "test", Options("CC-BY", "Clinic A", actor="tester", publish=True, workers=2))
        yield made


def encoded(path: Path, kind: str) -> bytes:
    out = io.BytesIO()
    with Image.open(path) as opened:
        opened.save(out, kind)
    return out.getvalue()


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Clinic]:
    with Clinic(tmp_path / "desk" / "site") as made:
        yield made


def take(clinic: Clinic, photos: Path, label: str, *which: int) -> int:
    files = sorted(photos.glob("*.jpg"))
    return admit(clinic, "dr", from_paths([files[k] for k in which], patient=label), "folder").patients[0]


def names(archive: Archive) -> dict[str, str]:
    """Public ids by the number of the image."""
    with archive.database.read() as connection:
        rows = connection.exec_driver_sql("SELECT isic_id FROM image ORDER BY id").scalars()
        return {str(n): isic_id for n, isic_id in enumerate(rows)}


def test_one_erasure_for_both(clinic: Clinic, archive: Archive, photos: Path) -> None:
    named = names(archive)
    patient = take(clinic, photos, "Jane Roe", 0, 1)
    (clinic.folder / "runs").mkdir()
    (clinic.folder / "runs" / "1.json").write_text('{"title": "Jane Roe"}')
    (clinic.folder / "runs" / "2.json").write_text('{"title": "another"}')
    gone = [named[k] for k in "0123"]  # two pictures are the clinic's, the others are of the same patient

    proof = erase.erase(clinic, "dr", patient, "asked", archive)

    assert proof["archive"]["images"] == sorted(gone)
    assert (proof["archive"]["found"], proof["archive_left"], proof["run_notices"]) == ([], {}, 1)
    assert {r["isic_id"] for r in archive.search("").results} == set(named.values()) - set(gone)
    assert archive.verify().problems == []
    assert verify.problems(clinic) == []
    with clinic.read() as mine, archive.database.read() as theirs:
        ours, other = list(log.entries(mine))[-1], list(log.entries(theirs))[-1]
    assert ours.detail["archive"] == {"images": 4, "entry": other.hash}
    assert (ours.action, other.action, other.actor) == ("erase", "erase", "dr")
    files = [p for p in (clinic.folder.parent).rglob("*") if p.is_file()]
    assert [p for p in files if b"Jane Roe" in p.read_bytes() or b"hospital-A" in p.read_bytes()] == []


def test_of_several_patients_only_the_pictures_go(clinic: Clinic, archive: Archive, photos: Path) -> None:
    named = names(archive)
    found = elsewhere.in_archive(clinic, archive, take(clinic, photos, "mixed", 0, 4))
    assert found.images == tuple(sorted((named["0"], named["4"])))
    assert len(found.patients) == 2


def test_what_another_patient_has_too_empties_nothing(clinic: Clinic, archive: Archive, photos: Path) -> None:
    take(clinic, photos, "right name", 0, 1)
    wrong = take(clinic, photos, "wrong name", 0, 1)
    assert elsewhere.in_archive(clinic, archive, wrong) == elsewhere.Elsewhere()


def test_a_png_is_found_and_what_only_looks_alike_is_told(clinic: Clinic, archive: Archive, photos: Path) -> None:
    named = names(archive)
    (photos / "six.png").write_bytes(encoded(sorted(photos.glob("*.jpg"))[6], "PNG"))
    admit(clinic, "dr", from_paths([photos / "six.png"], patient="hospital-D"), "folder")
    patient = take(clinic, photos, "hospital-D", 7)
    assert elsewhere.in_archive(clinic, archive, patient).images == (named["6"],)
    proof = erase.erase(clinic, "dr", patient, "asked", archive, copies=False)
    theirs = archive.image(named["7"])["metadata"]["clinical"]["patient_id"]
    assert proof["archive"] is None
    assert proof["archive_left"] == {"same": [named["6"]], "alike": [named["7"]], "namesakes": [theirs]}
    assert len(archive) == 8


def test_from_the_archive_and_back(
    clinic: Clinic, archive: Archive, photos: Path, command: Callable[..., Answer]
) -> None:
    named = names(archive)
    public = archive.image(named["4"])["metadata"]["clinical"]["patient_id"]
    admit(clinic, "dr", from_archive(archive, f"patient_id:{public}"), "archive")
    more = take(clinic, photos, "more than that", 5, 8)
    desk = clinic.folder.parent
    answer = command("archive", "erase", desk, "hospital-B", "--why", "asked", "--yes", "--actor", "anna")
    assert answer.code == 0, answer.err
    proofs = json.loads(answer.out)
    assert proofs["archive"]["images"] == sorted((named["4"], named["5"]))
    assert [p["rows"]["patient"] for p in proofs["clinic"]] == [1]
    assert proofs["clinic_left"] == ["more than that: 1 of 2"]
    with clinic.read() as connection:
        assert connection.exec_driver_sql("SELECT id, label FROM patient").all() == [(more, "more than that")]
    again = command("archive", "erase", desk, "hospital-B", "--why", "asked", "--yes")
    assert (again.code, "hospital-B: no patient" in again.err) == (2, True)
    only = command("clinic", "erase", "more than that", "--why", "asked", "--yes", "--archive", desk)
    assert (only.code, json.loads(only.out)["archive"]) == (0, None)
    assert command("archive", "verify", desk, "--quiet").code == 0
