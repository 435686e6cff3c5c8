"""What goes in, what stays out, and why."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest_archive import item, jpeg, pixels, take
from PIL import Image

from cygnet.archive import Archive
from cygnet.archive.blobs import checked
from cygnet.archive.results import rows_of
from cygnet.errors import InputError


def codes(outcome: Any) -> set[tuple[str, str]]:
    return {(f.level, f.code) for f in outcome.findings}


def test_originals_are_kept_byte_for_byte_and_counted(archive: Archive) -> None:
    files = [jpeg(k) for k in range(5)]
    summary, outcomes = take(
        archive, [item(f"{k}.jpg", data, sex="male") for k, data in enumerate(files)], publish=True
    )
    assert (summary.added, summary.refused, dict(summary.by_state)) == (5, 0, {"published": 5})
    assert archive.count("sex:male public:true") == 5
    from cygnet.archive.blobs import sha256_of

    assert all(checked(archive.blobs, sha256_of(data)) == data for data in files)
    assert archive.verify().clean
    shown = archive.image(outcomes[0].isic_id)
    assert shown["metadata"] == {"acquisition": {"pixels_x": 120, "pixels_y": 96}, "clinical": {"sex": "male"}}
    assert (shown["copyright_license"], shown["attribution"], shown["public"]) == ("CC-0", "Tests", True)
    assert len(archive.picture(outcomes[0].isic_id)) == shown["files"]["full"]["size"]


def test_run_twice_nothing_twice(archive: Archive) -> None:
    items = [item(f"{k}.jpg", jpeg(k)) for k in range(4)] + [item("broken.jpg", b"no image")]
    take(archive, items)
    before = archive.verify()
    summary, _ = take(archive, items)
    assert (summary.added, summary.present, summary.refused) == (0, 4, 1)
    after = archive.verify()
    assert (after.images, after.blobs, len(after.unused)) == (before.images, before.blobs, 0)
    from cygnet.archive.stats import statistics

    with archive.database.read() as connection:
        assert statistics(connection)["refused"] == 1


def test_a_dry_run_says_the_same_and_changes_nothing(archive: Archive) -> None:
    items = [item(f"{k}.jpg", jpeg(k)) for k in range(3)] + [item("again.jpg", jpeg(1)), item("x.jpg", b"")]
    dry, said = take(archive, items, dry=True)
    assert len(archive) == 0
    assert list(archive.blobs.names()) == []
    assert archive.verify().entries == 0
    real, became = take(archive, items)
    assert dry.to_dict() == real.to_dict()
    assert [codes(o) for o in said] == [codes(o) for o in became]


def test_duplicates_exact_pixel_and_near(local: Archive) -> None:
    image = Image.fromarray(pixels(7, 320, 240))
    first, png, smaller, turned = (io.BytesIO() for _ in range(4))
    image.save(first, "PNG")
    image.save(png, "PNG", compress_level=1)
    image.resize((280, 210), Image.Resampling.LANCZOS).save(smaller, "JPEG", quality=85)
    image.transpose(Image.Transpose.ROTATE_90).save(turned, "JPEG", quality=92)
    _, [a] = take(local, [item("a.png", first.getvalue(), lesion_id="L1")])
    assert a.result == "added"
    _, [same, pixel, small, turn, other] = take(
        local,
        [
            item("copy.png", first.getvalue()),
            item("b.png", png.getvalue()),
            item("c.jpg", smaller.getvalue()),
            item("d.jpg", turned.getvalue(), lesion_id="L1"),
            item("e.jpg", jpeg(8)),
        ],
        publish=True,
    )
    assert (same.result, codes(same)) == ("refused", {("refuse", "exact-duplicate")})
    assert a.isic_id in same.findings[-1].message
    assert (pixel.state, ("hold", "pixel-duplicate") in codes(pixel)) == ("draft", True)
    assert (small.state, ("hold", "near-duplicate") in codes(small)) == ("draft", True)
    assert (turn.state, ("note", "near-duplicate") in codes(turn)) == ("published", True)
    assert (other.state, other.result) == ("published", "added")


def test_contradictions_with_what_came_earlier(archive: Archive) -> None:
    nevus = {"diagnosis": "Benign:Benign melanocytic proliferations:Nevus", "diagnosis_1": "Benign"}
    melanoma = {
        "diagnosis": "Malignant:Malignant melanocytic proliferations (Melanoma):Melanoma, NOS",
        "diagnosis_1": "Malignant",
    }
    _, [first] = take(archive, [item("a.jpg", jpeg(1), patient_id="P", lesion_id="L", sex="male", age=60, **nevus)])
    _, [sex, lesion, patient, fine] = take(
        archive,
        [
            item("b.jpg", jpeg(2), patient_id="P", sex="female"),
            item("c.jpg", jpeg(3), patient_id="P", lesion_id="L", **melanoma),
            item("d.jpg", jpeg(4), patient_id="Q", lesion_id="L"),
            item("e.jpg", jpeg(5), patient_id="P", lesion_id="L", sex="male", age=61, **nevus),
        ],
    )
    for outcome, code in (
        (sex, "patient-contradiction"),
        (lesion, "lesion-contradiction"),
        (patient, "lesion-two-patients"),
    ):
        assert (outcome.result, ("refuse", code) in codes(outcome)) == ("refused", True)
        assert first.isic_id in outcome.findings[-1].message
    assert fine.result == "added"
    # Another cohort's P is another person.
    summary, _ = take(archive, [item("f.jpg", jpeg(6), patient_id="P", sex="female")], cohort="elsewhere")
    assert summary.added == 1


def test_private_ids_never_show(archive: Archive) -> None:
    record = {"patient_id": "Meyer-1957", "lesion_id": "left arm 3"}
    _, [outcome] = take(archive, [item("Meyer_left.jpg", jpeg(1), **record)], publish=True)
    clinical = archive.image(outcome.isic_id)["metadata"]["clinical"]
    assert clinical["patient_id"].startswith("IP_")
    assert clinical["lesion_id"].startswith("IL_")
    assert "Meyer" not in repr(archive.search("").to_dict())
    lesion = archive.lesion(clinical["lesion_id"])
    assert (lesion["images_count"], lesion["index_image_id"]) == (1, outcome.isic_id)


def test_age_is_published_rounded_and_capped(archive: Archive) -> None:
    ages = {0: 0, 2: 0, 3: 5, 52: 50, 53: 55, 84: 85, 85: 85}
    take(archive, [item(f"{age}.jpg", jpeg(age), age=age) for age in ages])
    assert sorted(r["metadata"]["clinical"]["age_approx"] for r in archive.search("").results) == sorted(ages.values())
    assert archive.count("age_approx:85") == 2


def test_public_ids_of_another_archive_can_be_kept(archive: Archive) -> None:
    from dataclasses import replace

    ids = {"image": "ISIC_0000042", "patient": "IP_0000001", "lesion": "IL_0000002"}
    wanted = replace(item("a.jpg", jpeg(1), patient_id="IP_0000001", lesion_id="IL_0000002"), public_ids=ids)
    taken = replace(item("b.jpg", jpeg(2)), public_ids={"image": "ISIC_0000042"})
    _, [first, second] = take(archive, [wanted, taken])
    assert first.isic_id == "ISIC_0000042"
    assert second.isic_id != first.isic_id
    clinical = archive.image("ISIC_0000042")["metadata"]["clinical"]
    assert (clinical["patient_id"], clinical["lesion_id"]) == ("IP_0000001", "IL_0000002")


def test_options_are_checked(local: Archive) -> None:
    with pytest.raises(InputError, match="licence 'GPL' is unknown"):
        take(local, [], licence="GPL")
    with pytest.raises(InputError, match="attribution"):
        take(local, [], attribution=" ")
    with pytest.raises(InputError, match="exclude each other"):
        take(local, [], publish=True, embargo_until="2030-01-01")


def test_embargo_ends(archive: Archive) -> None:
    take(archive, [item("a.jpg", jpeg(1))], embargo_until="2020-01-01")
    take(archive, [item("b.jpg", jpeg(2))], embargo_until="2999-01-01")
    assert archive.count("public:true") == 0
    assert archive.release("tester") == 1
    assert archive.count("public:true") == 1
    assert archive.verify().clean


def test_quality_and_dermoscopy_hold_back(local: Archive) -> None:
    dark = np.full((96, 120, 3), 4, np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(dark).save(buffer, "PNG")
    _, [outcome] = take(local, [item("dark.png", buffer.getvalue())], publish=True)
    assert (outcome.state, ("hold", "too_dark") in codes(outcome)) == ("draft", True)


def test_rows_are_flat_and_in_order(archive: Archive) -> None:
    take(archive, [item(f"{k}.jpg", jpeg(k), mel_thick_mm=k / 2) for k in range(3)])
    with archive.database.read() as connection:
        rows = rows_of(connection, [3, 1])
    assert [row["mel_thick_mm"] for row in rows] == [1.0, 0.0]


def test_an_archive_can_be_opened_by_folder_and_by_url(archive: Archive, tmp_path: Path) -> None:
    take(archive, [item("a.jpg", jpeg(1))])
    url = archive.database.engine.url.render_as_string(hide_password=False)
    for place in (tmp_path / "archive", url):
        with Archive.open(place) as again:
            assert len(again) == 1
            assert again.verify().clean
