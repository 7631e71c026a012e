"""Lines of a byte stream, as they come: a slow pipe is answered at once, a fast file in large blocks."""

from __future__ import annotations

import os
from collections.abc import Iterator

from evenweave.errors import DataError

_BLOCK = 1 << 19  # bytes; some thousands of lines, which fill batches of equal length


def read_lines(descriptor: int, *, name: str) -> Iterator[list[str]]:
    """Yield lists of the lines that are there, without their ends; a byte order mark is left out.

    Raises:
        DataError: a line is not UTF-8, after the lines before it were yielded; names line, byte and remedy.
    """
    line = 0
    rest: list[bytes] = []
    while block := os.read(descriptor, _BLOCK):
        head, newline, tail = block.rpartition(b"\n")
        if not newline:
            rest.append(block)
            continue
        ready = b"".join([*rest, head]).split(b"\n")
        rest = [tail] if tail else []
        yield from _decoded(ready, line, name)
        line += len(ready)
    if rest:
        yield from _decoded([b"".join(rest)], line, name)


def _decoded(lines: list[bytes], before: int, name: str) -> Iterator[list[str]]:
    ready: list[str] = []
    for number, raw in enumerate(lines, before + 1):
        try:
            text = raw.removesuffix(b"\r").decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            yield ready
            raise DataError(
                f"{name}:{number}: byte 0x{raw[error.start]:02x} at column {error.start + 1} is not UTF-8; "
                "convert the text first, e.g. with: iconv -f latin1 -t utf-8"
            ) from None
        ready.append(text)
    yield ready
