"""Masked language modelling against transformers': its draws differ, so rates and structure are compared.

Rates of both are tested against the binomial they should follow; structure is exact.
"""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from collator_features import assert_same, byte_bpe, features, sentencepiece, with_side, wordpiece
from hypothesis import given
from hypothesis import strategies as st

import evenweave as ew

TOKENIZERS = st.builds(
    with_side,
    st.sampled_from([wordpiece(), byte_bpe(), sentencepiece()]),
    st.sampled_from(["right", "left"]),
)
ROWS, LENGTH = 200, 50


def many_rows(tokenizer: Any, seed: int = 0) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    return [{"input_ids": rng.integers(0, len(tokenizer), LENGTH).tolist()} for _ in range(ROWS)]


def near(count: int, total: int, rate: float) -> bool:
    """Whether a count is within five standard deviations of a binomial's mean."""
    return abs(count - total * rate) <= 5 * np.sqrt(total * rate * (1 - rate)) + 1e-9


@pytest.mark.parametrize("make", [wordpiece, byte_bpe, sentencepiece])
@pytest.mark.parametrize(("rate", "mask", "random"), [(0.15, 0.8, 0.1), (0.4, 0.5, 0.5), (0.3, 0, 0)])
@pytest.mark.parametrize("library", [ew, hf])
def test_rates(make: Any, rate: float, mask: float, random: float, library: Any) -> None:
    tokenizer = make()
    rows = many_rows(tokenizer)
    ids = np.array([row["input_ids"] for row in rows])
    collator = library.DataCollatorForLanguageModeling(
        tokenizer,
        mlm_probability=rate,
        mask_replace_prob=mask,
        random_replace_prob=random,
        return_tensors="np",
        seed=7,
    )
    made = collator(rows)
    targets = made["labels"] != -100
    maskable = ~np.isin(ids, tokenizer.all_special_ids)
    assert not (targets & ~maskable).any()
    assert np.array_equal(made["labels"][targets], ids[targets])
    assert np.array_equal(made["input_ids"][~targets], ids[~targets])
    total = int(targets.sum())
    assert near(total, int(maskable.sum()), rate)
    # A random token is the mask token, or the old one, now and then.
    vocabulary = len(tokenizer)
    masked = int((made["input_ids"][targets] == tokenizer.mask_token_id).sum())
    assert near(masked, total, mask + random / vocabulary)
    kept = int((made["input_ids"][targets] == ids[targets]).sum())
    assert near(kept, total, 1 - mask - random + random / vocabulary)


@given(features(), TOKENIZERS, st.integers(0, 3), st.sampled_from([None, 4]))
def test_structure(rows: Any, tokenizer: Any, seed: int, multiple: int | None) -> None:
    options = {"pad_to_multiple_of": multiple, "mlm_probability": 0.5, "seed": seed}
    ours = ew.DataCollatorForLanguageModeling(tokenizer, **options)(rows)
    theirs = hf.DataCollatorForLanguageModeling(tokenizer, **options)(copy.deepcopy(rows))
    assert set(ours) == set(theirs)
    for name in set(theirs) - {"input_ids", "labels"}:
        assert torch.equal(ours[name], theirs[name])
    plain = ew.DataCollatorWithPadding(tokenizer, pad_to_multiple_of=multiple)(rows)["input_ids"]
    targets = ours["labels"] != -100
    special = torch.isin(plain, torch.tensor(tokenizer.all_special_ids))
    assert not (targets & special).any()
    assert torch.equal(ours["labels"][targets], plain[targets])
    assert torch.equal(ours["input_ids"][~targets], plain[~targets])


@given(features(), TOKENIZERS, st.sampled_from([None, 4]))
def test_causal_equals_theirs_where_no_row_holds_the_pad_token(
    rows: Any, tokenizer: Any, multiple: int | None
) -> None:
    pad = tokenizer.pad_token_id
    rows = [{**row, "input_ids": [i if i != pad else 7 for i in row["input_ids"]]} for row in rows]
    # A masked token of theirs keeps its label.
    rows = [{k: v for k, v in row.items() if k != "attention_mask"} for row in rows]
    options = {"mlm": False, "pad_to_multiple_of": multiple}
    ours = ew.DataCollatorForLanguageModeling(tokenizer, **options)(rows)
    assert_same(ours, hf.DataCollatorForLanguageModeling(tokenizer, **options)(copy.deepcopy(rows)))


def test_special_tokens_mask_is_obeyed_and_not_handed_out() -> None:
    rows = [{"input_ids": [10, 11, 12, 13], "special_tokens_mask": [0, 1, 1, 0]}] * 3
    for library in (ew, hf):
        options = {"mlm_probability": 1.0, "return_tensors": "np"}
        made = library.DataCollatorForLanguageModeling(wordpiece(), **options)(copy.deepcopy(rows))
        assert sorted(made) == ["attention_mask", "input_ids", "labels"]
        assert made["labels"].tolist() == [[10, -100, -100, 13]] * 3


@pytest.mark.parametrize("side", ["right", "left"])
def test_whole_words_by_offsets_group_as_theirs(side: str) -> None:
    """With probability 1 nothing is left; at other rates each word of theirs is all masked or not at all."""
    tokenizer = with_side(wordpiece(), side)
    texts = ["eu rejects german call to boycott british lamb ."] * 40
    encoded = tokenizer(texts, return_offsets_mapping=True, return_special_tokens_mask=True)
    rows = [{name: encoded[name][i] for name in encoded} for i in range(len(texts))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = hf.DataCollatorForLanguageModeling(
            tokenizer, whole_word_mask=True, mlm_probability=0.4, return_tensors="np", seed=0
        )
    # Rows of equal text would all be masked alike here, being equal.
    for number, row in enumerate(rows):
        row["input_ids"][1] = 5 + number % 20
    ours = ew.DataCollatorForLanguageModeling(
        tokenizer, whole_word_mask=True, mlm_probability=0.4, return_tensors="np"
    )
    offsets = np.array([row["offset_mapping"] for row in rows])
    joined = offsets[:, 1:, 0] == offsets[:, :-1, 1]
    special = np.array([row["special_tokens_mask"] for row in rows]) == 1
    joined &= ~special[:, 1:] & ~special[:, :-1]
    for collator in (ours, peer):
        made = collator(copy.deepcopy(rows))
        targets = made["labels"] != -100
        assert targets.any()
        assert np.array_equal(targets[:, 1:][joined], targets[:, :-1][joined])
        words = ~special[:, 1:] & ~joined
        assert near(int(targets[:, 1:][words].sum()), int(words.sum()), 0.4)


def test_permutation_structure_is_theirs() -> None:
    tokenizer = wordpiece()
    rng = np.random.default_rng(1)
    rows = [{"input_ids": rng.integers(0, 60, size).tolist()} for size in rng.integers(1, 41, 60)]
    rows[0] = {"input_ids": rng.integers(5, 60, 40).tolist()}
    ids = ew.DataCollatorWithPadding(tokenizer, return_tensors="np")(rows)["input_ids"]
    shares = []
    for library in (ew, hf):
        collator = library.DataCollatorForPermutationLanguageModeling(tokenizer, return_tensors="np")
        made = collator(copy.deepcopy(rows))
        assert sorted(made) == ["input_ids", "labels", "perm_mask", "target_mapping"]
        assert {name: (made[name].shape, made[name].dtype) for name in made} == {
            "input_ids": ((60, 40), np.dtype("int64")),
            "labels": ((60, 40), np.dtype("int64")),
            "perm_mask": ((60, 40, 40), np.dtype("float32")),
            "target_mapping": ((60, 40, 40), np.dtype("float32")),
        }
        assert np.array_equal(made["target_mapping"], np.tile(np.eye(40), (60, 1, 1)))
        targets = made["labels"] != -100
        special = np.isin(ids, tokenizer.all_special_ids)
        assert not (targets & special).any()
        assert np.array_equal(made["labels"][targets], ids[targets])
        assert (made["input_ids"][targets] == tokenizer.mask_token_id).all()
        assert np.array_equal(made["input_ids"][~targets], ids[~targets])
        hidden = made["perm_mask"] == 1
        assert not hidden.transpose(0, 2, 1)[~targets].any()  # what is no target is seen by all
        own = np.einsum("bii->bi", hidden)
        assert np.array_equal(own, targets)  # a target never sees itself
        plain = ~targets & ~special
        assert (hidden[plain] == targets[:, None, :].repeat(40, 1)[plain]).all()
        for b in range(60):
            # Within one half, of two targets exactly one sees the other.
            for half in (slice(0, 20), slice(20, 40)):
                at = np.flatnonzero(targets[b, half]) + (half.start or 0)
                pairs = hidden[b][np.ix_(at, at)]
                assert (pairs | pairs.T).all()
                assert (pairs & pairs.T).sum() == len(at)
        shares.append(targets.sum() / (~special).sum())
    assert abs(shares[0] - shares[1]) < 0.04
