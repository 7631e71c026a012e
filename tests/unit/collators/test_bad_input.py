"""Bad input: one ValueError naming column, row and remedy."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from collator_features import sentencepiece, wordpiece
from transformers.utils import PaddingStrategy

import evenweave as ew
from evenweave.collators import flat, pad
from evenweave.errors import ArgumentError, DataError

IDS = [{"input_ids": [1, 2]}, {"input_ids": [3]}]


def rows(**columns: Any) -> list[dict[str, Any]]:
    return [{**IDS[i], **{name: cells[i] for name, cells in columns.items()}} for i in range(2)]


def padding(**options: Any) -> Any:
    return ew.DataCollatorWithPadding(wordpiece(), **options)


def tagging(**options: Any) -> Any:
    return ew.DataCollatorForTokenClassification(wordpiece(), **options)


@pytest.mark.parametrize(
    ("collator", "features", "message"),
    [
        (padding(), [], "features: no rows"),
        (padding(), None, "features: a NoneType; give a list of rows"),
        (padding(), {}, "features: no columns"),
        (padding(), ew.Columns(IDS).__getitems__([]), "features: no rows"),
        (padding(), [{"input_ids": torch.ones(1, requires_grad=True)}], "row 0, column 'input_ids'"),
        (ew.DataCollatorWithPadding(None), IDS, "tokenizer: None names no model inputs"),
        (padding(), [5], "row 0: a int; features are mappings"),
        (padding(), [{"input_ids": [1]}, 5], "row 1: a int; features are mappings"),
        (padding(), [{"input_ids": [1]}, [1]], "row 1: a list; features are mappings"),
        (padding(), [{"x": 1}], r"no column 'input_ids' among \['x'\]; tokenize"),
        (
            padding(),
            rows(extra=[[1], [1, 2]]),
            r"row 1, column 'extra': 2 values where the first has 1.*pad_values",
        ),
        (padding(), rows(extra=["a", "b"]), "row 0, column 'extra': 'a' is not numbers; drop the column"),
        (padding(), rows(extra=[None, None]), "row 0, column 'extra': null; fill it"),
        (padding(), rows(extra=[1, None]), "row 1, column 'extra': null; fill it"),
        (padding(), rows(extra=[[[1]], [[1, 2]]]), r"row 1, column 'extra': shape \(1, 2\) where the"),
        (padding(), rows(extra=[[[1], [1, 2]], [[1]]]), "row 0, column 'extra': .* is not rectangular"),
        (padding(), rows(attention_mask=[[1], [1]]), "row 0, column 'attention_mask': 1 values for 2 tokens"),
        (padding(), rows(token_type_ids=[[0, 0], [0, 0]]), "row 1, column 'token_type_ids': 2 values for 1"),
        (padding(pad_values={"extra": 0}), rows(extra=[[1], [1]]), "row 0, column 'extra': 1 values for 2"),
        (
            padding(padding=False),
            IDS,
            "row 1, column 'input_ids': 1 values where another row has 2.*padding=True",
        ),
        (padding(padding="longer"), IDS, "padding: 'longer'; give True"),
        (padding(return_tensors="tf"), IDS, "return_tensors: 'tf'; give 'pt' or 'np'"),
        (padding(), [{"input_ids": [1.5]}], "column 'input_ids': holds float64; it must hold integers"),
        (padding(), [{"input_ids": [1, None]}], "row 0, column 'input_ids'"),
        (padding(), [{"input_ids": [1]}, {"input_ids": None}], "row 1, column 'input_ids': null"),
        (padding(), [{"input_ids": "ab"}], "row 0, column 'input_ids': 'ab' is not a row of integers"),
        (padding(), [{"input_ids": ["a"]}], "row 0, column 'input_ids'"),
        (padding(), [{"input_ids": 3}], "row 0, column 'input_ids': 3 is not a row of integers"),
        (padding(), [{"input_ids": torch.ones(2, 2).long()}], "row 0, column 'input_ids'"),
        (padding(truncation=True, max_length=6, pad_to_multiple_of=4), IDS, "max_length: 6 is no multiple"),
        (padding(truncation=True, max_length=0), IDS, "max_length: 0; give at least 1"),
        (tagging(), rows(labels=[[1], [1]]), "row 0, column 'labels': 1 labels for 2 tokens; align them"),
        (tagging(), rows(labels=[[1, 2], [1, 2]]), "row 1, column 'labels': 2 labels for 1 tokens; align"),
        (tagging(), rows(labels=[[1, 2.5], [1]]), "column 'labels': holds float64; it must hold integers"),
        (tagging(), rows(labels=[["O", "O"], ["O"]]), "row 0, column 'labels': .* is not a row of integers"),
        (tagging(), rows(labels=[[1, 2], None]), "row 1, column 'labels': null"),
        (tagging(), rows(labels=[1, 2]), "row 0, column 'labels': 1 is not a row of integers"),
        (
            ew.DataCollatorForMultipleChoice(wordpiece()),
            [{"input_ids": [[1], [2]], "label": 0}, {"input_ids": [[1]], "label": 0}],
            "row 1, column 'input_ids': 1 choices where others have 2",
        ),
        (ew.DataCollatorWithFlattening(), rows(labels=[[1], [1]]), "row 0, column 'labels': 1 labels for 2"),
        (ew.default_data_collator, IDS, r"row 1, column 'input_ids': 1 values where the first has 2"),
        (
            ew.DataCollatorForPermutationLanguageModeling(wordpiece()),
            [[1, 2, 3]],
            "column 'input_ids': rows padded to 3 tokens; an even width is needed",
        ),
        (
            ew.DataCollatorWithFlattening(),
            rows(labels=[1, 2]),
            "row 0, column 'labels': 1 is not one label a token.*pass separator_id=None",
        ),
        (
            padding(pad_values={"box": 0}),
            rows(box=[[[1, 2]], [[3, 4]]]),
            "row 0, column 'box': 1 values for 2 tokens",
        ),
        (
            tagging(),
            [{"tokens": ["a", "b"], "ner_tags": [1]}],
            "row 0, column 'ner_tags': 1 labels for 2 words",
        ),
        (
            tagging(),
            [{"tokens": ["a"], "ner_tags": ["O"]}],
            "column 'ner_tags': labels of words must be lists of ids",
        ),
        (tagging(), [{"tokens": "a b"}], "row 0, column 'tokens': 'a b' is not a list of words"),
        (
            tagging(),
            [{"tokens": ["a"]}, {"tokens": ["b", "\ud83d"]}],
            r"row 1, column 'tokens': .* \(a surrogate\)",
        ),
        (
            padding(),
            [{"text": "a"}, {"text": "a\ud83d"}],
            r"row 1, column 'text': .*surrogate\) at 1; drop it",
        ),
        (padding(), [{"text": "a", "text_pair": "\ud83d"}], r"row 0, column 'text_pair': .*surrogate"),
        (
            ew.DataCollatorForSeq2Seq(wordpiece()),
            [{"text": "a", "text_target": "\ud83d"}],
            "text_target': .*surr",
        ),
        (padding(), [{"text": "a"}, {"text": None}], "row 1, column 'text': None is not a string"),
    ],
)
def test_it_is_named(collator: Any, features: Any, message: str) -> None:
    before = copy.deepcopy(features)
    with pytest.raises(ValueError, match=message) as caught:
        collator(features)
    assert isinstance(caught.value, ew.EvenweaveError)
    assert "\n" not in str(caught.value)
    assert repr(features) == repr(before)


def test_the_same_errors_from_columns() -> None:
    columns = ew.Columns({"input_ids": [[1, 2], [3]], "labels": [[1, 2], [1, 2]], "extra": [[1], [1, 2]]})
    with pytest.raises(ValueError, match="row 0, column 'labels': 2 labels for 1 tokens"):
        tagging()(columns.select_columns(["input_ids", "labels"]).__getitems__([1]))
    with pytest.raises(ValueError, match="row 1, column 'extra'"):
        padding()(columns.select_columns(["input_ids", "extra"]).__getitems__([0, 1]))


def test_a_missing_pad_token() -> None:
    tokenizer = copy.deepcopy(sentencepiece())
    tokenizer.pad_token = None
    for collator in (
        ew.DataCollatorWithPadding,
        ew.DataCollatorForTokenClassification,
        ew.DataCollatorForSeq2Seq,
    ):
        with pytest.raises(ValueError, match=r"tokenizer: no pad token; set one"):
            collator(tokenizer)(IDS)
    made = ew.DataCollatorWithPadding(tokenizer, padding=False)([{"input_ids": [1]}, {"input_ids": [2]}])
    assert made["input_ids"].tolist() == [[1], [2]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mlm_probability": 1.5}, "mlm_probability: 1.5"),
        ({"mlm_probability": None}, "mlm_probability: None"),
        ({"mask_replace_prob": -0.1}, "mask_replace_prob: -0.1"),
        ({"mask_replace_prob": 0.8, "random_replace_prob": 0.3}, "mask_replace_prob [+] random_replace_prob"),
        ({"mlm": False, "whole_word_mask": True}, "whole_word_mask: needs mlm=True"),
        ({"min_masked": -1}, "min_masked: -1"),
        ({"min_masked": 1.5}, "min_masked: 1.5; give a whole number, 0 or more"),
        ({"mlm_probability": "a"}, "mlm_probability: 'a'; give a probability"),
        ({"mlm_probability": True}, "mlm_probability: True; give a probability"),
        ({"seed": "x"}, "seed: 'x'; give a whole number"),
        ({"seed": 1.0}, "seed: 1.0; give a whole number"),
    ],
)
def test_masking_options(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ew.DataCollatorForLanguageModeling(wordpiece(), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"padding": ["x"]}, r"padding: \['x'\]; give True, 'longest', 'max_length' or False"),
        ({"padding": None}, "padding: None; give True"),
        ({"padding": 2}, "padding: 2; give True"),
        ({"pad_to_multiple_of": "8"}, "pad_to_multiple_of: '8'; give a whole number, 0 or more"),
        ({"pad_to_multiple_of": 8.0}, "pad_to_multiple_of: 8.0; give a whole number"),
        ({"pad_to_multiple_of": -8}, "pad_to_multiple_of: -8; give a whole number, 0 or more"),
        ({"pad_to_multiple_of": -8, "max_length": 8, "truncation": True}, "pad_to_multiple_of: -8"),
        ({"max_length": "8", "padding": "max_length"}, "max_length: '8'; give a whole number"),
        ({"max_length": 8.5, "truncation": True}, "max_length: 8.5; give a whole number"),
    ],
)
@pytest.mark.parametrize(
    "make",
    [
        ew.DataCollatorWithPadding,
        ew.DataCollatorForTokenClassification,
        ew.DataCollatorForSeq2Seq,
        ew.DataCollatorForMultipleChoice,
    ],
)
def test_padding_options(make: Any, options: Any, message: str) -> None:
    rows = [{"input_ids": [[1, 2]]}] if make is ew.DataCollatorForMultipleChoice else IDS
    with pytest.raises(ArgumentError, match=f"^{message}"):
        make(wordpiece(), **options)(rows)


def test_the_padding_strategies_of_transformers_are_known() -> None:
    made = ew.DataCollatorWithPadding(wordpiece(), padding=PaddingStrategy.MAX_LENGTH, max_length=4)(IDS)
    assert made["input_ids"].shape == (2, 4)
    made = ew.DataCollatorWithPadding(wordpiece(), padding=PaddingStrategy.LONGEST)(IDS)
    assert made["input_ids"].shape == (2, 2)


@pytest.mark.parametrize("fill", [None, "x", 0.5, float("nan"), 2**70, [0], 1j])
def test_what_no_padding_can_be(fill: Any) -> None:
    rows = ew.Ragged([1, 2, 3], [0, 1, 3])
    with pytest.raises(ArgumentError, match=r"^fill of column 'x': .*; give a number that int64 holds$"):
        pad(rows, fill=fill, name="x")
    features = [{"input_ids": [1], "x": [1]}, {"input_ids": [1, 2], "x": [1, 2]}]
    for cells in (features, [{**row, "x": [[v] for v in row["x"]]} for row in features]):
        with pytest.raises(ArgumentError, match=r"^fill of column 'x': "):
            padding(pad_values={"x": fill})(cells)
    with pytest.raises(ArgumentError, match=r"^fill of column 'labels': "):
        tagging(label_pad_token_id=fill)([{"input_ids": [1], "labels": [1]}])


def test_padding_of_every_kind_of_number() -> None:
    rows = ew.Ragged([1, 2, 3], [0, 1, 3])
    for fill in (7.0, np.int8(7), np.float32(7)):
        assert pad(rows, fill=fill).tolist() == [[1, 7], [2, 3]]
    assert pad(rows, fill=-(2**63)).tolist() == [[1, -(2**63)], [2, 3]]
    bools = ew.Ragged(np.array([True, False, True]), [0, 1, 3])
    assert pad(bools, fill=1).tolist() == [[True, True], [False, True]]
    floats = ew.Ragged(np.array([0.5, 1, 2]), [0, 1, 3])
    assert pad(floats, fill=float("-inf")).tolist() == [[0.5, float("-inf")], [1, 2]]


def test_building_blocks_take_settings_in_range() -> None:
    rows = ew.Ragged([1, 2, 3], [0, 1, 3])
    with pytest.raises(ArgumentError, match=r"^side: 'foo'; give 'right' or 'left'"):
        pad(rows, fill=0, side="foo")
    for width in (-1, 1.5, "4"):
        with pytest.raises(ArgumentError, match=r"^width: .*; give a whole number, 0 or more"):
            pad(rows, fill=0, width=width)
    for setting in ({"position_start": 0.5}, {"separator_id": "x"}):
        with pytest.raises(ArgumentError, match=f"^{next(iter(setting))}: .*; give a whole number"):
            flat({"input_ids": rows}, **setting)


@pytest.mark.parametrize("epoch", [1.5, "1", -1, None, 2**64])
def test_an_epoch_is_a_whole_number(epoch: Any) -> None:
    for make in (ew.DataCollatorForLanguageModeling, ew.DataCollatorForPermutationLanguageModeling):
        with pytest.raises(ArgumentError, match=r"^epoch: .*; give a whole number, 0 or more"):
            make(wordpiece()).set_epoch(epoch)
        make(wordpiece()).set_epoch(np.int64(3))
    with pytest.raises(ArgumentError, match=r"^epoch: .*; give a whole number, 0 or more"):
        ew.Columns(IDS).set_epoch(epoch)
    ew.Columns(IDS).set_epoch(np.int64(3))


@pytest.mark.parametrize("fills", [0, None, ["box"], "box"])
def test_what_columns_are_padded_with_is_a_mapping(fills: Any) -> None:
    for make in (
        ew.DataCollatorWithPadding,
        ew.DataCollatorForTokenClassification,
        ew.DataCollatorForLanguageModeling,
        ew.DataCollatorForSeq2Seq,
        ew.DataCollatorForMultipleChoice,
        lambda _, **more: ew.DataCollatorWithFlattening(**more),
    ):
        with pytest.raises(ArgumentError, match=r"^pad_values: .*; give column names and numbers"):
            make(wordpiece(), pad_values=fills)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"plm_probability": "a"}, "plm_probability: 'a'; give a probability"),
        ({"plm_probability": 0}, "plm_probability: 0; give a probability above 0"),
        ({"max_span_length": 1.5}, "max_span_length: 1.5; give a whole number, 1 or more"),
        ({"seed": None}, "seed: None; give a whole number"),
    ],
)
def test_permutation_options(options: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=f"^{message}"):
        ew.DataCollatorForPermutationLanguageModeling(wordpiece(), **options)


def test_one_label_a_row_beside_flat_rows() -> None:
    made = ew.DataCollatorWithFlattening(separator_id=None)(rows(labels=[1, 2]))
    assert made["labels"].tolist() == [1, 2]
    assert made["input_ids"].tolist() == [[1, 2, 3]]


def test_a_missing_mask_token() -> None:
    tokenizer = copy.deepcopy(sentencepiece())
    tokenizer.mask_token = None
    with pytest.raises(ValueError, match="no mask token; pass mlm=False"):
        ew.DataCollatorForLanguageModeling(tokenizer)
    with pytest.raises(ValueError, match="no mask token"):
        ew.DataCollatorForPermutationLanguageModeling(tokenizer)
    ew.DataCollatorForLanguageModeling(tokenizer, mlm=False)


def test_huge_ids_are_exact_or_an_error() -> None:
    made = padding()([{"input_ids": [2**40, -5]}, {"input_ids": [2**62]}])
    assert made["input_ids"].tolist() == [[2**40, -5], [2**62, 0]]
    with pytest.raises(ValueError, match="input_ids"):
        padding()([{"input_ids": [2**70]}])
    with pytest.raises(ValueError, match="input_ids"):
        padding()([{"input_ids": [2**63, -1]}])


def test_numpy_integers_of_every_width_are_ids() -> None:
    for kind in (np.int8, np.int16, np.int32, np.uint8, np.uint16):
        made = padding()([{"input_ids": np.array([1, 2], kind)}, {"input_ids": np.array([3], kind)}])
        assert made["input_ids"].tolist() == [[1, 2], [3, 0]]
        assert made["input_ids"].dtype == torch.int64


@pytest.mark.parametrize("spans", [5, [0, 1], np.array([0, 1])])
def test_spans_that_are_not_two_numbers_a_token(spans: Any) -> None:
    collator = ew.DataCollatorForLanguageModeling(wordpiece(), whole_word_mask=True)
    with pytest.raises(DataError, match=r"^row 0, column 'offset_mapping': .* is not \[tokens, values\]"):
        collator([{"input_ids": [7, 8], "offset_mapping": spans}])


def test_an_attention_mask_of_one_value_a_row_is_none_for_flat_rows_either() -> None:
    with pytest.raises(DataError, match=r"^column 'attention_mask': .*give one a token"):
        ew.DataCollatorWithFlattening()([{"input_ids": [7, 8], "attention_mask": 1}])


def test_batches_are_made_of_arrays_that_tensors_can_hold() -> None:
    column = np.arange(3)
    column.flags.writeable = False
    made = ew.collators.batch({"a": column, "b": column[::-1], "c": column.astype(">i4")})
    assert [made[name].tolist() for name in "abc"] == [[0, 1, 2], [2, 1, 0], [0, 1, 2]]
    made["a"][0] = 9
    assert column[0] == 0
    with pytest.raises(ArgumentError, match=r"^arrays: 'a' holds object, not numbers; drop it"):
        ew.collators.batch({"a": np.array(["x"], object)})


@pytest.mark.parametrize("make", [ew.Columns, ew.default_data_collator])
def test_what_is_no_column_is_named(make: Any) -> None:
    with pytest.raises(DataError, match=r"^column 'a': 1 is no column; give one value a row"):
        make({"a": 1})


@pytest.mark.parametrize("data", [np.array(2), torch.tensor(1), torch.tensor([1, 2])])
def test_what_is_no_data_set_is_named(data: Any) -> None:
    with pytest.raises((ArgumentError, DataError), match=r"^data: "):
        ew.Columns(data)
