"""Laws of the Arrow border: whatever the layout, the rows are the ones `to_pylist` gives."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenweave import Ragged
from evenweave.arrow import bytes_from_arrow, column_from_arrow, ragged_from_arrow
from evenweave.errors import DataError

TYPES = st.sampled_from([pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.float32(), pa.bool_()])
ROWS = st.lists(st.lists(st.integers(0, 1), max_size=4), max_size=7)


@st.composite
def layouts(draw: Any, rows: Any = ROWS, inner: Any = TYPES) -> Any:
    """A list column in any of Arrow's layouts: list or large_list, sliced, in chunks, sliced chunks."""
    kind = draw(inner)
    outer = draw(st.sampled_from([pa.list_, pa.large_list]))(kind)
    cells = draw(rows)
    if pa.types.is_boolean(kind):
        cells = [None if row is None else [bool(v) for v in row] for row in cells]
    array = pa.array(cells, outer)
    if draw(st.booleans()):
        start = draw(st.integers(0, len(array)))
        array = array.slice(start, draw(st.integers(0, len(array) - start)))
    if draw(st.booleans()):
        cuts = sorted(draw(st.lists(st.integers(0, len(array)), max_size=3)))
        bounds = [0, *cuts, len(array)]
        chunks = [array.slice(a, b - a) for a, b in itertools.pairwise(bounds)]
        return pa.chunked_array(chunks, type=outer)
    return array


@given(layouts())
def test_rows_are_those_of_to_pylist(column: Any) -> None:
    made = ragged_from_arrow(column)
    assert made.to_lists() == column.to_pylist()
    kind = column.type.value_type
    assert made.dtype == (np.bool_ if pa.types.is_boolean(kind) else kind.to_pandas_dtype())


@given(layouts())
def test_to_arrow_and_back_is_the_identity(column: Any) -> None:
    rows = ragged_from_arrow(column)
    assert ragged_from_arrow(rows.to_arrow()) == rows
    assert rows.to_arrow().to_pylist() == column.to_pylist()


@given(layouts(rows=st.lists(st.one_of(st.none(), st.lists(st.integers(0, 1), max_size=3)), max_size=6)))
def test_a_null_row_is_named_or_empty(column: Any) -> None:
    cells = column.to_pylist()
    assert ragged_from_arrow(column, nulls="empty").to_lists() == [cell or [] for cell in cells]
    if None in cells:
        with pytest.raises(DataError, match=f"row {cells.index(None)}, column 'ids': null"):
            ragged_from_arrow(column, name="ids")
    else:
        assert ragged_from_arrow(column).to_lists() == cells


def test_bytes_that_a_null_covers_are_left_out() -> None:
    offsets = pa.array([0, 2, 4, 5], pa.int32())
    null = pa.array([False, True, False])
    covered = pa.ListArray.from_arrays(offsets, pa.array([1, 2, 8, 9, 3]), mask=null)
    assert covered.to_pylist() == [[1, 2], None, [3]]
    assert ragged_from_arrow(covered, nulls="empty").to_lists() == [[1, 2], [], [3]]
    assert ragged_from_arrow(covered.slice(1), nulls="empty").to_lists() == [[], [3]]


NULLS_INSIDE = st.lists(st.lists(st.one_of(st.none(), st.integers(0, 1)), max_size=3), max_size=6)


@given(layouts(rows=NULLS_INSIDE, inner=st.sampled_from([pa.int8(), pa.int64()])), st.integers(-9, 9))
def test_a_null_inside_a_row_is_named_or_given_a_value(column: Any, value: int) -> None:
    cells = column.to_pylist()
    filled = [[value if v is None else v for v in cell] for cell in cells]
    assert ragged_from_arrow(column, null_value=value).to_lists() == filled
    bad = [row for row, cell in enumerate(cells) if None in cell]
    if bad:
        with pytest.raises(DataError, match=f"row {bad[0]}, column 'ids': holds a null"):
            ragged_from_arrow(column, name="ids", nulls="empty")


@given(st.lists(st.lists(st.integers(-9, 9), min_size=3, max_size=3), max_size=5), st.integers(0, 3))
def test_other_list_layouts(rows: list[list[int]], start: int) -> None:
    for kind in (pa.list_(pa.int32(), 3), pa.list_view(pa.int32()), pa.large_list_view(pa.int32())):
        column = pa.array(rows, kind).slice(start)
        assert ragged_from_arrow(column).to_lists() == rows[start:]


@pytest.mark.parametrize("kind", [pa.int8(), pa.int32(), pa.int64(), pa.float32()])
def test_nothing_is_copied_where_the_layout_is_ours(kind: Any) -> None:
    column = pa.array([[1, 2], [3], [], [4, 5]], pa.list_(kind)).slice(1, 3)
    rows = ragged_from_arrow(pa.chunked_array([column]))
    address = column.values.buffers()[1].address
    assert rows.values.ctypes.data == address + 2 * kind.bit_width // 8
    assert not rows.values.flags.writeable
    assert rows.to_arrow().values.buffers()[1].address == rows.values.ctypes.data


@pytest.mark.parametrize("column", [pa.array([1, 2]), pa.array([["a"]]), pa.array(["a"]), pa.array([[[1]]])])
def test_what_is_no_list_of_numbers_is_named(column: Any) -> None:
    with pytest.raises(DataError, match="column 'ids'"):
        ragged_from_arrow(column, name="ids")


def test_zero_rows_of_every_kind() -> None:
    for kind in (pa.list_(pa.int32()), pa.large_list(pa.int8()), pa.list_(pa.null())):
        for column in (pa.array([], kind), pa.chunked_array([], type=kind), pa.array([[]], kind).slice(1)):
            assert len(ragged_from_arrow(column)) == 0
    assert ragged_from_arrow(pa.array([[], []])).to_lists() == [[], []]


TEXTS = st.lists(st.text(max_size=4), max_size=6)


@given(TEXTS, st.integers(0, 6), st.sampled_from([pa.string(), pa.large_string(), pa.string_view()]))
def test_text_is_its_bytes(texts: list[str], start: int, kind: Any) -> None:
    column = pa.array(texts, kind).slice(start)
    expected = [list(text.encode()) for text in texts[start:]]
    assert bytes_from_arrow(column).to_lists() == expected
    both = pa.chunked_array([column, column], type=kind)
    assert bytes_from_arrow(both).to_lists() == expected * 2


@given(TEXTS)
def test_dictionary_text_is_its_bytes(texts: list[str]) -> None:
    column = pa.array(texts, pa.string()).dictionary_encode()
    assert bytes_from_arrow(column).to_lists() == [list(text.encode()) for text in texts]


def test_columns_of_any_kind() -> None:
    assert column_from_arrow(pa.array([1, 2])).tolist() == [1, 2]
    assert column_from_arrow(pa.array([True, False])).tolist() == [True, False]
    assert isinstance(column_from_arrow(pa.array([[1]])), Ragged)
    assert column_from_arrow(pa.array(["a", None])).to_pylist() == ["a", None]
    assert column_from_arrow(pa.array([["a"], []])).to_pylist() == [["a"], []]
    assert column_from_arrow(pa.array(["a", "b"]).dictionary_encode()).to_pylist() == ["a", "b"]
    with pytest.raises(DataError, match="row 1, column 'label': null"):
        column_from_arrow(pa.array([1, None]), name="label")
