"""Contradictions that only a whole batch shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cygnet.schema import ImageRecord, batch_problems


def record(n: int, **changes: Any) -> ImageRecord:
    values = {"image": f"i{n}", "path": Path(f"/p/i{n}.jpg"), "patient_id": "P", "origin": f"t.csv row {n}", **changes}
    return ImageRecord(**values)


def test_nothing_wrong() -> None:
    fine = [record(1, lesion_id="L", sex="male"), record(2, lesion_id="L"), record(3, patient_id="Q", sex="female")]
    assert batch_problems(fine) == []
    assert batch_problems([]) == []


def test_a_file_named_twice() -> None:
    (said,) = batch_problems([record(1), record(2), record(3, image="other", path=Path("/p/i1.jpg"))])
    assert said.startswith("t.csv row 3")
    assert "named twice, first in t.csv row 1" in said


def test_two_images_of_one_name() -> None:
    (said,) = batch_problems([record(1), record(2, image="i1")])
    assert said.startswith("t.csv row 2")
    assert "i1.jpg and i2.jpg" in said
    assert batch_problems([record(1), record(2, image="i1", patient_id="Q")]) == []


def test_a_lesion_of_two_patients() -> None:
    (said,) = batch_problems([record(1, lesion_id="L"), record(2, lesion_id="L", patient_id="Q")])
    assert said.startswith("t.csv row 2")
    assert "lesion L belongs to patient Q here and to P in t.csv row 1" in said


def test_one_patient_of_two_sexes() -> None:
    (said,) = batch_problems([record(1, sex="male"), record(2), record(3, sex="female")])
    assert said.startswith("t.csv row 3")
    assert "patient P is female here and male in t.csv row 1" in said


def test_every_problem_is_told() -> None:
    rows = [
        record(1, lesion_id="L", sex="male"),
        record(2, path=Path("/p/i1.jpg"), sex="female"),
        record(3, lesion_id="L", patient_id="Q"),
        record(4, image="i1"),
    ]
    assert sorted(p.split(":")[0] for p in batch_problems(rows)) == [f"t.csv row {n}" for n in (2, 2, 3, 4)]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.sampled_from("PQ"), st.sampled_from(["male", "female", None])), max_size=8))
def test_sexes_are_contradicted_exactly_when_a_patient_has_both(rows: list[tuple[str, str | None]]) -> None:
    said = batch_problems([record(n, patient_id=p, sex=s) for n, (p, s) in enumerate(rows)])
    both = any(len({s for p, s in rows if p == who and s}) == 2 for who in "PQ")
    assert bool(said) == both
