"""Charts: coordinates worked out by hand, ticks that are nice, and nothing undefined in the drawing."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.report.chart_axes import Axis, Frame, nice_ticks, path, place, printable, short
from cygnet.report.charts import DASHES, MOST, Chart, ForestRow, dash, forest, marker

NAN = math.nan
SPACE = "{http://www.w3.org/2000/svg}"
ANY = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)).map(lambda v: NAN if v is None else v)


def chart() -> Chart:
    """A chart whose plot is 300 by 300 units: x from 52 to 352, y from 328 up to 28."""
    return Chart("c", "Title", "Description", Frame(Axis("x"), Axis("y")))


def data(svg: str, css: str) -> list[str]:
    """The path data of the elements of one class, in the clipped group."""
    group = ET.fromstring(svg).find(f"{SPACE}g[@clip-path]")
    assert group is not None
    return [e.get("d", "") for e in group.iter() if (e.get("class") or "").split()[:1] == [css]]


def test_nice_ticks_worked_out_by_hand() -> None:
    assert nice_ticks(0, 1) == (0, 0.2, 0.4, 0.6, 0.8, 1)
    assert nice_ticks(0, 0.02) == (0, 0.005, 0.01, 0.015, 0.02)
    assert nice_ticks(-0.012, 0.034) == (-0.01, 0, 0.01, 0.02, 0.03)
    assert nice_ticks(3, 97) == (20, 40, 60, 80)
    assert nice_ticks(1, 1) == nice_ticks(2, 1) == nice_ticks(NAN, 1) == nice_ticks(0, math.inf) == ()


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(5, 9))
def test_ticks_rise_evenly_within_the_range(low: float, span: float, count: int) -> None:
    ticks = nice_ticks(low, low + span, count)
    assert 2 <= len(ticks) <= count + 1
    assert all(low <= t <= low + span for t in ticks)
    gaps = [b - a for a, b in zip(ticks, ticks[1:], strict=False)]
    assert min(gaps) > 0
    assert max(gaps) - min(gaps) <= 1e-6 * max(gaps) + 1e-9 * max(map(abs, ticks))
    lead = f"{max(gaps):.3e}"[:5]
    assert lead in ("1.000", "2.000", "5.000")


@given(st.lists(st.floats(-1e6, 1e6), max_size=8))
def test_an_axis_holds_its_values_and_has_ticks(values: list[float]) -> None:
    axis = Axis.over("x", [*values, NAN, math.inf])
    assert axis.low < axis.high
    slack = 1e-9 * (axis.high - axis.low)
    assert all(axis.low - slack <= v <= axis.high + slack for v in values)
    assert len(axis.ticks()) >= 2


def test_axes_worked_out_by_hand() -> None:
    assert (Axis.over("x", (0.03, 0.11)).low, Axis.over("x", (0.03, 0.11)).high) == (0.02, 0.12)
    assert Axis("x", -0.5, 0.5).ticks()[0] == (-0.4, "−0.4")
    assert Axis.over("x", ()).ticks()[-1] == (1.0, "1.0")
    assert [label for _, label in Axis("x", 0, 20000).ticks()][1] == "5,000"


def test_places_worked_out_by_hand() -> None:
    frame = Frame(Axis("x"), Axis("y"))
    assert frame.at(0, 0) == (52, 328)
    assert frame.at(1, 1) == (352, 28)
    assert frame.at(0.5, 0.25) == (202, 253)
    assert place(202.04) == "202"
    assert place(-0.01) == "0"
    assert place(1e300) == "9999"


def test_a_line_and_its_gap() -> None:
    drawn = chart()
    drawn.line((0, 0.5, 0.6, 1), (0, 0.5, NAN, 1), 1, "model")
    assert data(drawn.svg(), "line") == ["M52 328L202 178M352 28h0"]
    assert 'stroke-dasharray="7 3"' in drawn.svg()
    assert ">model</text>" in drawn.svg()


def test_a_band_goes_there_and_back() -> None:
    drawn = chart()
    drawn.band((0, 1), (0, 0.5), (0.5, 1))
    assert data(drawn.svg(), "range") == ["M52 328L352 178L352 28L52 178z"]
    gap = chart()
    gap.band((0, 0.5, 1), (0, NAN, 0.5), (0.5, 0.6, 1))
    assert data(gap.svg(), "range") == []


def test_points_have_their_intervals() -> None:
    drawn = chart()
    drawn.points((0.5, NAN, 1), (0.5, 0.5, 1), (0.25, 0, NAN), (0.75, 1, 1))
    assert data(drawn.svg(), "bar") == ["M202 253L202 103"]
    assert len(data(drawn.svg(), "dot")) == 2
    assert "translate(202 178)" in drawn.svg()


def test_bars_stand_on_the_floor() -> None:
    drawn = chart()
    drawn.bars((0.5, 0.9), (0.5, NAN), 0.2)
    assert data(drawn.svg(), "column") == ["M172 328L172 178L232 178L232 328z"]
    drawn.steps((0.5,), (0.1,), 0.2)
    assert data(drawn.svg(), "step") == ["M172 298L232 298"]


def test_a_region_is_hatched() -> None:
    drawn = chart()
    drawn.region([(0, 0.8), (1, 0.8), (1, 1)], "area")
    assert data(drawn.svg(), "hatch") == ["M52 88L352 88L352 28z"]
    assert 'fill="url(#c-h)"' in drawn.svg()


def test_a_legend_makes_room() -> None:
    drawn = chart()
    assert 'viewBox="0 0 366 370"' in drawn.svg()
    drawn.line((0, 1), (0, 1), 0, "a")
    drawn.line((0, 1), (0, 1), 1, "b")
    assert 'viewBox="0 0 366 414"' in drawn.svg()


def test_a_forest_worked_out_by_hand() -> None:
    rows = [ForestRow("female", "0.80 (0.70 to 0.90)", 0.8, 0.7, 0.9, "4 of 90"), ForestRow("male", "too few")]
    svg = forest("f", "AUC by sex", "In words", rows, Axis("AUC", 0.5, 1.0), 0.75)
    assert 'viewBox="0 0 360 130"' in svg
    assert 'd="M148 38L276 38"' in svg  # 20 + 320 * 0.4 and 20 + 320 * 0.8, in the first row
    assert "translate(212 38)" in svg  # 20 + 320 * 0.6
    assert 'd="M180 30v16M180 70v16"' in svg  # 20 + 320 * 0.5, once per row
    assert "too few" in svg
    assert "4 of 90" in svg
    assert svg.count('class="dot') == 1


def test_no_series_is_told_by_colour_alone() -> None:
    assert len(set(DASHES)) == MOST
    shapes = {re.sub('class="[^"]*"', "", marker(i, (0, 0))) for i in range(MOST)}
    assert len(shapes) == MOST
    assert dash(0) == ""
    assert dash(-1)


def test_names_are_text() -> None:
    drawn = Chart("c", "<b>&", '"\x00]]>', Frame(Axis("<x>"), Axis("y&")))
    drawn.line((0, 1), (0, 1), 0, "<i>\x07")
    root = ET.fromstring(drawn.svg())
    assert root.find(f"{SPACE}title").text == "<b>&"  # type: ignore[union-attr]
    assert [e for e in root.iter() if e.tag in (f"{SPACE}i", f"{SPACE}b")] == []
    assert printable("a\x00\u202eb\ud800") == "a\ufffd\ufffdb\ufffd"


@pytest.mark.parametrize(("text", "most", "expected"), [("abc", 3, "abc"), ("abcdefgh", 5, "ab…gh"), ("abcd", 2, "a…")])
def test_long_names_lose_their_middle(text: str, most: int, expected: str) -> None:
    assert short(text, most) == expected


@given(st.lists(st.tuples(ANY, ANY, ANY, ANY), max_size=12))
def test_nothing_undefined_is_drawn(rows: list[tuple[float, float, float, float]]) -> None:
    xs, ys, lows, highs = ([row[k] for row in rows] for k in range(4))
    drawn = chart()
    drawn.line(xs, ys)
    drawn.band(xs, lows, highs)
    drawn.points(xs, ys, lows, highs)
    drawn.bars(xs, ys, 0.1)
    drawn.steps(xs, ys, 0.1)
    drawn.region(list(zip(xs, ys, strict=True)))
    drawn.note(xs[0] if xs else NAN, 0.5, "words")
    plot = forest("f", "t", "d", [ForestRow("a", "b", *row[1:]) for row in rows], Axis("x"), NAN)
    for svg in (drawn.svg(), plot):
        ET.fromstring(svg)
        assert not re.search(r"\b(nan|inf)\b", svg)
        assert all(
            abs(float(v)) <= 9999 for v in re.findall(r"-?\d+(?:\.\d+)?(?:e[+-]\d+)?", svg.split("<clipPath")[-1])
        )


@given(st.lists(ANY, min_size=1, max_size=30))
def test_undefined_points_only_break_the_line(ys: list[float]) -> None:
    runs = list(Frame(Axis("x"), Axis("y")).runs([i / 30 for i in range(len(ys))], ys))
    assert sum(map(len, runs)) == sum(map(math.isfinite, ys))
    assert all(path(run).count("M") == 1 for run in runs)
