"""DICOM files: the picture, what the header says of patient and image, and whom it identifies.

Taken are single-frame photographs: Dermoscopic Photography, VL Photographic, Secondary Capture and the like. A baseline JPEG within is
used as it is; everything else is decoded and handed on without loss.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
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
    from pydicom.encaps import generate_frames

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


@dataclass(frozen=True, slots=True)
class Read:
    """A DICOM file's ``picture`` as JPEG or PNG, ``findings`` on its header, and the ``record`` that the header gives; the scale where
    it states one, the same in both directions."""

    picture: bytes
    findings: tuple[Finding, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)
    mm_per_pixel: float | None = None


def read_dicom(data: bytes) -> Read:
    """Read a file's content.

    Raises
    ------
    DecodeError
        If it is damaged, holds no picture, several frames, or more pixels than allowed.
    """
    try:
        dataset = dcmread(io.BytesIO(data))
        if "PixelData" not in dataset:
            raise DecodeError("this DICOM file holds no picture", Reason.UNREADABLE)
        if int(dataset.get("NumberOfFrames") or 1) > 1:
            raise DecodeError("several frames; export the one that is meant", Reason.UNREADABLE)
        if int(dataset.Rows) * int(dataset.Columns) > MAX_PIXELS:
            raise DecodeError(f"{dataset.Columns} x {dataset.Rows} pixels are too many", Reason.TOO_LARGE)
        return Read(_picture(dataset), tuple(_personal(dataset)), _record(dataset), _scale(dataset))
    except DecodeError:
        raise
    except Exception as error:  # damaged DICOM raises many kinds
        raise DecodeError(f"the DICOM file is damaged ({error})", Reason.UNREADABLE) from error


def _picture(dataset: Dataset) -> bytes:
    if dataset.file_meta.TransferSyntaxUID == uid.JPEGBaseline8Bit:
        return next(generate_frames(dataset.PixelData, number_of_frames=1)).rstrip(b"\0")
    pixels = _eight_bits(dataset.pixel_array, dataset)
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
