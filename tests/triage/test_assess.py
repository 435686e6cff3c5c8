"""Pooling, company, probabilities, and how an assessment reads."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cygnet
from cygnet.context import MIN_LESIONS
from cygnet.errors import InputError
from cygnet.schema import DIAGNOSES
from cygnet.triage import RESEARCH_USE, Options
from cygnet.triage.calibration import Calibration, margin, melanoma_logit, probabilities
from cygnet.triage.rows import COLUMNS, HEADINGS, record, rounded

if TYPE_CHECKING:
    from pathlib import Path

    from cygnet.models import LesionModel

NUMBERS = ("rank", "rank_low", "rank_high", "p_melanoma", "oddness", "score", "guarded")
CALIBRATION = Calibration(0.9, -1.3, 1.4, 0.02)
LOGITS = st.lists(
    st.lists(st.floats(-30, 30), min_size=len(DIAGNOSES), max_size=len(DIAGNOSES)), min_size=1, max_size=5
).map(lambda rows: np.array(rows, np.float32))
CHANCE = st.floats(0.001, 0.9)


def by_file(assessment: cygnet.Assessment) -> dict[str, tuple[object, ...]]:
    """The numbers of each image by the hash of its file."""
    return {
        image.sha256: tuple(rounded(v) if isinstance(v := getattr(lesion, name), float) else v for name in NUMBERS)
        for lesion in assessment.lesions
        for image in lesion.images
    }


@pytest.mark.parametrize("value", [0, 1, -0.1, 2, math.nan, math.inf])
def test_prevalence_is_checked(value: float) -> None:
    with pytest.raises(InputError, match=r"prevalence .* is not between 0 and 1; 0.02 means two in a hundred"):
        Options(prevalence=value)


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan])
def test_guard_is_checked(value: float) -> None:
    with pytest.raises(InputError, match=r"guard .* is not between 0 and 1; 0.05 means five in a hundred"):
        Options(guard=value)
    Options(guard=0)
    Options(guard=1)


@given(LOGITS, CHANCE)
def test_probabilities_sum_to_one(logits: np.ndarray, prevalence: float) -> None:
    p = probabilities(logits, CALIBRATION, prevalence)
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-9)
    assert ((p >= 0) & (p <= 1)).all()


@given(LOGITS, CHANCE, CHANCE)
def test_prevalence_shifts_log_odds(logits: np.ndarray, one: float, other: float) -> None:
    shift = melanoma_logit(logits, CALIBRATION, one) - melanoma_logit(logits, CALIBRATION, other)
    np.testing.assert_allclose(shift, math.log(one / (1 - one)) - math.log(other / (1 - other)), atol=1e-9)


@given(LOGITS)
def test_margin_is_softmax_log_odds(logits: np.ndarray) -> None:
    mel = DIAGNOSES.index("mel")
    z = logits.astype(np.float64)
    expected = z[:, mel] - np.logaddexp.reduce(np.delete(z, mel, axis=1), axis=1)
    np.testing.assert_allclose(margin(logits), expected, atol=1e-9)


def test_prevalence_of_a_run(simulated: Path, model: LesionModel) -> None:
    def odds(prevalence: float) -> np.ndarray:
        found = {
            x.lesion_id: x.p_melanoma for x in cygnet.rank(simulated, prevalence=prevalence, model=model)[0].lesions
        }
        p = np.array([found[k] for k in sorted(found)])
        return np.log(p) - np.log1p(-p)

    np.testing.assert_allclose(odds(0.2) - odds(0.02), math.log(0.25) - math.log(0.02 / 0.98), atol=1e-9)


def test_whole_patient(ranked: cygnet.Assessment) -> None:
    n = len(ranked.lesions)
    assert (n, ranked.company) == (9, "good")
    assert [x.rank for x in ranked.lesions] == list(range(1, n + 1))
    scores = [x.score for x in ranked.lesions]
    assert scores == sorted(scores, reverse=True)
    for x in ranked.lesions:
        assert 1 <= x.rank_low <= x.rank <= x.rank_high <= n
        assert sum(x.p_diagnosis.values()) == pytest.approx(1)
        assert x.p_diagnosis["mel"] == x.p_melanoma
        assert 0 <= x.oddness <= 1
        assert x.nearest in {y.lesion_id for y in ranked.lesions} - {x.lesion_id}
    assert ranked.provenance.prevalence == 0.02
    assert len(ranked.provenance.model_sha256) == 64


def test_one_lesion(simulated: Path, model: LesionModel) -> None:
    alone = cygnet.rank(sorted((simulated / "images").iterdir())[:1], model=model)[0]
    lesion = alone.lesions[0]
    assert alone.company == "none"
    assert "no siblings to compare with" in lesion.reason
    assert "no siblings to compare with" in alone.company_words
    assert math.isnan(lesion.oddness)
    assert lesion.score == lesion.p_melanoma
    assert (lesion.rank, lesion.nearest, lesion.family, lesion.deviations) == (1, None, None, ())


@pytest.mark.parametrize("n", [2, MIN_LESIONS - 1])
def test_few_lesions(simulated: Path, model: LesionModel, n: int) -> None:
    few = cygnet.rank(sorted((simulated / "images").iterdir())[:n], model=model)[0]
    assert few.company == "few"
    assert f"only {n} lesions, too few to compare" in few.company_words
    assert all("too few" in x.reason for x in few.lesions)
    assert all(x.score == pytest.approx(x.p_melanoma) for x in few.lesions)


def test_enough_lesions(simulated: Path, model: LesionModel) -> None:
    assert cygnet.rank(sorted((simulated / "images").iterdir())[:MIN_LESIONS], model=model)[0].company == "good"


def test_guard_holds_all_when_zero(simulated: Path, model: LesionModel) -> None:
    held = cygnet.rank(simulated, guard=0, model=model)[0]
    assert all(x.score >= x.p_melanoma - 1e-12 for x in held.lesions)
    free = cygnet.rank(simulated, guard=1, model=model)[0]
    assert not any(x.guarded for x in free.lesions)


def test_one_lesion_id_is_pooled(simulated: Path, model: LesionModel) -> None:
    frame = pl.read_csv(simulated / "manifest.csv", infer_schema=False)
    first, second = frame["lesion_id"][:2]
    joined = frame.with_columns(pl.col("lesion_id").replace({second: first}))
    found = cygnet.rank(joined, images=simulated, model=model)[0]
    pooled = next(x for x in found.lesions if x.lesion_id == first)
    assert len(found.lesions) == 8
    assert [i.image for i in pooled.images] == frame["image"][:2].to_list()
    own = [i.p_diagnosis["mel"] for i in pooled.images]
    assert min(own) <= pooled.p_melanoma <= max(own)


def test_same_bytes_are_left_out_once(photos: Path, model: LesionModel) -> None:
    shutil.copy(photos / "SIM-0003_01.jpg", photos / "zz.jpg")
    found = cygnet.rank(photos, model=model)[0]
    assert found.notes == ("zz is the same file as SIM-0003_01 and was left out",)
    out = found.lesions[-1]
    assert (out.lesion_id, out.rank) == ("zz", None)
    assert out.images[0].findings[-1].code == "duplicate"
    assert "keep one copy" in out.images[0].findings[-1].retake
    assert len(found.assessable) == 9


def test_same_bytes_of_one_lesion_are_pooled(photos: Path, model: LesionModel) -> None:
    shutil.copy(photos / "SIM-0003_01.jpg", photos / "zz.jpg")
    names = sorted(p.stem for p in photos.iterdir())
    frame = pl.DataFrame({"image": names, "lesion_id": ["SIM-0003_01" if n == "zz" else n for n in names]})
    found = cygnet.rank(frame, images=photos, model=model)[0]
    assert not [n for n in found.notes if "left out" in n]
    assert len(found.lesions) == 9
    assert max(len(x.images) for x in found.lesions) == 2


def test_same_bytes_under_two_patients_are_kept(photos: Path, tmp_path: Path, model: LesionModel) -> None:
    for name in ("a", "b"):
        shutil.copytree(photos, tmp_path / "all" / name)
    one, two = cygnet.rank(tmp_path / "all", model=model)
    assert (one.notes, two.notes) == ((), ())
    assert by_file(one) == by_file(two)


@pytest.mark.parametrize("seed", [0, 1])
def test_row_order_changes_nothing(simulated: Path, model: LesionModel, ranked: cygnet.Assessment, seed: int) -> None:
    frame = pl.read_csv(simulated / "manifest.csv", infer_schema=False).sample(fraction=1, shuffle=True, seed=seed)
    found = cygnet.rank(frame, images=simulated, model=model)[0]
    assert record(found) == record(ranked) | {"lesions": found_lesions(found, ranked)}
    assert by_file(found) == by_file(ranked)


def found_lesions(found: cygnet.Assessment, ranked: cygnet.Assessment) -> object:
    """The lesions of ``ranked`` under the paths of ``found``."""
    files = {i.image: i.file for x in found.lesions for i in x.images}
    moved = [replace(x, images=tuple(replace(i, file=files[i.image]) for i in x.images)) for x in ranked.lesions]
    return record(replace(ranked, lesions=tuple(moved)))["lesions"]


def test_names_change_nothing(simulated: Path, model: LesionModel, ranked: cygnet.Assessment) -> None:
    frame = pl.read_csv(simulated / "manifest.csv", infer_schema=False)
    named = frame.with_columns(patient_id=pl.lit("Zoë"), lesion_id="9-" + pl.col("lesion_id").str.reverse())
    found = cygnet.rank(named, images=simulated, model=model)[0]
    assert found.patient_id == "Zoë"
    assert by_file(found) == by_file(ranked)


def test_workers_change_nothing(simulated: Path, model: LesionModel, ranked: cygnet.Assessment) -> None:
    for workers in (1, 2, 5):
        again = cygnet.rank(simulated, workers=workers, model=model)[0]
        assert json.dumps(record(again)) == json.dumps(record(ranked))


def test_sources(simulated: Path, model: LesionModel, ranked: cygnet.Assessment) -> None:
    files = sorted((simulated / "images").iterdir())
    frame = pl.read_csv(simulated / "manifest.csv", infer_schema=False)
    for source in (str(simulated), [simulated], simulated / "manifest.csv"):
        assert by_file(cygnet.rank(source, model=model)[0]) == by_file(ranked)
    assert by_file(cygnet.rank(frame, images=simulated, model=model)[0]) == by_file(ranked)
    loose = cygnet.rank([str(f) for f in files], model=model)[0]
    assert loose.patient_id == "patient"
    assert len(loose.lesions) == 9


def test_no_patient_column_is_noted(photos: Path, model: LesionModel) -> None:
    frame = pl.DataFrame({"image": ["SIM-0003_01", "SIM-0003_02"]})
    assert cygnet.rank(frame, images=photos, model=model)[0].notes == (
        "no patient_id given: all images are taken as one patient",
    )


def test_as_text(ranked: cygnet.Assessment) -> None:
    lines = str(ranked).splitlines()
    assert lines[0].startswith(f"patient {ranked.patient_id}, ")
    assert "9 lesions; each lesion compared with its 8 siblings" in lines[0]
    assert lines[1].split()[0] == "rank"
    assert len(lines) == 2 + 9 + 1
    assert lines[-1] == RESEARCH_USE


def test_as_html_escapes(ranked: cygnet.Assessment) -> None:
    nasty = "<script>alert('&')</script>"
    lesion = replace(ranked.lesions[0], lesion_id=nasty, reason=nasty, site=nasty)
    page = replace(ranked, patient_id=nasty, lesions=(lesion,))._repr_html_()
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 4
    assert page.count("<th ") == len(HEADINGS)
    assert RESEARCH_USE in page


def test_as_polars(ranked: cygnet.Assessment) -> None:
    frame = ranked.to_polars()
    assert tuple(frame.columns) == COLUMNS
    assert frame["rank"].to_list() == list(range(1, 10))
    assert frame["p_mel"].to_list() == frame["p_melanoma"].to_list()
    assert frame.schema["score"] == pl.Float64


def test_as_polars_with_nothing_assessed(tmp_path: Path, model: LesionModel) -> None:
    (tmp_path / "a.jpg").touch()
    (tmp_path / "b.jpg").write_bytes(b"x")
    found = cygnet.rank(tmp_path, model=model)[0]
    frame = found.to_polars()
    assert tuple(frame.columns) == COLUMNS
    assert frame["rank"].null_count() == frame["p_mel"].null_count() == 2
    assert found.company_words == "nothing could be assessed"
    assert "cannot be assessed" in str(found)
    json.dumps(record(found), allow_nan=False)
