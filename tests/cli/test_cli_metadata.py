"""``cygnet metadata``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import polars as pl
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Answer

    Command = Callable[..., Answer]

WRONG = "filename,sex,diagnosis,note\na.jpg,mal,nevus,=1+1\nb.jpg,male,melanoma,call +49 170 1234567\n"


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    (tmp_path / "m.csv").write_text(WRONG)
    return tmp_path / "m.csv"


def test_errors_are_shown_counted_and_written(command: Command, wrong: Path, tmp_path: Path) -> None:
    done = command("metadata", "check", wrong, "--out", tmp_path / "p.csv", "--cleaned", tmp_path / "c.csv")
    assert done.code == 1
    assert done.out.startswith("m.csv: 2 rows, 2 errors, 1 warning, 1 note\n")
    assert "row 2, column sex: sex 'mal' is unknown; did you mean 'male'?" in done.out
    assert "1234567" not in done.out
    assert "kept apart: note" in done.out
    problems = pl.read_csv(tmp_path / "p.csv")
    assert problems["code"].to_list() == ["unknown-value", "formula", "personal-value", "read-as"]
    assert "'=1+1" in problems["value"].to_list()
    assert pl.read_csv(tmp_path / "c.csv").height == 0


def test_json_and_quiet(command: Command, wrong: Path) -> None:
    done = command("metadata", "check", wrong, "--json")
    content = json.loads(done.out)
    assert (done.code, content["rows"], content["errors"]) == (1, 2, 2)
    assert content["columns"]["image"] == "filename"
    assert command("metadata", "check", wrong, "--quiet") == (1, "", "")


def test_a_sound_table(command: Command, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes("image;sex;age\r\na;f;52\r\n".encode("utf-16"))
    done = command("metadata", "check", tmp_path / "m.csv", "--cleaned", tmp_path / "c.parquet")
    assert done.code == 0
    assert done.out.startswith("m.csv: 1 rows, no problem found\n")
    assert pl.read_parquet(tmp_path / "c.parquet").select("sex", "age_approx").rows() == [("female", 50)]


def test_no_table(command: Command, tmp_path: Path) -> None:
    done = command("metadata", "check", tmp_path / "none.csv")
    assert done.code == 2
    assert "no such file" in done.err


def test_values(command: Command) -> None:
    assert "sex: male; female" in command("metadata", "values").out
    assert command("metadata", "values", "sex").out == "male\nfemale\n"
    assert command("metadata", "values", "anatom_site", "patellar").out == "Lower extremity:Knee:Patellar region\n"
    assert len(json.loads(command("metadata", "values", "diagnosis", "--json").out)) == 418
    done = command("metadata", "values", "site")
    assert done.code == 2 and "no field 'site'; there are age, sex" in done.err
