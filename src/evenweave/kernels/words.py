"""Words of a-z and 0-9 out of UTF-8 bytes, lower-cased and interned in one pass.

The tokens are those of rouge_score: `text.lower()` cut at everything but a-z0-9. Over bytes that is a
table of 256 entries and two characters more: of all Unicode, only U+212A KELVIN SIGN (lower-cases to k)
and U+0130 (to i and a combining dot, which cuts) yield ASCII when lower-cased.

A word's key is its base-37 number. Up to 12 characters that is below 2**63 and names the word exactly;
a longer word sets the top bit, and its bytes are compared.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

EXACT = 12  # 37**12 < 2**63 <= 37**13
LONG = np.uint64(1 << 63)
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_BASE = np.uint64(37)
NEWLINE = 10


def _codes() -> Any:
    codes = np.zeros(256, dtype=np.uint8)
    codes[ord("0") : ord("9") + 1] = np.arange(1, 11)
    codes[ord("a") : ord("z") + 1] = codes[ord("A") : ord("Z") + 1] = np.arange(11, 37)
    return codes


CODES = _codes()  # byte -> 0 where it cuts, else 1..36
LETTERS = np.frombuffer(b"\x000123456789abcdefghijklmnopqrstuvwxyz", dtype=np.uint8)  # code -> byte
_I = np.uint8(CODES[ord("i")])
_K = np.uint8(CODES[ord("k")])


@njit(cache=True, nogil=True)
def same_bytes(data: Any, first: Any, second: Any, size: Any) -> Any:
    """Whether `data` holds the same `size` bytes at two places."""
    for i in range(size):  # noqa: SIM110 - a generator does not compile
        if data[first + i] != data[second + i]:
            return False
    return True


# Inlined, for a call would count the references of its four arrays.
@njit(cache=True, nogil=True, inline="always")
def intern_word(key: Any, size: Any, letters: Any, bounds: Any, table: Any, vocabulary: Any) -> Any:
    """Return the id of the word whose letters lie at the end of the vocabulary's, adding it if it is new.

    Args:
        key: the word's key, uint64; size: its length, at least 1.
        letters: uint8, words `0..vocabulary` on end, then the candidate.
        bounds: int64 `[vocabulary + 1]` or longer: where each word begins.
        table: uint64 `[2 * 2**k]`: pairs of key and id, key 0 where free; must have a free slot.
    """
    slots = len(table) >> 1
    if size > EXACT:
        key |= LONG
    # The product's high bits depend on all of the key's.
    slot = np.int64((key * _SPREAD) >> np.uint64(32)) & (slots - 1)
    while True:
        held = table[2 * slot]
        if held == key:
            word = np.int64(table[2 * slot + 1])
            if size <= EXACT:
                return word
            start = bounds[word]
            if bounds[word + 1] - start == size and same_bytes(letters, start, bounds[vocabulary], size):
                return word
        elif held == 0:
            table[2 * slot] = key
            table[2 * slot + 1] = np.uint64(vocabulary)
            bounds[vocabulary + 1] = bounds[vocabulary] + size
            return vocabulary
        slot = (slot + 1) & (slots - 1)


@njit(cache=True, nogil=True)
def grown(table: Any) -> Any:
    """Return a table of twice as many slots that holds the same words."""
    slots = len(table)
    bigger = np.zeros(2 * slots, dtype=np.uint64)
    for old in range(len(table) >> 1):
        key = table[2 * old]
        if key:
            slot = np.int64((key * _SPREAD) >> np.uint64(32)) & (slots - 1)
            while bigger[2 * slot]:
                slot = (slot + 1) & (slots - 1)
            bigger[2 * slot] = key
            bigger[2 * slot + 1] = table[2 * old + 1]
    return bigger


# What `_split_some` stopped at: the text, the byte, the words, lines and vocabulary so far, and whether the
# next word begins a line.
_TEXT, _AT, _WORDS, _LINES, _VOCABULARY, _FRESH = 0, 1, 2, 3, 4, 5


@njit(cache=True, nogil=True)
def split_words(
    data: Any,
    offsets: Any,
    letters: Any,
    bounds: Any,
    ids: Any,
    word_offsets: Any,
    breaks: Any,
    break_offsets: Any,
    fold: Any,
) -> Any:
    """Cut texts into words, number the words, and mark where sentences (lines) with words begin.

    Args:
        data: uint8, the texts' UTF-8; offsets: int64 `[B + 1]`, where each text begins.
        letters: uint8 `[bytes]`, receives the letters of the distinct words; bounds: int64, receives where
            each begins, with room for one entry more than there are words.
        ids: int32, receives the N word ids; word_offsets: int64 `[B + 1]`, receives their bounds by text.
        breaks: int64, receives the index (into `ids`) of each sentence's first word;
        break_offsets: int64 `[B + 1]`, receives the bounds of `breaks` by text.
        fold: whether the two characters beyond ASCII that lower-case to ASCII do; else they cut.

    Returns:
        The number of distinct words.
    """
    state = np.zeros(6, dtype=np.int64)
    state[_AT] = offsets[0]
    state[_FRESH] = 1
    bounds[0] = 0
    word_offsets[0] = 0
    break_offsets[0] = 0
    table = np.zeros(1 << 13, dtype=np.uint64)
    # Two loops, because a table replaced inside the hot one would be reference-counted at every word.
    while state[_TEXT] < len(offsets) - 1:
        _split_some(
            data, offsets, table, letters, bounds, ids, word_offsets, breaks, break_offsets, fold, state
        )
        if state[_TEXT] < len(offsets) - 1:
            table = grown(table)
    return state[_VOCABULARY]


@njit(cache=True, nogil=True)
def _split_some(
    data: Any,
    offsets: Any,
    table: Any,
    letters: Any,
    bounds: Any,
    ids: Any,
    word_offsets: Any,
    breaks: Any,
    break_offsets: Any,
    fold: Any,
    state: Any,
) -> Any:
    """Go on from `state` until the table is half full or the texts end."""
    text, at = state[_TEXT], state[_AT]
    words, lines, vocabulary = state[_WORDS], state[_LINES], state[_VOCABULARY]
    fresh = state[_FRESH] != 0
    room = len(table) >> 2
    start = bounds[vocabulary]
    size = 0
    key = np.uint64(0)
    end = offsets[text + 1]
    while True:
        # One step behind the end cuts the last word off.
        byte = data[at] if at < end else np.uint8(0)
        at += 1
        code = CODES[byte]
        cut = False
        if code == 0 and fold:
            if byte == 0xE2 and at + 1 < end and data[at] == 0x84 and data[at + 1] == 0xAA:
                code = _K
                at += 2
            elif byte == 0xC4 and at < end and data[at] == 0xB0:
                code = _I
                at += 1
                cut = True
        if code:
            letters[start + size] = LETTERS[code]
            key = key * _BASE + np.uint64(code)
            size += 1
            if not cut:
                continue
        if size:
            if fresh:
                breaks[lines] = words
                lines += 1
                fresh = False
            word = intern_word(key, size, letters, bounds, table, vocabulary)
            ids[words] = word
            words += 1
            size = 0
            key = np.uint64(0)
            if word == vocabulary:
                vocabulary += 1
                start = bounds[vocabulary]
        if byte == NEWLINE:
            fresh = True
        if at > end:
            text += 1
            word_offsets[text] = words
            break_offsets[text] = lines
            fresh = True
            at = end
            if text == len(offsets) - 1:
                break
            end = offsets[text + 1]
        if vocabulary >= room:
            break
    state[_TEXT], state[_AT] = text, at
    state[_WORDS], state[_LINES], state[_VOCABULARY] = words, lines, vocabulary
    state[_FRESH] = fresh
