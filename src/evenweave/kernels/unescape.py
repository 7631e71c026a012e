"""Undo what mteval-v13a undoes before it tokenises: skipped marks, words broken over lines, four entities.

Rows that hold none of them, nearly all, are only looked at; where a column has one, it is written anew.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evenweave.kernels.compiled import inner, kernel
from evenweave.kernels.tokenize_bytes import strip_end

_QUOTE, _GREATER = ord('"'), ord(">")
_SKIPPED = np.frombuffer(b"<skipped>", np.uint8)
_BROKEN = np.frombuffer(b"-\n", np.uint8)
_QUOT = np.frombuffer(b"&quot;", np.uint8)
_AMPERSAND = np.frombuffer(b"&amp;", np.uint8)
_LT = np.frombuffer(b"&lt;", np.uint8)
_GT = np.frombuffer(b"&gt;", np.uint8)


@inner
def _replace(row: Any, length: int, pattern: Any, by: int) -> int:
    """Replace `pattern` by the byte `by` (-1: by nothing) in `row[:length]` in place; return the length."""
    size = len(pattern)
    at = written = 0
    while at < length:
        same = at + size <= length
        step = 0
        while same and step < size:
            same = row[at + step] == pattern[step]
            step += 1
        if same:
            at += size
            if by >= 0:
                row[written] = by
                written += 1
        else:
            row[written] = row[at]
            written += 1
            at += 1
    return written


@kernel
def unescape_rows(text: Any, bounds: Any, classes: Any, out: Any, out_bounds: Any) -> None:
    """Write the rows `text[bounds[i]:bounds[i + 1]]` without their escapes, in the order mteval takes them.

    The order matters: `&amp;lt;` becomes `<`, `&amp;quot;` becomes `&quot;`. White space at the end goes
    first: a hyphen before a final newline joins nothing.

    Args:
        classes: uint8 `[0x110000]`, to know white space by; see `tokenize_bytes`.
        out, out_bounds: uint8 and int64 `[B + 1]`, written; `out` as long as the rows together.
    """
    written = 0
    out_bounds[0] = 0
    for i in range(len(bounds) - 1):
        end = bounds[i + 1]
        escapes = False
        length = end - bounds[i]
        row = out[written : written + length]
        for step in range(length):
            byte = text[bounds[i] + step]
            row[step] = byte
            escapes |= byte == _QUOT[0] or byte == _SKIPPED[0] or byte == _BROKEN[1]
        if escapes:
            length = strip_end(text, bounds[i], end, classes) - bounds[i]
            length = _replace(row, length, _SKIPPED, -1)
            length = _replace(row, length, _BROKEN, -1)
            length = _replace(row, length, _QUOT, _QUOTE)
            length = _replace(row, length, _AMPERSAND, _QUOT[0])
            length = _replace(row, length, _LT, _SKIPPED[0])
            length = _replace(row, length, _GT, _GREATER)
        written += length
        out_bounds[i + 1] = written
