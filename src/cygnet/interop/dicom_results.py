"""A patient's results as DICOM: the pictures (Supplement 221), a structured report (TID 1500) and outlines (SEG), joined by Tracking UID.

Needs highdicom. What no standard table names is coded in a private scheme, "99CYGNET", with its meaning beside it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cygnet.archive.exports.targets import zip_stream
from cygnet.archive.extras import needs
from cygnet.interop.results import LesionResult, PatientResult, PictureResult
from cygnet.schema.bodymap import Code, laterality_code, nearest_code

if TYPE_CHECKING:
    from pydicom import Dataset

SCHEME: Final = "99CYGNET"


def dicom_zip(result: PatientResult) -> Iterator[bytes]:
    """A ZIP of the patient's DICOM files in pieces, each as soon as it is made: ``images/``, ``segmentations/``, ``report.dcm`` and a manifest
    of hashes. The same input gives the same bytes.
    """
    return zip_stream((name, _written(dataset)) for name, dataset in dicom_files(result))


def _written(dataset: Dataset) -> bytes:
    part = io.BytesIO()
    dataset.save_as(part, enforce_file_format=True)
    return part.getvalue()


def dicom_files(result: PatientResult) -> Iterator[tuple[str, Dataset]]:
    """Each file's name and content; the report comes last.

    Raises
    ------
    MissingExtraError
        Without highdicom.
    """
    with needs("highdicom", "pydicom", extra="clinic"):
        import highdicom  # noqa: F401
    images: dict[str, list[Dataset]] = {}
    for lesion in result.lesions:
        for n, picture in enumerate(p for p in lesion.pictures if p.width):
            made = _image(result, lesion, picture)
            images.setdefault(lesion.name, []).append(made)
            yield f"images/{lesion.name}-{n + 1}.dcm", made
            if picture.mask is not None and picture.mask.any():
                yield f"segmentations/{lesion.name}-{n + 1}.dcm", _segmentation(result, lesion, picture, made)
    if images:
        yield "report.dcm", _report(result, images)


def tracking(result: PatientResult, lesion: LesionResult) -> str:
    """What a lesion is called in every object."""
    return f"{result.id}/{lesion.name}"


def _image(result: PatientResult, lesion: LesionResult, picture: PictureResult) -> Dataset:
    from pydicom import dcmread

    from cygnet.archive.exports.dicom import dicom_file

    levels = {f"anatom_site_{k}": level for k, level in enumerate((lesion.path or "").split(":"), start=1) if level}
    row: dict[str, Any] = {
        "isic_id": f"{tracking(result, lesion)}/{picture.sha256[:8]}",
        "view_sha256": picture.sha256,
        "patient_id": result.id,
        "sex": result.sex,
        "age_approx": None if result.age is None else int(result.age),
        "acquisition_day": result.day,
        "lesion_id": tracking(result, lesion),
        "copyright_license": "not for distribution",
        "attribution": "SIMULATED by Cygnet - not a photograph" if result.simulated else "clinic",
        **levels,
    }
    made = dcmread(io.BytesIO(dicom_file(row, picture.jpeg)))
    _say_who(made, result)
    if lesion.laterality:
        made.Laterality = {"left": "L", "right": "R"}.get(lesion.laterality, "")
    return made


def _say_who(data: Dataset, result: PatientResult) -> None:
    """Date of the visit, and whether the identity was removed."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", result.day):
        data.StudyDate = result.day.replace("-", "")
    data.PatientIdentityRemoved = "YES" if result.removed else "NO"
    if result.removed:
        data.DeidentificationMethod = "a random key for the patient's name; no dates of birth, no names"
    elif "DeidentificationMethod" in data:
        del data.DeidentificationMethod


def _concept(value: str, meaning: str) -> Any:
    from highdicom.sr import CodedConcept

    return CodedConcept(value=value, scheme_designator=SCHEME, meaning=meaning)


def _site(code: Code) -> Any:
    from highdicom.sr import CodedConcept

    return CodedConcept(value=code.value, scheme_designator=code.scheme, meaning=code.meaning[:64])


def _segmentation(result: PatientResult, lesion: LesionResult, picture: PictureResult, image: Dataset) -> Dataset:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    from cygnet.archive.exports.dicom import unique

    assert picture.mask is not None
    algorithm = hd.AlgorithmIdentificationSequence(
        name="Cygnet outline", family=codes.cid7162.ArtificialIntelligence, version=result.code_version
    )
    segment = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label="Lesion",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=_skin_lesion(),
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
        tracking_id=tracking(result, lesion),
        tracking_uid=image.TrackingUID,
    )
    made = hd.seg.Segmentation(
        source_images=[image],
        pixel_array=picture.mask.astype(np.uint8)[None],
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[segment],
        series_instance_uid=unique("segmentations", result.id, result.day),
        series_number=2,
        sop_instance_uid=unique("segmentation", image.SOPInstanceUID, result.model_sha256),
        instance_number=1,
        software_versions=result.code_version,
        manufacturer="Cygnet",
        manufacturer_model_name="Cygnet clinic",
        device_serial_number="0",
    )
    made.PatientOrientation = ""  # type 2C, which highdicom leaves out where there is no patient's coordinate system
    _say_who(made, result)
    return made


def _skin_lesion() -> Any:
    from highdicom.sr import CodedConcept

    return CodedConcept(value="95324001", scheme_designator="SCT", meaning="Skin lesion")


def _report(result: PatientResult, images: dict[str, list[Dataset]]) -> Dataset:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    from cygnet.archive.exports.dicom import unique

    person = hd.sr.ObserverContext(
        observer_type=codes.DCM.Person,
        observer_identifying_attributes=hd.sr.PersonObserverIdentifyingAttributes(name=f"{result.reader}^"),
    )
    device = hd.sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
            uid=unique("model", result.model_sha256), name=f"Cygnet {result.model}"[:64]
        ),
    )
    groups = [_group(result, x, images[x.name]) for x in result.lesions if x.name in images]
    report = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_person_context=person, observer_device_context=device),
        procedure_reported=hd.sr.CodedConcept(value="446078008", scheme_designator="SCT", meaning="Dermoscopy"),
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    made = hd.sr.ComprehensiveSR(
        evidence=[image for some in images.values() for image in some],
        content=report,
        series_instance_uid=unique("report series", result.id, result.day),
        series_number=3,
        sop_instance_uid=unique("report", result.id, result.day, result.made),
        instance_number=1,
        institution_name="",
        is_complete=True,
        is_final=False,
        is_verified=False,
        manufacturer="Cygnet",
    )
    _say_who(made, result)
    return made


def _group(result: PatientResult, lesion: LesionResult, images: list[Dataset]) -> Any:
    import highdicom as hd

    found = nearest_code(lesion.path) if lesion.path else None
    side = laterality_code(lesion.laterality) if lesion.laterality else None
    sites = (
        [hd.sr.FindingSite(anatomic_location=_site(found[0]), laterality=_site(side) if side else None)]
        if found
        else None
    )
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid=images[0].TrackingUID, identifier=tracking(result, lesion)),
        source_images=[hd.sr.SourceImageForMeasurementGroup.from_source_image(image) for image in images],
        finding_type=_skin_lesion(),
        finding_sites=sites,
        measurements=list(_measurements(lesion)) or None,
        qualitative_evaluations=list(_evaluations(result, lesion)) or None,
    )


def _measurements(lesion: LesionResult) -> Iterator[Any]:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    named: dict[str, tuple[str, float | int | None]] = {
        "rank": ("Rank by need of a look", lesion.rank),
        "rank-low": ("Rank, lower end of 80 % interval", lesion.rank_low),
        "rank-high": ("Rank, upper end of 80 % interval", lesion.rank_high),
        "compared": ("Number of lesions ranked", lesion.of),
        "oddness": ("Oddness among the patient's lesions", lesion.oddness),
        "probability": ("Calibrated probability of melanoma", lesion.p_melanoma),
    }
    for code, (meaning, value) in named.items():
        if value is not None:
            yield hd.sr.Measurement(name=_concept(code, meaning), value=round(float(value), 6), unit=codes.UCUM.NoUnits)


def _evaluations(result: PatientResult, lesion: LesionResult) -> Iterator[Any]:
    import highdicom as hd

    said = {
        "family": ("Family of lesions that look alike", lesion.family and f"Family {lesion.family}"),
        "verdict": ("Verdict of the reader", lesion.verdict),
        "context": ("Company for comparison", result.company),
        "assessable": ("Assessable", "yes" if lesion.rank is not None else "no"),
    }
    if lesion.malignant is not None:
        said["outcome"] = ("Outcome", "malignant" if lesion.malignant else "benign")
    for code, (meaning, value) in said.items():
        if value:
            word = re.sub(r"[^a-z0-9]+", "-", value.lower())[:16]
            yield hd.sr.QualitativeEvaluation(name=_concept(code, meaning), value=_concept(word, value))
