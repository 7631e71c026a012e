"""Columns of tags out of CoNLL files, for scoring: blank lines part sentences, blanks part columns.

Scoring aligns by position, so tokens are not looked at, and a file needs no more than its tags. Other than
when training data is read, nothing here is skipped as a comment: `#` is a token.
"""

from __future__ import annotations

from pathlib import Path

from evenweave.errors import DataError
from evenweave.metrics.inputs import read_bytes


def read_tags(path: Path) -> list[list[str]]:
    """Return the last column of each sentence."""
    return read_columns(path, columns=1)[0]


def read_columns(path: Path, *, columns: int) -> list[list[list[str]]]:
    """Return the last `columns` columns, each as a list of sentences.

    Raises:
        NotFoundError: no such file.
        DataError: not UTF-8, no tags, or a line with fewer columns; names file and line.
    """
    text = read_bytes(path).decode("utf-8-sig")
    found: list[list[list[str]]] = [[] for _ in range(columns)]
    fresh = True
    for number, line in enumerate(text.split("\n"), start=1):
        # Only blanks and tabs part columns: other Unicode spaces occur inside tokens.
        cells = line.rstrip("\r").replace("\t", " ").split(" ")
        cells = [cell for cell in cells if cell]
        if not cells or cells[0] == "-DOCSTART-":
            fresh = True
            continue
        if len(cells) < columns:
            raise DataError(
                f"{path}:{number}: {len(cells)} column in {line.strip()!r}; {columns} tags are needed"
            )
        if fresh:
            for column in found:
                column.append([])
            fresh = False
        for column, cell in zip(found, cells[-columns:], strict=True):
            column[-1].append(cell)
    if not found[0]:
        raise DataError(f"{path}: no tags; expected lines that end in a tag")
    return found
