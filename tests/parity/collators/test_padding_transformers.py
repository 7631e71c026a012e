"""Padding collators against transformers': equal to the last integer on random features and options."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import pytest
import transformers as hf
from collator_features import (
    CONTAINERS,
    assert_same,
    byte_bpe,
    features,
    in_container,
    sentencepiece,
    with_side,
    wordpiece,
)
from hypothesis import given, settings
from hypothesis import strategies as st

import evenweave as ew

THOUSANDS = settings(max_examples=3000)

OPTIONS = st.fixed_dictionaries(
    {
        "padding": st.sampled_from([True, "longest", "max_length"]),
        "max_length": st.sampled_from([None, 9, 12]),
        "pad_to_multiple_of": st.sampled_from([None, 1, 4, 8]),
        "return_tensors": st.sampled_from(["pt", "np"]),
    }
)
TOKENIZERS = st.builds(
    with_side,
    st.sampled_from([wordpiece(), byte_bpe(), sentencepiece()]),
    st.sampled_from(["right", "left"]),
)
KINDS = st.sampled_from(list(CONTAINERS))


def theirs(collator: Any, rows: Any) -> Any:
    """Run the peer on copies, without its warning that max_length is not used."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return collator(copy.deepcopy(rows))


def check_padding(rows: Any, tokenizer: Any, options: dict[str, Any], kind: str) -> None:
    expected = theirs(hf.DataCollatorWithPadding(tokenizer, **options), rows)
    given_rows = in_container(rows, kind)
    before = copy.deepcopy(given_rows)
    assert_same(ew.DataCollatorWithPadding(tokenizer, **options)(given_rows), expected)
    assert repr(before) == repr(given_rows)


def check_token_classification(rows: Any, tokenizer: Any, options: dict[str, Any], kind: str) -> None:
    expected = theirs(hf.DataCollatorForTokenClassification(tokenizer, **options), rows)
    ours = ew.DataCollatorForTokenClassification(tokenizer, **options)(in_container(rows, kind))
    assert_same(ours, expected)


@given(features(labels="row"), TOKENIZERS, OPTIONS, KINDS)
def test_padding(rows: Any, tokenizer: Any, options: dict[str, Any], kind: str) -> None:
    check_padding(rows, tokenizer, options, kind)


@given(features(labels="tokens"), TOKENIZERS, OPTIONS, KINDS, st.sampled_from([-100, 0, 7]))
def test_token_classification(
    rows: Any, tokenizer: Any, options: dict[str, Any], kind: str, fill: int
) -> None:
    check_token_classification(rows, tokenizer, {**options, "label_pad_token_id": fill}, kind)


@given(features(sizes=st.integers(1, 6).flatmap(lambda n: st.just([n] * 3))), TOKENIZERS)
def test_no_padding_of_a_rectangle(rows: Any, tokenizer: Any) -> None:
    for padding in (False, "do_not_pad"):
        options = {"padding": padding, "pad_to_multiple_of": 4}
        expected = theirs(hf.DataCollatorWithPadding(tokenizer, **options), rows)
        assert_same(ew.DataCollatorWithPadding(tokenizer, **options)(rows), expected)


@given(features(sizes=st.integers(1, 6).flatmap(lambda n: st.just([n] * 3)), labels="tokens"), TOKENIZERS)
def test_rows_all_longer_than_max_length_stay_as_they_are(rows: Any, tokenizer: Any) -> None:
    options = {"padding": "max_length", "max_length": 1}
    expected = theirs(hf.DataCollatorForTokenClassification(tokenizer, **options), rows)
    assert_same(ew.DataCollatorForTokenClassification(tokenizer, **options)(rows), expected)


def test_a_2d_attention_mask_is_stacked() -> None:
    import numpy as np

    rows = [{"input_ids": [1, 2, 3], "attention_mask": np.tri(3, dtype=np.int64)[None]} for _ in range(2)]
    expected = theirs(hf.DataCollatorWithPadding(wordpiece()), rows)
    assert_same(ew.DataCollatorWithPadding(wordpiece())(rows), expected)


@pytest.mark.slow
class TestThousands:
    @THOUSANDS
    @given(features(labels="row"), TOKENIZERS, OPTIONS, KINDS)
    def test_padding(self, rows: Any, tokenizer: Any, options: dict[str, Any], kind: str) -> None:
        check_padding(rows, tokenizer, options, kind)

    @THOUSANDS
    @given(features(labels="tokens"), TOKENIZERS, OPTIONS, KINDS)
    def test_token_classification(
        self, rows: Any, tokenizer: Any, options: dict[str, Any], kind: str
    ) -> None:
        check_token_classification(rows, tokenizer, options, kind)
