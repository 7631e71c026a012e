"""The tokenisers of BLEU as tables of character classes: 13a, intl, zh, char and none, as in sacrebleu 2.6.

13a is mteval-v13a of NIST, `intl` mteval-v14, `zh` splits Chinese characters and does the rest as 13a.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import ArgumentError
from evenweave.metrics import bleu_unicode as unicode

TokenizerName = Literal["13a", "intl", "zh", "char", "none"]

# What str.split() and str.rstrip() take for white space; not the same as the general category Z.
_SPACE = "9-d 1c-20 85 a0 1680 2000-200a 2028-2029 202f 205f 3000"
# ASCII punctuation without the comma, hyphen, full stop and apostrophe.
_ASCII_SINGLE = "21-26 28-2b 2f 3a-40 5b-60 7b-7e"
# Characters sacrebleu's zh splits off. 2001-2a6d stands for an intended 20000-2a6d6: a literal there has
# five digits after \u, which Python reads as four and one more. Published numbers were made with it.
_CHINESE = (
    "2001-2a6d 2e80-2eff 2f00-2fdf 2ff0-2fff 3000-303f 3100-312f 31a0-31bf 31c0-31ef 3200-33ff 3400-4db5 "
    "4e00-9fbb f900-fa2d fa30-fa6a fa70-fad9 fe10-fe1f fe30-fe4f ff00-ffef"
)
# One byte of each escape, which NumPy finds in no time, and the escape with that byte as its match's start.
_ESCAPES = {
    ord("&"): re.compile(rb"&(?:quot|amp|lt|gt);"),
    ord("<"): re.compile(rb"<skipped>"),
    ord("\n"): re.compile(rb"(?<=-)\n"),
}
_FEW = 10_000


@dataclass(frozen=True, eq=False)
class Tokenizer:
    """How `kernels.tokenize_bytes` cuts a row.

    Attributes:
        name: as sacrebleu names it.
        classes: uint8 `[0x110000]`, the class of each code point.
        flags: see the kernel: what the ends of a row are, and whether all beyond ASCII is plain.
        unescape: undo entities, `<skipped>` and words broken over lines first.
    """

    name: TokenizerName
    classes: NDArray[np.uint8]
    flags: int
    unescape: bool


def check_name(name: str) -> None:
    """Raise ArgumentError unless there is a tokeniser of this name."""
    if name not in get_args(TokenizerName):
        known = ", ".join(get_args(TokenizerName))
        raise ArgumentError(
            f"tokenizer: no {name!r}; there are {known}, or give a function that returns a list of tokens"
        )


@functools.cache
def tokenizer(name: TokenizerName) -> Tokenizer:
    """Return a tokeniser by name.

    Raises:
        ArgumentError: no such tokeniser.
    """
    from evenweave.kernels.tokenize_bytes import (
        DASH,
        DIGIT,
        MARK,
        OPEN_ENDS,
        OTHER,
        PLAIN_BEYOND_ASCII,
        SINGLE,
        SPACE,
        STRIP_FRONT,
    )

    check_name(name)
    classes = np.full(0x110000, SINGLE if name == "char" else OTHER, dtype=np.uint8)

    def assign(table: str, kind: int) -> None:
        for first, last in unicode.ranges(table):
            classes[first : last + 1] = kind

    if name == "intl":
        assign(unicode.NUMBERS, DIGIT)
        assign(unicode.SYMBOLS, SINGLE)
        assign(unicode.PUNCTUATION, MARK)
    elif name in ("13a", "zh"):
        assign("30-39", DIGIT)
        assign("2c 2e", MARK)
        assign("2d", DASH)
        assign(_ASCII_SINGLE, SINGLE)
        if name == "zh":
            assign(_CHINESE, SINGLE)
    assign(_SPACE, SPACE)
    classes.flags.writeable = False
    flags = {
        "13a": PLAIN_BEYOND_ASCII,
        "intl": OPEN_ENDS,
        "zh": OPEN_ENDS + STRIP_FRONT,
        "char": 0,
        "none": PLAIN_BEYOND_ASCII,
    }
    return Tokenizer(
        name,
        classes,
        flags=flags[name],
        unescape=name == "13a",
    )


def unescaped(values: Any, bounds: Any, how: Tokenizer) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the rows `values[bounds[i]:bounds[i + 1]]`, their escapes undone where `how` asks for it."""
    used = values[bounds[0] : bounds[-1]]
    if not how.unescape or not any(_holds(used, byte, escape) for byte, escape in _ESCAPES.items()):
        return values, bounds
    from evenweave.kernels.unescape import unescape_rows

    out = np.empty(bounds[-1] - bounds[0], dtype=np.uint8)
    out_bounds = np.empty(len(bounds), dtype=np.int64)
    unescape_rows(values, bounds, how.classes, out, out_bounds)
    # Read-only like Arrow's own memory, so that the kernels are compiled for one type of array.
    out.flags.writeable = out_bounds.flags.writeable = False
    return out, out_bounds


def _holds(text: NDArray[np.uint8], byte: int, escape: re.Pattern[bytes]) -> bool:
    places = np.flatnonzero(text == byte)
    if len(places) > _FEW:
        return escape.search(text.data) is not None
    return any(escape.match(text.data, at) for at in places.tolist())
