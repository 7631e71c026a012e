"""Laws of Ragged: it is a list of rows, and padding loses nothing."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from evenweave import Ragged
from evenweave.errors import ArgumentError, DataError

INT32 = st.integers(-(2**31), 2**31 - 1)
INT64 = st.integers(-(2**63), 2**63 - 1)
LISTS = st.lists(st.lists(st.one_of(st.integers(-3, 3), INT32), max_size=5), max_size=6)
DTYPES = st.sampled_from([np.int8, np.int16, np.int32, np.int64, np.uint8, np.float32, np.float64, np.bool_])


@st.composite
def raggeds(draw: Any) -> Ragged:
    """Any Ragged: of any dtype, a slice of another, with rows of no values, with no rows."""
    sizes = draw(st.lists(st.integers(0, 5), max_size=6))
    values = draw(hnp.arrays(draw(DTYPES), sum(sizes), elements={"allow_nan": False}))
    rows = Ragged.from_lengths(values, sizes)
    start = draw(st.integers(0, len(rows)))
    return rows[start : draw(st.integers(start, len(rows)))]


SIDES = st.sampled_from(["right", "left"])


@given(LISTS)
def test_from_rows_then_to_lists_is_the_identity(rows: list[list[int]]) -> None:
    made = Ragged.from_rows(rows)
    assert made.to_lists() == rows
    assert made.dtype == np.int64
    assert len(made) == len(rows)


@given(st.lists(st.lists(st.one_of(INT64, INT32, st.integers(0, 1)), max_size=4), max_size=5))
def test_from_rows_of_integers_of_any_size(rows: list[list[int]]) -> None:
    assert Ragged.from_rows(rows).to_lists() == rows


NUMBERS = st.one_of(st.integers(-9, 9), st.booleans(), st.floats(-9, 9), INT64)


@given(st.lists(st.lists(NUMBERS, max_size=4), max_size=5))
def test_from_rows_of_mixed_numbers_holds_what_numpy_makes_of_them(rows: list[list[Any]]) -> None:
    filled = [np.asarray(row) for row in rows if row]
    if rows and all(type(v) is int for row in rows for v in row):
        return
    made = Ragged.from_rows(rows)
    expected = np.concatenate(filled) if filled else np.empty(0)
    assert made.flat.tolist() == expected.tolist()
    assert made.lengths.tolist() == [len(row) for row in rows]


@given(LISTS)
def test_containers_do_not_matter(rows: list[list[int]]) -> None:
    expected = Ragged.from_rows(rows)
    for change in (tuple, np.array, torch.tensor):
        assert Ragged.from_rows([change(row) if row else [] for row in rows]) == expected
    assert Ragged.from_rows(iter(rows)) == expected


def test_many_rows_are_read_in_parts_without_a_seam() -> None:
    rows = [[i, -i] if i % 3 else [] for i in range(10_000)]
    assert Ragged.from_rows(rows).to_lists() == rows
    rows[9_000] = [2**40]
    assert Ragged.from_rows(rows).to_lists() == rows


@pytest.mark.parametrize(
    "row", [["a"], [None], [[1]], "abc", 5, None, [1, None], [1, "a"], [{}], [1, [2]], [object()]]
)
def test_from_rows_names_the_row_that_is_no_row_of_numbers(row: Any) -> None:
    with pytest.raises(DataError, match=r"row 1, column 'ids'"):
        Ragged.from_rows([[1, 2], row], name="ids")


@pytest.mark.parametrize("rows", [[[1.0, True]], [[1.0], [True]], [[True, 1.0, False, 2.0]], [[2**40, 1]]])
def test_from_rows_is_not_fooled_by_other_things_of_equal_size(rows: list[list[Any]]) -> None:
    assert Ragged.from_rows(rows).to_lists() == [np.asarray(row).tolist() for row in rows]


@given(raggeds(), SIDES, st.sampled_from([None, 1, 4]), st.sampled_from([None, 5, 9]))
def test_unpad_after_pad_is_the_identity(
    rows: Ragged, side: Any, multiple: int | None, width: int | None
) -> None:
    padded = rows.pad(fill=1, side=side, multiple_of=multiple, width=width)
    mask = rows.mask(side=side, width=padded.shape[1])
    assert Ragged.from_padded(padded, mask) == rows
    assert (padded[~mask] == 1).all()
    assert padded.dtype == rows.dtype
    assert mask.sum() == len(rows.flat)


@given(raggeds(), st.data())
def test_take_is_indexing(rows: Ragged, data: Any) -> None:
    if len(rows) == 0:
        assert len(rows.take([])) == 0
        return
    chosen = data.draw(st.lists(st.integers(-len(rows), len(rows) - 1), max_size=8))
    assert rows.take(chosen).to_lists() == [rows.to_lists()[i] for i in chosen]


@given(raggeds(), st.one_of(st.none(), st.integers(-8, 8)), st.one_of(st.none(), st.integers(-8, 8)))
def test_slice_is_a_list_slice_and_a_view(rows: Ragged, start: int | None, stop: int | None) -> None:
    part = rows[start:stop]
    assert part.to_lists() == rows.to_lists()[start:stop]
    assert part.values.base is not None
    assert len(part.values) == len(rows.values)


@given(raggeds(), st.one_of(st.integers(1, 3), st.integers(-3, -1)))
def test_steps(rows: Ragged, step: int) -> None:
    assert rows[::step].to_lists() == rows.to_lists()[::step]


@given(st.lists(LISTS, max_size=4))
def test_concat_joins_rows_and_is_associative(parts: list[list[list[int]]]) -> None:
    made = [Ragged.from_rows(part) for part in parts]
    whole = Ragged.concat(made)
    assert whole.to_lists() == [row for part in parts for row in part]
    for at in range(len(made) + 1):
        assert Ragged.concat([Ragged.concat(made[:at]), Ragged.concat(made[at:])]) == whole


@given(raggeds(), st.data())
def test_concat_of_slices_is_the_whole(rows: Ragged, data: Any) -> None:
    at = data.draw(st.integers(0, len(rows)))
    assert Ragged.concat([rows[:at], rows[at:]]) == rows


@given(raggeds())
def test_a_pickle_holds_its_rows_alone(rows: Ragged) -> None:
    back = pickle.loads(pickle.dumps(rows))
    assert back == rows
    assert back.dtype == rows.dtype
    assert len(back.values) == len(rows.flat)


@given(raggeds())
def test_it_is_immutable_and_leaves_the_callers_array_writable(rows: Ragged) -> None:
    with pytest.raises(AttributeError, match="immutable"):
        rows.values = np.empty(0)
    assert not rows.values.flags.writeable
    mine = np.arange(3)
    Ragged(mine, [0, 3])
    mine[0] = 5


def test_rows_of_vectors_pad_to_three_dimensions() -> None:
    rows = Ragged(np.arange(6).reshape(3, 2), [0, 1, 3])
    assert rows.pad(fill=0, side="left").tolist() == [[[0, 0], [0, 1]], [[2, 3], [4, 5]]]


def test_a_row_longer_than_the_width_is_named() -> None:
    with pytest.raises(DataError, match="row 1: 3 values do not fit width 2"):
        Ragged.from_rows([[1], [1, 2, 3]]).pad(fill=0, width=2)


@pytest.mark.parametrize("offsets", [[], [0, 4], [2, 1], [-1, 2], [[0, 1]]])
def test_offsets_must_walk_inside_the_values(offsets: Any) -> None:
    with pytest.raises(ArgumentError, match="offsets"):
        Ragged([1, 2, 3], offsets)


@pytest.mark.parametrize("indices", [[2], [-3], [0, 5]])
def test_rows_that_are_not_there(indices: list[int]) -> None:
    rows = Ragged.from_rows([[1], [2]])
    with pytest.raises(IndexError):
        rows.take(indices)
    with pytest.raises(IndexError):
        rows[indices[-1]]


BIG = 2**63 - 1


@pytest.mark.parametrize("offsets", [[0, BIG, -2, 3], [0, 1.5, 3], [0, None], [[0, 3]], 3, [0, True, "3"]])
def test_offsets_that_wrap_around_or_are_no_integers_are_refused(offsets: Any) -> None:
    with pytest.raises(ArgumentError, match=r"^offsets: "):
        Ragged(np.arange(3), offsets)


@pytest.mark.parametrize("lengths", [[BIG, BIG, 5], [2**62] * 4 + [3], [1.5, 1.5], ["3"], [[3]], None])
def test_lengths_that_wrap_around_or_are_no_integers_are_refused(lengths: Any) -> None:
    with pytest.raises(ArgumentError, match=r"^lengths: "):
        Ragged.from_lengths(np.arange(3), lengths)


@pytest.mark.parametrize("fill", [1.7, float("nan"), "1", None, 2**63, np.uint64(2**63), [], [1], 1j])
def test_a_fill_is_a_value_the_rows_can_hold(fill: Any) -> None:
    with pytest.raises(ArgumentError, match=r"^fill: .*; give a value that int64 holds"):
        Ragged([1, 2, 3], [0, 1, 3]).pad(fill=fill)
    assert Ragged([1.5, 2, 3], [0, 1, 3]).pad(fill=0.1).tolist() == [[1.5, 0.1], [2, 3]]
    assert Ragged([[1, 2]], [0, 0, 1]).pad(fill=[7, 8]).tolist() == [[[7, 8]], [[1, 2]]]


@pytest.mark.parametrize("size", [-8, 2.5, "4", True, [4]])
def test_widths_and_multiples_are_whole_numbers(size: Any) -> None:
    rows = Ragged([1, 2, 3], [0, 1, 3])
    for call in (
        lambda: rows.pad(fill=0, width=size),
        lambda: rows.pad(fill=0, multiple_of=size),
        lambda: rows.mask(width=size),
    ):
        with pytest.raises(ArgumentError, match=r"^(width|multiple_of): .*; give a whole number, 0 or more"):
            call()
