"""Masks as participants send them, in folders and zips, and zips that mean harm."""

from __future__ import annotations

import io
import json
import os
import stat
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cygnet.challenge.check import check
from cygnet.challenge.estimate import estimate
from cygnet.challenge.packed import Source
from cygnet.challenge.problems import Problem, RefusedError
from cygnet.challenge.scoring import Score, read_answer, score, score_answer
from cygnet.challenge.tasks import task
from cygnet.challenge.truth import read_truth, truth_of
from cygnet.evaluation.bootstrap import Resamples

#: Six by four pixels, left half lesion.
HALF = np.tile(np.r_[[255] * 3, [0] * 3].astype(np.uint8), (4, 1))
NAMES = ("ISIC_0000001", "ISIC_0000002")


def png(values: NDArray, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG", **options)
    return buffer.getvalue()


def packed(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as z:
        for name, data in files.items():
            z.writestr(name, data)
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "truth"
    place.mkdir()
    for name in NAMES:
        (place / f"{name}_segmentation.png").write_bytes(png(HALF))
    (place / "ATTRIBUTION.txt").write_text("them")
    return place


def send(folder: Path, files: dict[str, bytes], name: str = "isic2018-task1") -> Score:
    truth = truth_of(task(name), folder)
    return score_answer(truth, read_answer(truth, Source("mine.zip", data=packed(files))))


def both(first: bytes) -> dict[str, bytes]:
    return {f"{NAMES[0]}_segmentation.png": first, f"{NAMES[1]}_segmentation.png": png(HALF)}


def refused(folder: Path, files: dict[str, bytes], name: str = "isic2018-task1") -> tuple[Problem, ...]:
    with pytest.raises(RefusedError) as left:
        send(folder, files, name)
    return left.value.problems


def test_by_hand(folder: Path) -> None:
    third = HALF.copy()
    third[:, 2] = 0  # two of three columns: Jaccard 2/3, Dice 4/5
    found = send(folder, both(png(third)))
    assert found.metrics["macro_average"]["jaccard"] == pytest.approx((2 / 3 + 1) / 2)
    assert found.metrics["macro_average"]["dice"] == pytest.approx(0.9)
    assert found.overall == pytest.approx((2 / 3 + 1) / 2)  # 2/3 is above 0.65
    third[:, 1] = 0  # one of three: below 0.65 counts 0
    assert send(folder, both(png(third))).overall == 0.5
    empty = send(folder, both(png(HALF * 0)))
    assert empty.metrics["macro_average"]["sensitivity"] == 0.5


@pytest.mark.parametrize(
    ("made", "note"),
    [
        (png(HALF // 255), "values 0 and 1"),
        (png(np.stack([HALF] * 3, axis=2)), ""),
        (png(HALF > 0), ""),
        (png(HALF.astype(np.uint16) * 257), ""),
        (png(np.where(HALF > 0, 129, 128).astype(np.uint8)), "neither 0 nor 255"),
    ],
    ids=["0 and 1", "three channels", "one bit", "16 bits", "soft, cut above 128"],
)
def test_masks_of_certain_meaning_count_in_full(folder: Path, made: bytes, note: str) -> None:
    found = send(folder, both(made))
    assert found.overall == 1.0
    assert [p.message for p in found.problems if note and note in p.message] if note else not found.problems


def animated() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(HALF).save(buffer, "PNG", save_all=True, append_images=[Image.fromarray(255 - HALF)])
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (png(HALF.T.copy()), "turned"),
        (png(HALF[:, :-1].copy()), "5 x 4 pixels, the image has 6 x 4"),
        (png(np.stack([HALF, HALF, 255 - HALF], axis=2)), "colour"),
        (animated(), "animated PNG of 2"),
        (png(HALF // 3), "values from 0 to 85"),
        (png(HALF)[:50], "damaged"),
        (b"", "not a PNG"),
        (b"GIF89a" + bytes(100), "not a PNG"),
    ],
    ids=["turned", "size", "colour", "animated", "dark", "cut", "empty", "gif"],
)
def test_masks_that_are_refused(folder: Path, made: bytes, words: str) -> None:
    (found,) = refused(folder, both(made))
    assert words in found.message and found.fix
    assert found.column == f"{NAMES[0]}_segmentation.png"


def test_a_large_png_in_few_bytes_is_never_unpacked(folder: Path) -> None:
    head = bytearray(png(HALF))
    head[16:24] = (60_000).to_bytes(4, "big") * 2  # only the heading says so
    head[29:33] = zlib.crc32(bytes(head[12:29])).to_bytes(4, "big")
    (found,) = refused(folder, both(bytes(head)))
    assert "more pixels than any" in found.message


def test_names_missing_unknown_twice_and_of_another_type(folder: Path) -> None:
    mask = png(HALF)
    found = refused(
        folder,
        {
            "ISIC_0000001.png": mask,
            "sub/ISIC_0000001_mask.png": mask,
            "ISIC_0000009_segmentation.png": mask,
            "notes.txt": b"hello",
            "0000002.png": mask,
            "__MACOSX/._ISIC_0000002.png": b"x",
            ".DS_Store": b"x",
        },
    )
    assert sorted((p.code, p.column or p.value) for p in found) == [
        ("duplicate-image", "sub/ISIC_0000001_mask.png"),
        ("file-type", "notes.txt"),
        ("missing-image", "ISIC_0000002"),
        ("unknown-image", "0000002.png"),
        ("unknown-image", "ISIC_0000009_segmentation.png"),
    ]


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/ISIC_0000001_segmentation.png",
        "/etc/ISIC_0000001.png",
        "..\\ISIC_0000001.png",
        "C:/x/ISIC_0000001.png",
    ],
)
def test_zip_slip_is_refused_and_writes_nothing(folder: Path, name: str, tmp_path: Path) -> None:
    before = sorted(tmp_path.parent.rglob("*"))
    found = refused(folder, {name: png(HALF), "ISIC_0000002.png": png(HALF)})
    assert any("leads outside" in p.message for p in found)
    assert sorted(tmp_path.parent.rglob("*")) == before


def test_zip_bombs_links_and_lies(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = packed({"ISIC_0000001.png": b"\0" * (64 << 20), "ISIC_0000002.png": b"\0" * (64 << 20)})
    truth = truth_of(task("isic2018-task1"), folder)

    def problems(data: bytes) -> tuple[Problem, ...]:
        with pytest.raises(RefusedError) as left:
            read_answer(truth, Source("mine.zip", data=data))
        return left.value.problems

    monkeypatch.setattr("cygnet.challenge.packed.ZIP_BYTES", 100 << 20)
    assert problems(bomb)[0].code == "zip-bomb"
    monkeypatch.setattr("cygnet.challenge.mask_files._MOST", 10)
    assert "at most 10" in problems(packed({f"ISIC_{k:07d}.png": b"x" for k in range(20)}))[0].message
    link = io.BytesIO()
    with zipfile.ZipFile(link, "w") as z:
        info = zipfile.ZipInfo("ISIC_0000001.png")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        z.writestr(info, "/etc/passwd")
    assert any("is a link" in p.message for p in problems(link.getvalue()))
    honest = packed({"ISIC_0000001.png": png(HALF), "ISIC_0000002.png": png(HALF)})
    locked = bytearray(honest)
    for at in (locked.find(b"PK\x01\x02") + 8, 6):
        locked[at] |= 1
    assert any("encrypted" in p.message for p in problems(bytes(locked)))
    assert problems(honest[:-30])[0].code == "zip"
    assert problems(b"PK" + os.urandom(200))[0].code == "zip"


def test_attributes_by_hand(tmp_path: Path) -> None:
    place = tmp_path / "truth"
    place.mkdir()
    for name in NAMES:
        for part in task("isic2016-task2b").classes:
            (place / f"{name}_{part}.png").write_bytes(png(HALF if part == "streaks" else HALF * 0))
    files = {f"{n}_{p}.png": png(HALF * 0) for n in NAMES for p in ("globules", "streaks")}
    files[f"{NAMES[0]}_streaks.png"] = png(HALF)
    found = send(place, files, "isic2016-task2b")
    assert found.metrics["globules"] == {"jaccard": 1.0, "dice": 1.0}  # nothing against nothing
    assert found.metrics["streaks"]["jaccard"] == 0.5
    assert found.overall == 0.5
    del files[f"{NAMES[1]}_globules.png"]
    (lacking,) = refused(place, files, "isic2016-task2b")
    assert lacking.value == f"{NAMES[1]}, globules"


def test_superpixels_by_hand(tmp_path: Path) -> None:
    place = tmp_path / "truth"
    place.mkdir()
    for name, true in zip(NAMES, ([1, 0], [0, 1, 0]), strict=True):
        content = {"globules": true, "streaks": true[::-1]}
        (place / f"{name}_features.json").write_text(json.dumps(content))

    def answer(first: object, second: object) -> dict[str, bytes]:
        made = {NAMES[0]: first, NAMES[1]: second}
        return {f"{n}_features.json": json.dumps(v).encode() for n, v in made.items()}

    right = ({"globules": [0.9, 0.1], "streaks": [0.2, 0.7]}, {"globules": [0.3, 0.8, 0.1], "streaks": [0.1, 0.9, 0]})
    assert send(place, answer(*right), "isic2016-task2").overall == 1.0
    found = refused(place, answer({"globules": [0.9], "streaks": [0.2]}, right[1]), "isic2016-task2")
    assert "1 superpixels, the image has 2" in found[0].message
    found = refused(place, answer({"globules": [0.9, 7], "other": []}, [1]), "isic2016-task2")
    assert {p.code for p in found} == {"out-of-range", "missing-column", "extra-column", "json"}
    truth = truth_of(task("isic2016-task2"), place)
    mine = read_answer(truth, Source("mine", data=packed(answer(*right))))
    assert estimate(truth, mine, Resamples(truth.units, 50)).value == 1.0


def test_check_needs_no_truth(folder: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.zip"
    mine.write_bytes(packed(both(animated())))
    found = check(task("isic2018-task1"), mine)
    assert ["animated" in p.message for p in found] == [True]
    mine.write_bytes(packed({"ISIC_0000001.png": png(HALF)}))
    assert check(task("isic2018-task1"), mine) == ()
    (lacking,) = check(task("isic2018-task1"), mine, folder)
    assert lacking.value == "ISIC_0000002"


def test_a_folder_and_a_zip_score_alike(folder: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    for name, data in both(png(255 - HALF)).items():
        (mine / name).write_bytes(data)
    zipped = tmp_path / "mine.zip"
    zipped.write_bytes(packed(both(png(255 - HALF))))
    wanted = task("isic2018-task1")
    assert score(wanted, folder, mine).as_json() == score(wanted, folder, zipped).as_json()
    assert score(wanted, folder, mine).overall == 0.5


def test_intervals_are_clustered_by_the_metadata(folder: Path, tmp_path: Path) -> None:
    table = Source("m.csv", data=b"isic_id,lesion_id\nISIC_0000001,L1\nISIC_0000002,L1\n")
    truth = read_truth(task("isic2018-task1"), Source.of(folder), table)
    assert (truth.unit, truth.units) == ("lesion", 1)
    answer = read_answer(truth, Source("mine.zip", data=packed(both(png(255 - HALF)))))
    drawn = estimate(truth, answer, Resamples(truth.units, 20))
    assert drawn.value == 0.5 and set(drawn.replicates) == {0.5}  # one lesion: nothing varies
