"""`Encoded`: a data set as a model takes it, in columns.

Shape legend: W windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evenweave.kernels.pad import resolve
from evenweave.ragged import Ragged, row_numbers
from evenweave.rows import Rows


@dataclass(frozen=True)
class Encoded:
    """A data set as a model takes it; also a map-style data set for PyTorch's DataLoader.

    Attributes:
        columns: `input_ids`, `labels` if the data has labels, `token_type_ids` if the model takes them:
            W rows each, int64. There is no attention mask: every token counts.
        word_ids: int32, the word of its row each sub-token belongs to, -1 for special tokens.
        source: int64 `[W]`, the row of the data set each window was cut from, ascending.
        core: int64 `[W, 2]`, the sub-tokens (from, to) of each window it answers for; those of one row's
            windows, in order, are the sub-tokens of the row.
    """

    columns: dict[str, Ragged]
    word_ids: Ragged
    source: NDArray[np.int64]
    core: NDArray[np.int64]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Sub-tokens of each window, int64 `[W]`."""
        return self.word_ids.lengths

    def __len__(self) -> int:
        return len(self.word_ids)

    def __getitem__(self, index: int) -> dict[str, NDArray[np.int64]]:
        return {name: column[index] for name, column in self.columns.items()}

    def __getitems__(self, indices: Sequence[int]) -> Rows:
        """Return a batch without copying it; a collator writes it straight from the columns.

        Raises:
            IndexError: an index is none of the windows; negative ones count from the end.
        """
        chosen = row_numbers(indices)
        bad = resolve(chosen, len(self))
        if bad >= 0:
            raise IndexError(f"row {int(np.asarray(indices)[bad])}: there are {len(self)} rows")
        return Rows(self.columns, chosen)

    def __repr__(self) -> str:
        rows = len(np.unique(self.source))
        return f"Encoded({rows} rows in {len(self)} windows, {list(self.columns)})"
