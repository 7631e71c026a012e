"""The same rows in every form that holds them in order give the same score."""

from __future__ import annotations

from collections import UserList, deque

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch

from evenweave.metrics import load

TEXTS = ["the cat sat on the mat", "a dog barked at me today", "a dog barked at me today"]
GOLD = ["the cat sat on a mat", "a dog barked at you today", "a dog barked at me"]
TAGS = [["B-PER", "O", "B-LOC"], ["O", "B-LOC"]]
GOLD_TAGS = [["B-PER", "O", "O"], ["O", "B-LOC"]]


@pytest.mark.parametrize("name", ["bleu", "rouge", "exact_match", "accuracy"])
def test_columns_of_text(name):
    columns = [
        deque(TEXTS), dict(enumerate(TEXTS)).values(), UserList(TEXTS), np.array(TEXTS, dtype=object),
        iter(pa.array(TEXTS)), pc.run_end_encode(pa.array(TEXTS)), pd.Series(TEXTS, index=[7, 3, 1]),
        pd.Series(TEXTS, dtype="category"), pa.array(TEXTS).dictionary_encode(),
    ]  # fmt: skip
    metric = load(name)
    expected = metric.compute(predictions=TEXTS, references=GOLD)
    for column in columns:
        assert metric.compute(predictions=column, references=GOLD) == expected, type(column)


@pytest.mark.parametrize("row", [deque, UserList, iter, pa.array, pd.Series, np.array, pa.scalar, tuple])
def test_rows_of_tokens_references_and_tags(row):
    tokens, gold = [text.split() for text in TEXTS], [text.split() for text in GOLD]
    several = [[text, text + " now"] for text in GOLD]
    for name in ("bleu", "rouge"):
        metric = load(name)
        expected = metric.compute(predictions=tokens, references=gold)
        assert metric.compute(predictions=list(map(row, tokens)), references=gold) == expected
        assert metric.compute(predictions=tokens, references=list(map(row, gold))) == expected
        expected = metric.compute(predictions=TEXTS, references=several)
        assert metric.compute(predictions=TEXTS, references=list(map(row, several))) == expected
    metric = load("seqeval")
    expected = metric.compute(predictions=TAGS, references=GOLD_TAGS)
    assert metric.compute(predictions=list(map(row, TAGS)), references=GOLD_TAGS) == expected


@pytest.mark.parametrize("kind", [pa.list_view, pa.large_list_view, pa.large_list])
def test_rows_of_arrow_lists_with_a_missing_one_between(kind):
    tokens = [text.split() for text in TEXTS]
    several = [[["x", "y"], None, TEXTS[0].split()], [tokens[1]], [["a"], tokens[2]]]
    bleu = load("bleu")
    expected = bleu.compute(predictions=tokens, references=several)
    column = pa.array(tokens, kind(pa.string()))
    assert bleu.compute(predictions=column, references=several) == expected
    assert bleu.compute(predictions=tokens, references=pa.array(several, kind(kind(pa.string())))) == expected


def test_single_numbers_as_tensors_are_compared_as_they_are_written():
    rows = list(torch.tensor([1, 0, 1]))
    assert load("exact_match").compute(predictions=rows, references=[1, 1, "1"])["exact_match"] == 2 / 3


def test_probabilities_in_arrays_of_objects():
    perplexity = load("perplexity")
    flat, rows = np.array([0.5, 0.25], dtype=object), [np.array([0.5, 0.25], dtype=object), [0.1]]
    expected = perplexity.compute(predictions=[0.5, 0.25])
    assert perplexity.compute(predictions=flat) == expected
    assert perplexity.compute(predictions=rows) == perplexity.compute(predictions=[[0.5, 0.25], [0.1]])
