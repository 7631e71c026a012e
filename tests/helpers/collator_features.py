"""Random features, small tokenizers of each family, and exact comparison of batches."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st

Features = list[dict[str, Any]]


@cache
def wordpiece() -> Any:
    """Continuations are marked: `##`."""
    from tiny_tagger import bert_tokenizer

    return bert_tokenizer()


@cache
def byte_bpe() -> Any:
    """Word starts are marked: `Ġ`."""
    from tiny_tagger import roberta_tokenizer

    return roberta_tokenizer(add_prefix_space=True)


@cache
def sentencepiece() -> Any:
    """Word starts are marked: `▁`. Closes rows with </s>, opens them with nothing, as T5 does."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    letters = [(c, -4.0) for c in "abcdefghijklmnopqrstuvwxyz.,▁"]
    pieces = [("▁the", -1.0), ("▁wo", -2.0), ("ing", -2.0), ("▁on", -1.5)]
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("<mask>", 0.0)]
    made = Tokenizer(models.Unigram([*special, *letters, *pieces], unk_id=2))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_max_length=64,
    )


def with_side(tokenizer: Any, side: str) -> Any:
    """Return the tokenizer padding on that side, without touching the one given."""
    made = copy.copy(tokenizer)
    made.padding_side = side
    return made


SIZES = st.lists(st.integers(0, 9), min_size=1, max_size=5)
IDS = st.integers(0, 60)


@st.composite
def features(draw: Any, *, sizes: Any = SIZES, labels: str | None = None) -> Features:
    """Rows of ids, maybe with masks and token types, as plain lists.

    `labels` is None, "tokens" (one a token), "row" (one a row, integer or float) or "any" (of any length).
    """
    lengths = draw(sizes)
    columns: dict[str, list[Any]] = {"input_ids": [draw(rows_of(IDS, n)) for n in lengths]}
    if draw(st.booleans()):
        bits = st.integers(0, 1) if draw(st.booleans()) else st.just(1)
        columns["attention_mask"] = [draw(rows_of(bits, n)) for n in lengths]
    if draw(st.booleans()):
        columns["token_type_ids"] = [draw(rows_of(st.integers(0, 1), n)) for n in lengths]
    if labels == "tokens":
        columns["labels"] = [draw(rows_of(st.integers(-100, 8), n)) for n in lengths]
    elif labels == "any":
        columns["labels"] = [draw(rows_of(IDS, draw(st.integers(1, 7)))) for _ in lengths]
    elif labels == "row":
        name = draw(st.sampled_from(["label", "label_ids", "labels"]))
        kind = st.integers(-5, 5) if draw(st.booleans()) else st.floats(-2, 2, width=32)
        columns[name] = [draw(kind) for _ in lengths]
    if draw(st.booleans()):
        columns["vector"] = [draw(rows_of(st.floats(-1, 1, width=32), 3)) for _ in lengths]
    return [{name: cells[i] for name, cells in columns.items()} for i in range(len(lengths))]


def rows_of(values: Any, size: int) -> Any:
    """A list of exactly `size` values."""
    return st.lists(values, min_size=size, max_size=size)


CONTAINERS = {
    "lists": lambda cell: cell,
    "tuples": tuple,
    "int64 arrays": np.array,
    # Double, so that a tensor holds what the list did.
    "tensors": lambda cell: torch.from_numpy(np.array(cell)),
}


def in_container(rows: Features, kind: str) -> Features:
    """Return the same features with their lists in another container."""
    change = CONTAINERS[kind]
    return [{k: change(v) if isinstance(v, list) and v else v for k, v in row.items()} for row in rows]


def assert_same(ours: Any, theirs: Any) -> None:
    """Assert that two batches hold the same columns with the same shapes, dtypes and values."""
    assert set(ours.keys()) == set(theirs.keys())
    for name in theirs:
        mine, other = ours[name], theirs[name]
        if other is None or isinstance(other, int):
            assert mine == other, name
            continue
        assert type(mine) is type(other), name
        assert mine.dtype == other.dtype, (name, mine.dtype, other.dtype)
        assert tuple(mine.shape) == tuple(other.shape), name
        assert np.array_equal(np.asarray(mine), np.asarray(other)), name
