"""Where these collators differ from transformers' on purpose: one test each, its name the reason."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest
import torch
import transformers as hf
from collator_features import byte_bpe, with_side, wordpiece

import evenweave as ew
from evenweave.collators import flat
from evenweave.errors import DataError


def test_with_pad_equal_to_eos_the_model_still_learns_to_stop() -> None:
    tokenizer = copy.deepcopy(byte_bpe())
    tokenizer.pad_token = tokenizer.eos_token
    eos = tokenizer.eos_token_id
    rows = [{"input_ids": [10, 11, eos]}, {"input_ids": [12, eos]}]
    theirs = hf.DataCollatorForLanguageModeling(tokenizer, mlm=False)(copy.deepcopy(rows))
    assert theirs["labels"].tolist() == [[10, 11, -100], [12, -100, -100]]
    ours = ew.DataCollatorForLanguageModeling(tokenizer, mlm=False)(rows)
    assert ours["labels"].tolist() == [[10, 11, eos], [12, eos, -100]]


def test_labels_the_user_gave_survive_causal_collation() -> None:
    rows = [{"input_ids": [10, 11], "labels": [-100, 11]}, {"input_ids": [12], "labels": [12]}]
    made = ew.DataCollatorForLanguageModeling(wordpiece(), mlm=False)(rows)
    assert made["labels"].tolist() == [[-100, 11], [12, -100]]


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_label_row_of_another_length_is_an_error_because_its_labels_would_be_shifted(side: str) -> None:
    rows = [{"input_ids": [10, 11], "labels": [1]}, {"input_ids": [12], "labels": [2]}]
    theirs = hf.DataCollatorForTokenClassification(with_side(wordpiece(), side))(copy.deepcopy(rows))
    assert theirs["labels"].shape == (2, 2)
    with pytest.raises(DataError, match="row 0, column 'labels': 1 labels for 2 tokens"):
        ew.DataCollatorForTokenClassification(with_side(wordpiece(), side))(rows)


def test_a_column_that_only_later_rows_have_is_an_error_because_it_would_be_dropped() -> None:
    rows = [{"input_ids": [10]}, {"input_ids": [12], "labels": [1]}]
    with pytest.raises(DataError, match=r"row 1: .*labels"):
        ew.DataCollatorWithPadding(wordpiece())(rows)


def test_bare_rows_of_ids_get_an_attention_mask_because_padding_would_be_attended_to() -> None:
    rows = [[10, 11, 12], [13]]
    assert "attention_mask" not in hf.DataCollatorForLanguageModeling(wordpiece())(rows)
    for given in (rows, [np.array(row) for row in rows], [torch.tensor(row) for row in rows], tuple(rows)):
        made = ew.DataCollatorForLanguageModeling(wordpiece(), mlm=False)(given)
        assert made["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
        assert made["labels"].tolist() == [[10, 11, 12], [13, -100, -100]]


def test_whole_words_keep_the_80_10_10_split_as_in_berts_own_whole_word_models() -> None:
    with pytest.warns(UserWarning, match="not supported"):
        assert hf.DataCollatorForLanguageModeling(wordpiece(), whole_word_mask=True).mask_replace_prob == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        collator = ew.DataCollatorForLanguageModeling(
            wordpiece(), whole_word_mask=True, mlm_probability=1.0, return_tensors="np"
        )
    ids = np.random.default_rng(0).integers(5, 90, (200, 50))
    made = collator(ids.tolist())
    changed = made["input_ids"] != ids
    masked = made["input_ids"] == wordpiece().mask_token_id
    assert abs(masked.mean() - 0.8) < 0.02
    assert abs((changed & ~masked).mean() - 0.1) < 0.02


def test_whole_words_work_on_rows_of_different_lengths() -> None:
    tokenizer = wordpiece()
    encoded = tokenizer(["british lamb", "york"], return_offsets_mapping=True)
    rows = [{name: encoded[name][i] for name in encoded} for i in range(2)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = hf.DataCollatorForLanguageModeling(tokenizer, whole_word_mask=True)
    with pytest.raises(ValueError, match="offset_mapping"):
        theirs(copy.deepcopy(rows))
    ours = ew.DataCollatorForLanguageModeling(tokenizer, whole_word_mask=True, mlm_probability=1.0)(rows)
    assert (ours["labels"] != -100).sum() == sum(len(row["input_ids"]) - 2 for row in rows)


def test_flat_batches_keep_token_types_and_other_columns() -> None:
    rows = [
        {"input_ids": [1, 2], "token_type_ids": [0, 1], "id": 7},
        {"input_ids": [3], "token_type_ids": [1], "id": 8},
    ]
    assert "token_type_ids" not in hf.DataCollatorWithFlattening()(rows)
    made = ew.DataCollatorWithFlattening()(rows)
    assert made["token_type_ids"].tolist() == [[0, 1, 1]]
    assert made["id"].tolist() == [7, 8]


def test_flat_labels_of_taggers_keep_each_rows_first() -> None:
    rows = [{"input_ids": [1, 2], "labels": [5, 6]}, {"input_ids": [3], "labels": [7]}]
    assert hf.DataCollatorWithFlattening()(rows)["labels"].tolist() == [[-100, 6, -100]]
    assert ew.DataCollatorWithFlattening(separator_id=None)(rows)["labels"].tolist() == [[5, 6, 7]]
    assert ew.DataCollatorWithFlattening()(rows)["labels"].tolist() == [[-100, 6, -100]]


def test_an_empty_row_takes_no_place_in_a_flat_batch() -> None:
    rows = [{"input_ids": [1, 2]}, {"input_ids": []}, {"input_ids": [3]}]
    made = ew.DataCollatorWithFlattening(return_flash_attn_kwargs=True)(rows)
    assert made["labels"].tolist() == [[-100, 2, -100]]
    assert made["cu_seq_lens_q"].tolist() == [0, 2, 2, 3]
    assert hf.DataCollatorWithFlattening()(rows)["labels"].shape == (1, 4)


def test_double_precision_becomes_single_whatever_container_it_came_in() -> None:
    for value in ([0.5, 0.25], np.array([0.5, 0.25]), torch.tensor([0.5, 0.25]).double()):
        assert ew.default_data_collator([{"x": value}] * 2)["x"].dtype == torch.float32
    assert hf.default_data_collator([{"x": np.array([0.5])}])["x"].dtype == torch.float64


def test_rows_longer_than_max_length_are_named() -> None:
    rows = [{"input_ids": [1]}, {"input_ids": [1, 2, 3]}]
    with pytest.raises(
        DataError, match=r"row 1, column 'input_ids': 3 tokens do not fit max_length=2; .*truncation"
    ):
        ew.DataCollatorWithPadding(wordpiece(), padding="max_length", max_length=2)(rows)


def test_nothing_is_warned_about() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = ew.DataCollatorWithPadding(wordpiece(), max_length=5)(
            [{"input_ids": [1]}, {"input_ids": [1, 2]}]
        )
    assert made["input_ids"].shape == (2, 2)
    with pytest.warns(UserWarning, match="max_length"):
        hf.DataCollatorWithPadding(wordpiece(), max_length=5)([{"input_ids": [1]}])


def test_a_flat_batch_leaves_out_what_was_padded_before_because_it_promises_real_tokens() -> None:
    rows = [
        {"input_ids": [0, 0, 5, 6], "attention_mask": [0, 0, 1, 1], "labels": [-100, -100, 1, 2]},
        {"input_ids": [0, 0], "attention_mask": [0, 0], "labels": [-100, -100]},
        {"input_ids": [7, 0], "attention_mask": [1, 0], "labels": [3, -100]},
    ]
    for given in (rows, ew.Columns(rows).__getitems__([0, 1, 2])):
        made = flat(given)
        assert made["input_ids"].tolist() == [[5, 6, 7]]
        assert made["labels"].tolist() == [[1, 2, 3]]
        assert made["position_ids"].tolist() == [[0, 1, 0]]
        assert made["cu_seq_lens_q"].tolist() == [0, 2, 2, 3]
        assert made["max_length_q"] == 2
    assert hf.DataCollatorWithFlattening()(rows)["input_ids"].shape == (1, 8)
