"""Words of a-z and 0-9 out of UTF-8 bytes, lower-cased.

The tokens are those of rouge_score: `text.lower()` cut at everything but a-z0-9. Bytes are folded (letters
lower-cased, what cuts made 0) a vector at a time; for each 64 of them there is a word of bits, of which the
ends of words are read without a branch a byte.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evenweave.kernels.bits import lowest_bit
from evenweave.kernels.compiled import kernel

# Bytes that must lie behind the texts, so that whole blocks can be read.
PADDING = 128

_ONE = np.uint64(1)


_EACH = np.uint64(0x0101010101010101)
_HIGH = np.uint64(0x8080808080808080)
_LOW = np.uint64(0x7F7F7F7F7F7F7F7F)
_CASE = np.uint64(0x2020202020202020)
# Added to bytes below 128, these set the high bit of each that is at least the character named.
_FROM_A, _PAST_Z = np.uint64(128 - ord("a")) * _EACH, np.uint64(127 - ord("z")) * _EACH
_FROM_0, _PAST_9 = np.uint64(128 - ord("0")) * _EACH, np.uint64(127 - ord("9")) * _EACH
_NEWLINES = np.uint64(ord("\n")) * _EACH
# Multiplied with bytes of 0 or 1, it collects them in the highest byte, the lowest first.
_GATHER = np.uint64(0x0102040810204080)
_TOP = np.uint64(56)
_SEVEN = np.uint64(7)


@kernel
def fold(text: Any, filled: Any, newlines: Any) -> Any:
    """Lower-case a-z, keep 0-9, and make every other byte 0, eight bytes a step.

    Args:
        text: uint64, the bytes; changed in place.
        filled, newlines: uint8, one entry an entry of `text`; receive a bit for each byte that is not 0 now,
            and for each that was a newline.

    Returns:
        Whether there were bytes beyond ASCII.
    """
    beyond = np.uint64(0)
    for i in range(len(text)):
        byte = text[i]
        beyond |= byte
        ascii_part = byte & _LOW
        lower = ascii_part | _CASE
        letter = (lower + _FROM_A) & ~(lower + _PAST_Z)
        digit = (ascii_part + _FROM_0) & ~(ascii_part + _PAST_9)
        kept = (letter | digit) & ~byte & _HIGH
        ones = kept >> _SEVEN
        text[i] = lower & (kept | (kept - ones))
        filled[i] = np.uint8((ones * _GATHER) >> _TOP)
        other = byte ^ _NEWLINES
        same = (~((other & _LOW) + _LOW | other) & _HIGH) >> _SEVEN
        newlines[i] = np.uint8((same * _GATHER) >> _TOP)
    return beyond & _HIGH != 0


@kernel
def split_words(
    blocks: Any,
    newlines: Any,
    offsets: Any,
    begins: Any,
    sizes: Any,
    word_offsets: Any,
    breaks: Any,
    break_offsets: Any,
) -> Any:
    """Find the words of folded texts, and where sentences (lines) with words begin.

    Args:
        blocks, newlines: uint64, the bits that `fold` wrote, with PADDING bytes' worth behind the texts.
        offsets: int64 `[B + 1]`, where each text begins.
        begins: int64, sizes: int32: receive where each of the N words begins, and its length.
        word_offsets: int64 `[B + 1]`, receives the words' bounds by text.
        breaks: int64, receives the number of each sentence's first word;
        break_offsets: int64 `[B + 1]`, receives the bounds of `breaks` by text.
    """
    words = lines = 0
    word_offsets[0] = 0
    break_offsets[0] = 0
    for text in range(len(offsets) - 1):
        at, end = offsets[text], offsets[text + 1]
        fresh = True
        opened: Any = np.int64(-1)  # where the word begins that goes on in this block
        while True:
            count = end - at if end - at < 64 else 64  # min() compiles two functions more
            shift = np.uint64(at & 63)
            filled = blocks[at >> 6] >> shift
            cuts = newlines[at >> 6] >> shift
            if shift:
                filled |= blocks[(at >> 6) + 1] << (np.uint64(64) - shift)
                cuts |= newlines[(at >> 6) + 1] << (np.uint64(64) - shift)
            if count < 64:
                filled &= (_ONE << np.uint64(count)) - _ONE
                cuts &= (_ONE << np.uint64(count)) - _ONE
            shifted = (filled << _ONE) | np.uint64(opened >= 0)
            starts = filled & ~shifted
            stops = shifted & ~filled
            while stops:
                stop = at + lowest_bit(stops)
                stops &= stops - _ONE
                start = opened
                if opened < 0:
                    start = at + lowest_bit(starts)
                    starts &= starts - _ONE
                opened = -1
                if cuts:
                    before = (_ONE << np.uint64(start - at if start > at else 0)) - _ONE
                    fresh = fresh or cuts & before != 0
                    cuts &= ~before
                if fresh:
                    breaks[lines] = words
                    lines += 1
                    fresh = False
                begins[words] = start
                sizes[words] = stop - start
                words += 1
            # A word that goes on in the next block has all of this one's newlines before it.
            fresh = fresh or cuts != 0
            if starts:
                opened = at + lowest_bit(starts)
            at += count
            if count < 64:
                break
        word_offsets[text + 1] = words
        break_offsets[text + 1] = lines
