"""Files of numbers, blanks between them: a line is a row."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evenweave.errors import DataError
from evenweave.metrics.inputs import read_bytes
from evenweave.ragged import Ragged


def read_numbers(path: Path) -> Ragged:
    """Return the numbers of each line, float64; an empty line is an empty row.

    Raises:
        NotFoundError: no such file.
        DataError: no numbers at all, or a word that is not one; names file and line.
    """
    lines = read_bytes(path).decode("utf-8-sig").split("\n")
    if not lines[-1]:
        del lines[-1]  # a final newline ends the last line and begins none
    values: list[float] = []
    lengths = []
    for number, line in enumerate(lines, start=1):
        words = line.split()
        lengths.append(len(words))
        try:
            values.extend(map(float, words))
        except ValueError:
            raise DataError(
                f"{path}:{number}: {_not_a_number(words)!r:.40} is not a number; give numbers and blanks"
            ) from None
    if not values:
        raise DataError(f"{path}: no numbers; expected one a line")
    return Ragged.from_lengths(np.array(values), lengths)


def _not_a_number(words: list[str]) -> str:
    for word in words:
        try:
            float(word)
        except ValueError:
            return word
    raise AssertionError(words)
