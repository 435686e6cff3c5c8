"""Tables as participants send them: what is refused, with which line, column, value and fix, and what is not."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.challenge.packed import Source
from cygnet.challenge.problems import LISTED, Problem, RefusedError
from cygnet.challenge.scoring import read_answer, score_answer
from cygnet.challenge.tasks import as_toml, known, made, task
from cygnet.challenge.truth import Truth, read_truth
from cygnet.errors import InputError, TableError

TRUTH = b"image,melanoma,seborrheic_keratosis\nISIC_0000001,1,0\nISIC_0000002,0,1\nISIC_0000003,0,0\nISIC_0000004,1,0\n"
GOOD = ["ISIC_0000001,0.9,0.1", "ISIC_0000002,0.2,0.8", "ISIC_0000003,0.1,0.2", "ISIC_0000004,0.6,0.3"]
HEAD = "image,melanoma,seborrheic_keratosis"


def truth(data: bytes = TRUTH, name: str = "isic2017-task3") -> Truth:
    return read_truth(task(name), Source("truth.csv", data=data))


def send(data: bytes | str, of: Truth | None = None) -> float:
    raw = data.encode() if isinstance(data, str) else data
    known_truth = of or truth()
    return score_answer(known_truth, read_answer(known_truth, Source("mine.csv", data=raw))).overall


def refused(data: bytes | str, of: Truth | None = None) -> tuple[Problem, ...]:
    with pytest.raises(RefusedError) as left:
        send(data, of)
    assert left.value.exit_code == 1
    problems = left.value.problems
    assert all(p.fix for p in problems if p.severity == "error"), problems
    return problems


def table(*rows: str, head: str = HEAD) -> str:
    return "\n".join([head, *rows]) + "\n"


def test_a_sound_table_by_hand() -> None:
    # melanoma: 0.9 and 0.6 above 0.2 and 0.1: 1. seborrheic keratosis: 0.8 above all: 1.
    assert send(table(*GOOD)) == 1.0
    # melanoma of the last at 0.15: one of four pairs lost: 0.75; mean with 1: 0.875
    assert send(table(*GOOD[:3], "ISIC_0000004,0.15,0.3")) == 0.875


@pytest.mark.parametrize(
    "data",
    [
        table(*GOOD, head="seborrheic_keratosis,image,melanoma").replace("x", "x"),
    ],
)
def test_swapped_headings_are_found(data: str) -> None:
    found = refused(data)
    assert any("are the headings swapped" in p.fix for p in found)
    assert {p.column for p in found if p.code == "not-a-number"} == {"seborrheic_keratosis"}


def test_what_changes_nothing() -> None:
    rows = [f"{m},{s},{i}" for i, m, s in (r.split(",") for r in GOOD)]
    alike = [
        table(*rows, head="melanoma,seborrheic_keratosis,image"),
        table(*reversed(GOOD)),
        table(*(r.replace(",", ".jpg,", 1) for r in GOOD)),
        table(*GOOD).replace("\n", "\r\n"),
        table(*GOOD).replace(",", ";"),
        table(*(r.replace(",", ", ") for r in GOOD)),
        table(*(f'"{r.split(",", 1)[0]}",{r.split(",", 1)[1]}' for r in GOOD)),
        "\ufeff" + table(*GOOD),
        table(*GOOD).replace("\n", "\n\n"),
        table(*GOOD, head=HEAD.replace("image", "image_id")),
        table(*GOOD, head=HEAD.replace("melanoma", "Melanoma")),
        table("ISIC_0000001,9e-1,1E-1", *GOOD[1:]),
    ]
    for data in alike:
        assert send(data) == 1.0
    assert send(table(*GOOD).encode("utf-16")) == 1.0
    assert send(gzip.compress(table(*GOOD).encode())) == 1.0
    assert send(table("ISIC_0000001,1,0", "ISIC_0000002,0,1", "ISIC_0000003,0,0", "ISIC_0000004,1,0")) == 1.0


def test_parquet_and_a_zip_with_one_table(tmp_path: Path) -> None:
    frame = pl.read_csv(io.StringIO(table(*GOOD)))
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    assert send(buffer.getvalue()) == 1.0
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as z:
        z.writestr("sub/mine.csv", table(*GOOD))
        z.writestr("__MACOSX/._mine.csv", "x")
    assert send(packed.getvalue()) == 1.0


def test_every_problem_at_once_with_line_column_value_and_fix() -> None:
    found = refused(
        table(
            "ISIC_0000001,abc,0.1",
            "ISIC_0000001,0.5,0.5",
            'ISIC_0000002,"0,2",1.5',
            "ISIC_9999999,0.1,",
            "isic_3,0.1,nan",
            ",0.1,0.2",
        )
    )
    told = {(p.code, p.line, p.column, p.value): p for p in found}
    assert {(code, line, column) for code, line, column, _ in told} == {
        ("not-a-number", 2, "melanoma"),
        ("duplicate-image", 3, "image"),
        ("not-a-number", 4, "melanoma"),
        ("out-of-range", 4, "seborrheic_keratosis"),
        ("unknown-image", 5, "image"),
        ("missing-value", 5, "seborrheic_keratosis"),
        ("unknown-image", 6, "image"),
        ("not-a-number", 6, "seborrheic_keratosis"),
        ("no-image", 7, "image"),
        ("missing-image", None, "image"),
    }
    assert "0.2, with a point" in told["not-a-number", 4, "melanoma", "0,2"].fix
    assert told["duplicate-image", 3, "image", "ISIC_0000001"].message.endswith("line 2")
    assert told["unknown-image", 6, "image", "isic_3"].fix == "write ISIC_0000003"
    assert sorted(p.value for p in found if p.code == "missing-image") == ["ISIC_0000003", "ISIC_0000004"]


def test_lines_are_those_of_an_editor_after_an_empty_one() -> None:
    (found,) = refused(f"{HEAD}\n\n{GOOD[0]}\nISIC_0000002,x,0.8\n{GOOD[2]}\n{GOOD[3]}\n")
    assert (found.line, found.column, found.value) == (4, "melanoma", "x")


def test_percentages_are_told_from_logits() -> None:
    percent = refused(table("ISIC_0000001,90,10", "ISIC_0000002,20,80", "ISIC_0000003,10,20", "ISIC_0000004,60,30"))
    assert "write 0.9: these look like percentages" in percent[0].fix
    signs = refused(table("ISIC_0000001,90%,0.1", *GOOD[1:]))
    assert "write 0.9, without the percent sign" in signs[0].fix
    logits = refused(table("ISIC_0000001,-2.5,0.1", *GOOD[1:]))
    assert "logistic" in logits[0].fix


@pytest.mark.parametrize("cell", ["nan", "inf", "-inf", "Infinity", "0x1", "1_0", "true", "²", "١", "0.5 0.5", "1e999"])
def test_cells_that_are_no_number_in_0_to_1(cell: str) -> None:
    (found,) = refused(table(f"ISIC_0000001,{cell},0.1", *GOOD[1:]))
    assert found.code in ("not-a-number", "out-of-range")
    assert (found.line, found.column) == (2, "melanoma")


def test_columns_missing_extra_and_misnamed() -> None:
    missing = refused(table(*(r.rsplit(",", 1)[0] for r in GOOD), head="image,melanoma"))
    assert [(p.code, p.column) for p in missing] == [("missing-column", "seborrheic_keratosis")]
    extra = refused(table(*(f"{r},1" for r in GOOD), head=f"{HEAD},age"))
    assert [(p.code, p.column, p.fix) for p in extra] == [("extra-column", "age", "remove it")]
    slip = refused(table(*GOOD, head=HEAD.replace("seborrheic", "seborhoeic")))
    assert {p.fix for p in slip} == {
        "rename seborhoeic_keratosis to seborrheic_keratosis",
        "rename it to seborrheic_keratosis",
    }
    twice = refused(table(*(f"{r},1" for r in GOOD), head=f"{HEAD},melanoma"))
    assert twice[0].code == "duplicate-column"


def test_no_heading_and_no_rows() -> None:
    (found, *_) = refused("\n".join(GOOD) + "\n")
    assert found.code == "no-heading"
    assert HEAD.replace("image", "image_id") in found.fix
    assert refused(HEAD + "\n")[0].code == "empty"
    assert refused("")[0].code == "empty"
    assert refused(b"\n \n")[0].code == "empty"


def test_what_is_no_table() -> None:
    assert refused(b"\x1f\x8b\x08broken")[0].code == "gzip"
    assert refused(gzip.compress(table(*GOOD).encode())[:-12])[0].code == "gzip"
    assert refused(b"PK\x03\x04rubbish")[0].code == "zip"
    assert refused(b"PAR1rubbish")[0].code == "parquet"
    assert refused(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 4)
    book = io.BytesIO()
    with zipfile.ZipFile(book, "w") as z:
        z.writestr("[Content_Types].xml", "<x/>")
    assert refused(book.getvalue())[0].code == "spreadsheet"


def test_a_gzip_bomb_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cygnet.challenge.packed.TABLE_BYTES", 1 << 20)
    assert refused(gzip.compress(b"0" * (2 << 20)))[0].code == "too-large"


def test_a_million_extra_rows_are_counted_not_listed() -> None:
    data = table(*GOOD, *(f"ISIC_{k:07d},0.1,0.1" for k in range(1_000_000, 2_000_000)))
    found = refused(data)
    assert len(found) == LISTED + 1
    assert found[0].line == 6
    assert found[-1].message == "999,800 more problems of this kind"


def test_order_of_truth_and_weights_does_not_matter() -> None:
    """The reference sorts rows and not their weights: an AUC of 1 becomes 0 there."""
    weighted = "image,target,score_weight,validation_weight\n"
    rows = ["c,1,1,1", "a,0,1,1", "b,1,0,0", "d,0,0,0"]
    mine = "image,target\na,0.1\nb,0.05\nc,0.9\nd,0.95\n"
    scores = {
        send(mine, truth((weighted + "\n".join(order) + "\n").encode(), "isic2020"))
        for order in (rows, rows[::-1], sorted(rows))
    }
    assert scores == {1.0}


def test_undefined_is_nan_with_a_reason() -> None:
    known_truth = truth(b"image,target\na,1\nb,0\n", "isic2020")
    answer = read_answer(known_truth, Source("mine", data=b"image_name,target\na,0.2\nb,0.1\n"))
    found = score_answer(known_truth, answer)
    assert np.isnan(found.metrics["per_category"]["ppv"]["target"])
    assert found.metrics["undefined"]["ppv.target"] == "no image was called target"
    assert found.as_json()["metrics"]["per_category"]["ppv"]["target"] is None
    json.dumps(found.as_json(), allow_nan=False)
    alone = truth(b"image,target\na,0\nb,0\n", "isic2020")
    assert np.isnan(send("image_name,target\na,0.2\nb,0.1\n", alone))


def test_a_truth_with_patients_and_other_columns() -> None:
    rows = ["image_name,patient_id,sex,age_approx,target", "a,P1,male,50.0,1", "b,P1,male,50.0,0", "c,P2,,,0"]
    found = truth("\n".join(rows).encode(), "isic2020")
    assert found.unit == "patient" and found.units == 2
    assert found.attributes["age"].tolist() == ["50", "50", ""]
    answer = read_answer(found, Source("mine", data=b"image_name,target\na,0.2\nb,0.1\nc,0.9\n"))
    made_score = score_answer(found, answer)
    assert made_score.overall == 0.5
    assert made_score.metrics["patient"]["within_patient_auc"] == 1.0


def test_words_of_2016_and_a_truth_that_is_wrong() -> None:
    found = truth(b"isic_id,target\na,benign\nb,malignant\n", "isic2016-task3")
    assert found.labels[:, 0].tolist() == [False, True]
    with pytest.raises(TableError, match="line 3: target is 'perhaps'"):
        truth(b"isic_id,target\na,benign\nb,perhaps\n", "isic2016-task3")
    with pytest.raises(TableError, match="twice"):
        truth(b"isic_id,target\na,0\na,1\n", "isic2016-task3")
    with pytest.raises(InputError, match="no column target"):
        truth(b"isic_id,other\na,0\n", "isic2016-task3")
    with pytest.raises(TableError, match="score_weight is '-1'"):
        truth(b"isic_id,target,score_weight\na,0,-1\n", "isic2016-task3")


def test_tasks_are_known_and_new_ones_are_checked() -> None:
    assert len(known()) == 15
    with pytest.raises(InputError, match="did you mean 'isic2018-task3'"):
        task("isic2018-tsk3")
    for wrong, word in (
        ({"kind": "sorting"}, "choose one of"),
        ({"kind": "classification"}, "name the classes"),
        ({"kind": "classification", "classes": ["a", "a"]}, "different names"),
        ({"kind": "segmentation", "headline": "auc"}, "for segmentation choose"),
        ({"kind": "ranking", "name": "Bad name"}, "small letters"),
    ):
        with pytest.raises(InputError, match=word):
            made("new", wrong)
    assert made("new", {"task": "isic2020", "headline": "pauc"}).identifier == "image_name"


def test_a_task_goes_through_toml_and_back(tmp_path: Path) -> None:
    for known_task in known().values():
        file = tmp_path / f"{known_task.name}-copy.toml"
        file.write_text(as_toml(known_task))
        assert task(file) == known_task


@given(st.integers(0, 2**32 - 1))
def test_the_order_of_rows_and_columns_never_matters(seed: int) -> None:
    rng = np.random.default_rng(seed)
    classes = task("isic2018-task3").classes
    hot = np.eye(7)[np.r_[np.arange(7), rng.integers(0, 7, 13)]]
    values = np.round(rng.random((20, 7)), 1)
    names = [f"i{k}" for k in range(20)]
    true = pl.DataFrame({"image": names, **{c: hot[:, k] for k, c in enumerate(classes)}})
    mine = pl.DataFrame({"image": names, **{c: values[:, k] for k, c in enumerate(classes)}})
    turned = mine.sample(fraction=1, shuffle=True, seed=seed).select(rng.permutation(mine.columns).tolist())
    other = true.sample(fraction=1, shuffle=True, seed=seed + 1)
    made_truths = [truth(t.write_csv().encode(), "isic2018-task3") for t in (true, other)]
    assert send(mine.write_csv(), made_truths[0]) == pytest.approx(send(turned.write_csv(), made_truths[1]), abs=1e-12)
