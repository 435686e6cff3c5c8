"""DICOM files: the picture, what the header says of patient and image, and whom it identifies.

Taken are photographs: Dermoscopic Photography, VL Photographic, Secondary Capture and the like. Of several frames each is a picture of its
own where nothing but photographs can be meant; films, slides cut into tiles and volumes are refused. A baseline JPEG within is used as
it is; everything else is decoded and handed on without loss.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cygnet.archive.extras import needs
from cygnet.archive.findings import Finding, found
from cygnet.errors import DecodeError
from cygnet.imaging import Reason
from cygnet.imaging.decode import MAX_PIXELS

with needs("pydicom"):
    from pydicom import Dataset, dcmread, uid
    from pydicom.encaps import get_frame
    from pydicom.pixels.utils import iter_pixels

#: Header fields that identify a person; none of them reaches the catalogue or a view.
_PERSONAL: Final = (
    *("PatientName", "PatientBirthDate", "PatientAddress", "PatientTelephoneNumbers", "OtherPatientIDs"),
    *("OtherPatientNames", "PatientMotherBirthName", "ReferringPhysicianName", "PerformingPhysicianName"),
    *("OperatorsName", "InstitutionName", "InstitutionAddress", "AccessionNumber", "CameraOwnerName"),
)
_IMAGE_TYPES: Final = {
    uid.DermoscopicPhotographyImageStorage: "dermoscopic",
    uid.VLPhotographicImageStorage: "clinical: close-up",
}
#: How much more the rows' spacing may be than the columns' where pixels count as square.
_UNEVEN: Final = 1.01
_SEXES: Final = {"M": "male", "F": "female"}
_POLARISED: Final = {
    ("CONTACT", "POLARIZED"): "contact polarized",
    ("CONTACT", "NON_POLARIZED"): "contact non-polarized",
    ("NON_CONTACT", "POLARIZED"): "non-contact polarized",
}


#: Kinds of object whose frames are photographs, each a picture of its own.
_PHOTOGRAPHS: Final = frozenset(
    (
        *_IMAGE_TYPES,
        uid.SecondaryCaptureImageStorage,
        uid.MultiFrameTrueColorSecondaryCaptureImageStorage,
        uid.MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    )
)
#: What says that frames follow each other in time (PS3.3 C.7.6.5, Cine).
_FILM: Final = ("FrameTime", "FrameTimeVector", "CineRate", "RecommendedDisplayFrameRate")
#: Frames that a session of photographs may have; more are a film without the words.
MAX_FRAMES: Final = 200
_FIX: Final = "save the frames that are meant as single images and ingest those"


@dataclass(frozen=True, slots=True)
class Read:
    """A ``picture`` in a DICOM file as JPEG or PNG, ``findings`` on the header, and the ``record`` that the header gives.

    ``frame`` counts from 1; 0 is the only picture of its file. ``mm_per_pixel`` is there where the header states a scale, the same in
    both directions.
    """

    picture: bytes
    findings: tuple[Finding, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)
    mm_per_pixel: float | None = None
    frame: int = 0


def read_dicom(data: bytes, frame: int = 0) -> Iterator[Read]:
    """The pictures of a file, one after the other; with ``frame`` that one alone.

    Raises
    ------
    DecodeError
        If it is damaged, holds no picture or no such frame, frames that are no photographs of their own, or more pixels than allowed.
    """
    try:
        dataset = dcmread(io.BytesIO(data))
        if "PixelData" not in dataset:
            raise DecodeError("this DICOM file holds no picture", Reason.UNREADABLE)
        if int(dataset.Rows) * int(dataset.Columns) > MAX_PIXELS:
            raise DecodeError(f"{dataset.Columns} x {dataset.Rows} pixels are too many", Reason.TOO_LARGE)
        number = int(dataset.get("NumberOfFrames") or 1)
        if number > 1 and (why := _no_photographs(dataset, number)):
            raise DecodeError(why, Reason.UNREADABLE)
        if frame > number:
            raise DecodeError(f"there is no frame {frame}; the file has {number}", Reason.MISSING)
        findings, record, scale = tuple(_personal(dataset)), _record(dataset), _scale(dataset)
        for k in [frame - 1] if frame else range(number):
            yield Read(_picture(dataset, k, number), findings, record, scale, k + 1 if number > 1 else 0)
    except DecodeError:
        raise
    except Exception as error:  # damaged DICOM raises many kinds
        raise DecodeError(f"the DICOM file is damaged ({error})", Reason.UNREADABLE) from error


def _no_photographs(dataset: Dataset, number: int) -> str:
    """Why frames cannot be taken as photographs of their own, with what to do; "" where they can."""
    if dataset.get("SOPClassUID") not in _PHOTOGRAPHS:
        kind = uid.UID(dataset.get("SOPClassUID") or "").name or "of an unknown kind"
        return f"{number} frames ({kind}), which may be a film, or parts of one picture; {_FIX}"
    if number > MAX_FRAMES or any(dataset.get(name) for name in _FILM):
        return f"a film of {number} frames; {_FIX}"
    if len(set(map(_place, dataset.get("PerFrameFunctionalGroupsSequence") or ()))) > 1:
        return f"{number} frames of different places of the body, which one header's metadata cannot describe; {_FIX}"
    return ""


def _place(frame: Dataset) -> tuple[str, str]:
    """Code of the region and side that a frame's own functional groups name (PS3.3 C.7.6.16.2.8)."""
    anatomy = next(iter(frame.get("FrameAnatomySequence") or ()), Dataset())
    region = next(iter(anatomy.get("AnatomicRegionSequence") or ()), Dataset())
    return str(region.get("CodeValue") or ""), str(anatomy.get("FrameLaterality") or "")


def _picture(dataset: Dataset, k: int, number: int) -> bytes:
    """The ``k``-th picture, from 0."""
    if dataset.file_meta.TransferSyntaxUID == uid.JPEGBaseline8Bit:
        offsets = (dataset.get("ExtendedOffsetTable"), dataset.get("ExtendedOffsetTableLengths"))
        table = offsets if all(offsets) else None
        return get_frame(dataset.PixelData, k, number_of_frames=number, extended_offsets=table).rstrip(b"\0")
    pixels = _eight_bits(next(iter_pixels(dataset, indices=[k])), dataset)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _eight_bits(pixels: NDArray[Any], dataset: Dataset) -> NDArray[np.uint8]:
    """Pixels in the range of their bits, dark to light."""
    values = pixels.astype(np.float64)
    if int(dataset.get("PixelRepresentation") or 0):
        values += 2.0 ** (int(dataset.BitsStored) - 1)
    values *= 255 / (2.0 ** int(dataset.BitsStored) - 1)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        values = 255 - values
    return np.clip(values + 0.5, 0, 255).astype(np.uint8)


def _scale(dataset: Dataset) -> float | None:
    """Pixel Spacing (0028,0030), in millimetres; None where it is missing or tells rows and columns apart."""
    spacing = [float(value) for value in dataset.get("PixelSpacing") or ()]
    if len(spacing) != 2 or min(spacing) <= 0 or max(spacing) > _UNEVEN * min(spacing):
        return None
    return sum(spacing) / 2


def _personal(dataset: Dataset) -> list[Finding]:
    present = [name for name in _PERSONAL if str(dataset.get(name) or "").strip()]
    private = sum(element.tag.is_private for element in dataset)
    findings = []
    if present:
        words = f"the header holds {', '.join(present)}; neither catalogue nor views take them over"
        findings.append(found("note", "dicom-person", words))
    if private:
        findings.append(
            found("note", "dicom-person", f"the header holds {private} private elements, which are not taken over")
        )
    if str(dataset.get("BurnedInAnnotation") or "").upper() == "YES":
        findings.append(found("hold", "burned-in", "the header says that text is burned into the picture"))
    return findings


def _record(dataset: Dataset) -> dict[str, Any]:
    """What the header says in the terms of ISIC 6.1. The patient's id is kept private, as any other."""
    record: dict[str, Any] = {}
    if patient := str(dataset.get("PatientID") or "").strip():
        record["patient_id"] = patient
    if (sex := _SEXES.get(str(dataset.get("PatientSex") or ""))) is not None:
        record["sex"] = sex
    age = str(dataset.get("PatientAge") or "")
    if age[:3].isdigit() and age[3:] == "Y":
        record["age"] = min(int(age[:3]), 85)
    if (kind := _IMAGE_TYPES.get(dataset.get("SOPClassUID"))) is not None:
        record["image_type"] = kind
    key = (str(dataset.get("ContactMethod") or ""), str(dataset.get("LightSourcePolarization") or ""))
    if kind == "dermoscopic" and key in _POLARISED:
        record["dermoscopic_type"] = _POLARISED[key]
    if kind == "dermoscopic" and (lesion := str(dataset.get("TrackingID") or "").strip()):
        record["lesion_id"] = lesion
    return record
