"""Errors that name rows of the data set, where a collator sees only those of a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import DataError, move_row

Rows = NDArray[np.int64]
# So many rows of a batch are named.
_MOST = 8


@dataclass(frozen=True)
class Origin:
    """What errors call the rows of a data set.

    Attributes:
        name: of the data set, such as "training data".
        source: int64 `[rows]`, the document each row was cut from; None where each row is one.
    """

    name: str = "training data"
    source: Rows | None = None

    def place(self, row: int) -> str:
        """Name a row of the data set.

        >>> Origin(source=np.array([0, 0, 1])).place(2)
        'row 2 of the training data (a window of row 1)'
        """
        document = row if self.source is None else int(self.source[row])
        window = "" if document == row else f" (a window of row {document})"
        return f"row {row} of the {self.name}{window}"

    def places(self, rows: Rows) -> str:
        """Name the rows of a batch, or the first of many.

        >>> Origin().places(np.arange(12))
        'rows 0, 1, 2, 3, 4, 5, 6, 7 and 4 more of the training data'
        """
        if len(rows) == 1:
            return self.place(int(rows[0]))
        more = f" and {len(rows) - _MOST} more" if len(rows) > _MOST else ""
        return f"rows {', '.join(map(str, rows[:_MOST].tolist()))}{more} of the {self.name}"


def collated(collator: Callable[[Any], Any], features: Any, rows: Rows, origin: Origin) -> Any:
    """Return the batch a collator makes of rows of a data set, or raise its error with their numbers.

    An error of another's collator, or one that is of no row, is noted with all rows of the batch.
    """
    try:
        return collator(features)
    except Exception as error:
        if not (isinstance(error, DataError) and move_row(error, lambda row: _place(row, rows, origin))):
            error.add_note(f"while collating {origin.places(rows)}")
        raise


def _place(row: int, rows: Rows, origin: Origin) -> str:
    return origin.place(int(rows[row])) if row < len(rows) else f"row {row}"
