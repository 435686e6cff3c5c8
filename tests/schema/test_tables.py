"""Odd files as people send them, and files that no spreadsheet executes."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from cygnet.errors import InputError, OutputError
from cygnet.schema import tables
from cygnet.schema.cells import restore, risky, safe

PLAIN = "image,sex,note\na,male,\u00e9t\u00e9\nb,female,x\n"
ROWS = [{"image": "a", "sex": "male", "note": "\u00e9t\u00e9"}, {"image": "b", "sex": "female", "note": "x"}]


def read(place: Path, content: bytes | str, name: str = "t.csv") -> tables.Table:
    file = place / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return tables.read(file)


def codes(table: tables.Table) -> list[tuple[int | None, str]]:
    return [(p.row, p.code) for p in table.problems]


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.encode(),
        PLAIN.encode("utf-8-sig"),
        PLAIN.encode("utf-16"),
        PLAIN.encode("utf-16-le"),
        PLAIN.encode("utf-16-be"),
        PLAIN.encode("utf-32"),
        PLAIN.replace("\n", "\r\n").encode(),
        PLAIN.replace("\n", "\r").encode(),
        PLAIN.replace(",", ";").encode(),
        PLAIN.replace(",", "\t").encode("utf-16"),
        PLAIN.replace(",", "|").encode(),
        b'"' + PLAIN.replace(",", '","').replace("\n", '"\r\n"').rstrip('"').encode(),
        ("\n\n" + PLAIN + "\n,,\n  \n").encode(),
        PLAIN.replace(",note", " , note ").encode(),
    ],
)
def test_the_same_table_in_every_dress(tmp_path: Path, content: bytes) -> None:
    table = read(tmp_path, content)
    assert table.frame.to_dicts() == ROWS
    assert table.problems == ()
    assert_frame_equal(tables.read_frame(tmp_path / "t.csv"), table.frame)


def test_windows_letters_are_read_with_a_warning(tmp_path: Path) -> None:
    table = read(tmp_path, PLAIN.encode("cp1252"))
    assert table.frame.to_dicts() == ROWS
    assert codes(table) == [(None, "encoding")]
    assert tables.read_frame(tmp_path / "t.csv").to_dicts() == ROWS


def test_line_breaks_within_cells_do_not_shift_row_numbers(tmp_path: Path) -> None:
    table = read(tmp_path, 'a,b\n"x\ny",1\n\nz,2\n')
    assert table.frame["a"].to_list() == ["x\ny", "z"]
    assert table.rows.to_list() == [2, 4]


def test_rows_of_the_wrong_length_are_named_and_read(tmp_path: Path) -> None:
    table = read(tmp_path, "a,b,c\n1,2,3\n4,5\n6,7,8,9\n1,2,3,,\n")
    assert table.frame.rows() == [("1", "2", "3"), ("4", "5", None), ("6", "7", "8"), ("1", "2", "3")]
    assert codes(table) == [(3, "ragged-row"), (4, "ragged-row")]
    with pytest.raises(InputError, match=r"t.csv row 4: the row has 4 cells and the heading 3"):
        tables.read_frame(tmp_path / "t.csv")


@pytest.mark.parametrize("size", [40_000, 10_000_000])
def test_giant_cells(tmp_path: Path, size: int) -> None:
    table = read(tmp_path, f"a,b\n1,{'x' * size}\n2,y\n")
    assert codes(table) == [(2, "cell-too-large")]
    assert table.frame.rows()[-1] == ("2", "y")
    assert len(str(table.problems[0])) < 200


def test_a_forgotten_quotation_mark_is_no_endless_cell(tmp_path: Path) -> None:
    rows = "".join(f"{k},y\n" for k in range(60_000))
    table = read(tmp_path, f'a,b\n1,"x\n{rows}')
    assert (2, "cell-too-large") in codes(table)


def test_nul_bytes(tmp_path: Path) -> None:
    table = read(tmp_path, b"a,b\n1,m\0ale\n2,y\n")
    assert table.frame.rows() == [("1", "male"), ("2", "y")]
    assert codes(table) == [(2, "nul-byte")]


def test_double_and_nameless_headings(tmp_path: Path) -> None:
    table = read(tmp_path, "sex,Sex ,,,age\nmale,female,,x,3\n")
    assert table.frame.to_dicts() == [{"sex": "male", "Sex (column 2)": "female", "age": "3"}]
    assert codes(table) == [(1, "duplicate-column"), (None, "unnamed-column")]
    with pytest.raises(InputError, match="column 2 is called 'Sex' like an earlier one"):
        tables.read_frame(tmp_path / "t.csv")


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_no_table(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InputError, match=r"t.csv: the table is empty"):
        read(tmp_path, content)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        tables.read(tmp_path / "none.csv")
    with pytest.raises(InputError, match="no such file"):
        tables.read(tmp_path)


def test_numbers_are_found_where_asked_for(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("a;b;c\n1;2.5;\n2;3.5;NA\n".encode("utf-16"))
    frame = tables.read_frame(tmp_path / "t.csv", infer=True, null_values=["", "NA"])
    assert frame.schema == {"a": pl.Int64, "b": pl.Float64, "c": pl.String}
    assert frame["c"].null_count() == 2


def test_parquet_as_text(tmp_path: Path) -> None:
    pl.DataFrame({"age": [45.0, None], "size": [2.5, 3.0], "ok": [True, None], "note": [" x ", ""]}).write_parquet(
        tmp_path / "t.parquet"
    )
    table = tables.read(tmp_path / "t.parquet")
    assert table.frame.rows() == [("45", "2.5", "true", "x"), (None, "3.0", None, None)]
    assert table.rows.to_list() == [2, 3]
    (tmp_path / "bad.parquet").write_bytes(b"PAR?")
    with pytest.raises(InputError, match="cannot be read as a table"):
        tables.read(tmp_path / "bad.parquet")


@pytest.mark.parametrize(
    "text", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", " =1", "=", "-x", "'=1", "\uff1d1"]
)
def test_what_a_spreadsheet_might_run(text: str) -> None:
    assert risky(text)
    assert safe(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "-5", "+3", "-0.5e-3", ".5", "-1,5", "a=b", "3-4", "'", "it's", "1=1"])
def test_what_it_does_not(text: str) -> None:
    assert safe(text) == text == restore(text)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.text(st.sampled_from("=+-@\t\r\n '0.e,a\u00a0\uff0b"), max_size=6) | st.text(max_size=8))
def test_every_text_comes_back_and_is_harmless(text: str) -> None:
    made = safe(text)
    assert restore(made) == text
    assert made.lstrip(" \u00a0")[:1] not in tuple("=+-@\t\r\n") or not risky(made)
    column = tables.harmless(pl.DataFrame({"x": [text]}))["x"]
    assert column.to_list() == [made]


def test_written_files_are_harmless_and_come_back(tmp_path: Path) -> None:
    frame = pl.DataFrame({"id": ["=cmd|'/c calc'!A1", "-5", "ok"], "n": [-1, 2, 3], "@x": ["a", "b", "'c"]})
    tables.write(frame, tmp_path / "o.csv")
    cells = list(csv.reader(io.StringIO((tmp_path / "o.csv").read_text())))
    assert cells == [["id", "n", "'@x"], ["'=cmd|'/c calc'!A1", "-1", "a"], ["-5", "2", "b"], ["ok", "3", "'c"]]
    back = tables.read(tmp_path / "o.csv").frame
    assert back.columns == frame.columns
    assert back["id"].to_list() == frame["id"].to_list()
    assert tables.read_frame(tmp_path / "o.csv").columns == frame.columns


def test_what_stood_there_stays_if_writing_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="could not be written"):
        tables.write(pl.DataFrame({"a": [1]}), tmp_path / "file" / "o.csv")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(
        st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6), min_size=2, max_size=2),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from([",", ";", "\t"]),
)
def test_any_cells_survive(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], encoding: str, sep: str
) -> None:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, delimiter=sep, quoting=csv.QUOTE_ALL).writerows(
        [["one", "two"], *([safe(c) for c in r] for r in rows)]
    )
    file = tmp_path_factory.mktemp("any") / "t.csv"
    file.write_bytes(buffer.getvalue().encode(encoding))
    table = tables.read(file)
    wanted = [tuple(cell.strip() or None for cell in row) for row in rows if any(cell.strip() for cell in row)]
    assert [tuple(restore(c) if c else c for c in row) for row in table.frame.rows()] == [
        tuple(restore(c) if c else c for c in row) for row in wanted
    ]
