"""What is a number reaches the model as one, whatever holds it; what is none is named, never read as True."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from collator_features import wordpiece

import evenweave as ew
from evenweave.collators import flat, pad
from evenweave.errors import DataError

NOT_NUMBERS = [
    np.datetime64("2020-01-01"),
    datetime.date(2020, 1, 1),
    Decimal("1.5"),
    1j,
    b"ab",
    {1},
    object(),
]
TOO_LARGE = [
    2**63,
    2**70,
    -(2**63) - 1,
    np.uint64(2**63 + 1),
    [2**63 + 1],
    [[2**63 + 1]],
    np.array([2**63], np.uint64),
]


@pytest.mark.parametrize("value", NOT_NUMBERS)
def test_a_value_that_is_no_number_is_named(value: Any) -> None:
    rows = [{"input_ids": [1], "label": value}] * 2
    for given in (rows, ew.Columns(rows), {"input_ids": [[1], [1]], "label": [value, value]}):
        for collate in (ew.DataCollatorWithPadding(wordpiece()), ew.default_data_collator):
            with pytest.raises(
                DataError, match=r"^row 0, column 'label': .* is not numbers; drop the column$"
            ):
                collate(given)


def test_label_names_in_an_array_are_named() -> None:
    with pytest.raises(DataError, match="row 0, column 'label': 'neg' is not numbers"):
        ew.DataCollatorWithPadding(wordpiece())({"input_ids": [[1], [2]], "label": np.array(["neg", "pos"])})


def test_the_default_leaves_out_strings_of_numpy_too() -> None:
    assert set(ew.default_data_collator([{"x": 1, "name": np.str_("q")}])) == {"x"}


@pytest.mark.parametrize("value", TOO_LARGE)
def test_an_integer_that_would_wrap_around_is_named(value: Any) -> None:
    fine = np.zeros_like(np.array(value, object)).tolist()
    rows = [{"input_ids": [1], "x": fine}, {"input_ids": [1], "x": value}]
    for take in (list, ew.Columns):
        with pytest.raises(DataError, match=r"column 'x': .*(beyond int64|not a flat row|is not numbers)"):
            ew.default_data_collator(take(rows))


@pytest.mark.parametrize("column", [np.array([1, 2**63 + 5], np.uint64), np.array([1, 2**70], object)])
def test_so_it_is_in_a_whole_column(column: Any) -> None:
    with pytest.raises(DataError, match=r"^row 1, column 'x': \d+ is beyond int64; drop the column$"):
        ew.default_data_collator({"x": column})


def test_so_it_is_in_building_blocks() -> None:
    rows = ew.Ragged(np.array([1, 2**63 + 5], np.uint64), [0, 1, 2])
    for work in (lambda: pad(rows, fill=0, name="x"), lambda: flat({"input_ids": rows})):
        with pytest.raises(DataError, match=r"^row 1, column '\w+': 9223372036854775813 is beyond int64"):
            work()


def test_pad_and_custom_columns_of_no_numbers() -> None:
    words = ew.Ragged(np.array(["a", "b"]), [0, 1, 2])
    with pytest.raises(DataError, match=r"^column 'x': holds <U1, not numbers; drop the column$"):
        pad(words, fill=0, name="x")


def test_unsigned_integers_that_fit_stay_exact() -> None:
    exact = 2**62 + 1
    for large, small in (
        (np.array([exact], np.uint64), np.array([-1])),
        (np.array([[exact]], np.uint64), [[-1]]),
    ):
        made = ew.default_data_collator([{"x": large}, {"x": small}])["x"]
        assert made.dtype == torch.int64
        assert made.reshape(-1).tolist() == [exact, -1]
    assert ew.default_data_collator([{"x": np.uint64(7)}])["x"].tolist() == [7]


@pytest.mark.parametrize(
    "row",
    [
        np.array([1.5, 2], np.float16),
        np.array([1.5, 2], np.longdouble),
        np.array([1.5, 2], ">f4"),
        [np.float16(1.5), np.float16(2)],
        torch.tensor([1.5, 2]).bfloat16(),
        torch.tensor([1.5, 2]).half(),
    ],
    ids=lambda row: str(getattr(row, "dtype", "list")),
)
def test_every_precision_becomes_the_models(row: Any) -> None:
    features = [{"input_ids": [1, 2], "x": row}] * 2
    for given in (features, ew.Columns(features)):
        assert ew.default_data_collator(given)["x"].tolist() == [[1.5, 2], [1.5, 2]]
        assert ew.default_data_collator(given)["x"].dtype == torch.float32
        made = ew.DataCollatorWithPadding(wordpiece(), pad_values={"x": 0})(given)
        assert made["x"].tolist() == [[1.5, 2], [1.5, 2]]
        made = ew.DataCollatorWithFlattening(pad_values={"x": 0})(given)
        assert made["x"].tolist() == [[1.5, 2, 1.5, 2]]
    nested = [{"x": row[None] if hasattr(row, "dtype") else [row]}] * 2
    assert ew.default_data_collator(nested)["x"].tolist() == [[[1.5, 2]]] * 2


def test_half_precision_from_arrow() -> None:
    table = pa.table(
        {"x": pa.array([[1.5, 2], [0, 1]], pa.list_(pa.float16())), "y": pa.array([0.5, 1], pa.float16())}
    )
    for given in (table, ew.Columns(table)):
        made = ew.default_data_collator(given)
        assert made["x"].tolist() == [[1.5, 2], [0, 1]]
        assert made["y"].tolist() == [0.5, 1]


def test_extended_precision_stays_double_in_numpy() -> None:
    made = ew.default_data_collator([{"x": np.array([1 / 3], np.longdouble)}], return_tensors="np")
    assert made["x"].dtype == np.float64
