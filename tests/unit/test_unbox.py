"""Reading boxed integers where CPython keeps them: everything that is an integer, and nothing that is not."""

from __future__ import annotations

import itertools
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenweave import unbox
from evenweave.errors import DataError
from evenweave.ragged import Ragged
from evenweave.rows import column_of

pytestmark = pytest.mark.skipif(not unbox.READABLE, reason="this interpreter keeps objects in another way")

BIG = st.integers(-(2**63), 2**63 - 1)
ROW = st.lists(BIG, max_size=9)
OTHER = st.sampled_from([True, False, 1.0, None, "1", 2**63, -(2**63) - 1, np.int64(1), 1j, [], object()])


@given(st.lists(ROW | ROW.map(tuple), min_size=1, max_size=9))
def test_any_integers_of_64_bits_in_lists_and_tuples_are_read(rows: list[Any]) -> None:
    found = unbox.read_rows(rows)
    assert found is not None
    values, offsets = found
    assert [values[a:b].tolist() for a, b in itertools.pairwise(offsets)] == [list(row) for row in rows]


@given(st.lists(ROW, min_size=1, max_size=5), OTHER, st.data())
def test_one_value_that_is_no_integer_is_left_to_others(rows: list[Any], other: Any, data: Any) -> None:
    row = data.draw(st.integers(0, len(rows) - 1))
    rows[row].insert(data.draw(st.integers(0, len(rows[row]))), other)
    assert unbox.read_rows(rows) is None
    if other is None:
        found = unbox.read_rows(rows, null=-1)
        assert found is not None
        assert found[0].tolist() == [-1 if value is None else value for line in rows for value in line]


@pytest.mark.parametrize(
    "rows", [[], [1], [[1], None], [[1], "ab"], [np.zeros(2, int)], ([1],), [{1: 2}], [[1], range(3)]]
)
def test_rows_that_are_no_lists_are_left_to_others(rows: Any) -> None:
    assert unbox.read_rows(rows) is None
    assert unbox.read_groups(rows) is None


class Own(list[int]):
    """A list that may count its items in its own way."""


def test_a_subclass_of_list_is_left_to_others() -> None:
    assert unbox.read_rows([Own([1, 2])]) is None
    assert Ragged.from_rows([Own([1, 2])]).to_lists() == [[1, 2]]


@given(st.integers(1, 4).flatmap(lambda k: st.lists(st.lists(st.tuples(*[BIG] * k), max_size=5), min_size=1)))
def test_groups_of_one_size_are_read(rows: list[Any]) -> None:
    found = unbox.read_groups(rows)
    if not any(rows):
        assert found is None
        return
    assert found is not None
    assert list(map(tuple, found[0].tolist())) == [group for row in rows for group in row]
    assert np.diff(found[1]).tolist() == list(map(len, rows))


@pytest.mark.parametrize(
    "row", [[(1, 2), (3,)], [(1, 2), 3], [(1, 2), None], [(1, True)], [(1, 2**64)], [(1, 2), (3, 4, 5)], [()]]
)
def test_groups_of_another_kind_are_left_to_others(row: list[Any]) -> None:
    assert unbox.read_groups([row]) is None


def test_reading_neither_keeps_nor_drops_a_reference() -> None:
    numbers = [10**9 + i for i in range(50)]
    rows = [numbers, tuple(numbers)]
    before = [sys.getrefcount(number) for number in numbers], sys.getrefcount(rows)
    for _ in range(100):
        unbox.read_rows(rows)
        unbox.read_groups([rows])
    assert ([sys.getrefcount(number) for number in numbers], sys.getrefcount(rows)) == before


@given(st.lists(ROW | ROW.map(tuple), min_size=1, max_size=6))
def test_an_interpreter_that_keeps_objects_otherwise_gives_the_same_columns(rows: list[Any]) -> None:
    expected = column_of(rows, "input_ids")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unbox, "READABLE", False)
        found = column_of(rows, "input_ids")
    assert found == expected


def test_an_integer_beyond_64_bits_is_an_error_that_names_the_row() -> None:
    with pytest.raises(DataError, match="row 1, column 'labels'"):
        column_of([[1], [2**70]], "labels")
