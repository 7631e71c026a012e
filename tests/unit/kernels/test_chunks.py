"""Chunk kernels against plain Python."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from evenweave.kernels.chunks import count_chunks, scratch
from evenweave.metrics import entities_input as inputs
from evenweave.metrics.entities_spans import spans_of_tags
from evenweave.metrics.entities_tags import tag_table
from evenweave.metrics.seqeval import Seqeval

TAGS = ("O", "B-X", "I-X", "B-Y", "I-Y", "E-Y", "S-X")


def oracle(tags):
    """conlleval's rules, a tag at a time: spans of (start, end, type)."""
    spans, begin, last, kind = [], None, "O", ""
    for at, tag in enumerate([*tags, "O"]):
        letter, _, now = tag.partition("-")
        ends = last in "ES" or (last in "BI" and letter in "BSO") or (last != "O" and now != kind)
        starts = letter in "BS" or (last in "ESO" and letter in "EI") or (letter != "O" and now != kind)
        if begin is not None and ends:
            spans.append((begin, at, kind))
            begin = None
        if starts:
            begin = at
        last, kind = letter, now
    return spans


rows = st.lists(st.lists(st.sampled_from(range(len(TAGS))), max_size=9), min_size=1, max_size=6)


@given(rows, st.data())
@settings(max_examples=150)
def test_counts_and_spans_equal_the_oracle(gold, data):
    predicted = [[data.draw(st.sampled_from(range(len(TAGS)))) for _ in row] for row in gold]
    statistic = Seqeval(label_names=TAGS)
    found = statistic.rows(predicted, gold)
    table = tag_table(TAGS, scheme=None, suffix=False)
    spans = spans_of_tags(inputs.tag_rows(predicted, gold, label_names=TAGS), table, ignored=-100)
    for row in range(len(gold)):
        left = oracle([TAGS[i] for i in gold[row]])
        right = oracle([TAGS[i] for i in predicted[row]])
        assert [tuple(span) for span in spans[0][row]] == left
        assert [tuple(span) for span in spans[1][row]] == right
        counts = dict(zip(found.names, found.values[row].tolist(), strict=True))
        assert counts["tokens"] == len(gold[row])
        assert counts["right"] == sum(a == b for a, b in zip(gold[row], predicted[row], strict=True))
        for kind in "XY":
            mine, theirs = ({span for span in side if span[2] == kind} for side in (left, right))
            assert counts[f"gold:{kind}"] == len(mine)
            assert counts[f"predicted:{kind}"] == len(theirs)
            assert counts[f"both:{kind}"] == len(mine & theirs)


@given(rows, st.data())
def test_ignored_places_count_as_if_they_were_not_there(gold, data):
    predicted = [[data.draw(st.sampled_from(range(len(TAGS)))) for _ in row] for row in gold]
    holes = [[data.draw(st.booleans()) for _ in row] for row in gold]
    statistic = Seqeval(label_names=TAGS)

    def without(side):
        return [[i for i, out in zip(r, h, strict=True) if not out] for r, h in zip(side, holes, strict=True)]

    marked = [
        [-100 if out else i for i, out in zip(r, h, strict=True)] for r, h in zip(gold, holes, strict=True)
    ]
    with_holes = statistic.rows(predicted, marked)
    assert (with_holes.values == statistic.rows(without(predicted), without(gold)).values).all()


def test_a_corpus_longer_than_a_block_is_counted_whole():
    random = np.random.default_rng(0)
    gold = random.integers(0, len(TAGS), size=20_000)
    predicted = np.where(random.random(20_000) < 0.8, gold, 0)
    cuts = [0, 2047, 2048, 2049, 4096, 10_000, 20_000]
    statistic = Seqeval(label_names=TAGS)
    parts = [[side[a:b] for a, b in itertools.pairwise(cuts)] for side in (predicted, gold)]
    rows = statistic.rows(*parts)
    assert rows.totals() == statistic.totals(*parts)
    expected = sum(len(oracle([TAGS[i] for i in row])) for row in parts[1])
    assert sum(value for key, value in rows.totals().items() if key.startswith("gold:")) == expected


@given(
    st.sampled_from([0, 1, 7, 8, 9, 1016, 1023, 1024, 1025, 1032, 2047, 2049]),
    st.sampled_from([0.0, 0.05, 0.5, 1.0]),
    st.lists(st.integers(0, 2049), max_size=4),
    st.integers(0, 99),
)
@settings(max_examples=80)
def test_tags_among_long_stretches_of_o_are_found(size, share, cuts, seed):
    random = np.random.default_rng(seed)
    gold = np.where(random.random(size) < share, random.integers(0, len(TAGS), size), 0)
    predicted = np.where(random.random(size) < share / 4, random.integers(0, len(TAGS), size), gold)
    bounds = [0, *sorted(cut for cut in cuts if cut <= size), size]
    parts = [[side[a:b] for a, b in itertools.pairwise(bounds)] for side in (predicted, gold)]
    totals = Seqeval(label_names=TAGS).totals(*parts)
    theirs, mine = ([set(oracle([TAGS[i] for i in row])) for row in side] for side in parts)
    expected = {
        "gold:": sum(map(len, mine)),
        "predicted:": sum(map(len, theirs)),
        "both:": sum(len(a & b) for a, b in zip(mine, theirs, strict=True)),
    }
    for part, count in expected.items():
        assert sum(value for key, value in totals.items() if key.startswith(part)) == count
    assert totals["tokens"] == size
    assert totals["right"] == (gold == predicted).sum()


@given(st.lists(st.lists(st.text(min_size=1, max_size=12), max_size=5), max_size=8))
def test_interned_tags_read_back(rows):
    data = inputs.tag_rows(rows, rows, label_names=None)
    found = [
        [data.tags[i] for i in data.gold[a:b]]
        for a, b in zip(data.offsets[:-1], data.offsets[1:], strict=True)
    ]
    assert found == rows
    assert (data.gold == data.predicted).all()


def test_thousands_of_long_tags_make_the_table_grow():
    rows = [[f"B-{'type' * 5}{i:05d}" for i in range(3000)]]
    data = inputs.tag_rows(rows, rows, label_names=None)
    assert [data.tags[i] for i in data.gold] == rows[0]


def test_no_rows_leave_the_memory_behind_alone():
    table = tag_table(TAGS, scheme=None, suffix=False)
    ids, offsets = np.zeros(0, dtype=np.int64), np.zeros(1, dtype=np.int64)
    for array in (ids, offsets):
        array.flags.writeable = False
    held = np.full(len(table.columns), 7)
    wrong = count_chunks(
        ids,
        ids,
        offsets,
        table.actions.reshape(-1),
        table.types,
        table.outside,
        -100,
        scratch(table.types),
        held[:0].reshape(0, len(table.columns)),
    )
    assert wrong == -1
    assert (held == 7).all()
