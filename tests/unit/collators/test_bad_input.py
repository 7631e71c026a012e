"""Bad input: one ValueError naming column, row and remedy."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from collator_features import sentencepiece, wordpiece

import evenweave as ew

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
            r"row 1, column 'extra': 2 values where row 0 has 1.*pad_values",
        ),
        (padding(), rows(extra=["a", "b"]), "row 0, column 'extra': 'a' is not numbers; drop the column"),
        (padding(), rows(extra=[None, None]), "row 0, column 'extra': null; fill it"),
        (padding(), rows(extra=[1, None]), "row 1, column 'extra': null; fill it"),
        (padding(), rows(extra=[[[1]], [[1, 2]]]), r"row 1, column 'extra': shape \(1, 2\) where row 0"),
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
        (ew.default_data_collator, IDS, r"row 1, column 'input_ids': 1 values where row 0 has 2"),
        (
            ew.DataCollatorForPermutationLanguageModeling(wordpiece()),
            [[1, 2, 3]],
            "column 'input_ids': rows padded to 3 tokens; an even width is needed",
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
    ],
)
def test_masking_options(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ew.DataCollatorForLanguageModeling(wordpiece(), **options)


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
