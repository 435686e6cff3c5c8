"""An image as DICOM: Dermoscopic Photography Image Storage (Supplement 221, PS3.3 A.32.11 at its time of writing).

The view's JPEG goes in unchanged where it is baseline; others are encoded anew. Patients and lesions have their public ids; names and dates
of birth are empty. Identifiers (UIDs) are made from the ids, so that the same image gives the same file.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from typing import Any, Final

from PIL import Image

from cygnet.archive.extras import needs
from cygnet.archive.views import QUALITY, segments
from cygnet.schema.bodymap import Code, nearest_code
from cygnet.version import VERSION

with needs("pydicom"):
    from pydicom import uid
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate

_BASELINE: Final = 0xC0
#: Contact and polarisation by the dermoscopic type, in DICOM's terms.
_TYPES: Final = {
    "contact polarized": ("CONTACT", "POLARIZED"),
    "contact non-polarized": ("CONTACT", "NON_POLARIZED"),
    "non-contact polarized": ("NON_CONTACT", "POLARIZED"),
}
_SEXES: Final = {"male": "M", "female": "F"}


def dicom_file(row: dict[str, Any], view: bytes) -> bytes:
    """The bytes of a DICOM file for a flat row of the catalogue and its view (a JPEG)."""
    pixels = _baseline(view)
    with Image.open(io.BytesIO(pixels)) as image:
        width, height, bands = *image.size, len(image.getbands())
        profile = image.info.get("icc_profile")
    data = Dataset()
    _patient(data, row)
    _study(data, row)
    _equipment(data)
    _image(data, row)
    _pixels(data, pixels, width, height, bands)
    _dermoscopy(data, row)
    if bands == 3:
        data.ICCProfile = profile or _srgb()
        data.ColorSpace = "SRGB"
    buffer = io.BytesIO()
    data.file_meta = _meta(data)
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def unique(*parts: object) -> uid.UID:
    """A UID made from parts: 2.25 and 128 bits of their SHA-256 (PS3.5 B.2)."""
    text = "\0".join(map(str, parts)).encode()
    return uid.UID(f"2.25.{int.from_bytes(hashlib.sha256(text).digest()[:16], 'big')}")


def _meta(data: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = data.SOPClassUID
    meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    meta.TransferSyntaxUID = uid.JPEGBaseline8Bit
    meta.ImplementationClassUID = unique("cygnet")
    meta.ImplementationVersionName = f"CYGNET {VERSION}"[:16]
    return meta


def _patient(data: Dataset, row: dict[str, Any]) -> None:
    data.PatientName = ""
    data.PatientID = row.get("patient_id") or ""
    data.PatientBirthDate = ""
    data.PatientSex = _SEXES.get(row.get("sex") or "", "")
    data.PatientIdentityRemoved = "YES"
    data.DeidentificationMethod = "public ids; names and dates never entered"
    if row.get("age_approx") is not None:
        data.PatientAge = f"{row['age_approx']:03d}Y"


def _study(data: Dataset, row: dict[str, Any]) -> None:
    patient, day = row.get("patient_id") or row["isic_id"], row.get("acquisition_day")
    data.StudyInstanceUID = unique("study", patient, day)
    data.StudyID = ""
    data.StudyDate = data.StudyTime = data.AccessionNumber = data.ReferringPhysicianName = ""
    data.SeriesInstanceUID = unique("series", patient, day)
    data.SeriesNumber = 1
    data.Modality = "DMS"
    data.FrameOfReferenceUID = unique("frame", row["isic_id"])
    data.PositionReferenceIndicator = ""
    data.Laterality = ""


def _equipment(data: Dataset) -> None:
    data.Manufacturer = "Cygnet"
    data.ManufacturerModelName = "Cygnet archive"
    data.DeviceSerialNumber = "0"
    data.SoftwareVersions = VERSION


def _image(data: Dataset, row: dict[str, Any]) -> None:
    data.SpecificCharacterSet = "ISO_IR 192"
    data.SOPClassUID = uid.DermoscopicPhotographyImageStorage
    data.SOPInstanceUID = unique("image", row["isic_id"], row["view_sha256"])
    data.InstanceNumber = 1
    data.PatientOrientation = ""
    data.ImageType = ["ORIGINAL", "PRIMARY"]
    data.AcquisitionDateTime = ""
    data.BurnedInAnnotation = "NO"
    data.LossyImageCompression = "01"
    data.LossyImageCompressionMethod = "ISO_10918_1"
    data.ImageComments = f"{row['isic_id']}; {row['copyright_license']}; {row['attribution']}"[:10240]
    data.AcquisitionContextSequence = []
    data.AnatomicRegionSequence = [_region(row)]


def _region(row: dict[str, Any]) -> Dataset:
    path = ":".join(level for k in range(1, 6) if (level := row.get(f"anatom_site_{k}")))
    found = nearest_code(path) if path else None
    return _coded(found[0] if found else Code("SCT", "39937001", "Skin", ""))


def _coded(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme, code.meaning
    return item


def _pixels(data: Dataset, jpeg: bytes, width: int, height: int, bands: int) -> None:
    data.SamplesPerPixel = bands
    # The one YBR of JPEG that the VL Image Module knows (C.8.12.1.1); how far it is sampled down is in the stream.
    data.PhotometricInterpretation = "MONOCHROME2" if bands == 1 else "YBR_FULL_422"
    if bands == 3:
        data.PlanarConfiguration = 0
    data.Rows, data.Columns = height, width
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit = 7
    data.PixelRepresentation = 0
    raw = width * height * bands
    data.LossyImageCompressionRatio = f"{raw / len(jpeg):.4f}"[:16]
    data.PixelData = encapsulate([jpeg])


def _dermoscopy(data: Dataset, row: dict[str, Any]) -> None:
    contact, polarised = _TYPES.get(row.get("dermoscopic_type") or "", ("", ""))
    data.RecognizableVisualFeatures = "NO"
    data.LightSourcePolarization = polarised
    data.ContactMethod = contact
    data.EmitterColorTemperature = None
    if contact == "CONTACT":
        data.ImmersionMedia = ""
    data.OpticalMagnificationFactor = None
    data.TrackingID = row.get("lesion_id") or row["isic_id"]
    data.TrackingUID = unique("lesion", data.TrackingID)


def _baseline(view: bytes) -> bytes:
    """The view as baseline JPEG of even length, with nothing but the picture; grey or three colours."""
    marker = next((m for m, _ in segments(view) if m in range(0xC0, 0xD0) and m not in (0xC4, 0xC8, 0xCC)), None)
    with Image.open(io.BytesIO(view)) as image:
        turned = image.getexif().get(0x0112, 1) != 1
        if marker == _BASELINE and image.mode in ("L", "RGB") and not turned:
            return b"".join([b"\xff\xd8", *_bare(view)])
        from cygnet.archive.views import upright

        buffer = io.BytesIO()
        profile = image.info.get("icc_profile")
        upright(image).save(buffer, "JPEG", quality=QUALITY, subsampling=0, icc_profile=profile)
        return b"".join([b"\xff\xd8", *_bare(buffer.getvalue())])


def _bare(view: bytes) -> Iterator[bytes]:
    """Segments without XMP, IPTC and EXIF, which DICOM says in its own attributes."""
    for marker, part in segments(view):
        if marker not in (0xE1, 0xED):
            yield part


def _srgb() -> bytes:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
