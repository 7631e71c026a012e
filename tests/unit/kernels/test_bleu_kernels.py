"""The byte kernels of BLEU against plain Python."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from evenweave.kernels.bleu import LONG, bleu_long_rows, bleu_rows, long_scratch, scratch
from evenweave.kernels.load import BLOCK, equals, letters, lowest_bit
from evenweave.kernels.tokenize_bytes import EXACT, KEY, decode, given_tokens, key_tokens
from evenweave.metrics.bleu_tokenize import tokenizer, unescaped


def frozen(values: Any, dtype: Any = np.int64) -> Any:
    array = np.array(values, dtype=dtype)
    array.flags.writeable = False
    return array


def packed(rows: list[list[bytes]]) -> tuple[Any, Any, Any]:
    """Token lists as bytes, row boundaries over tokens, token boundaries over bytes."""
    tokens = [token for row in rows for token in row]
    bounds = np.cumsum([0, *map(len, rows)])
    return frozen(list(b"".join(tokens)), np.uint8), frozen(bounds), frozen(np.cumsum([0, *map(len, tokens)]))


def oracle(hypothesis: list[bytes], references: list[list[bytes]], order: int) -> list[int]:
    matched, total = [], []
    for n in range(1, order + 1):
        grams = lambda row, n=n: Counter(tuple(row[i : i + n]) for i in range(len(row) - n + 1))  # noqa: E731
        most: Counter[Any] = Counter()
        for reference in references:
            most |= grams(reference)
        mine = grams(hypothesis)
        matched.append(sum((mine & most).values()))
        total.append(sum(mine.values()))
    closest = min(map(len, references), key=lambda size: (abs(size - len(hypothesis)), size))
    return [len(hypothesis), closest, *matched, *total]


# Keys hold 7 bytes: tokens around that length, with equal beginnings and ends, and bytes of zero.
SPECIAL = [b"", b"a", b"\x00", b"a\x00", b"abcdefg", b"abcdefgh", b"abcdefg\x00", b"abcdefghabcdefgh"]
token = st.one_of(
    st.sampled_from(SPECIAL),
    st.builds(
        lambda head, size, tail: head + b"x" * size + tail,
        st.sampled_from([b"a", b"b"]),
        st.integers(0, 20),
        st.sampled_from([b"", b"y", b"z"]),
    ),
)
row = st.lists(token, max_size=90)


@njit
def keyed(text: Any, pieces: Any, table: Any) -> None:
    key_tokens(text, table, given_tokens(pieces, 0, len(pieces) - 1, table))


@njit
def decoded(text: Any, at: int, end: int) -> Any:
    return decode(text, at, end)


@given(st.lists(st.tuples(row, st.lists(row, min_size=1, max_size=3)), max_size=4), st.integers(1, 6))
def test_counts_of_given_tokens(pairs: Any, order: int) -> None:
    hyp, hyp_bounds, hyp_pieces = packed([hypothesis for hypothesis, _ in pairs])
    ref, ref_bounds, ref_pieces = packed([reference for _, references in pairs for reference in references])
    ref_rows = frozen(np.cumsum([0, *(len(references) for _, references in pairs)]))
    how = tokenizer("none")
    out = np.empty((len(pairs), 2 + 2 * order), dtype=np.int64)
    bleu_rows(
        hyp, hyp_bounds, hyp_pieces, ref, ref_bounds, ref_pieces, ref_rows,
        how.classes, how.flags, order, scratch(hyp_bounds, ref_bounds, order), out,
    )  # fmt: skip
    expected = [oracle(*pair, order) for pair in pairs]
    assert out.tolist() == expected
    # The driver for long rows must say the same of short ones.
    out[:, 1] = LONG
    bleu_long_rows(
        hyp, hyp_bounds, hyp_pieces, ref, ref_bounds, ref_pieces, ref_rows,
        how.classes, how.flags, order, long_scratch(hyp_bounds, ref_bounds, order), out,
    )  # fmt: skip
    assert out.tolist() == expected


@given(st.lists(token, max_size=40))
def test_keys_of_short_tokens_are_exact_and_of_long_ones_below_zero(tokens: list[bytes]) -> None:
    text, _, pieces = packed([tokens])
    table = np.empty((3, len(tokens)), dtype=np.int64)
    keyed(text, pieces, table)
    keys = table[KEY].tolist()
    for one, key in zip(tokens, keys, strict=True):
        assert (key < 0) == (len(one) > EXACT)
        for other, other_key in zip(tokens, keys, strict=True):
            assert key == other_key if one == other else key != other_key or len(one) > EXACT


@njit
def _letters_of(data: Any, at: int, beyond: Any) -> Any:
    return letters(data, at, beyond)


@njit
def _equals_of(values: Any, at: int, key: int) -> Any:
    return equals(values, at, key)


@njit
def _lowest(word: Any) -> Any:
    return lowest_bit(word)


def test_vector_compares() -> None:
    data = np.arange(256 + BLOCK, dtype=np.uint8)
    for at in range(256):
        block = data[at : at + BLOCK].tolist()
        words = [chr(byte).isalnum() and byte < 128 for byte in block]
        beyond = [byte >= 128 and byte not in (0xC2, 0xE1, 0xE2, 0xE3) for byte in block]
        bits = int(_letters_of(data, at, np.uint64(0)))
        assert [bool(bits >> i & 1) for i in range(BLOCK)] == words
        bits = int(_letters_of(data, at, np.uint64(2**64 - 1)))
        assert [bool(bits >> i & 1) for i in range(BLOCK)] == np.logical_or(words, beyond).tolist()
    values = np.array([3, 1, -1, 3, 3, 2**40, 0, 3, 1], dtype=np.int64)
    assert int(_equals_of(values, 0, 3)) == 0b10011001
    assert int(_equals_of(values, 1, -1)) == 0b10
    for bit in range(64):
        assert _lowest(np.uint64(1 << bit)) == bit
        assert _lowest(np.uint64((2**64 - 1) << bit & (2**64 - 1))) == bit


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_decode_reads_utf8(text: str) -> None:
    raw = frozen(list(text.encode()), np.uint8)
    at, points = 0, []
    while at < len(raw):
        point, width = decoded(raw, at, len(raw))
        points.append(chr(point))
        at += width
    assert "".join(points) == text


@given(st.binary(max_size=12))
def test_decode_of_bytes_that_are_no_utf8_stays_inside(raw: bytes) -> None:
    data = frozen(list(raw), np.uint8)
    at = 0
    while at < len(data):
        point, width = decoded(data, at, len(data))
        assert 0 <= point < 0x110000
        at += width
    assert at == len(data)


ESCAPED = ["&", "amp;", "&amp;", "&lt;", "&gt;", "&quot;", "lt;", "<skipped>", "<", "-", "\n", " ", "é", "x"]
escaped_row = st.lists(st.sampled_from(ESCAPED), max_size=10).map("".join)


@given(st.lists(escaped_row, max_size=5))
def test_escapes_go_in_the_order_of_mteval(rows: list[str]) -> None:
    def plain(text: str) -> str:
        for old, new in (
            ("<skipped>", ""),
            ("-\n", ""),
            ("&quot;", '"'),
            ("&amp;", "&"),
            ("&lt;", "<"),
            ("&gt;", ">"),
        ):
            text = text.replace(old, new)
        return text

    raw = [row.encode() for row in rows]
    # The first byte of the array belongs to no row: boundaries need not begin at 0.
    values, bounds = frozen(list(b"&" + b"".join(raw)), np.uint8), frozen(np.cumsum([1, *map(len, raw)]))
    out, out_bounds = unescaped(values, bounds, tokenizer("13a"))
    found = [bytes(out[a:b]).decode().rstrip() for a, b in pairwise(out_bounds)]
    assert found == [plain(row.rstrip()).rstrip() for row in rows]


@pytest.mark.parametrize("name", ["13a", "intl", "zh", "char", "none"])
def test_the_end_of_the_buffer_is_read_as_its_middle(name: Any) -> None:
    """Wide loads stop before the end of the buffer; what they read there must not differ."""
    text = "Überall 1,5 U.S. x-1- (a) 中文 abcdefghij " * 6
    raw = text.encode()
    how = tokenizer(name)
    ref_rows = frozen([0, 1])

    def counts(data: bytes) -> list[int]:
        values, bounds = frozen(list(data), np.uint8), frozen([0, len(raw)])
        out = np.empty((1, 10), dtype=np.int64)
        bleu_rows(
            values, bounds, None, values, bounds, None, ref_rows,
            how.classes, how.flags, 4, scratch(bounds, bounds, 4), out,
        )  # fmt: skip
        return out[0].tolist()

    assert counts(raw) == counts(raw + b"z" * 100)
