"""Folding, cutting and numbering words against a regular expression and a dict."""

from __future__ import annotations

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from evenweave.metrics.rouge_inputs import utf8
from evenweave.metrics.rouge_tokens import ascii_tokens

# Long words that agree at the front, at the back, or but for a letter, so that keys and hashes are put to it.
words = st.one_of(
    st.text("aA9", min_size=1, max_size=9),
    st.builds(
        lambda head, n, tail: head + "a" * n + tail,
        st.text("ab", max_size=2),
        st.integers(5, 70),
        st.text("ab", max_size=2),
    ),
)
texts = st.lists(
    st.lists(st.one_of(words, st.sampled_from(["\n", ".", "é", "@[`{/:", "\x00"])), max_size=30).map(
        " ".join
    ),
    max_size=8,
)


def check(rows: list[str]) -> None:
    got = ascii_tokens(utf8(rows, str), stemmer=None, python_case=True)
    numbers: dict[str, int] = {}
    for index, row in enumerate(rows):
        lines = [re.findall("[a-z0-9]+", line.lower()) for line in row.split("\n")]
        want = [numbers.setdefault(word, len(numbers)) for line in lines for word in line]
        first, last = got.offsets[index], got.offsets[index + 1]
        assert got.ids[first:last].tolist() == want
        starts = np.cumsum([0, *(len(line) for line in lines)])[:-1]
        filled = [int(first + start) for start, line in zip(starts, lines, strict=True) if line]
        assert got.breaks[got.break_offsets[index] : got.break_offsets[index + 1]].tolist() == filled
    assert got.vocabulary == len(numbers)


@given(texts)
def test_words_and_lines_are_those_of_a_regular_expression(rows: list[str]) -> None:
    check(rows)


def test_a_vocabulary_that_makes_the_table_grow_many_times() -> None:
    names = [f"{'word' * (n % 7)}{n}" for n in range(30_000)]
    check([" ".join(names), " ".join(reversed(names)), "\n".join(names[:5000])])


def test_one_word_of_a_million_letters_beside_another_that_ends_otherwise() -> None:
    check(["a" * 1_000_000, "a" * 999_999 + "b", "b" + "a" * 999_999, "a" * 1_000_000])


def test_every_byte_position_in_a_block() -> None:
    check([" " * shift + "x" * size + "\n" + "y" for shift in range(66) for size in (1, 63, 64, 65)])
