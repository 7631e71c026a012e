"""Sequence-to-sequence, multiple choice, flat and default collators against transformers'."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from collator_features import (
    CONTAINERS,
    IDS,
    assert_same,
    byte_bpe,
    features,
    in_container,
    rows_of,
    sentencepiece,
    with_side,
    wordpiece,
)
from hypothesis import given, settings
from hypothesis import strategies as st

import evenweave as ew

THOUSANDS = settings(max_examples=3000)
TOKENIZERS = st.builds(
    with_side,
    st.sampled_from([wordpiece(), byte_bpe(), sentencepiece()]),
    st.sampled_from(["right", "left"]),
)
KINDS = st.sampled_from(list(CONTAINERS))
TENSORS = st.sampled_from(["pt", "np"])


class Shifts:
    """A model that makes decoder inputs as encoder-decoders do: labels shifted right by a start token."""

    def prepare_decoder_input_ids_from_labels(self, labels: torch.Tensor) -> torch.Tensor:
        shifted = labels.roll(1, dims=-1).masked_fill(labels.roll(1, dims=-1) == -100, 0)
        shifted[:, :1] = 2
        return shifted


SEQ2SEQ = st.fixed_dictionaries(
    {
        "padding": st.sampled_from([True, "longest", "max_length"]),
        "max_length": st.sampled_from([None, 9, 12]),
        "pad_to_multiple_of": st.sampled_from([None, 4]),
        "label_pad_token_id": st.sampled_from([-100, 1]),
        "model": st.sampled_from([None, Shifts()]),
    }
)


def quiet(call: Any, *args: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call(*copy.deepcopy(args))


def check_seq2seq(rows: Any, tokenizer: Any, options: dict[str, Any], kind: str) -> None:
    expected = quiet(hf.DataCollatorForSeq2Seq(tokenizer, **options), rows)
    assert_same(ew.DataCollatorForSeq2Seq(tokenizer, **options)(in_container(rows, kind)), expected)


def check_multiple_choice(rows: Any, tokenizer: Any, options: dict[str, Any]) -> None:
    expected = quiet(hf.DataCollatorForMultipleChoice(tokenizer, **options), rows)
    assert_same(ew.DataCollatorForMultipleChoice(tokenizer, **options)(rows), expected)


def check_flat(rows: Any, options: dict[str, Any], kind: str) -> None:
    # Ours leaves out tokens under a 0 of the attention mask.
    rows = [{k: v for k, v in row.items() if k not in ("attention_mask", "vector")} for row in rows]
    expected = quiet(hf.DataCollatorWithFlattening(**options), list(rows))
    # Their batch leaves out every other column; ours carries them.
    ours = ew.DataCollatorWithFlattening(**options)(in_container(rows, kind))
    assert_same({name: ours[name] for name in expected}, expected)


@given(features(labels="any"), TOKENIZERS, SEQ2SEQ, KINDS)
def test_seq2seq(rows: Any, tokenizer: Any, options: dict[str, Any], kind: str) -> None:
    check_seq2seq(rows, tokenizer, options, kind)


@given(features(labels="any"), TOKENIZERS, TENSORS)
def test_seq2seq_tensors(rows: Any, tokenizer: Any, kind: str) -> None:
    expected = quiet(hf.DataCollatorForSeq2Seq(tokenizer), rows, kind)
    assert_same(ew.DataCollatorForSeq2Seq(tokenizer)(rows, kind), expected)


@given(features(), st.booleans())
def test_seq2seq_without_labels(rows: Any, null: bool) -> None:
    rows = [{**row, "labels": None} for row in rows] if null else rows
    expected = quiet(hf.DataCollatorForSeq2Seq(wordpiece(), model=Shifts()), rows)
    assert_same(ew.DataCollatorForSeq2Seq(wordpiece(), model=Shifts())(rows), expected)


@st.composite
def choices(draw: Any) -> Any:
    count = draw(st.integers(1, 3))
    rows = []
    for _ in range(draw(st.integers(1, 4))):
        ids = [draw(st.lists(IDS, min_size=1, max_size=6)) for _ in range(count)]
        rows.append({"input_ids": ids, "attention_mask": [[1] * len(row) for row in ids]})
    name = draw(st.sampled_from(["label", "labels"]))
    return [{**row, name: draw(st.integers(0, count - 1))} for row in rows]


@given(choices(), TOKENIZERS, st.sampled_from([None, 4]), st.sampled_from([True, "max_length"]))
def test_multiple_choice(rows: Any, tokenizer: Any, multiple: int | None, padding: Any) -> None:
    options = {"padding": padding, "max_length": 8, "pad_to_multiple_of": multiple}
    check_multiple_choice(rows, tokenizer, options)


FLAT = st.fixed_dictionaries(
    {
        "return_position_ids": st.booleans(),
        "separator_id": st.sampled_from([-100, 3]),
        "return_flash_attn_kwargs": st.booleans(),
        "return_seq_idx": st.booleans(),
        "position_ids_start": st.sampled_from([0, 2]),
        "return_tensors": TENSORS,
    }
)
# An empty row makes their labels one longer than their ids.
FILLED = st.lists(st.integers(1, 9), min_size=1, max_size=5)


@given(st.sampled_from([None, "tokens"]).flatmap(lambda k: features(sizes=FILLED, labels=k)), FLAT, KINDS)
def test_flattening(rows: Any, options: dict[str, Any], kind: str) -> None:
    check_flat(rows, options, "lists" if kind == "tuples" else kind)


@st.composite
def shaped(draw: Any) -> Any:
    size = draw(st.integers(1, 4))
    width = draw(st.integers(1, 4))
    columns: dict[str, Any] = {
        "input_ids": [draw(rows_of(IDS, width)) for _ in range(size)],
        "scalar": [draw(IDS) for _ in range(size)],
        "nested": [[draw(rows_of(IDS, 2))] * width for _ in range(size)],
        "flag": [draw(st.booleans()) for _ in range(size)],
        "text": ["x"] * size,
        "none": [None] * size,
    }
    columns = {name: cells for name, cells in columns.items() if draw(st.booleans())}
    labels = {
        "label": [draw(st.integers(0, 5)) for _ in range(size)],
        "label_ids": [draw(rows_of(IDS, width)) for _ in range(size)],
        "labels": [draw(rows_of(IDS, width)) for _ in range(size)],
        "scores": [draw(st.floats(-2, 2, width=32)) for _ in range(size)],
    }
    columns |= {name: labels[name] for name in draw(st.sets(st.sampled_from(sorted(labels)), min_size=1))}
    return [{name: cells[i] for name, cells in columns.items()} for i in range(size)]


@given(shaped(), TENSORS)
def test_default(rows: Any, kind: str) -> None:
    expected = quiet(hf.default_data_collator, rows, kind)
    assert_same(ew.default_data_collator(rows, kind), expected)
    assert_same(ew.DefaultDataCollator(return_tensors=kind)(rows), expected)


@pytest.mark.parametrize(
    "cells",
    [
        {"label": [True, False]},
        {"label": [1, 0]},
        {"label": [0.5, 1.0]},
        {"label": [np.int32(1), np.int32(0)]},
        {"label": [np.float64(0.5), np.float64(1)]},
        {"label": [[1, 0, 1], [0, 0, 1]]},
        {"label": [[0.5, 1.0], [1.0, 1.0]]},
        {"label": [[True, False], [False, False]]},
        {"label_ids": [[1, 0, 1], [0, 0, 1]]},
        {"label_ids": [[0.5, 1.0], [1.0, 1.0]]},
        {"label_ids": [[True, False], [False, True]]},
        {"labels": [[0.5, 1.0], [1.0, 1.0]]},
        {"labels": [True, False]},
        {"label": [1, 0], "labels": [0.5, 1.0]},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["pt", "np"])
def test_default_labels(cells: dict[str, list[Any]], kind: str) -> None:
    rows = [{"x": i, **{name: column[i] for name, column in cells.items()}} for i in range(2)]
    expected = quiet(hf.default_data_collator, rows, kind)
    assert_same(ew.default_data_collator(rows, kind), expected)
    assert_same(ew.default_data_collator(ew.Columns(rows), kind), expected)


@pytest.mark.slow
class TestThousands:
    @THOUSANDS
    @given(features(labels="any"), TOKENIZERS, SEQ2SEQ, KINDS)
    def test_seq2seq(self, rows: Any, tokenizer: Any, options: dict[str, Any], kind: str) -> None:
        check_seq2seq(rows, tokenizer, options, kind)

    @THOUSANDS
    @given(choices(), TOKENIZERS)
    def test_multiple_choice(self, rows: Any, tokenizer: Any) -> None:
        check_multiple_choice(rows, tokenizer, {})

    @THOUSANDS
    @given(features(sizes=FILLED, labels="tokens"), FLAT)
    def test_flattening(self, rows: Any, options: dict[str, Any]) -> None:
        check_flat(rows, options, "lists")

    @THOUSANDS
    @given(shaped(), TENSORS)
    def test_default(self, rows: Any, kind: str) -> None:
        assert_same(ew.default_data_collator(rows, kind), quiet(hf.default_data_collator, rows, kind))
