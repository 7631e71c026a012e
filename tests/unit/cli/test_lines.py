from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenweave.cli import lines as lines_module
from evenweave.cli.lines import read_lines
from evenweave.errors import DataError


def through_pipe(data: bytes) -> list[str]:
    reader, writer = os.pipe()

    def feed() -> None:
        with os.fdopen(writer, "wb") as out:
            out.write(data)

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        return [line for block in read_lines(reader, name="x") for line in block]
    finally:
        os.close(reader)
        thread.join()


@given(
    rows=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r\ufeff"))), end=st.booleans()
)
def test_lines_are_those_between_line_feeds(rows: list[str], end: bool) -> None:
    data = "\n".join(rows) + ("\n" if end and rows else "")
    expected = data.split("\n")
    if expected[-1] == "":
        expected.pop()
    assert through_pipe(data.encode()) == expected
    assert through_pipe(data.replace("\n", "\r\n").encode()) == expected
    if data:
        assert through_pipe(b"\xef\xbb\xbf" + data.encode()) == expected


def test_small_blocks_do_not_tear_lines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(lines_module, "_BLOCK", 3)
    file = tmp_path / "x"
    file.write_text("ä long line of text\n\nnext ü\nlast", encoding="utf-8")
    descriptor = os.open(file, os.O_RDONLY)
    found = [line for block in read_lines(descriptor, name="x") for line in block]
    os.close(descriptor)
    assert found == ["ä long line of text", "", "next ü", "last"]


def test_latin_1_is_named_by_line_after_the_lines_before_it() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"good\ncaf\xe9\nmore\n")
    os.close(writer)
    blocks = read_lines(reader, name="notes.txt")
    assert next(blocks) == ["good"]
    with pytest.raises(DataError, match=r"notes\.txt:2: byte 0xe9 at column 4 .* iconv"):
        next(blocks)
    os.close(reader)


def test_a_line_is_there_as_soon_as_it_was_written() -> None:
    reader, writer = os.pipe()
    blocks = read_lines(reader, name="x")
    for text in ("one", "two"):
        os.write(writer, text.encode() + b"\n")
        assert next(blocks) == [text]
    os.close(writer)
    assert list(blocks) == []
    os.close(reader)
