"""Truth and scores out of tables: joins, and every way in which they can be wrong."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from cygnet.errors import InputError, TableError
from cygnet.evaluation import table
from cygnet.evaluation.study import Reading, build

NAMES = [f"ISIC_{k}" for k in range(8)]
TARGET = [1, 0, 0, 1, 0, 0, 1, 0]
SCORE = [0.9, 0.1, 0.2, 0.8, 0.3, 0.4, 0.7, 0.5]


def truth(**more):
    return table.prepare(pl.DataFrame({"image": NAMES, "target": TARGET, **more}), "truth.csv")


def scores(values=SCORE, names=NAMES, column="score", **more):
    return table.prepare(pl.DataFrame({"image": names, column: values, **more}), "scores.csv")


@pytest.mark.parametrize("column", ["image", "isic_id", "image_name", "ISIC_ID", "file", "path"])
@pytest.mark.parametrize("form", ["{}", "{}.jpg", "a/b/{}.JPEG", "C:\\x\\{}.png", " {}.dcm "])
def test_joins_however_images_are_named(column, form):
    order = np.random.default_rng(1).permutation(8)
    given = pl.DataFrame({column: [form.format(NAMES[i]) for i in order], "score": [SCORE[i] for i in order]})
    study = build(truth(more_columns=list("abcdefgh")), {"m": table.prepare(given, "s")})
    assert study.images == tuple(NAMES)
    assert study.scores["m"].tolist() == SCORE
    assert study.labels.tolist() == [bool(t) for t in TARGET]
    assert (study.unit, study.units) == ("image", 8)


def test_units_attributes_and_weights():
    given = truth(
        patient_id=["a", "a", "b", "b", None, None, "c", "c"],
        lesion_id=[1, 1, 2, 3, 4, 5, 6, 7],
        age_approx=[50, None, 30, 20, 60, 61, 62, 63],
        sex=["male", "female", "unknown", "", "male", "male", "male", "male"],
        score_weight=[1.0, 2, 0.5, 1, 1, 1, 1, 1],
    )
    study = build(given, {"m": scores()})
    assert (study.unit, study.units) == ("patient", 5)  # rows without a patient are one each
    assert study.member[0] == study.member[1] != study.member[4] != study.member[5]
    assert study.attributes["age"].tolist()[:3] == ["50", "", "30"]
    assert study.attributes["sex"].tolist()[:4] == ["male", "female", "", ""]
    assert study.weights[:3].tolist() == [1, 2, 0.5]
    assert build(given, {"m": scores()}, Reading(unit="lesion")).units == 7
    assert build(given, {"m": scores()}, Reading(unit="image")).units == 8


@pytest.mark.parametrize("words", [["yes", "no"], ["Malignant", "benign"], [True, False], [1.0, 0.0], ["MEL", "0"]])
def test_words_of_the_target(words):
    given = pl.DataFrame({"image": ["a", "b"], "benign_malignant": words})
    study = build(table.prepare(given, "t"), {"m": scores([0.5, 0.2], ["a", "b"])})
    assert study.labels.tolist() == [True, False]


def test_diagnoses_make_a_target():
    given = pl.DataFrame({"image": ["a", "b", "c"], "diagnosis": ["melanoma", "nevus", None]})
    study = build(table.prepare(given, "t"), {"m": scores([0.5, 0.2, 0.1], ["a", "b", "c"])})
    assert study.labels.tolist() == [True, False, False]


def problems(make, count, word):
    with pytest.raises(TableError) as raised:
        make()
    assert len(raised.value.problems) == count
    assert all(word in p for p in raised.value.problems)
    shown = str(raised.value)
    assert shown.count("\n  ") == min(count, 5) + (count > 5)
    assert shown.startswith(f"{count} problem")
    assert (f"(and {count - 5} more)" in shown) == (count > 5)


def test_rows_that_are_wrong():
    problems(lambda: scores([0.5] * 7, ["a"] * 7), 7, "stands there more than once")
    problems(lambda: scores([0.5] * 2, ["a", ""]), 1, "row 3: no image named")
    problems(lambda: build(truth(), {"m": scores(SCORE[:1], NAMES[:1])}), 7, "no score for image ISIC_")
    problems(lambda: build(truth(), {"m": scores([float("nan")] * 2 + SCORE[2:])}), 2, "no score for image")
    problems(lambda: build(truth(), {"m": scores(["high", "0.1", *map(str, SCORE[2:])])}), 1, "'high', not a number")
    bad = table.prepare(pl.DataFrame({"image": NAMES, "target": ["perhaps"] * 6 + ["1", None]}), "t")
    problems(lambda: build(bad, {"m": scores()}), 7, "not 0 or 1")
    problems(lambda: build(truth(weight=[-1, None, *[1] * 6]), {"m": scores()}), 2, "not 0 or more")


def test_subset():
    patients = ["a", "a", "b", "b", "c", "c", "d", "d"]
    tables = {"m": scores(SCORE[2:], NAMES[2:]), "n": scores(SCORE[:7], NAMES[:7])}
    study = build(truth(patient_id=patients), tables, Reading(subset=True))
    assert study.images == tuple(NAMES[2:7])
    assert study.scores["m"].tolist() == study.scores["n"].tolist() == SCORE[2:7]
    assert study.member.tolist() == study.patient.tolist() == [0, 0, 1, 1, 2]
    assert any("m: 2 of 8 images have no score" in note for note in study.notes)
    with pytest.raises(InputError, match="no image is left"):
        build(truth(), {"m": scores([0.5], ["other"])}, Reading(subset=True))


def test_scores_of_images_unknown_to_the_truth():
    study = build(truth(), {"m": scores([*SCORE, 0.5, 0.5], [*NAMES, "x", "y"])})
    assert len(study.images) == 8 and "2 scores are for images" in study.notes[0]


def test_folds():
    fold = [0, 0, 0, 0, 1, 1, 1, 1]
    study = build(truth(fold=fold), {"m": scores()}, Reading(fold="fold"))
    # 0.9 .1 .2 .8 and 0.3 .4 .7 .5, ranks 4 1 2 3 and 1 2 4 3, less half, of four
    assert study.scores["m"].tolist() == [r / 8 for r in (7, 1, 3, 5, 1, 3, 7, 5)]
    assert study.ranked
    by_scores = build(truth(), {"m": scores(fold=fold)}, Reading(fold="fold"))
    assert by_scores.scores["m"].tolist() == study.scores["m"].tolist()
    both = truth(fold=fold, patient_id=["a", "b", "c", "d", "a", "b", "e", "f"])
    problems(lambda: build(both, {"m": scores()}, Reading(fold="fold")), 2, "in folds 0 and 1")
    with pytest.raises(InputError, match="no table has the column 'set'"):
        build(truth(), {"m": scores()}, Reading(fold="set"))


def hot(columns, numbers):
    return {c: [float(k == i) for k in numbers] for i, c in enumerate(columns)}


def test_multi_class_of_isic_2018():
    columns = ["MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"]
    numbers = [0, 1, 2, 3, 4, 5, 6, 0]
    known = pl.DataFrame({"image": NAMES, **hot(columns, numbers)})
    p = np.random.default_rng(1).random((8, 7))
    given = pl.DataFrame({"image": NAMES[::-1], **{c: p[::-1, i] for i, c in enumerate(columns)}})
    study = build(table.prepare(known, "t"), {"m": table.prepare(given, "s")})
    assert study.classes == ("mel", "nv", "bcc", "akiec", "bkl", "df", "vasc")
    assert study.diagnosis.tolist() == numbers
    np.testing.assert_array_equal(study.diagnoses["m"], p)
    assert study.scores["m"].tolist() == p[:, 0].tolist()
    assert study.labels.tolist() == [n == 0 for n in numbers]
    two = known.with_columns(NV=pl.lit(1.0))
    problems(lambda: build(table.prepare(two, "t"), {"m": table.prepare(given, "s")}), 7, "2 diagnoses are marked")
    holes = given.with_columns(NV=pl.when(pl.col("image") == NAMES[3]).then(None).otherwise(pl.col("NV")))
    problems(
        lambda: build(table.prepare(known, "t"), {"m": table.prepare(holes, "s")}), 1, f"no score for image {NAMES[3]}"
    )


def test_columns_asked_for():
    given = scores(other=SCORE[::-1])
    assert build(truth(), {"m": given}, Reading(score=("other",))).scores["m"].tolist() == SCORE[::-1]
    assert list(build(truth(), {"m": given}, Reading(score=("all",))).scores) == ["m: score", "m: other"]
    assert build(truth(rare=TARGET[::-1]), {"m": given}, Reading(target="rare")).labels.tolist() == [
        bool(t) for t in TARGET[::-1]
    ]
    for how, word in (
        (Reading(score=("gone",)), "no column 'gone'"),
        (Reading(target="gone"), "no column 'gone'"),
        (Reading(unit="patient"), "no patient_id column"),
    ):
        with pytest.raises(InputError, match=word):
            build(truth(), {"m": given}, how)
    with pytest.raises(InputError, match="which column is the score"):
        build(truth(), {"m": scores(column="one", two=SCORE)})
    with pytest.raises(InputError, match="has no target"):
        build(table.prepare(pl.DataFrame({"image": NAMES}), "t"), {"m": scores()})


def test_files(tmp_path):
    frame = pl.DataFrame({"image": NAMES, "score": SCORE})
    frame.write_csv(tmp_path / "a.csv")
    frame.write_csv(tmp_path / "a.tsv", separator="\t")
    frame.write_parquet(tmp_path / "a.parquet")
    for name in ("a.csv", "a.tsv", "a.parquet"):
        assert table.images(table.read(tmp_path / name)) == NAMES
    assert table.rows(table.read(tmp_path / "a.csv")) == list(range(2, 10))
    (tmp_path / "marked.csv").write_bytes(b"\xef\xbb\xbfimage,score\na,0.5\n")
    assert table.images(table.read(tmp_path / "marked.csv")) == ["a"]


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "the table is empty"),
        (b"image,score\n", "no rows"),
        (b"name,score\na,1\n", "no image column among name, score"),
        (b"image,score\na,1,2,3\n", "row 2: the row has 4 cells"),
        (b"PAR1", "no rows"),
    ],
)
def test_files_that_are_wrong(tmp_path, content, words):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(InputError, match=words):
        table.read(tmp_path / "a.csv")


def test_files_that_are_missing_broken_or_large(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        table.read(tmp_path / "none.csv")
    (tmp_path / "a.parquet").write_bytes(b"PAR0 this is none")
    with pytest.raises(InputError, match="cannot be read"):
        table.read(tmp_path / "a.parquet")
    (tmp_path / "large.csv").write_text("image,score\n" + "".join(f"i{k},0.5\n" for k in range(200_000)))
    with pytest.raises(InputError, match="more than the limit of 1 MB"):
        table.read(tmp_path / "large.csv", memory_mb=1)
