"""Whatever the tags, a conversion keeps the entities; and there and back is where it began."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from evenweave.data.labels import SCHEMES, parse_labels
from evenweave.data.schemes import convert_ids, convert_tags, recognise
from evenweave.ragged import Ragged

LETTERS = "IBESLUMW"
Spans = list[tuple[int, int, str]]

tag = st.one_of(
    st.just("O"), st.builds("{}-{}".format, st.sampled_from(LETTERS), st.sampled_from(["A", "B-b", "C"]))
)
rows_of_tags = st.lists(st.lists(tag, max_size=12), max_size=6)
schemes = st.sampled_from(SCHEMES)


def entities(tags: list[str]) -> Spans:
    """conlleval's rules, read aloud: where an entity starts and where it ends."""
    spans: Spans = []
    previous, kind_before = "O", ""
    for place, name in enumerate(tags):
        letter, _, kind = name.partition("-")
        letter = {"L": "E", "U": "S", "M": "I", "W": "S"}.get(letter, letter)
        if letter != "O":
            starts = letter in "BS" or previous in "OES" or kind != kind_before
            if starts:
                spans.append((place, place + 1, kind))
            else:
                spans[-1] = (spans[-1][0], place + 1, kind)
        previous, kind_before = letter, kind
    return spans


@given(rows_of_tags, schemes)
def test_a_conversion_keeps_the_entities(rows: list[list[str]], scheme: str) -> None:
    assert [entities(row) for row in convert_tags(rows, scheme=scheme)] == [entities(row) for row in rows]


@given(rows_of_tags, schemes, schemes)
def test_the_way_makes_no_difference(rows: list[list[str]], by: str, to: str) -> None:
    direct = convert_tags(rows, scheme=to)
    assert convert_tags(convert_tags(rows, scheme=by), scheme=to) == direct
    assert convert_tags(direct, scheme=to) == direct


@given(rows_of_tags, schemes)
def test_what_was_converted_is_well_formed(rows: list[list[str]], scheme: str) -> None:
    names = sorted({name for row in rows for name in row} | {"O"})
    ids = Ragged.from_rows([[names.index(name) for name in row] for row in rows], dtype="int64")
    converted, labels = convert_ids(ids, names, scheme=scheme)
    found = recognise(converted, labels)
    assert found.ill_formed == 0
    again, _ = convert_ids(converted, labels, scheme=found.scheme)
    # A corpus with few entities may read as a sparser scheme, never as one with other entities.
    assert [entities([labels[i] for i in row]) for row in converted] == [entities(row) for row in rows]
    assert len(again) == len(rows)
    assert set(parse_labels(labels).types) == {name[2:] for name in names if name != "O"}
