"""CoNLL files: a token and its tags a line, a blank line between sentences.

Two to four columns; the token is the first, the tag that counts is the last:
    token tag  |  token pos tag  |  token pos chunk tag
If most lines hold a tab the file is read as tab-separated and a token may hold any other character, odd
Unicode spaces included; else columns are separated by runs of blanks. `-DOCSTART-` lines end a sentence.

A line `# ...` is a comment unless it reads as a row of the file: as many columns, a known tag last. So
`#<tab>O` is the token "#", and a hashtag that lost its tag is an error, not a comment.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from evenweave.data.labels import unknown_shapes
from evenweave.data.raw import RawSplit, Tags, Vocabulary, list_array
from evenweave.data.text import blocks
from evenweave.errors import DataError
from evenweave.ragged import Ragged, offsets_of

_COLUMNS = {
    2: ("tokens", "ner_tags"),
    3: ("tokens", "pos_tags", "ner_tags"),
    4: ("tokens", "pos_tags", "chunk_tags", "ner_tags"),
}


_DOCUMENT = "-DOCSTART-"


@dataclass(frozen=True)
class Layout:
    """How a file's lines are cut: at tabs or at blanks, into how many columns."""

    tabs: bool
    columns: int


def read_conll(path: Path, *, encoding: str = "utf-8") -> RawSplit:
    """Read a CoNLL file.

    Raises:
        DataError: not text in this encoding, no rows, no tags, or a row with another number of columns
            than the file has; names file and line.
    """
    layout: Layout | None = None
    tokens: list[Any] = []
    sizes: list[NDArray[np.int64]] = []
    vocabularies: list[Vocabulary] = []
    ids: list[list[NDArray[np.int64]]] = []
    for data, first_line in blocks(path, encoding=encoding):
        text = _Lines(data, first_line, path)
        if layout is None:
            layout = text.layout()
            if layout is None:
                continue
            vocabularies = [Vocabulary() for _ in range(layout.columns - 1)]
            ids = [[] for _ in vocabularies]
        columns, lengths, lines = text.rows(layout)
        tokens.append(list_array(columns[0], offsets_of(lengths)))
        sizes.append(lengths)
        for vocabulary, parts, column in zip(vocabularies, ids, columns[1:], strict=True):
            parts.append(vocabulary.ids(column, lines))
    if layout is None:
        raise DataError(f"{path}: no rows; expected lines of a token, a tab and its tag")
    offsets = offsets_of(np.concatenate(sizes))
    names = _COLUMNS[layout.columns][1:]
    return RawSplit(
        path=path,
        columns={"tokens": pa.chunked_array(tokens)},
        tags={
            name: Tags(
                Ragged.trusted(np.concatenate(parts), offsets), vocabulary.names, vocabulary.first_line
            )
            for name, vocabulary, parts in zip(names, vocabularies, ids, strict=True)
        },
    )


class _Lines:
    """The lines of one block and what kind each is."""

    def __init__(self, data: bytes, first_line: int, path: Path) -> None:
        self.path, self.first_line = path, first_line
        bounds = np.array([0, len(data)], dtype=np.int64)
        whole = pa.LargeStringArray.from_buffers(1, pa.py_buffer(bounds), pa.py_buffer(data))
        lines = pc.split_pattern(whole, "\n").values.cast(pa.string())
        self.lines = pc.ascii_rtrim(lines, " \t")
        self.blank = _bools(pc.equal(pc.binary_length(self.lines), 0))
        # The whole first column: there may be a token that only begins so.
        self.document = _bools(pc.equal(self.lines, _DOCUMENT))
        for blank in " \t":
            self.document |= _bools(pc.starts_with(self.lines, _DOCUMENT + blank))
        self.hash = _bools(pc.starts_with(self.lines, "#"))

    def layout(self) -> Layout | None:
        """Return how most lines are laid out; None if there are only blank lines and comments."""
        rows = ~self.blank & ~self.document
        sample = rows & ~self.hash
        if not sample.any():
            sample = rows & ~_bools(pc.starts_with(self.lines, "# "))
        if not sample.any():
            return None
        tabbed = _bools(pc.match_substring(self.lines, "\t"))
        tabs = 2 * int((tabbed & sample).sum()) >= int(sample.sum())
        counts = self._counts(self._cut(np.flatnonzero(sample), tabs))
        # The most frequent count is the file's, so that the one odd line is blamed, not all the others.
        columns = int(np.bincount(counts).argmax())
        line = int(np.flatnonzero(sample)[np.flatnonzero(counts == columns)[0]]) + self.first_line
        if columns == 1:
            raise DataError(
                f"{self.path}:{line}: one column, {self._shown(line)}; put each token's tag behind it, "
                "after a tab (a file of plain text goes to `predict`)"
            )
        if columns not in _COLUMNS:
            raise DataError(
                f"{self.path}:{line}: {columns} columns; keep 2 to 4: token, part of speech, chunk, tag"
            )
        return Layout(tabs, columns)

    def rows(self, layout: Layout) -> tuple[list[Any], NDArray[np.int64], NDArray[np.int64]]:
        """Return the columns (Arrow strings `[N]`), the sentence lengths `[B]`, the line numbers `[N]`."""
        places = np.flatnonzero(~self.blank & ~self.document)
        cells = self._cut(places, layout.tabs)
        counts = self._counts(cells)
        fits = counts == layout.columns
        if self.hash.any():
            comment = self._comments(places, cells, fits)
            places, fits, counts = places[~comment], fits[~comment], counts[~comment]
            cells = cells.filter(pa.array(~comment))
        if not fits.all():
            odd = int(np.flatnonzero(~fits)[0])
            line = int(places[odd]) + self.first_line
            found = "1 column" if counts[odd] == 1 else f"{counts[odd]} columns"
            raise DataError(
                f"{self.path}:{line}: {found} in {self._shown(line)} "
                f"where the file has {layout.columns}; every line is a token and its tags"
            )
        flat = cells.flatten()
        width = layout.columns
        columns = [flat.take(pa.array(np.arange(k, len(flat), width))) for k in range(width)]
        empty = _bools(pc.equal(pc.binary_length(columns[0]), 0))
        lines = places + self.first_line
        if empty.any():
            line = int(lines[np.flatnonzero(empty)[0]])
            raise DataError(f"{self.path}:{line}: {self._shown(line)} has no token before its tag; add it")
        ends = np.cumsum(self.blank | self.document)[places]
        starts = np.flatnonzero(np.diff(ends, prepend=-1))
        return columns, np.diff(starts, append=len(places)), lines

    def _cut(self, places: NDArray[np.int64], tabs: bool) -> Any:
        chosen = self.lines.take(pa.array(places))
        if tabs:
            return pc.split_pattern(chosen, "\t")
        return pc.ascii_split_whitespace(pc.ascii_ltrim_whitespace(chosen))

    def _counts(self, cells: Any) -> NDArray[np.int64]:
        counts: NDArray[np.int64] = pc.list_value_length(cells).to_numpy(zero_copy_only=False)
        return counts.astype(np.int64)

    def _comments(self, places: NDArray[np.int64], cells: Any, fits: NDArray[np.bool_]) -> NDArray[np.bool_]:
        hashed = self.hash[places]
        ends = np.cumsum(self._counts(cells)) - 1
        last = cells.flatten().take(pa.array(ends))
        known = set(pc.unique(last.filter(pa.array(~hashed & fits))).to_pylist()) | {"O"}
        comment = np.zeros(len(places), dtype=bool)
        for index in np.flatnonzero(hashed):
            tag = last[index].as_py()
            row = fits[index] and (tag in known or ("-" in tag and not unknown_shapes([tag])))
            comment[index] = not row and self.lines[places[index]].as_py().startswith("# ")
        return comment

    def _shown(self, line: int) -> str:
        text = str(self.lines[line - self.first_line].as_py())
        return repr(text if len(text) <= 40 else text[:37] + "...")


def _bools(array: Any) -> NDArray[np.bool_]:
    result: NDArray[np.bool_] = array.to_numpy(zero_copy_only=False).astype(bool)
    return result
