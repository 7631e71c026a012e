from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenweave.errors import ArgumentError
from evenweave.inference import decode

NAMES = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
ROWS = st.lists(st.lists(st.integers(0, 4), max_size=7), max_size=5)


def flat(rows: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    return np.array([x for row in rows for x in row], dtype=np.int64), offsets


def oracle_groups(rows: list[list[int]], names: list[str]) -> list[int]:
    """Where runs begin, one label at a time."""
    firsts, at = [], 0
    for row in rows:
        before = None
        for label in row:
            place, _, kind = names[label].rpartition("-")
            if before is None or kind != before[1] or place in ("B", "S") or before[0] in ("E", "S"):
                firsts.append(at)
            before = (place, kind)
            at += 1
    return firsts


@given(rows=ROWS)
def test_groups_are_those_of_one_label_at_a_time(rows: list[list[int]]) -> None:
    label, offsets = flat(rows)
    for names in (NAMES, ["O", "B-X", "I-X", "E-X", "S-X"]):
        found = decode.group_spans(label, offsets, labels=decode.read_labels(names))
        assert found.tolist() == oracle_groups(rows, names)


@given(rows=ROWS, seed=st.integers(0, 999))
def test_words_are_pooled_as_one_at_a_time(rows: list[list[int]], seed: int) -> None:
    word, offsets = flat([sorted(row) for row in rows])
    scores = decode.softmax(np.random.default_rng(seed).normal(size=(len(word), 3)).astype(np.float32))
    first = decode.first_of_word(word, offsets)
    starts = set(offsets[:-1].tolist())
    expected = [i for i in range(len(word)) if i in starts or word[i] != word[i - 1]]
    assert first.tolist() == expected
    bounds = [*first.tolist(), len(word)]
    for strategy in ("first", "average", "max"):
        pooled = decode.pool_words(scores, first, strategy=strategy)
        assert pooled.dtype == np.float32
        for w, (a, b) in enumerate(pairwise(bounds)):
            part = scores[a:b]
            surest = max(range(b - a), key=lambda i: part[i].max())
            want = {"first": part[0], "average": part.mean(axis=0), "max": part[surest]}[strategy]
            np.testing.assert_allclose(pooled[w], want, atol=1e-6)


@given(rows=ROWS, seed=st.integers(0, 999), iobes=st.booleans())
def test_constrained_labels_are_always_legal(rows: list[list[int]], seed: int, iobes: bool) -> None:
    names = ["O", "B-X", "I-X", "E-X", "S-X"] if iobes else NAMES
    labels = decode.read_labels(names)
    _, offsets = flat(rows)
    scores = decode.softmax(np.random.default_rng(seed).normal(size=(int(offsets[-1]), 5)).astype(np.float32))
    label, score = decode.choose(scores, offsets, rules=decode.transitions(labels))
    np.testing.assert_array_equal(score, scores[np.arange(len(label)), label])
    for a, b in pairwise(offsets):
        tags = [names[i] for i in label[a:b]]
        for before, tag in zip(["O", *tags], [*tags, "O"], strict=True):
            if iobes:
                assert (before[0] in "BI") == (tag[0] in "IE")
            elif tag[0] == "I":
                assert before[0] in "BI"
                assert before[2:] == tag[2:]


def test_a_legal_best_sequence_is_left_as_it_is() -> None:
    labels = decode.read_labels(NAMES)
    wanted = np.array([1, 2, 0, 3, 1])
    scores = np.full((5, 5), 0.05, dtype=np.float32)
    scores[np.arange(5), wanted] = 0.8
    found, _ = decode.choose(scores, np.array([0, 5]), rules=decode.transitions(labels))
    assert found.tolist() == wanted.tolist()


def test_a_type_without_b_may_begin_with_i() -> None:
    _, opens, _ = decode.transitions(decode.read_labels(["O", "I-PER", "B-LOC", "I-LOC"]))
    assert opens.tolist() == [True, True, True, False]


def test_labels_without_positions_cannot_be_constrained() -> None:
    with pytest.raises(ArgumentError, match="constrained"):
        decode.transitions(decode.read_labels(["NOUN", "VERB"]))


def test_prefixes_of_iobes_are_read_only_where_all_labels_have_one() -> None:
    assert decode.read_labels(["O", "B-X", "E-X", "S-X", "I-X"]).kinds == ("O", "X")
    assert decode.read_labels(["O", "S-X", "NOUN"]).kinds == ("O", "S-X", "NOUN")
