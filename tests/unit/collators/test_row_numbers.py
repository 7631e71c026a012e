"""Row numbers that lead to no row are named, and never reach a kernel that would read what lies there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from collator_features import wordpiece

import evenweave as ew
from evenweave.collators import flat, pad
from evenweave.data.encoded import Encoded
from evenweave.errors import ArgumentError
from evenweave.ragged import Ragged
from evenweave.rows import Rows

ROWS = Ragged([1, 2, 3], [0, 1, 3])
FAR = 10**9


@pytest.mark.parametrize("bad", [2, 5, FAR, -3, -FAR])
@pytest.mark.parametrize("kind", [np.array, list])
def test_pad_names_a_row_that_is_not_there(bad: int, kind: Any) -> None:
    with pytest.raises(IndexError, match=r"^row -?\d+: there are 2 rows$"):
        pad(ROWS, fill=0, indices=kind([0, bad]))


def test_pad_counts_negative_rows_from_the_end_and_leaves_the_callers_indices() -> None:
    indices = np.array([-1, 0, -2])
    assert pad(ROWS, fill=0, indices=indices).tolist() == [[2, 3], [1, 0], [1, 0]]
    assert indices.tolist() == [-1, 0, -2]
    assert pad(ROWS, fill=0, indices=np.array([1], np.uint8)).tolist() == [[2, 3]]
    assert pad(ROWS, fill=0, indices=[]).shape == (0, 0)


@pytest.mark.parametrize("indices", [np.array([True, False]), [0.5], [[0, 1]], 1])
def test_pad_takes_row_numbers_alone(indices: Any) -> None:
    with pytest.raises(ArgumentError, match=r"^indices: .*; give row numbers"):
        pad(ROWS, fill=0, indices=indices)


def encoded() -> Encoded:
    rows = [{"tokens": ["new", "york"], "ner_tags": [0, 1]}, {"tokens": ["lamb"], "ner_tags": [2]}]
    return ew.tokenize_and_align(rows, wordpiece())


def test_batches_of_encoded_rows_count_negative_ones_from_the_end() -> None:
    data = encoded()
    collator = ew.DataCollatorForTokenClassification(wordpiece())
    loader = torch.utils.data.DataLoader(data, sampler=[0, -1], batch_size=2, collate_fn=collator)
    (made,) = list(loader)
    for row, index in enumerate([0, -1]):
        size = int(made["attention_mask"][row].sum())
        assert made["input_ids"][row, :size].tolist() == data[index]["input_ids"].tolist()
        assert made["labels"][row, :size].tolist() == data[index]["labels"].tolist()


@pytest.mark.parametrize("bad", [2, FAR, -3])
def test_encoded_rows_that_are_not_there_are_named(bad: int) -> None:
    with pytest.raises(IndexError, match=f"^row {bad}: there are 2 rows$"):
        encoded().__getitems__([0, bad])


@pytest.mark.parametrize("bad", [2, FAR, -1])
@pytest.mark.parametrize(
    "collate",
    [
        ew.DataCollatorForTokenClassification(wordpiece()),
        ew.DataCollatorForLanguageModeling(wordpiece()),
        ew.DataCollatorForSeq2Seq(wordpiece()),
        ew.default_data_collator,
        flat,
    ],
)
def test_no_collator_reads_beyond_the_columns(collate: Any, bad: int) -> None:
    columns = {"input_ids": ROWS, "labels": ROWS}
    with pytest.raises(IndexError, match=f"^row {bad}: there are 2 rows"):
        collate(Rows(columns, np.array([0, bad])))


@pytest.mark.parametrize("collate", [ew.DataCollatorForTokenClassification(wordpiece()), flat])
def test_no_collator_reads_beyond_a_shorter_column(collate: Any) -> None:
    columns = {"input_ids": ROWS, "labels": ROWS[:1]}
    with pytest.raises(IndexError, match=r"^row 1, column 'labels': there are 1 rows"):
        collate(Rows(columns, np.array([0, 1])))


NO_NUMBERS = [[1.7], [True, False], ["1"], [None], [2**70], [float("nan")], [[0, 1]], 1, slice(0, 1)]
NO_NUMBERS += [np.array([2**64 - 1], np.uint64), np.array([1], "m8[s]"), torch.tensor([0.5])]


@pytest.mark.parametrize("given", NO_NUMBERS, ids=repr)
def test_a_mask_or_a_fraction_is_no_row_number_anywhere(given: Any) -> None:
    columns = ew.Columns({"input_ids": ROWS})
    rows = ew.Dataset.from_dict({"a": [1, 2]})
    for take in (
        columns.__getitems__,
        columns.take,
        encoded().__getitems__,
        ROWS.take,
        rows.select,
        lambda indices: pad(ROWS, fill=0, indices=indices),
        lambda source: ew.Columns({"a": [1]}, source=source),
    ):
        with pytest.raises(ArgumentError, match=r"^(indices|source): .*; give row numbers"):
            take(given)


@pytest.mark.parametrize("given", [1.7, True, "1", None, [0], np.array([0, 1]), slice(0, 1)], ids=repr)
def test_a_row_of_columns_has_one_number(given: Any) -> None:
    with pytest.raises(ArgumentError, match=r"^indices: .*; give row numbers"):
        ew.Columns({"input_ids": ROWS})[given]


def test_row_numbers_of_every_integer_kind_are_taken() -> None:
    columns = ew.Columns({"input_ids": ROWS})
    swapped = np.array([1, -2], ">i4")
    for given in (
        [1, -2],
        (1, 0),
        range(1, -1, -1),
        swapped,
        list(torch.tensor([1, 0])),
        np.array([1, 0])[::1],
    ):
        assert [row["input_ids"].tolist() for row in columns.__getitems__(given)] == [[2, 3], [1]]
    assert columns[np.array(1)]["input_ids"].tolist() == [2, 3]
    assert ew.Dataset.from_dict({"a": [1, 2]})[torch.tensor(1)] == {"a": 2}
