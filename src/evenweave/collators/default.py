"""`DefaultDataCollator`: features already of one shape, stacked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.collators.batches import Batch, batch
from evenweave.collators.intake import rows_of
from evenweave.collators.stacking import stack
from evenweave.ragged import Ragged
from evenweave.rows import taken


def default_data_collator(features: Any, return_tensors: str = "pt") -> Batch:
    """Stack features of equal shape; `label` and `label_ids` become `labels`.

    Labels are int64 if they are whole numbers or truth values, else float32; a row of several numbers under
    `label`, one a class, is float32 too, as binary cross-entropy takes it. A column `labels` stays as it is.

    Strings and columns whose first row is None are left out, as the models this feeds take neither.

    Raises:
        DataError: a column's rows differ in shape; names column, row and remedy.

    >>> default_data_collator([{"label": 1, "x": [1, 2]}, {"label": 0, "x": [3, 4]}], "np")["labels"].tolist()
    [1, 0]
    """
    rows = rows_of(features)
    arrays: dict[str, NDArray[Any]] = {}
    for name, column in rows.columns.items():
        if not isinstance(column, Ragged | np.ndarray):
            first = taken(column, rows.indices[:1])[0]
            first = first.as_py() if hasattr(first, "as_py") else first
            if first is None or isinstance(first, str):
                continue
        arrays[name] = stack(column, rows.indices, name)
    # A column that already is called `labels` wins over `label`, and that over `label_ids`.
    for old in ("label", "label_ids"):
        if old in arrays:
            arrays.setdefault("labels", _as_labels(arrays.pop(old), old))
    return batch(arrays, return_tensors=return_tensors)


def _as_labels(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Return labels in the dtype that losses take: classes int64, else float32.

    Several numbers under `label` are a choice of several classes, whose loss (binary cross-entropy) takes
    floating point; under `label_ids` they are classes.
    """
    classes = array.dtype.kind in "iub" and (array.ndim == 1 or name == "label_ids")
    return array.astype(np.int64 if classes else np.float32, copy=False)


@dataclass
class DefaultDataCollator:
    """`default_data_collator` as an object that remembers `return_tensors`."""

    return_tensors: str = "pt"

    def __call__(self, features: Any, return_tensors: str | None = None) -> Batch:
        """Return the batch of `features` (see `rows_of` for what they may be)."""
        return default_data_collator(features, return_tensors or self.return_tensors)
