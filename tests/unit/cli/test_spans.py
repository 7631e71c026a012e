from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from evenweave.cli.spans import legend, tagged

SPANS = [{"start": 3, "end": 7, "entity_group": "LOC"}, {"start": 5, "end": 9, "entity": "B-X"}]


def test_spans_are_named_where_there_is_no_colour() -> None:
    assert tagged("in York.", SPANS[:1], kinds=["LOC"], colour=False).plain == "in [York](LOC)."


def test_overlapping_spans_lose_no_text() -> None:
    line = tagged("in York city", SPANS, kinds=["LOC", "B-X"], colour=True)
    assert line.plain.replace(" ", "") == "inYorkcity"
    assert len(line.spans) == 2


@given(st.text())
def test_control_characters_do_not_reach_the_terminal(text: str) -> None:
    plain = tagged(text, [], kinds=[]).plain
    assert len(plain) == len(text)
    assert not any((ord(c) < 32 and c != "\t") or 127 <= ord(c) < 160 for c in plain)


def test_the_legend_shows_each_kind() -> None:
    assert legend(["PER", "LOC"]).plain.split() == ["PER", "LOC"]
