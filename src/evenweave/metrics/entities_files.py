"""Columns of tags out of CoNLL files, for scoring: blank lines part sentences, blanks part columns.

Scoring aligns by position, so tokens are not looked at, and a file needs no more than its tags. Other than
when training data is read, nothing here is skipped as a comment: `#` is a token.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from evenweave.errors import DataError
from evenweave.metrics.inputs import read_bytes


@dataclass(frozen=True)
class TagFile:
    """Tags of a file.

    Attributes:
        path: the file.
        columns: the last columns, each a list of sentences of tags.
        lines: the line at which each sentence begins, from 1.
    """

    path: Path
    columns: list[list[list[str]]]
    lines: list[int]


def read_tags(path: Path) -> list[list[str]]:
    """Return the last column of each sentence."""
    return read_columns(path, columns=1).columns[0]


def read_columns(path: Path, *, columns: int) -> TagFile:
    """Return the last `columns` columns of each sentence.

    Raises:
        NotFoundError: no such file.
        DataError: not UTF-8, no tags, too few columns, or a line with others than the first has, which may
            lack its tag; names file and line.
    """
    text = read_bytes(path).decode("utf-8-sig")
    found: list[list[list[str]]] = [[] for _ in range(columns)]
    lines: list[int] = []
    fresh, usual = True, 0
    for number, line in enumerate(text.split("\n"), start=1):
        # Only tabs and blanks part columns: other Unicode spaces occur inside tokens.
        cells = [cell for cell in line.rstrip("\r ").split("\t" if "\t" in line else " ") if cell.strip(" ")]
        if not cells or cells[0] == "-DOCSTART-":
            fresh = True
            continue
        usual = usual or len(cells)
        if len(cells) < columns or len(cells) != usual:
            has = f"{len(cells)} column{'s' * (len(cells) > 1)} in {line.strip()!r:.40}"
            other = "" if len(cells) == usual else f", {usual} in the lines before"
            raise DataError(
                f"{path}:{number}: {has}{other}; every line needs the same, "
                f"the last {'the tag' if columns == 1 else 'two gold and predicted tag'}"
            )
        if fresh:
            lines.append(number)
            for column in found:
                column.append([])
            fresh = False
        for column, cell in zip(found, cells[-columns:], strict=True):
            column[-1].append(cell)
    if not lines:
        raise DataError(f"{path}: no tags; expected lines that end in a tag")
    return TagFile(path, found, lines)


def check_aligned(gold: TagFile, predicted: TagFile) -> None:
    """Raise DataError unless both files have the same sentences of the same lengths; names file and line."""
    mine, theirs = gold.columns[-1], predicted.columns[-1]
    for index, (left, right) in enumerate(zip(mine, theirs, strict=False)):
        if len(left) != len(right):
            raise DataError(
                f"{predicted.path}:{predicted.lines[index]}: sentence {index + 1}, {len(right)} tags; "
                f"{gold.path}:{gold.lines[index]} has {len(left)}: both files need the same tokens"
            )
    if len(mine) != len(theirs):
        raise DataError(f"{predicted.path}: {len(theirs)} sentences, {gold.path} has {len(mine)}; align them")
