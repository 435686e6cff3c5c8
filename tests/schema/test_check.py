"""Whole tables: what is read, completed, refused and said."""

from __future__ import annotations

import json
import time
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cygnet.errors import TableError
from cygnet.schema.check import CLEANED, Checked, check
from cygnet.schema.fields import approximate
from cygnet.schema.problems import CODES, Problem, Report
from cygnet.schema.vocabulary import vocabulary


def checked(*rows: dict[str, str | None]) -> Checked:
    names = list(dict.fromkeys(name for row in rows for name in row))
    frame = pl.DataFrame(
        [{"image": f"i{k}", **{n: row.get(n) for n in names}} for k, row in enumerate(rows)],
        schema=dict.fromkeys(["image", *(n for n in names if n != "image")], pl.String),
    )
    return check(frame, name="t.csv")


def found(*rows: dict[str, str | None]) -> list[tuple[int | None, str, str, str]]:
    return [(p.row, p.column, p.code, p.severity) for p in checked(*rows).report]


def test_a_sound_row_is_completed() -> None:
    done = checked(
        {
            "patient_id": " P1 ",
            "age_approx": "52",
            "sex": "F",
            "anatom_site": "left forearm",
            "diagnosis": "nevus",
            "fitzpatrick_skin_type": "2",
            "license": "CC BY-NC 4.0",
            "clin_size_long_diam_mm": "0.45 cm",
            "acquisition_day": "-3.0",
            "width": "600",
        }
    )
    assert list(done.report) == []
    row = {k: v for k, v in done.rows.to_dicts()[0].items() if v is not None}
    assert row == {
        "row": 2,
        "image": "i0",
        "patient_id": "P1",
        "age": 52,
        "age_approx": 50,
        "sex": "female",
        "anatom_site": "Upper extremity:Forearm",
        "anatom_site_1": "Upper extremity",
        "anatom_site_2": "Forearm",
        "laterality": "left",
        "diagnosis": "Benign:Benign melanocytic proliferations:Nevus",
        "diagnosis_1": "Benign",
        "diagnosis_2": "Benign melanocytic proliferations",
        "diagnosis_3": "Nevus",
        "fitzpatrick_skin_type": "II",
        "copyright_license": "CC-BY-NC",
        "clin_size_long_diam_mm": 4.5,
        "acquisition_day": -3,
    }
    assert done.rows.columns == list(CLEANED)
    assert done.extra.to_dicts() == [{"row": 2, "width": "600"}]
    assert done.columns["age"] == "age_approx"


@pytest.mark.parametrize(
    ("age", "published"), [(0, 0), (2, 0), (3, 5), (7, 5), (8, 10), (52, 50), (53, 55), (84, 85), (85, 85)]
)
def test_ages_as_published(age: int, published: int) -> None:
    assert approximate(age) == published


@pytest.mark.parametrize(
    ("column", "value", "code", "suggestion"),
    [
        ("age", "12.5", "not-a-number", "12"),
        ("age", "45y", "not-a-number", "45"),
        ("age", "130", "out-of-range", ""),
        ("sex", "femal", "unknown-value", "female"),
        ("anatom_site", "scalpp", "unknown-value", "Scalp"),
        ("diagnosis", "melanom", "unknown-value", "Melanoma, NOS"),
        ("image_type", "dermoscopy", "unknown-value", "dermoscopic"),
        ("diagnosis_confirm_type", "histopatology", "unknown-value", "histopathology"),
        ("melanocytic", "perhaps", "unknown-value", ""),
        ("clin_size_long_diam_mm", "3 inches", "not-a-number", ""),
        ("clin_size_long_diam_mm", "-2", "out-of-range", ""),
        ("acquisition_day", "2020-01-01", "not-a-number", ""),
        ("copyright_license", "CC-BI", "unknown-value", "CC-BY"),
        ("laterality", "up", "unknown-value", ""),
    ],
)
def test_cells_that_are_wrong(column: str, value: str, code: str, suggestion: str) -> None:
    done = checked({column: value})
    problem = next(p for p in done.report if p.code == code)
    assert (problem.row, problem.column, problem.value, problem.severity) == (2, column, value, "error")
    assert problem.suggestion.casefold() == suggestion.casefold()
    assert repr(value) in problem.message
    assert suggestion == "" or f"{problem.suggestion!r}" in problem.message
    assert done.sound().height == 0


@pytest.mark.parametrize(
    ("row", "column", "code", "severity"),
    [
        ({"mel_thick_mm": "1"}, "mel_thick_mm", "missing-field", "error"),
        ({"mel_thick_mm": "1", "diagnosis": "Nevus"}, "mel_thick_mm", "incompatible-fields", "error"),
        ({"mel_thick_mm": "1", "diagnosis": "Melanoma in situ"}, "mel_thick_mm", "incompatible-fields", "warning"),
        ({"mel_thick_mm": "80", "diagnosis": "Melanoma, NOS"}, "mel_thick_mm", "implausible", "warning"),
        ({"dermoscopic_type": "contact polarized"}, "dermoscopic_type", "missing-field", "error"),
        ({"tbp_tile_type": "2D", "image_type": "dermoscopic"}, "tbp_tile_type", "incompatible-fields", "error"),
        ({"rcm_case_id": "R", "image_type": "dermoscopic"}, "rcm_case_id", "incompatible-fields", "error"),
        ({"concomitant_biopsy": "yes"}, "concomitant_biopsy", "missing-field", "error"),
        ({"melanocytic": "no", "diagnosis": "Melanoma, NOS"}, "melanocytic", "incompatible-fields", "error"),
        ({"melanocytic": "yes", "diagnosis": "Dermatofibroma"}, "melanocytic", "incompatible-fields", "warning"),
        (
            {"anatom_site": "Scalp", "anatom_site_special": "toenail"},
            "anatom_site_special",
            "incompatible-fields",
            "error",
        ),
        ({"diagnosis": "Nevus", "diagnosis_1": "Malignant"}, "diagnosis", "incompatible-fields", "error"),
        ({"diagnosis": "nevus", "benign_malignant": "malignant"}, "diagnosis", "incompatible-fields", "error"),
        ({"diagnosis_1": "Malign"}, "diagnosis_1", "unknown-value", "error"),
        ({"anatom_site": "Scalp", "anatom_site_general": "torso"}, "anatom_site", "incompatible-fields", "error"),
        ({"age": "50", "age_approx": "20"}, "age", "incompatible-fields", "error"),
        ({"diagnosis": "akiec"}, "diagnosis", "ambiguous-value", "warning"),
        ({"age": "90"}, "age", "rounded", "note"),
        ({"clin_size_long_diam_mm": "3.456"}, "clin_size_long_diam_mm", "rounded", "note"),
        ({"note": "=1+1"}, "note", "formula", "warning"),
        ({"image": None}, "image", "missing-image", "error"),
    ],
)
def test_rows_that_contradict_themselves(row: dict[str, str | None], column: str, code: str, severity: str) -> None:
    assert found(row) == [(2, column, code, severity)]


def test_columns_that_agree_are_merged() -> None:
    row = checked(
        {
            "anatom_site_general": "lower extremity",
            "tbp_lv_location": "Left Leg - Upper",
            "diagnosis": "Nevus",
            "diagnosis_1": "Benign",
            "benign_malignant": "benign",
            "age": "52",
            "age_approx": "50",
        }
    ).rows.to_dicts()[0]
    assert (row["anatom_site"], row["laterality"], row["diagnosis_3"]) == ("Lower extremity:Thigh", "left", "Nevus")
    row = checked({"diagnosis": "Actinic keratosis, Atrophic", "target": "malignant"}).rows.to_dicts()[0]
    assert row["diagnosis_1"] == "Indeterminate"
    row = checked({"anatom_site_general": "palms/soles", "localization": "foot"}).rows.to_dicts()[0]
    assert (row["anatom_site"], row["anatom_site_special"]) == ("Lower extremity:Foot", "acral palms or soles")


def test_truth_tables_become_diagnoses() -> None:
    classes = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
    rows = [{c: str(float(c == chosen)) for c in classes} for chosen in classes]
    assert checked(*rows).rows["diagnosis_3"].to_list() == [
        *("Melanoma, NOS", "Nevus", "Basal cell carcinoma", None, "Pigmented benign keratosis", "Dermatofibroma", None)
    ]
    many = [rows[k % 7] for k in range(20)] + [{**rows[0], "NV": "1.0"}]
    assert found(*many) == [(22, "MEL", "incompatible-fields", "error")]
    votes = [dict.fromkeys(classes, "3")] * 3
    assert found(*votes) == []
    seborrheic = checked(
        {"melanoma": "0.0", "seborrheic_keratosis": "1.0"}, {"melanoma": "0", "seborrheic_keratosis": "0"}
    )
    assert seborrheic.rows["diagnosis_3"].to_list() == ["Seborrheic keratosis", "Nevus"]


def test_columns_nearly_right_are_named() -> None:
    problems = list(checked({"anatom_site_genral": "torso", "my_field": "x"}).report)
    assert [(p.code, p.column, p.suggestion) for p in problems] == [
        ("column-suspect", "anatom_site_genral", "anatom_site_general")
    ]


def test_a_table_without_images() -> None:
    done = check(pl.DataFrame({"sex": ["male"]}))
    assert [p.code for p in done.report] == ["missing-image"]
    assert list(check(pl.DataFrame({"sex": ["male"]}), need_image=False).report) == []
    assert check(pl.DataFrame({"image": []}, schema={"image": pl.String})).rows.height == 0


def test_notes_are_given_once() -> None:
    done = checked({"age": "90"}, {"age": "90"}, {"age": "91"})
    assert [p.message for p in done.report] == [
        "age 90 is kept as 85, as ISIC does (2 rows)",
        "age 91 is kept as 85, as ISIC does",
    ]


def test_report_counts_and_shows(tmp_path: Path) -> None:
    done = checked(*({"sex": "x", "age": "90"} for _ in range(7)))
    assert done.report.counts() == {"unknown-value": 7, "rounded": 1}
    assert done.report.summary().splitlines() == [
        "t.csv: 7 rows, 7 errors, 1 note",
        "        7  unknown-value: a value is not in the vocabulary",
        "        1  rounded: a number was rounded or capped as ISIC publishes it",
        "  error: row 2, column sex: sex 'x' is unknown; use one of male, female, or leave it empty",
        "  note: row 2, column age: age 90 is kept as 85, as ISIC does (7 rows)",
        *(
            f"  error: row {k}, column sex: sex 'x' is unknown; use one of male, female, or leave it empty"
            for k in (3, 4, 5)
        ),
        "  (and 3 more)",
    ]
    done.report.write(tmp_path / "p.json")
    content = json.loads((tmp_path / "p.json").read_text())
    assert (content["errors"], len(content["problems"]), content["problems"][0]["group"]) == (7, 8, "terminology")
    done.report.write(tmp_path / "p.csv")
    assert pl.read_csv(tmp_path / "p.csv")["row"].to_list() == [2, 2, 3, 4, 5, 6, 7, 8]
    with pytest.raises(TableError, match=r"7 problems:\n  t.csv row 2, column sex"):
        done.report.refuse()
    checked({"sex": "male"}).report.refuse()
    assert checked({"sex": "male"}).report.summary() == "t.csv: 1 rows, no problem found"


def test_every_code_is_described() -> None:
    groups = {"technology", "technique", "terminology", "metadata", "privacy"}
    assert all(group in groups and words for group, words in CODES.values())
    assert Problem(None, "", "", "formula", "m").group == "technology"
    assert str(Report("t", 0, ()).summary()).startswith("t: 0 rows")


_FIELDS = sorted(
    {*vocabulary().fields, "anatom_site_general", "tbp_lv_location", "diagnosis_1", "benign_malignant", "MEL"}
)
_WORDS = st.sampled_from(
    [
        "",
        "1",
        "0",
        "-1",
        "85+",
        "male",
        "Nevus",
        "melanoma",
        "Scalp",
        "torso",
        "true",
        "x",
        "=1",
        "0.5 mm",
        "NaN",
        "a:b",
    ]
)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    st.lists(
        st.dictionaries(st.sampled_from(_FIELDS), _WORDS | st.text(max_size=5), max_size=6), min_size=1, max_size=4
    )
)
def test_any_table_gets_a_report(rows: list[dict[str, str]]) -> None:
    done = checked(*rows)
    assert done.rows.height == len(rows)
    assert all(p.code in CODES and p.message and (p.row is None or 1 <= p.row <= len(rows) + 1) for p in done.report)
    again = check(done.sound().drop("row"))
    assert not [p for p in again.report.errors if p.code not in ("duplicate-image", "personal-value")]
    kept = [c for c in CLEANED if c not in ("row", "age_approx")]
    assert again.rows.select(kept).equals(done.sound().select(kept))


def test_a_hundred_thousand_rows_in_seconds() -> None:
    n = 100_000
    frame = pl.DataFrame(
        {
            "isic_id": [f"ISIC_{k:07}" for k in range(n)],
            "patient_id": [f"IP_{k // 40:07}" for k in range(n)],
            "lesion_id": [f"IL_{k // 2:07}" for k in range(n)],
            "age_approx": [str(20 + k // 40 % 60) for k in range(n)],
            "anatom_site_general": [("torso", "head/neck")[k // 2 % 2] for k in range(n)],
            "diagnosis": [("nevus", "melanoma", "")[k // 2 % 3] for k in range(n)],
        }
    )
    start = time.process_time()
    done = check(frame)
    assert time.process_time() - start < 30  # about 3 s of one core; the limit only catches another order of growth
    assert not done.report.errors


def test_a_column_of_nothing_but_slips_takes_no_minutes() -> None:
    rows = [{"diagnosis": f"Nevus, Atypicl {k} dysplastik"} for k in range(3000)]
    report = checked(*rows).report
    assert len(report.errors) == 3000
    assert sum(bool(p.suggestion) for p in report) <= 200
