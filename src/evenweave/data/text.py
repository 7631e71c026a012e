"""A text file as blocks of whole lines, checked to be UTF-8: bounded memory, and errors know their line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evenweave.errors import ArgumentError, DataError

BLOCK = 1 << 24  # bytes; Arrow's 32-bit offsets and a laptop's memory both hold many of these
_UTF8 = {"utf-8", "utf8", "utf-8-sig", "utf_8"}


def blocks(path: Path, *, encoding: str = "utf-8", size: int = BLOCK) -> Iterator[tuple[bytes, int]]:
    """Yield (UTF-8 bytes, number of their first line) for stretches of about `size` bytes of a file.

    A stretch ends behind a blank line (so no sentence is torn apart) or at the end of the file. A byte
    order mark is left out and CRLF becomes LF.

    Raises:
        DataError: a byte that the encoding does not know; names line and byte offset.
    """
    if encoding.lower() not in _UTF8:
        yield _decoded(path, encoding), 1
        return
    line, position = 1, 0
    with path.open("rb") as file:
        while block := file.read(size):
            parts = [block] if block.endswith(b"\n") else [block, file.readline()]
            while last := file.readline():
                parts.append(last)
                if not last.strip():
                    break
            block = b"".join(parts)
            _check_utf8(block, path, line, position)
            yield _plain(block, first=position == 0), line
            line += block.count(b"\n")
            position += len(block)


def lines(path: Path, *, encoding: str = "utf-8") -> Iterator[tuple[int, str]]:
    """Yield (number, text) of each line of a file, blank ones and line ends too.

    Raises:
        DataError: a byte that the encoding does not know; names line and byte offset.
    """
    if encoding.lower() not in _UTF8:
        # Bytes that are line feeds in UTF-8 are halves of other characters elsewhere: decode, then cut.
        yield from enumerate(_decoded(path, encoding).decode().split("\n"), start=1)
        return
    position = 0
    with path.open("rb") as file:
        for line, data in enumerate(file, start=1):
            try:
                text = data.decode()
            except UnicodeDecodeError as error:
                raise misencoded(path, line, position + error.start, data[error.start], "utf-8") from None
            yield line, text
            position += len(data)


def check_encoding(encoding: Any) -> None:
    """Refuse what is no name of an encoding.

    Raises:
        ArgumentError: no such encoding, or one that makes no text.
    """
    try:
        bytes(4).decode(encoding)
    except UnicodeDecodeError:
        return
    except (LookupError, TypeError, ValueError):
        raise ArgumentError(f"encoding: {encoding!r} is not known; give one such as 'latin-1'") from None


def _plain(block: bytes, *, first: bool) -> bytes:
    if first:
        block = block.removeprefix(b"\xef\xbb\xbf")
    return block.replace(b"\r\n", b"\n") if b"\r" in block else block


def misencoded(path: Path, line: int, offset: int, byte: int, encoding: str) -> DataError:
    """Return the error for a byte that is not `encoding`, at `line` and `offset` of a file."""
    if (offset, byte) == (1, 0x8B):
        return DataError(f"{path}: compressed by gzip; unpack it first")
    guess = "utf-16" if offset == 0 and byte in (0xFF, 0xFE) else "latin-1"
    remedy = (
        f"save the file as UTF-8 or pass encoding={guess!r}" if encoding == "utf-8" else "pass its encoding"
    )
    return DataError(
        f"{path}:{line}: byte 0x{byte:02x} at offset {offset} is not {encoding.upper()}; {remedy}"
    )


def _check_utf8(block: bytes, path: Path, line: int, position: int) -> None:
    try:
        block.decode()
    except UnicodeDecodeError as error:
        at = line + block.count(b"\n", 0, error.start)
        raise misencoded(path, at, position + error.start, block[error.start], "utf-8") from None


def _decoded(path: Path, encoding: str) -> bytes:
    data = path.read_bytes()
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        at = data.count(b"\n", 0, error.start) + 1
        raise misencoded(path, at, error.start, data[error.start], encoding) from None
    try:
        return _plain(text.removeprefix("\ufeff").encode(), first=True)
    except UnicodeEncodeError as error:
        at = text.count("\n", 0, error.start) + 1
        raise DataError(
            f"{path}:{at}: in {encoding} it holds half of a surrogate pair, which is no character; repair it"
        ) from None
