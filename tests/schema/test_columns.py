"""Words of past tables: columns, ages, sexes, sites, days."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cygnet.schema import DIAGNOSES, SITES, is_missing, match_columns, read_values, suggest_image_column
from cygnet.schema.records import ValueProblem, read_age, read_day, read_sex, read_site


@pytest.mark.parametrize("value", [None, "", "  ", "NA", "n/a", "NaN", "null", "None", "Unknown", math.nan])
def test_what_stands_for_nothing(value: Any) -> None:
    assert is_missing(value)
    assert read_age(value) is read_sex(value) is read_site(value) is read_day(value) is None


@pytest.mark.parametrize("value", [0, "0", "back", False, " x "])
def test_what_stands_for_something(value: Any) -> None:
    assert not is_missing(value)


@pytest.mark.parametrize(
    ("value", "age"), [("45", 45.0), (45, 45.0), ("45.5", 45.5), (" 7 ", 7.0), (0, 0.0), (120, 120.0)]
)
def test_ages(value: Any, age: float) -> None:
    assert read_age(value) == age


@pytest.mark.parametrize("value", ["-1", "121", "inf", "-inf", "forty", "45y", "40-50"])
def test_ages_that_are_none(value: str) -> None:
    with pytest.raises(ValueProblem, match="years, or leave it empty") as caught:
        read_age(value)
    assert repr(value) in str(caught.value)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.floats(allow_nan=False))
def test_any_number_is_an_age_or_a_problem(value: float) -> None:
    if 0 <= value <= 120:
        assert read_age(value) == value
    else:
        with pytest.raises(ValueProblem):
            read_age(value)


@pytest.mark.parametrize(
    ("value", "sex"), [("M", "male"), (" Male ", "male"), ("f", "female"), ("FEMALE", "female"), ("woman", "female")]
)
def test_sexes(value: str, sex: str) -> None:
    assert read_sex(value) == sex


def test_sexes_that_are_none() -> None:
    with pytest.raises(ValueProblem, match=r"'mal' is unknown; use male, female"):
        read_sex("mal")


@pytest.mark.parametrize("site", SITES)
def test_isic_sites_are_read_as_they_are(site: str) -> None:
    assert read_site(site) == site
    assert read_site(f"  {site.upper()} ") == site
    assert read_site(site.replace(" ", "_")) == site


@pytest.mark.parametrize(
    ("value", "site"),
    [
        ("left forearm", "upper extremity"),
        ("Right Lower Leg", "lower extremity"),
        ("back", "posterior torso"),
        ("upper back", "posterior torso"),
        ("abdomen", "anterior torso"),
        ("trunk", "torso"),
        ("scalp", "head/neck"),
        ("face/neck", "head/neck"),
        ("foot", "lower extremity"),
        ("acral", "palms/soles"),
        ("genital", "oral/genital"),
    ],
)
def test_plain_words_for_sites(value: str, site: str) -> None:
    assert read_site(value) == site


@pytest.mark.parametrize(
    ("value", "meant"), [("abdomne", "abdomen"), ("posterior toros", "posterior torso"), ("scalpp", "scalp")]
)
def test_misspelt_sites_get_a_suggestion(value: str, meant: str) -> None:
    with pytest.raises(ValueProblem, match=f"did you mean '{meant}'"):
        read_site(value)


@pytest.mark.parametrize("value", ["zzzzzz", "12345"])
def test_sites_that_are_like_nothing_list_all(value: str) -> None:
    with pytest.raises(ValueProblem) as caught:
        read_site(value)
    assert all(site in str(caught.value) for site in SITES)


def test_a_site_that_could_be_two_is_a_problem() -> None:
    with pytest.raises(ValueProblem, match="unknown"):
        read_site("arm and leg")


@pytest.mark.parametrize(("value", "day"), [("3", 3), ("3.0", 3), (-2, -2), (0, 0)])
def test_days(value: Any, day: int) -> None:
    assert read_day(value) == day
    assert isinstance(read_day(value), int)


@pytest.mark.parametrize("value", ["3.5", "Monday", "2020-01-01", "inf", "-inf", "-nan"])
def test_days_that_are_none(value: str) -> None:
    with pytest.raises(ValueProblem, match="whole number of days"):
        read_day(value)


@pytest.mark.parametrize(
    ("columns", "wanted"),
    [
        (  # ISIC 2020, Kaggle
            ["image_name", "patient_id", "lesion_id", "sex", "age_approx", "anatom_site_general_challenge"],
            {
                "image": "image_name",
                "patient_id": "patient_id",
                "lesion_id": "lesion_id",
                "sex": "sex",
                "age": "age_approx",
                "site": "anatom_site_general_challenge",
            },
        ),
        (  # HAM10000
            ["lesion_id", "image_id", "dx", "age", "sex", "localization"],
            {"image": "image_id", "lesion_id": "lesion_id", "age": "age", "sex": "sex", "site": "localization"},
        ),
        (  # ISIC 2024
            ["isic_id", "patient_id", "age_approx", "sex", "anatom_site_general"],
            {
                "image": "isic_id",
                "patient_id": "patient_id",
                "age": "age_approx",
                "sex": "sex",
                "site": "anatom_site_general",
            },
        ),
        (["image", "age_approximate"], {"image": "image", "age": "age_approximate"}),  # ISIC 2017
        ([" Image ", "GENDER", "Day"], {"image": " Image ", "sex": "GENDER", "acquisition_day": "Day"}),
        (["image", "filename"], {"image": "image", "file": "filename"}),
        (["dx", "target"], {}),
    ],
)
def test_tables_of_the_past(columns: list[str], wanted: dict[str, str]) -> None:
    assert match_columns(columns) == wanted


def test_a_table_without_images_is_told_which_column_was_meant() -> None:
    said = suggest_image_column(["imgae", "age"])
    assert "rename 'imgae' to image" in said
    assert "'age'" in said
    assert "rename" not in suggest_image_column(["diagnosis", "target"])
    assert "no columns" in suggest_image_column([])


def test_a_row_gives_values_and_problems() -> None:
    columns = {"age": "age_approx", "sex": "sex", "site": "localization", "image": "image"}
    row = {"age_approx": "old", "sex": "F", "localization": "bcak", "image": "x"}
    values, problems = read_values(row, columns)
    assert values == {"sex": "female"}
    assert [p.split(":")[0] for p in problems] == ["column age_approx", "column localization"]
    assert "did you mean 'back'" in problems[1]
    assert read_values({"a": ""}, {"age": "a"}) == ({"age": None}, [])


def test_the_seven_diagnoses_of_ham10000() -> None:
    assert DIAGNOSES == ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
