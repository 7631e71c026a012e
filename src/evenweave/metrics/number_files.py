"""Files of numbers, blanks between them: a line is a row."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evenweave.errors import DataError
from evenweave.metrics.inputs import read_bytes
from evenweave.ragged import Ragged


def read_numbers(path: Path) -> Ragged:
    """Return the numbers of each line that has any, float64.

    Raises:
        NotFoundError: no such file.
        DataError: no numbers, or a word that is not one; names file and line.
    """
    rows = []
    for number, line in enumerate(read_bytes(path).decode("utf-8-sig").split("\n"), start=1):
        try:
            row = [float(word) for word in line.split()]
        except ValueError:
            raise DataError(f"{path}:{number}: {line.strip()!r:.40} holds more than numbers") from None
        if row:
            rows.append(np.array(row))
    if not rows:
        raise DataError(f"{path}: no numbers; expected one a line")
    return Ragged.from_rows(rows, dtype=np.float64, name=str(path))
