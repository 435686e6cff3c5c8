"""What looks like a person, and what does not."""

from __future__ import annotations

import polars as pl
import pytest

from cygnet.schema.personal import mask, personal_column, personal_value, scan
from cygnet.schema.tables import from_frame
from cygnet.schema.vocabulary import leaf, vocabulary


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("patient_name", "a name"),
        ("PatientName", "a name"),
        ("First Name", "a name"),
        ("surname", "a name"),
        ("referring-physician-name", "a name"),
        ("dob", "a birth date"),
        ("Date of Birth", "a birth date"),
        ("birthDate", "a birth date"),
        ("year_of_birth", "a year of birth"),
        ("MRN", "a record number"),
        ("medical record number", "a record number"),
        ("hospital_id", "a record number"),
        ("SSN", "a record number"),
        ("accession_number", "a record number"),
        ("email", "an e-mail address"),
        ("contact_e-mail", "an e-mail address"),
        ("phone", "a telephone number"),
        ("Tel. No", "a telephone number"),
        ("street", "an address"),
        ("zip_code", "an address"),
        ("GPS_latitude", "a position"),
    ],
)
def test_columns_that_identify(name: str, what: str) -> None:
    assert personal_column(name) == what


@pytest.mark.parametrize(
    "name",
    [
        *(
            "image_name",
            "filename",
            "file_name",
            "name_of_device",
            "diagnosis",
            "patient_id",
            "lesion_id",
            "age",
            "target",
        ),
        *("study", "birthmark", "tbp_lv_x", "telangiectasia", "hair", "site", "mailer"),
        *("attribution", "nevus_count", "record", "phonetic", "addressed", "hotel", "dataset_name", "record_type"),
    ],
)
def test_columns_that_do_not(name: str) -> None:
    assert personal_column(name) is None


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("John Smith", "a name"),
        ("Smith, John", "a name"),
        ("SMITH JOHN", "a name"),
        ("María García López", "a name"),
        ("Anna B. Schmidt", "a name"),
        ("Dr. House", "a name"),
        ("seen by Frau Müller", "a name"),
        ("DOE^JANE^^", "a name"),
        ("jane.doe@clinic.example.org", "an e-mail address"),
        ("mail bob@x.org please", "an e-mail address"),
        ("+49 170 1234567", "a telephone number"),
        ("(555) 123-4567", "a telephone number"),
        ("555-123-4567", "a telephone number"),
        ("call 0171 234 5678", "a telephone number"),
        ("078-05-1120", "a record number"),
        ("MRN: 00123456", "a record number"),
        ("medical record 998877", "a record number"),
        ("1960-02-03", "a date"),
        ("born 3.2.1960", "a date"),
        ("02/03/1960", "a date"),
    ],
)
def test_cells_that_identify(text: str, what: str) -> None:
    found = personal_value(text)
    assert found is not None and found.what == what


@pytest.mark.parametrize(
    "text",
    [
        *(
            "ISIC_0024306",
            "IP_7279968",
            "HAM_0003577",
            "MSK4_0010014",
            "45",
            "45.0",
            "0.0007960993",
            "-38.8424",
            "1e-5",
        ),
        *("Spitz Nevus", "Reed Nevus", "Bowen Disease", "Clark Nevus", "Merkel Cell", "Torso Back Top Third", "3D: XP"),
        *(
            "dermoscopic",
            "anterior torso",
            "6000x4000",
            "images/ISIC_0024307.jpg",
            "5.0 x 4.0",
            "2018",
            "1-2-3",
            "v1.2.3",
        ),
        *("Department of Dermatology", "10-20-30", "12 3 4", "Hospital Clinic", "x^2", "a@b", "Vectra WB360", "12/14"),
        *("2020-13-45", "123456789012345678", "Dr", "mm^2", "0-5", "5-10 mm", "Left Leg - Upper"),
    ],
)
def test_cells_that_do_not(text: str) -> None:
    assert personal_value(text) is None


def test_no_word_of_the_vocabulary_is_personal() -> None:
    v = vocabulary()
    words = [leaf(p) for tree in v.trees.values() for p in tree.paths] + [
        x for f in v.fields.values() for x in f.values
    ]
    assert [w for w in words if personal_value(w)] == []


def test_doubtful_cells_depend_on_the_column() -> None:
    assert personal_value("19600203") is None
    assert personal_value("19600203", column="birth_date") == ("a birth date", "error")
    assert personal_value("1960-02-03", column="visit") == ("a date", "warning")


def test_masks_hide_what_they_stand_for() -> None:
    assert mask("John Smith") == "J••• S••••"
    assert "1234567" not in mask("+49 170 1234567")


def test_a_table_is_scanned_once_for_each_cell() -> None:
    frame = pl.DataFrame(
        {
            "isic_id": ["a", "b", "c"],
            "patient_id": ["1234567", "P1", "P1"],
            "attribution": ["John Smith"] * 3,
            "note": ["ask Mr. Smith", "ask Mr. Smith", None],
            "patient name": ["x", "y", "Jane Doe"],
        }
    )
    found = scan(from_frame(frame), {"patient_id": "patient_id", "attribution": "attribution", "image": "isic_id"})
    assert [(p.row, p.column, p.code, p.severity) for p in found] == [
        (2, "patient_id", "personal-value", "warning"),
        (2, "note", "personal-value", "error"),
        (None, "patient name", "personal-column", "error"),
    ]
    assert "in 1 more rows" in found[1].message
    assert not any("Smith" in str(p) or "1234567" in str(p) for p in found)
