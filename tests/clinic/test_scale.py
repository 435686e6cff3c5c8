"""The scale of a picture, where table, header or ruler tell it; no bar where nothing does."""

from __future__ import annotations

import io
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread

from cygnet.archive.exports.dicom import dicom_file
from cygnet.clinic.admit import admit
from cygnet.clinic.incoming import from_paths
from cygnet.clinic.scale import Bar, bar, ruler_scale
from cygnet.clinic.store import Clinic
from cygnet.clinic.view import patient_view
from cygnet.errors import InputError


@pytest.mark.parametrize(
    ("mm_per_pixel", "width", "expected"),
    [
        (0.02, 600, Bar(2.0, 100.0)),  # three tenths are 180 pixels, 3.6 mm
        (0.05, 400, Bar(5.0, 100.0)),  # 120 pixels, 6 mm
        (0.001, 100, None),  # 0.03 mm: shorter than the shortest bar
        (None, 600, None),
    ],
)
def test_bars_by_hand(mm_per_pixel: float | None, width: int, expected: Bar | None) -> None:
    found = bar(mm_per_pixel, width)
    assert found == expected or (found and expected and found.pixels == pytest.approx(expected.pixels))


def ruled(width: int, height: int, step: int) -> bytes:
    """Skin with a ruler of 14 ticks, ``step`` pixels apart."""
    pixels = np.full((height, width, 3), (214, 170, 150), np.uint8)
    for k in range(14):
        x = width // 8 + k * step
        pixels[height // 2 : height // 2 + height // 12, x : x + max(1, width // 256)] = 40
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=95, subsampling=0)
    return out.getvalue()


@pytest.mark.parametrize(("width", "height", "step"), [(512, 384, 24), (1024, 768, 48), (1600, 1200, 75)])
def test_a_rulers_ticks_are_a_millimetre_apart(width: int, height: int, step: int) -> None:
    assert ruler_scale(ruled(width, height, step)) == pytest.approx(1 / step, rel=0.02)


def plain() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (512, 384), (214, 170, 150)).save(out, "JPEG")
    return out.getvalue()


def test_without_a_ruler_nothing_is_said() -> None:
    assert ruler_scale(plain()) is None
    assert ruler_scale(ruled(60, 40, 4)) is None  # too small to be sure


def scales(clinic: Clinic) -> list[float | None]:
    with clinic.read() as connection:
        return [p.mm_per_pixel for x in patient_view(connection, "dr", 1).lesions for p in x.pictures]


def test_a_table_says_it_before_a_ruler_does(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, data in (("a", ruled(512, 384, 24)), ("b", ruled(1024, 768, 48)), ("c", plain())):
        (folder / f"{name}.jpg").write_bytes(data)
    table = folder / "manifest.csv"
    table.write_text("image,patient_id,mm_per_pixel\na,p,0.025\nb,p,\nc,p,\n")
    with Clinic(tmp_path / "a") as clinic:
        admit(clinic, "dr", from_paths([folder]), "table")
        assert scales(clinic) == [0.025, pytest.approx(1 / 48, rel=0.02), None]
    table.write_text("image,patient_id,mm_per_pixel\na,p,25 um\n")
    with pytest.raises(InputError, match="'25 um' is no scale"):
        from_paths([folder])


@pytest.mark.parametrize(("spacing", "expected"), [([0.03, 0.03], 0.03), ([0.03, 0.04], None), (None, None)])
def test_a_dicom_header_says_it(tmp_path: Path, spacing: list[float] | None, expected: float | None) -> None:
    row = {
        "isic_id": "ISIC_1",
        "patient_id": "IP_9",
        "view_sha256": "0",
        "copyright_license": "CC-0",
        "attribution": "x",
    }
    made = dcmread(io.BytesIO(dicom_file(row, plain())))
    if spacing:
        made.PixelSpacing = spacing
    made.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    with Clinic(tmp_path / "site") as clinic:
        admit(clinic, "dr", from_paths([tmp_path / "a.dcm"]), "dicom")
        assert scales(clinic) == [expected]


def test_an_earlier_clinic_gets_the_column(tmp_path: Path, photos: Path) -> None:
    with Clinic(tmp_path / "site") as clinic:
        admit(clinic, "dr", from_paths([photos], patient="p"), "folder")
    with closing(sqlite3.connect(tmp_path / "site" / "clinic.sqlite")) as before, before:
        before.execute("ALTER TABLE image DROP COLUMN mm_per_pixel")
    with Clinic(tmp_path / "site") as clinic:
        assert scales(clinic) == [None] * 9
