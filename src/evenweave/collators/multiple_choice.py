"""`DataCollatorForMultipleChoice`: every choice of every row padded to one width."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from evenweave.collators.batches import Batch, batch
from evenweave.collators.intake import rows_of
from evenweave.collators.padded import Padding, pad_columns
from evenweave.collators.stacking import stack
from evenweave.errors import DataError, move_row
from evenweave.rows import Rows, column_of, taken
from evenweave.settings import check_fills


@dataclass
class DataCollatorForMultipleChoice:
    """Pad rows of several choices each to `[B, C, T]`.

    Args:
        tokenizer: gives the pad token, the padding side and the names of the inputs.
        padding: True or "longest" for the longest choice of the batch, "max_length", or False for none.
        max_length: the width of "max_length", and what `truncation` cuts to; default the model's limit.
        pad_to_multiple_of: round the width up to a multiple of this.
        return_tensors: "pt" for PyTorch, "np" for NumPy.
        truncation: cut longer choices, keeping the special tokens that close them.
        pad_values: further ragged columns and what each is padded with.

    A feature holds, for each column, one row of tokens a choice; and `label` or `labels`, the right choice.

    Raises (when called):
        DataError: rows have different numbers of choices, or a column cannot be made rectangular; names
            column, row and remedy.
        ArgumentError: the tokenizer has no pad token.
    """

    tokenizer: Any
    padding: bool | str = True
    max_length: int | None = None
    pad_to_multiple_of: int | None = None
    return_tensors: str = "pt"
    truncation: bool = False
    pad_values: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fills("pad_values", self.pad_values)

    def __call__(self, features: Any, return_tensors: str | None = None) -> Batch:
        """Return the batch of `features` (see `rows_of` for what they may be)."""
        rows = rows_of(features)
        label = "label" if "label" in rows.columns else "labels"
        choices, columns = 0, {}
        for name, column in rows.columns.items():
            if name == label:
                continue
            cells = taken(column, rows.indices)
            cells = cells.to_pylist() if hasattr(cells, "to_pylist") else list(cells)
            for row, cell in enumerate(cells):
                size = len(cell) if hasattr(cell, "__len__") else 0
                choices = choices or size
                if size == 0 or size != choices:
                    raise DataError(
                        f"row {row}, column {name!r}: {size} choices where others have {choices}; "
                        "give every row as many"
                    )
            columns[name] = list(chain.from_iterable(cells))
        how = Padding(
            self.padding, self.max_length, self.pad_to_multiple_of, self.pad_values, self.truncation
        )
        try:
            flat = {name: column_of(cells, name) for name, cells in columns.items()}
            arrays, _ = pad_columns(Rows(flat, np.arange(len(rows) * choices)), self.tokenizer, how)
        except DataError as error:  # a row there is a choice here
            move_row(error, lambda row: f"row {row // choices}, choice {row % choices}")
            raise
        made: dict[str, Any] = {name: array.reshape(len(rows), choices, -1) for name, array in arrays.items()}
        if label in rows.columns:
            made["labels"] = stack(rows.columns[label], rows.indices, label)
        return batch(made, return_tensors=return_tensors or self.return_tensors)
