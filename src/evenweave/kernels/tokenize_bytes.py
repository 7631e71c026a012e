"""Cut UTF-8 rows into tokens by character classes, and fingerprint every token on the way.

The classes say what a character does; a 0x110000-entry table gives each code point its class, so one
machine serves every tokeniser (13a, intl, zh, char, none), whose tables `metrics.bleu_tokenize` builds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evenweave.kernels.compiled import inner
from evenweave.kernels.load import BLOCK, letters, load, lowest_bit

OTHER = 0  # part of a word
DIGIT = 1  # part of a word; holds a MARK between two digits
SPACE = 2  # ends a word
SINGLE = 3  # a token of its own
MARK = 4  # a token of its own, except where digits hold it (see `tokenize_row`)
DASH = 5  # a token of its own after a digit, else part of a word

# Properties of a tokeniser, as flags.
OPEN_ENDS = 1  # what lies outside a row holds a mark as a digit does; else it is as white space
STRIP_FRONT = 2  # white space at the front counts as outside the row; at the end it always does
PLAIN_BEYOND_ASCII = 4  # beyond ASCII there are only white space and parts of words

MIX = np.uint64(0x9E3779B97F4A7C15)
KEY, START, END = 0, 1, 2  # rows of a token table
EXACT = 7
NO_KEY = 8 << 56  # the key of no token
_LETTER, _BLANK = ord("a"), ord(" ")
_ONE, _THREE, _EIGHT, _HALF, _TOP_BYTE = (np.uint64(n) for n in (1, 3, 8, 32, 56))
_TOP_BIT = np.uint64(1 << 63)


@inner
def decode(text: Any, at: int, end: int) -> Any:
    """Return the code point at `at` and its width in bytes; a cut or stray byte is U+0000, one wide."""
    first = np.int64(text[at])
    width = 1
    if first >= 0xC0:
        width = 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    point = first & (0x7F >> width) if width > 1 else first
    for i in range(1, width):
        if at + i < end:
            point = point << 6 | (np.int64(text[at + i]) & 0x3F)
    if at + width > end or 0x80 <= first < 0xC0 or first > 0xF4 or point > 0x10FFFF:
        point, width = np.int64(0), 1
    return point, width


@inner
def strip_end(text: Any, start: int, end: int, classes: Any) -> int:
    """Return `end` moved back over the white space at the end of `text[start:end]`."""
    while end > start:
        at = end - 1
        while at > start and (text[at] & 0xC0) == 0x80:
            at -= 1
        if classes[decode(text, at, end)[0]] != SPACE:
            return end
        end = at
    return end


@inner
def key_tokens(text: Any, tokens: Any, count: int) -> None:
    """Write the KEY of the first `count` tokens from their START and END.

    Up to EXACT bytes the key is the bytes and their number, so equal keys are equal tokens. A longer one's
    is a hash, and below 0: equal keys ask for a comparison.
    """
    safe = len(text) - 8
    for i in range(count):
        start, end = tokens[START, i], tokens[END, i]
        size = end - start
        key = np.uint64(size)
        if size > EXACT:
            at = start
            while at + 8 < end:
                key = (key ^ load(text, at)) * MIX
                key ^= key >> _HALF
                at += 8
            # The last eight bytes may overlap those before.
            key = (key ^ load(text, end - 8)) * MIX | _TOP_BIT
        elif start <= safe:
            key = key << _TOP_BYTE | (load(text, start) & ((_ONE << (key << _THREE)) - _ONE))
        else:
            for at in range(start, end):
                key = key << _EIGHT | np.uint64(text[end - 1 - at + start])
            key = (key & ((_ONE << (np.uint64(size) << _THREE)) - _ONE)) | np.uint64(size) << _TOP_BYTE
        tokens[KEY, i] = np.int64(key)


@inner
def given_tokens(pieces: Any, first: int, last: int, tokens: Any) -> int:
    """Write START and END of tokens cut already, `pieces[j]` and `pieces[j + 1]`; return how many."""
    for j in range(first, last):
        tokens[START, j - first], tokens[END, j - first] = pieces[j], pieces[j + 1]
    return last - first


@inner
def tokenize_row(text: Any, start: int, end: int, classes: Any, flags: int, tokens: Any) -> int:
    """Write the tokens of `text[start:end]` and return how many there are.

    A run of marks is the only place with a memory. The regular expressions it replaces pair a mark with the
    character before it, from the left and without overlap, and then with the one behind it. What is left of
    them: every mark is a token of its own, except that the last of a run stays with the digit behind it if
    an even number of marks has a non-digit before the run, or an odd number a digit. `held` is that parity.

    Args:
        text: uint8 `[N]`, UTF-8.
        classes: uint8 `[0x110000]`, the class of each code point.
        flags: OPEN_ENDS, STRIP_FRONT and PLAIN_BEYOND_ASCII, added up.
        tokens: int64 `[3, at least the row's bytes]`, written: START and END of each token.
    """
    open_ends = flags & OPEN_ENDS != 0
    beyond = np.uint64(-(flags & PLAIN_BEYOND_ASCII != 0))
    if flags & STRIP_FRONT:
        while start < end:
            point, width = decode(text, start, end)
            if classes[point] != SPACE:
                break
            start += width
    end = strip_end(text, start, end, classes)

    words = classes[_LETTER] == OTHER  # ASCII letters and digits make words, as in every tokeniser but char
    safe = len(text) - BLOCK
    block = start - BLOCK  # where the bits of `breaks` begin
    breaks = np.uint64(0)
    count = 0
    opened = False  # a word has begun at `begin` and not ended
    begin = start
    held = open_ends
    after_digit = False
    at = start
    while at < end:
        if words and at <= safe:
            if at >= block + BLOCK:
                block = at
                breaks = ~letters(text, at, beyond)
            rest = breaks >> np.uint64(at - block)
            ahead = lowest_bit(rest) if rest else block + BLOCK - at
            if ahead > 0:
                if not opened:
                    opened, begin = True, at
                at += ahead
                if at >= end:
                    break
                held = after_digit = classes[text[at - 1]] == DIGIT
                if not rest:
                    continue
        byte = text[at]
        if byte == _BLANK:
            if opened:
                tokens[START, count], tokens[END, count] = begin, at
                count += 1
                opened = False
            held = after_digit = False
            at += 1
            continue
        width = 1
        if byte < 0x80:
            kind = classes[byte]
        else:
            point, width = decode(text, at, end)
            kind = classes[point]
        digit = kind == DIGIT
        keeps = digit  # whether a mark right behind this character may stay with it
        if kind == DASH:
            kind = SINGLE if after_digit else OTHER
        elif kind == MARK:
            behind = at + width
            closed = open_ends
            if behind < end:
                closed = classes[decode(text, behind, end)[0]] == DIGIT
            kind = OTHER if held and closed else SINGLE
            keeps = not held
        if kind <= DIGIT:
            if not opened:
                opened, begin = True, at
        else:
            if opened:
                tokens[START, count], tokens[END, count] = begin, at
                count += 1
                opened = False
            if kind == SINGLE:
                tokens[START, count], tokens[END, count] = at, at + width
                count += 1
        held, after_digit = keeps, digit
        at += width
    if opened:
        tokens[START, count], tokens[END, count] = begin, end
        count += 1
    return count
