"""In and out of the clinic: folders, tables, DICOM, interrupted runs, timeline, study, erasure, backup."""

from __future__ import annotations

import math
import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select

from cygnet.archive import log
from cygnet.archive.exports.dicom import dicom_file
from cygnet.clinic import assess, demo, erase, reading, study, verdicts
from cygnet.clinic.admit import admit
from cygnet.clinic.backup import backup, restore
from cygnet.clinic.erase import due
from cygnet.clinic.frozen import from_json, to_json
from cygnet.clinic.incoming import from_paths
from cygnet.clinic.settings import change_settings
from cygnet.clinic.store import Clinic
from cygnet.clinic.study import Reading, changes
from cygnet.clinic.tables import assessment, image, lesion, patient
from cygnet.clinic.timeline import timeline
from cygnet.clinic.verdicts import Given
from cygnet.clinic.view import patient_view
from cygnet.errors import InputError
from cygnet.models import LesionModel
from cygnet.triage import Assessment


def test_assessments_survive_storage(ranked: Assessment) -> None:
    assert from_json(to_json(ranked)) == ranked


def test_a_folder_becomes_a_patient(tmp_path: Path, photos: Path, model: LesionModel) -> None:
    (photos / "notes.jpg").write_bytes(b"no picture")
    with Clinic(tmp_path / "site") as clinic:
        done = admit(clinic, "dr", from_paths([photos], patient="Anna 1", day="2026-11-20"), "folder")
        assert (done.added, done.known) == (10, 0)
        steps: list[tuple[int, int]] = []
        assess.run(clinic, done.assessments[0], model, progress=lambda *step: steps.append(step))
        assert steps[-1] == (10, 10)
        with clinic.read() as connection:
            view = patient_view(connection, "dr", done.patients[0])
        assert (view.label, view.day, len(view.assessable), len(view.refused)) == ("Anna 1", "2026-11-20", 9, 1)
        assert view.refused[0].findings[0][1].code == "unreadable"
        again = admit(clinic, "dr", from_paths([photos], patient="Anna 1", day="2026-11-20"), "folder")
        assert (again.added, again.known, again.assessments) == (0, 10, ())


def test_pictures_lose_what_files_carried(tmp_path: Path, photos: Path) -> None:
    photo = sorted(photos.glob("*.jpg"))[0]
    with Image.open(photo) as opened:
        exif = opened.getexif()
        exif[0x013B] = "Dr Secret"
        opened.save(photo, exif=exif, quality=95)
    with Clinic(tmp_path / "site") as clinic:
        admit(clinic, "dr", from_paths([photo]), "folder")
        kept = [clinic.pictures.get(name) for name in clinic.pictures.names()]
    assert kept
    assert not any(b"Dr Secret" in data or b"SIMULATED" in data for data in kept)


def test_a_table_brings_visits_sides_and_skin(tmp_path: Path, photos: Path) -> None:
    names = sorted(p.stem for p in photos.glob("*.jpg"))[:3]
    rows = ["image,patient_id,lesion_id,age,sex,site,visit,skin_type"]
    rows += [f"{n},P1,M{k // 2},47,f,left forearm,2026-0{k + 1}-05,III" for k, n in enumerate(names)]
    table = photos / "visits.csv"
    table.write_text("\n".join(rows))
    with Clinic(tmp_path / "site") as clinic:
        admit(clinic, "dr", from_paths([table]), "table")
        with clinic.read() as connection:
            assert [v["day"] for v in reading.visits_of(connection, 1)] == ["2026-03-05", "2026-02-05", "2026-01-05"]
            person = connection.execute(select(patient)).one()
            assert (person.label, person.age, person.sex, person.skin_type) == ("P1", 47, "female", "III")
            first = connection.execute(select(lesion)).first()
            assert first is not None
            assert (first.site, first.path, first.laterality) == (
                "upper extremity",
                "Upper extremity:Forearm",
                "left",
            )
    table.write_text("\n".join([rows[0], rows[1].replace("2026-01-05", "5.1.26")]))
    with pytest.raises(InputError, match=r"'5\.1\.26' is no date"):
        from_paths([table])


def test_a_dicom_file_says_whose_it_is(tmp_path: Path, photos: Path) -> None:
    view = sorted(photos.glob("*.jpg"))[0].read_bytes()
    row = {"isic_id": "ISIC_1", "patient_id": "IP_9", "lesion_id": "IL_3", "sex": "male", "age_approx": 60}
    row |= {"view_sha256": "0", "copyright_license": "CC-0", "attribution": "x"}
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.dcm").write_bytes(dicom_file(row, view))
    item = from_paths([folder], day="2026-01-01")[0]
    assert (item.patient, item.lesion, item.sex, item.age) == ("IP_9", "IL_3", "male", 60)
    with Clinic(tmp_path / "site") as clinic:
        admit(clinic, "dr", [item], "dicom")
        with clinic.read() as connection:
            assert connection.execute(select(image.c.thumbnail)).scalar()


def test_an_interrupted_assessment_goes_on(tmp_path: Path, photos: Path, model: LesionModel) -> None:
    class PowerCut(BaseException):
        pass

    def cut(done: int, of: int) -> None:
        if done == of:
            raise PowerCut

    with Clinic(tmp_path / "site") as clinic:
        number = admit(clinic, "dr", from_paths([photos]), "folder").assessments[0]
        with pytest.raises(PowerCut):
            assess.run(clinic, number, model, progress=cut)
    with Clinic(tmp_path / "site") as clinic:
        assert assess.waiting(clinic) == [number]
        assert list(clinic.runs.rglob("*.sqlite"))
        assess.run(clinic, number, model)
        assert not clinic.runs.exists() or not list(clinic.runs.iterdir())
        with clinic.read() as connection:
            row = connection.execute(select(assessment)).one()
        assert (row.state, row.lesions, row.model_sha256) == ("done", 9, model.files.sha256)


def test_worklist_counts_and_finds(clinic: Clinic) -> None:
    with clinic.read() as connection:
        entry = reading.worklist(connection, "dr-a")[0]
        assert (entry.label, entry.visits, entry.lesions, entry.committed, entry.state) == (
            "SIM-0003",
            2,
            12,
            0,
            "done",
        )
        assert reading.worklist(connection, "dr-a", "sim") == [entry]
        assert reading.worklist(connection, "dr-a", "%") == []
        assert reading.count_patients(connection, "003") == 1


def test_the_grown_lesion_shows_in_its_timeline(clinic: Clinic, model: LesionModel) -> None:
    """The earlier photographs were drawn at 0.78 of the size for an odd lesion, at 0.97 to 1.03 for others."""
    spread = model.card["reference"]["measurement_spread"]
    with clinic.read() as connection:
        view = patient_view(connection, "dr-a", 1)
    twice = next(x for x in view.lesions if x.prior)
    with clinic.read() as connection:
        _, withheld = timeline(connection, "dr-a", twice.id, spread)
    assert len(withheld) == 2
    assert not any(m.measurements or m.moved for m in withheld)
    for visit in view.visits:
        with clinic.read() as connection:
            there = patient_view(connection, "dr-a", 1, visit[0])
        verdicts.give_rest(clinic, "dr-a", visit[0], [x.id for x in there.assessable], "benign", f"k{visit[0]}")
    with clinic.read() as connection:
        _, moments = timeline(connection, "dr-a", twice.id, spread)
    assert [m.day for m in moments] == ["2026-11-20", "2026-03-12"]
    assert moments[0].days == (date(2026, 11, 20) - date(2026, 3, 12)).days
    size = next(m for m in moments[0].moved if m.name == "size")
    now, before = (m.measurements["size"] for m in moments)
    assert size.value == pytest.approx(now / before - 1)
    assert not moments[1].moved


def read(reader: str, who: str, before: str, after: str, malignant: bool | None) -> Reading:
    return Reading(reader, who, 1, 1, before, 3.0, False, after, before != after, malignant, "")


def test_changes_by_hand() -> None:
    """Six patients with a malignant and a benign lesion each: 3 of 6 found before, 5 of 6 after; 1 then 2 needless biopsies."""
    found = []
    for k in range(6):
        found.append(read("R", f"P{k}", "biopsy" if k < 3 else "benign", "biopsy" if k < 5 else "monitor", True))
        found.append(read("R", f"P{k}", "biopsy" if k < 1 else "benign", "biopsy" if k < 2 else "benign", False))
    sens, spec, biopsies = changes(found)
    assert (sens.n, sens.before, sens.after) == (6, 3 / 6, 5 / 6)
    assert sens.difference == pytest.approx(2 / 6)
    assert (spec.n, spec.before, spec.after) == (6, 5 / 6, 4 / 6)
    assert (biopsies.n, biopsies.before, biopsies.after) == (12, 4 / 12, 7 / 12)
    # each patient's own difference is 0 or 1: with probability (4/6)^6 no resample has one
    assert sens.low == 0.0
    assert sens.high == pytest.approx(4 / 6, abs=1 / 6 + 1e-9)
    few = changes(found[:6])
    assert math.isnan(few[0].low)
    assert changes([])[0].n == 0


def test_the_study_knows_nobody(clinic: Clinic) -> None:
    with clinic.read() as connection:
        view = patient_view(connection, "dr-a", 1)
    spot = view.lesions[0].id
    verdicts.give(clinic, "dr-a", spot, view.visit_id, Given("benign", 0, "1"))
    verdicts.give(clinic, "dr-a", spot, view.visit_id, Given("biopsy", 1, "2"))
    verdicts.record_outcome(clinic, "dr-a", spot, malignant=True, method="histopathology", version=0, key="3")
    made = study.study(clinic, "dr-a")
    row = made["readings"][0]
    assert (row["before"], row["after"], row["changed"], row["malignant"]) == ("benign", "biopsy", True, True)
    text = study.readings_csv(made["readings"])
    assert "dr-a" not in text
    assert "SIM-0003" not in text
    assert row["reader"] in text


def test_erasure_leaves_nothing_but_the_chain(clinic: Clinic) -> None:
    admit(clinic, "dr-a", demo.items(demo.Spec(17, 3, "I")), "simulated", simulated=True)
    names = set(clinic.pictures.names())
    proof = erase.erase(clinic, "dr-a", 1, "asked by the patient")
    assert proof["rows"]["patient"] == 1
    assert proof["rows"]["lesion"] == 12
    assert len(proof["pictures"]) == len(names) - 6
    assert b"SIM-0003" not in clinic.path.read_bytes()
    with clinic.read() as connection:
        assert log.broken_links(connection) == []
        assert connection.execute(select(patient.c.label)).scalars().all() == ["SIM-0017"]
    with Clinic(clinic.folder) as again, again.read() as connection:
        assert reading.count_patients(connection) == 1


def test_a_picture_of_two_patients_stays_with_the_other(tmp_path: Path, photos: Path) -> None:
    photo = sorted(photos.glob("*.jpg"))[0]
    with Clinic(tmp_path / "site") as clinic:
        for name in ("first patient", "second patient"):
            admit(clinic, "dr", from_paths([photo], patient=name), "folder")
        proof = erase.erase(clinic, "dr", 1, "test")
        assert (proof["pictures"], proof["shared_pictures_kept"]) == ([], 2)
        assert len(list(clinic.pictures.names())) == 2


def test_retention_names_who_is_due(clinic: Clinic) -> None:
    with clinic.read() as connection:
        assert due(connection, date(2100, 1, 1)) == []
    change_settings(clinic, "dr-a", {"retention_days": "365"})
    with clinic.read() as connection:
        assert due(connection, date(2027, 11, 20)) == []
        assert due(connection, date(2027, 11, 22)) == [1]


def test_backup_and_restore(clinic: Clinic, tmp_path: Path) -> None:
    with clinic.read() as connection:
        view = patient_view(connection, "dr-a", 1)
    verdicts.give(clinic, "dr-a", view.lesions[0].id, view.visit_id, Given("biopsy", 0, "1", "look again"))
    summary = backup(clinic, "dr-a", tmp_path / "clinic.zip")
    assert summary["patients"] == 1
    restored = tmp_path / "elsewhere"
    assert restore(tmp_path / "clinic.zip", restored)["log_head"] == summary["log_head"]
    with Clinic(restored) as there, there.read() as connection:
        again = patient_view(connection, "dr-a", 1)
        assert set(there.pictures.names()) == set(clinic.pictures.names())
    assert again.lesions[0].mine is not None
    assert again.lesions[0].mine.note == "look again"
    with pytest.raises(InputError, match="holds patients already"):
        restore(tmp_path / "clinic.zip", restored)
    damaged = tmp_path / "damaged.zip"
    shutil.copy(tmp_path / "clinic.zip", damaged)
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 0xFF
    damaged.write_bytes(bytes(data))
    with pytest.raises(InputError, match="damaged"):
        restore(damaged, tmp_path / "third")


def test_registration_by_construction() -> None:
    """Moved by a known turn, scale and shift, and found again."""
    from cygnet.imaging.registration import Similarity, laid_on, register
    from cygnet.simulate import simulate_lesion

    picture = Image.fromarray(simulate_lesion(5).image)
    for turn, scale, right, down in ((0.0, 1.0, 0.0, 0.0), (12.0, 1.1, 0.03, -0.02), (-30.0, 0.9, -0.04, 0.02)):
        moved = laid_on(picture, Similarity(scale, turn, right, down, 1.0), picture.size)
        found = register(moved, picture)
        assert found.matched
        assert found.turn == pytest.approx(turn, abs=1)
        assert found.scale == pytest.approx(scale, abs=0.02)
        assert (found.right, found.down) == (pytest.approx(right, abs=0.01), pytest.approx(down, abs=0.01))
    flat = Image.fromarray(np.full((200, 300, 3), 128, np.uint8))
    assert not register(flat, picture).matched
