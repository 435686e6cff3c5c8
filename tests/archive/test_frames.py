"""DICOM objects of several frames: each photograph an image of its own, everything else refused with what to do."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest_archive import item, jpeg, pixels, take
from PIL import Image
from pydicom import Dataset, uid
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from sqlalchemy import select

from cygnet.archive import Archive
from cygnet.archive.ingest.rows import pair, read_rows
from cygnet.archive.ingest.sources import files_of
from cygnet.archive.tables import image
from cygnet.errors import InputError

SIDE = (96, 120)


def dicom(frames: list[bytes], kind: str = uid.DermoscopicPhotographyImageStorage, **more: Any) -> bytes:
    """An object of baseline JPEGs, or of pixels as they are where ``syntax`` says so."""
    data = Dataset()
    syntax = more.pop("syntax", uid.JPEGBaseline8Bit)
    data.SOPClassUID, data.SOPInstanceUID = kind, uid.generate_uid(entropy_srcs=["frames"])
    data.PatientID, data.PatientSex, data.TrackingID = "P7", "F", "mole 3"
    data.Rows, data.Columns, data.SamplesPerPixel = *SIDE, 3
    data.PhotometricInterpretation = "YBR_FULL_422" if syntax == uid.JPEGBaseline8Bit else "RGB"
    data.PlanarConfiguration, data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = (
        0,
        8,
        8,
        7,
        0,
    )
    data.NumberOfFrames = len(frames)
    for name, value in more.items():
        setattr(data, name, value)
    data.PixelData = encapsulate(frames) if syntax == uid.JPEGBaseline8Bit else b"".join(frames)
    data["PixelData"].VR = "OB"
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax
    data.file_meta.MediaStorageSOPClassUID, data.file_meta.MediaStorageSOPInstanceUID = kind, data.SOPInstanceUID
    buffer = io.BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def region(code: str) -> Dataset:
    """Functional groups of a frame of one place of the body."""
    groups, anatomy, place = Dataset(), Dataset(), Dataset()
    place.CodeValue, place.CodingSchemeDesignator, place.CodeMeaning = code, "SCT", "somewhere"
    anatomy.AnatomicRegionSequence, anatomy.FrameLaterality = [place], "U"
    groups.FrameAnatomySequence = [anatomy]
    return groups


JPEGS = [jpeg(k) for k in range(3)]


def test_each_frame_is_an_image_and_the_file_is_kept_once(archive: Archive) -> None:
    data = dicom(JPEGS)
    summary, outcomes = take(archive, [item("session.dcm", data)], publish=True)
    assert (summary.added, [o.name for o in outcomes]) == (3, ["session.dcm#1", "session.dcm#2", "session.dcm#3"])
    with archive.database.read() as connection:
        rows = connection.execute(select(image.c.isic_id, image.c.frame, image.c.original_sha256).order_by(image.c.id))
        assert [tuple(r) for r in rows] == [
            (o.isic_id, k, hashlib.sha256(data).hexdigest()) for k, o in enumerate(outcomes, start=1)
        ]
    assert archive.blobs.get(hashlib.sha256(data).hexdigest()) == data
    for outcome, came in zip(outcomes, JPEGS, strict=True):
        shown = Image.open(io.BytesIO(archive.picture(outcome.isic_id)))
        assert np.array_equal(np.asarray(shown), np.asarray(Image.open(io.BytesIO(came)))), "the frame's own JPEG"
    clinical = [archive.image(o.isic_id)["metadata"]["clinical"] for o in outcomes]
    assert len({c["lesion_id"] for c in clinical}) == 1
    assert {c["sex"] for c in clinical} == {"female"}
    verdict = archive.verify()
    assert (verdict.clean, verdict.images, verdict.blobs, verdict.unused) == (True, 3, 7, [])


def test_run_twice_nothing_twice_and_what_a_crash_left_out_is_added(archive: Archive) -> None:
    data = dicom(JPEGS)
    _, first = take(archive, [item("session.dcm", dicom(JPEGS), sex="female")])
    summary, again = take(archive, [item("session.dcm", data)])
    assert (summary.added, summary.present, [o.isic_id for o in again]) == (0, 3, [o.isic_id for o in first])
    _, other = take(archive, [item("copy.dcm", data)])
    assert {f.code for o in other for f in o.findings if f.level == "refuse"} == {"exact-duplicate"}
    _, alone = take(archive, [item("single.jpg", JPEGS[1])])
    assert "pixel-duplicate" in {f.code for f in alone[0].findings}


def test_a_changed_frame_number_is_found(local: Archive) -> None:
    take(local, [item("session.dcm", dicom(JPEGS))])
    with local.database.write() as connection:
        connection.execute(image.update().where(image.c.frame == 2).values(frame=7))
    assert any("not those that were entered" in p for p in local.verify().problems)


def test_a_licence_changes_the_frames_own_view(local: Archive) -> None:
    from cygnet.archive.edit import relicense

    _, outcomes = take(local, [item("session.dcm", dicom(JPEGS))], licence="CC-BY", publish=True)
    with local.database.write() as connection:
        relicense(connection, local.blobs, [2], "CC-0", "anna")
    shown = Image.open(io.BytesIO(local.picture(outcomes[1].isic_id)))
    assert np.array_equal(np.asarray(shown), np.asarray(Image.open(io.BytesIO(JPEGS[1]))))
    assert local.verify().clean


def test_frames_are_erased_with_their_file_or_not_at_all(local: Archive) -> None:
    data = dicom(JPEGS)
    _, outcomes = take(local, [item("session.dcm", data)])
    ids = [o.isic_id for o in outcomes]
    with pytest.raises(InputError, match=f"{ids[0]} is a frame of a file that also holds {ids[1]}"):
        local.erase(ids[:1], "anna", "asked to")
    assert (len(local), local.verify().clean) == (3, True)
    local.erase(ids, "anna", "asked to")
    assert len(local) == 0
    assert not local.blobs.has(hashlib.sha256(data).hexdigest())


def test_frames_without_compression(local: Archive) -> None:
    arrays = [pixels(k) for k in range(2)]
    data = dicom(
        [a.tobytes() for a in arrays],
        uid.MultiFrameTrueColorSecondaryCaptureImageStorage,
        syntax=uid.ExplicitVRLittleEndian,
    )
    _, outcomes = take(local, [item("pages.dcm", data)])
    assert [o.result for o in outcomes] == ["added", "added"]
    shown = np.asarray(Image.open(io.BytesIO(local.picture(outcomes[1].isic_id))), np.int16)
    assert np.abs(shown - arrays[1]).mean() < 4, "its view is a JPEG"


def test_rows_name_the_file_or_one_frame(local: Archive, tmp_path: Path) -> None:
    source = tmp_path / "photos"
    source.mkdir()
    (source / "a.dcm").write_bytes(dicom(JPEGS))
    (source / "b.dcm").write_bytes(dicom([jpeg(7), jpeg(8)], TrackingID="mole 4"))
    (source / "c#2.jpg").write_bytes(jpeg(9))
    lines = ["image,diagnosis,lesion_id", "a.dcm#2,Nevus,L1", "b,Nevus,L2", "c#2,Nevus,L3", "a.dcm#9,Nevus,L1"]
    (tmp_path / "rows.csv").write_text("\n".join([*lines, ""]))
    _, outcomes = take(local, list(pair(files_of(source), read_rows(tmp_path / "rows.csv"))))
    assert [(o.name, o.result) for o in outcomes] == [
        ("a.dcm#2", "added"),
        ("b.dcm#1", "added"),
        ("b.dcm#2", "added"),
        ("c#2.jpg", "added"),
        ("a.dcm", "refused"),
    ]
    assert "there is no frame 9; the file has 3" in outcomes[-1].findings[-1].message
    assert "wrong-extension" not in {f.code for f in outcomes[3].findings}


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ({"kind": uid.VLWholeSlideMicroscopyImageStorage}, "parts of one picture"),
        ({"kind": uid.VideoPhotographicImageStorage}, "may be a film"),
        ({"FrameTime": "40"}, "a film of 3 frames"),
        ({"PerFrameFunctionalGroupsSequence": [region("1"), region("1"), region("2")]}, "different places of the body"),
    ],
)
def test_what_is_not_certain_is_refused_with_the_way_out(local: Archive, made: dict[str, Any], says: str) -> None:
    _, [outcome] = take(local, [item("x.dcm", dicom(JPEGS, **made))])
    assert outcome.result == "refused"
    assert says in outcome.findings[0].message
    assert "save the frames that are meant as single images" in outcome.findings[0].message


def test_a_damaged_frame_is_refused_and_the_others_stay(local: Archive) -> None:
    _, outcomes = take(local, [item("x.dcm", dicom([JPEGS[0], JPEGS[1][:300], JPEGS[2]]))])
    assert [o.result for o in outcomes] == ["added", "refused", "added"]
    _, alike = take(local, [item("y.dcm", dicom(JPEGS, PerFrameFunctionalGroupsSequence=[region("1")] * 3))])
    assert len(alike) == 3, "frames of one place are photographs of it"
