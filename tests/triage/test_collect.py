"""Folders, files and tables to records; every bad input names its place and its fix."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

import polars as pl
import pytest

from cygnet.errors import CygnetError, InputError
from cygnet.triage import by_patient, collect, collect_table

if TYPE_CHECKING:
    from pathlib import Path


def table(folder: Path, text: str, name: str = "list.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_input_errors_leave_with_2() -> None:
    assert InputError("x").exit_code == 2
    assert issubclass(InputError, CygnetError)


def test_nothing_given() -> None:
    with pytest.raises(InputError, match="name a folder"):
        collect([])


def test_missing_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere: no such file or folder; check the path"):
        collect([tmp_path / "nowhere"])


@pytest.mark.parametrize("files", [(), ("notes.txt", "letter.pdf"), (".hidden.jpg",)])
def test_folder_without_images(tmp_path: Path, files: tuple[str, ...]) -> None:
    place = tmp_path / "empty"
    place.mkdir()
    for name in files:
        (place / name).write_text("words")
    with pytest.raises(InputError, match=r"empty: no images here; Cygnet reads jpg, jpeg, png") as error:
        collect([place])
    assert error.value.exit_code == 2


def test_folder_is_a_patient(photos: Path) -> None:
    records = collect([photos])
    assert {r.patient_id for r in records} == {"anna"}
    assert [r.image for r in records] == sorted(p.stem for p in photos.iterdir())
    assert all(r.lesion_id is None for r in records)


def test_folders_below_are_patients(photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "all" / "b")
    shutil.copytree(photos, tmp_path / "all" / "a")
    groups = by_patient(collect([tmp_path / "all"]))
    assert [g[0].patient_id for g in groups] == ["a", "b"]
    assert [len(g) for g in groups] == [9, 9]


def test_patient_twice(photos: Path, tmp_path: Path) -> None:
    for clinic in ("north", "south"):
        shutil.copytree(photos, tmp_path / "all" / clinic / "anna")
    with pytest.raises(
        InputError, match=r"south/anna: a second folder for patient 'anna', after .*north/anna; rename one"
    ):
        collect([tmp_path / "all"])


def test_patient_twice_in_two_folders_given(photos: Path, tmp_path: Path) -> None:
    other = shutil.copytree(photos, tmp_path / "south" / "anna")
    with pytest.raises(InputError, match=r"two images called SIM-0003_01.*rename one"):
        collect([photos, other])


def test_no_permission(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match=r"anna: no permission to read this folder; change its permissions"):
        collect([photos])


def test_loose_files_are_one_patient(photos: Path) -> None:
    records = collect(sorted(photos.iterdir())[:3])
    assert [r.patient_id for r in records] == ["patient"] * 3


def test_same_stem_keeps_its_ending(photos: Path) -> None:
    first = min(photos.iterdir())
    shutil.copy(first, first.with_suffix(".png"))
    assert {r.image for r in collect([photos])} >= {first.name, first.with_suffix(".png").name}


def test_unreadable_kinds_are_listed(photos: Path) -> None:
    (photos / "scan.dcm").write_bytes(b"x")
    assert "scan" in {r.image for r in collect([photos])}


def test_manifest_is_read(simulated: Path) -> None:
    records = collect([simulated])
    assert len(records) == 9
    assert records[0].origin == "manifest.csv row 2"
    assert all(r.path.is_file() and r.lesion_id and r.site and r.sex and r.age for r in records)


@pytest.mark.parametrize(
    ("header", "hint"), [("Image Nam", "rename 'Image Nam' to image"), ("images", "rename 'images' to image")]
)
def test_no_image_column(photos: Path, header: str, hint: str) -> None:
    with pytest.raises(InputError, match=rf"list.csv: no image column among '{header}'.*{hint}"):
        collect([table(photos, f"{header},age\nSIM-0003_01,50\n")])


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("sex", "x", "sex 'x' is unknown; use male, female"),
        ("age", "old", "age 'old' is not a number; give years"),
        ("age", "130", "age '130' is not between 0 and 120"),
        ("site", "bakc", "site 'bakc' is unknown; did you mean 'back'"),
        ("site", "zzz", "site 'zzz' is unknown; use one of anterior torso"),
        ("day", "1.5", "acquisition_day '1.5' is not a whole number"),
    ],
)
def test_unknown_values_name_the_row(photos: Path, column: str, value: str, words: str) -> None:
    text = f"image,{column}\nSIM-0003_01,\nSIM-0003_02,{value}\n"
    with pytest.raises(InputError) as error:
        collect([table(photos, text)])
    assert str(error.value).startswith(f"list.csv row 3, column {column}: {words}")


def test_many_problems_are_counted(photos: Path) -> None:
    text = "image,sex\n" + "".join(f"SIM-0003_0{k},x\n" for k in range(1, 8))
    with pytest.raises(InputError) as error:
        collect([table(photos, text)])
    lines = str(error.value).splitlines()
    assert lines[0] == "7 problems:"
    assert lines[-1] == "(and 2 more)"
    assert len(lines) == 7


def test_no_image_in_a_row(photos: Path) -> None:
    with pytest.raises(
        InputError, match=r"list.csv row 3: no image named in column image; fill it in or remove the row"
    ):
        collect([table(photos, "image,age\nSIM-0003_01,5\n,6\n")])


def test_table_without_rows(photos: Path) -> None:
    with pytest.raises(InputError, match=r"list.csv: the table has no rows; add one row per image"):
        collect([table(photos, "image\n")])


@pytest.mark.parametrize("data", [b"", b'image,age\n"a,1\n', b"image\n\xff\xfe\xfa\n", b"image,age\na,1,2,3\n"])
def test_damaged_table(photos: Path, data: bytes) -> None:
    (photos / "list.csv").write_bytes(data)
    with pytest.raises(InputError, match=r"list\.csv"):
        collect([photos / "list.csv"])


def test_damaged_parquet(photos: Path) -> None:
    (photos / "list.parquet").write_bytes(b"PAR?")
    with pytest.raises(InputError, match=r"list.parquet: cannot be read as a table .*save it as CSV"):
        collect([photos / "list.parquet"])


def test_same_file_twice(photos: Path) -> None:
    text = "image,lesion_id\nSIM-0003_01,a\nSIM-0003_02,b\nSIM-0003_01,c\n"
    with pytest.raises(InputError, match=r"row 4: SIM-0003_01.jpg is named twice, first in list.csv row 2; remove one"):
        collect([table(photos, text)])


def test_lesion_on_two_patients(photos: Path) -> None:
    text = "image,patient_id,lesion_id\nSIM-0003_01,p,a\nSIM-0003_02,q,a\n"
    with pytest.raises(InputError, match=r"row 3: lesion a belongs to patient q here and to p in list.csv row 2"):
        collect([table(photos, text)])


def test_patient_of_two_sexes(photos: Path) -> None:
    text = "image,patient_id,sex\nSIM-0003_01,p,f\nSIM-0003_02,p,m\n"
    with pytest.raises(InputError, match=r"row 3: patient p is male here and female in list.csv row 2"):
        collect([table(photos, text)])


def test_all_images_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none of its 2 images is in .*\(first: a\); name their folder with --images"):
        collect([table(tmp_path, "image\na\nb\n")])


def test_images_folder(photos: Path, tmp_path: Path) -> None:
    listing = table(tmp_path, "isic_id\nSIM-0003_01\n")
    assert collect([listing], images=photos)[0].path == photos / "SIM-0003_01.jpg"
    with pytest.raises(InputError, match=r"gone: no such folder; --images names the folder"):
        collect([listing], images=tmp_path / "gone")


@pytest.mark.parametrize("form", ["list.csv", "list.tsv", "list.parquet"])
def test_table_forms(photos: Path, form: str) -> None:
    frame = pl.DataFrame({"image_name": ["SIM-0003_02", "SIM-0003_01.jpg"], "age_approx": [50, None]})
    path = photos / form
    if form.endswith("parquet"):
        frame.write_parquet(path)
    else:
        frame.write_csv(path, separator="\t" if form.endswith("tsv") else ",")
    records = collect([path])
    assert [(r.image, r.age, r.patient_id) for r in records] == [
        ("SIM-0003_02", 50.0, "patient"),
        ("SIM-0003_01", None, "patient"),
    ]


def test_byte_order_mark(photos: Path) -> None:
    (photos / "list.csv").write_bytes(b"\xef\xbb\xbfimage,age\r\nSIM-0003_01,5\r\n")
    assert collect([photos / "list.csv"])[0].age == 5


def test_data_frame(photos: Path) -> None:
    records = collect_table(pl.DataFrame({"Image": ["SIM-0003_01"], "Gender": ["F"]}), images=photos)
    assert (records[0].sex, records[0].origin) == ("female", "table row 2")


def test_patients_stand_together(photos: Path) -> None:
    text = "image,patient_id\nSIM-0003_01,p\nSIM-0003_02,q\nSIM-0003_03,p\n"
    assert [r.patient_id for r in collect([table(photos, text)])] == ["p", "p", "q"]


@pytest.mark.parametrize("name", ["x" * 300 + ".jpg", "a\0b.jpg"], ids=["too-long", "nul"])
def test_names_that_no_file_can_have(photos: Path, name: str) -> None:
    frame = pl.DataFrame({"image": ["SIM-0003_01", name]})
    try:
        records = collect_table(frame, images=photos)
    except InputError as error:
        assert "table row 3" in str(error)  # noqa: PT017
    else:
        assert len(records) == 2


def test_infinite_day(photos: Path) -> None:
    with pytest.raises(InputError, match="row 2, column acquisition_day"):
        collect_table(pl.DataFrame({"image": ["SIM-0003_01"], "acquisition_day": [float("inf")]}), images=photos)


@pytest.mark.skipif(sys.platform == "win32", reason="needs file permissions")
@pytest.mark.parametrize("below", ["", "SIM-0003_01.jpg"])
def test_really_no_permission(photos: Path, below: str) -> None:
    photos.chmod(0)
    root = os.geteuid() == 0
    try:
        if root:
            for place in (photos.parent, photos.parent.parent, photos.parent.parent.parent):
                place.chmod(place.stat().st_mode | 0o711)
            os.seteuid(65534)
        with pytest.raises(InputError, match="permission"):
            collect([photos / below])
    finally:
        if root:
            os.seteuid(0)
        photos.chmod(0o755)
