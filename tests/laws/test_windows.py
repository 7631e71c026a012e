"""Windowed, nothing is lost: every word counts exactly once, and entities keep their number."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers.tiny_tagger import LABELS, bert_tokenizer

from evenweave import Dataset, tokenize_and_align
from evenweave.data.features import ClassLabel, Sequence
from evenweave.data.windows import plan_windows
from evenweave.ragged import Ragged

counts = st.lists(st.lists(st.integers(1, 9), max_size=40), max_size=4)


@given(counts, st.integers(1, 20), st.data())
def test_cores_in_order_are_the_rows(rows: list[list[int]], capacity: int, data: st.DataObject) -> None:
    stride = data.draw(st.integers(0, (capacity - 1) // 2))
    words = Ragged.from_rows(rows, dtype=np.int64)
    plan = plan_windows(words, capacity=capacity, stride=stride)
    ends = np.concatenate([[0], np.cumsum(words.flat)])
    assert ((plan.stop - plan.start) <= capacity).all()
    assert ((plan.start <= plan.core_start) & (plan.core_stop <= plan.stop)).all()
    assert ((plan.core_start < plan.core_stop) | (plan.start == plan.stop)).all()
    covered = [i for a, b in zip(plan.core_start, plan.core_stop, strict=True) for i in range(a, b)]
    assert covered == list(range(ends[-1]))
    assert (np.diff(plan.row) >= 0).all()
    assert set(plan.row.tolist()) == set(range(len(rows)))
    if words.width == 0 or max(max(row, default=0) for row in rows) <= capacity:
        # No word is cut: every bound lies between words.
        for bound in (plan.start, plan.stop, plan.core_start, plan.core_stop):
            assert np.isin(bound, ends).all()
        assert plan.cut_words == 0


@given(st.integers(3, 60), st.integers(0, 8), st.integers(1, 60))
def test_every_core_has_its_context(capacity: int, stride: int, size: int) -> None:
    stride = min(stride, (capacity - 1) // 2)
    plan = plan_windows(Ragged.from_rows([[1] * size]), capacity=capacity, stride=stride)
    left = plan.core_start - plan.start
    right = plan.stop - plan.core_stop
    assert (left[1:] == stride).all()
    assert (right[:-1] >= np.minimum(stride, size - plan.core_stop[:-1])).all()


@cache
def tokenizer() -> Any:
    return bert_tokenizer()


word = st.sampled_from(["gfg", "sampurn", "eu", "wolfgang", "x", "\u200b", "saint-étienne", "a" * 30, "中国"])
documents = st.lists(st.lists(st.tuples(word, st.integers(0, len(LABELS) - 1)), max_size=50), max_size=3)


def dataset(rows: list[list[tuple[str, int]]]) -> Dataset:
    import pyarrow as pa

    columns = {
        "tokens": pa.array([[w for w, _ in row] for row in rows], pa.list_(pa.string())),
        "ner_tags": pa.array([[t for _, t in row] for row in rows], pa.list_(pa.int64())),
    }
    return Dataset.from_dict(columns, features={"ner_tags": Sequence(ClassLabel(LABELS))})


def joined(encoded: Any, rows: int) -> list[list[int]]:
    """The labels of each row's windows on end, without -100."""
    out: list[list[int]] = [[] for _ in range(rows)]
    for source, labels in zip(encoded.source, encoded.columns["labels"], strict=True):
        out[source].extend(labels[labels != -100].tolist())
    return out


@given(documents, st.integers(8, 40), st.booleans())
def test_windows_on_end_are_the_row(
    rows: list[list[tuple[str, int]]], max_length: int, all_tokens: bool
) -> None:
    data = dataset(rows)
    whole = tokenize_and_align(data, tokenizer(), max_length=100_000, label_all_tokens=all_tokens)
    parts = tokenize_and_align(data, tokenizer(), max_length=max_length, label_all_tokens=all_tokens)
    assert parts.lengths.max(initial=0) <= max_length
    assert joined(parts, len(rows)) == joined(whole, len(rows))


@given(documents, st.integers(8, 40))
def test_every_word_of_every_row_is_answered_for_once(
    rows: list[list[tuple[str, int]]], max_length: int
) -> None:
    encoded = tokenize_and_align(dataset(rows), tokenizer(), max_length=max_length, label_all_tokens=False)
    seen: Counter[tuple[int, int]] = Counter()
    for index, source in enumerate(encoded.source.tolist()):
        labels = encoded.columns["labels"][index]
        seen.update((source, int(w)) for w in encoded.word_ids[index][labels != -100])
        start, stop = encoded.core[index]
        assert (labels[:start] == -100).all()
        assert (labels[stop:] == -100).all()
    assert seen == Counter((r, w) for r, row in enumerate(rows) for w in range(len(row)))


def test_a_document_of_2000_words_keeps_its_support() -> None:
    rng = np.random.default_rng(0)
    tags, word_list = [0] * 2000, [str(w) for w in rng.choice(["sampurn", "gfg", "wolfgang", "in"], 2000)]
    for start in range(0, 1990, 7):
        kind = int(rng.integers(0, 3))
        size = int(rng.integers(1, 6))
        tags[start : start + size] = [1 + 2 * kind] + [2 + 2 * kind] * (size - 1)
    encoded = tokenize_and_align(
        dataset([list(zip(word_list, tags, strict=True))]), tokenizer(), max_length=128
    )
    labels = joined(encoded, 1)[0]
    starts = Counter(label for label in labels if label % 2)
    assert starts == Counter(label for label in tags if label % 2)
    assert len(encoded) > 20
