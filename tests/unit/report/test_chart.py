from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenweave.report.chart import Line, line_chart, nice_ticks

FINITE = st.floats(-1e6, 1e6).filter(lambda x: x == 0 or abs(x) > 1e-6)


@given(a=FINITE, b=FINITE, whole=st.booleans())
def test_ticks_enclose_the_values_and_are_few(a: float, b: float, whole: bool) -> None:
    low, high = min(a, b), max(a, b)
    ticks = nice_ticks(low, high, whole=whole)
    slack = 1e-6 * max(1.0, abs(low), abs(high))
    assert ticks == sorted(set(ticks))
    assert ticks[0] <= low + slack
    assert ticks[-1] >= high - slack
    assert 2 <= len(ticks) <= 8


@given(points=st.lists(st.tuples(st.floats(0, 50), st.floats(allow_nan=True)), max_size=8))
def test_any_points_give_a_well_formed_drawing(points: list[tuple[float, float]]) -> None:
    points = [(x, y if abs(y) < 1e12 else math.nan) for x, y in points]
    drawn = line_chart([Line("<loss>", sorted(points))], title='"&', x_name="epoch")
    if not any(math.isfinite(y) for _, y in points):
        assert drawn == ""
        return
    tree = ElementTree.fromstring(drawn.replace("class=dashed", 'class="dashed"'))
    svg = tree.find("svg")
    assert svg is not None
    for circle in svg.iter("circle"):
        assert 0 <= float(circle.attrib["cx"]) <= 440
        assert 0 <= float(circle.attrib["cy"]) <= 240
    assert len(list(svg.iter("circle"))) == sum(math.isfinite(y) for _, y in points)


def test_thousands_of_points_have_no_dots() -> None:
    drawn = line_chart([Line("loss", [(n / 100, 1.0) for n in range(1000)])], title="t", x_name="epoch")
    assert "<circle" not in drawn
    assert "<polyline" in drawn


@pytest.mark.parametrize("value", [0.0, 0.5, -3.0, 1e-9, 1e9])
def test_a_single_point_is_drawn(value: float) -> None:
    assert line_chart([Line("F1", [(1.0, value)])], title="t", x_name="epoch").count("<circle") == 1
