"""Rows that exclude each other: across a patient, across a lesion, over time."""

from __future__ import annotations

import pytest
from test_check import checked, found

P = {"patient_id": "P"}
L = {"lesion_id": "L"}


def aged(age: object, day: object) -> dict[str, str | None]:
    return {**P, "age": str(age), "acquisition_day": None if day is None else str(day)}


@pytest.mark.parametrize(
    ("first", "second", "column", "code", "severity"),
    [
        ({**L, "patient_id": "A"}, {**L, "patient_id": "B"}, "patient_id", "lesion-two-patients", "error"),
        ({**P, "sex": "male"}, {**P, "sex": "female"}, "sex", "patient-contradiction", "error"),
        (
            {**P, "fitzpatrick_skin_type": "I"},
            {**P, "fitzpatrick_skin_type": "VI"},
            "fitzpatrick_skin_type",
            "patient-contradiction",
            "error",
        ),
        (
            {**P, "fitzpatrick_skin_type": "I"},
            {**P, "fitzpatrick_skin_type": "II"},
            "fitzpatrick_skin_type",
            "patient-contradiction",
            "warning",
        ),
        ({**L, "anatom_site": "Scalp"}, {**L, "anatom_site": "Foot"}, "anatom_site", "lesion-contradiction", "error"),
        (
            {**L, "anatom_site": "Upper back"},
            {**L, "anatom_site": "Mid back"},
            "anatom_site",
            "lesion-contradiction",
            "warning",
        ),
        (
            {**L, "anatom_site": "left thigh"},
            {**L, "anatom_site": "right thigh"},
            "laterality",
            "lesion-contradiction",
            "error",
        ),
        (
            {**L, "diagnosis": "Nevus"},
            {**L, "diagnosis": "Melanoma Invasive"},
            "diagnosis",
            "lesion-contradiction",
            "error",
        ),
        (
            {**L, "diagnosis": "Nevus", "acquisition_day": "0"},
            {**L, "diagnosis": "Melanoma Invasive", "acquisition_day": "90"},
            "diagnosis",
            "lesion-contradiction",
            "warning",
        ),
        (
            {**L, "diagnosis": "Melanoma Invasive", "acquisition_day": "0"},
            {**L, "diagnosis": "Nevus", "acquisition_day": "90"},
            "diagnosis",
            "lesion-contradiction",
            "error",
        ),
        ({**L, "melanocytic": "yes"}, {**L, "melanocytic": "no"}, "melanocytic", "lesion-contradiction", "error"),
        (
            {**P, "personal_hx_mm": "yes", "acquisition_day": "0"},
            {**P, "personal_hx_mm": "no", "acquisition_day": "9"},
            "personal_hx_mm",
            "patient-contradiction",
            "error",
        ),
        ({**P, "family_hx_mm": "yes"}, {**P, "family_hx_mm": "no"}, "family_hx_mm", "patient-contradiction", "warning"),
        ({"image": "a.jpg"}, {"image": "a"}, "image", "duplicate-image", "error"),
        (aged(60, 0), aged(20, 365), "age", "age-over-time", "error"),
        (aged(60, 0), aged(60, 5000), "age", "age-over-time", "error"),
        (aged(30, None), aged(60, None), "age", "age-over-time", "warning"),
    ],
)
def test_pairs_that_exclude_each_other(
    first: dict[str, str | None], second: dict[str, str | None], column: str, code: str, severity: str
) -> None:
    assert found(first, second) == [(3, column, code, severity)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({**L, "patient_id": "A"}, {**L, "patient_id": None}),
        ({**L, "anatom_site": "torso"}, {**L, "anatom_site": "Upper back"}),
        ({**L, "diagnosis": "Malignant"}, {**L, "diagnosis": "Melanoma Invasive"}),
        ({**P, "personal_hx_mm": "no", "acquisition_day": "0"}, {**P, "personal_hx_mm": "yes", "acquisition_day": "9"}),
        (aged(60, 0), aged(61, 365)),
        (aged(60, 0), aged(61, 700)),
        (aged(60, 0), aged(65, 100)),  # both rounded to 5
        (aged(85, 0), aged(85, 5000)),  # capped
        (aged(80, 0), aged(85, 5000)),
        (aged(30, None), aged(40, None)),
        ({**P, "sex": "male"}, {"patient_id": "Q", "sex": "female"}),
    ],
)
def test_pairs_that_agree(first: dict[str, str | None], second: dict[str, str | None]) -> None:
    assert found(first, second) == []


def test_confocal_cases() -> None:
    tile = {"rcm_case_id": "R", "image_type": "RCM: tile"}
    assert found({**tile, "lesion_id": "A"}, {**tile, "lesion_id": "B"}) == [
        (3, "lesion_id", "rcm-case-two-lesions", "error")
    ]
    whole = {"rcm_case_id": "R", "image_type": "RCM: macroscopic"}
    assert found(whole, tile, whole) == [(4, "rcm_case_id", "rcm-two-macroscopic", "error")]


def test_the_message_names_both_rows_and_values() -> None:
    report = checked({**P, "sex": "male"}, {**P, "sex": "male"}, {**P, "sex": "female"}).report
    assert [str(p) for p in report] == [
        "row 4, column sex: patient P is female here and male elsewhere; is this patient_id used for two people? (row 2)"
    ]


def test_siblings_of_a_wide_word_are_compared_with_each_other() -> None:
    rows = [{**L, "anatom_site": site} for site in ("torso", "anterior torso", "posterior torso")]
    assert found(*rows) == [(4, "anatom_site", "lesion-contradiction", "warning")]


def test_one_patient_of_many_days_takes_no_quadratic_time() -> None:
    rows = [{**P, "personal_hx_mm": "no" if k < 3000 else "yes", "acquisition_day": str(k)} for k in range(6000)]
    assert found(*rows) == []
    assert found(*rows, {**P, "personal_hx_mm": "no", "acquisition_day": "6000"})[0][0] == 6002
