"""`DataCollatorWithPadding`, and the padding every other collator of rectangles starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.collators.batches import Batch, batch
from evenweave.collators.intake import rows_of
from evenweave.collators.rectangles import mask_of, pad, wide_dtype, width_of
from evenweave.errors import ArgumentError, DataError
from evenweave.kernels.pad import measure
from evenweave.ragged import Ragged
from evenweave.rows import Rows, taken

Arrays = dict[str, Any]


@dataclass(frozen=True)
class Padding:
    """How rows become a rectangle.

    Attributes:
        padding: True or "longest", "max_length", False or "do_not_pad".
        max_length: the width of "max_length".
        multiple_of: round the width up to a multiple of this.
        fills: ragged columns beyond the tokenizer's own, and what each is padded with.
        attention_mask: whether to make one that the features lack; None asks the tokenizer.
    """

    padding: bool | str = True
    max_length: int | None = None
    multiple_of: int | None = None
    fills: Mapping[str, Any] = field(default_factory=dict)
    attention_mask: bool | None = None


def pad_columns(rows: Rows, tokenizer: Any, how: Padding) -> Arrays:
    """Return the columns of `rows` as arrays: token columns padded `[B, T]`, others stacked.

    Raises:
        DataError: a column cannot be made rectangular; names column, row and remedy.
        ArgumentError: the tokenizer has no pad token.
    """
    names = tokenizer.model_input_names
    main = rows.columns.get(names[0])
    if main is None:
        raise DataError(f"features: no column {names[0]!r} among {list(rows.columns)}; tokenize them first")
    check_ids(main, names[0], rows)
    indices = rows.indices
    sizes = np.empty(len(indices), np.int64)
    measure(main.offsets, indices, sizes)
    width = width_of(
        sizes,
        padding=how.padding,
        max_length=how.max_length,
        multiple_of=how.multiple_of,
        tokenizer=tokenizer,
    )
    fills: dict[str, Any] = {"attention_mask": 0, "special_tokens_mask": 1, **how.fills}
    if width is None:
        width = _equal(sizes, names[0])
        fills |= {names[0]: 0, "token_type_ids": 0}
    else:
        fills |= {names[0]: pad_token_id(tokenizer), "token_type_ids": tokenizer.pad_token_type_id}
    side = tokenizer.padding_side
    made: Arrays = {}
    for name, column in rows.columns.items():
        if name in fills and isinstance(column, Ragged):
            made[name] = pad(
                column, fill=fills[name], width=width, side=side, indices=indices, name=name, sizes=sizes
            )
        else:
            made[name] = stack(column, indices, name)
    wanted = "attention_mask" in names if how.attention_mask is None else how.attention_mask
    if wanted and "attention_mask" not in made:
        made["attention_mask"] = mask_of(sizes, width, side=side)
    return made


def stack(column: Any, indices: NDArray[np.int64], name: str) -> NDArray[Any]:
    """Return the chosen rows of a column whose rows are of one shape, `[B, ...]`.

    Raises:
        DataError: they are not, or are not numbers; names column, row and remedy.
    """
    if isinstance(column, np.ndarray):
        return column[indices].astype(wide_dtype(column.dtype), copy=False)
    if isinstance(column, Ragged):
        sizes = np.empty(len(indices), np.int64)
        measure(column.offsets, indices, sizes)
        odd = np.flatnonzero(sizes != sizes[:1])
        if len(odd):
            row = int(odd[0])
            raise DataError(
                f"row {row}, column {name!r}: {sizes[row]} values where row 0 has {sizes[0]}; "
                f"to pad it, pass pad_values={{{name!r}: 0}}"
            )
        return pad(column, fill=0, indices=indices, name=name)
    cells = taken(column, indices)
    return _stacked(cells if isinstance(cells, list) else cells.to_pylist(), name)


def check_ids(column: Any, name: str, rows: Rows) -> None:
    """Raise DataError unless a column holds a flat row of integers for each row."""
    if isinstance(column, Ragged) and (column.dtype.kind in "iu" or not len(column.flat)):
        return
    if isinstance(column, Ragged):
        raise DataError(f"column {name!r}: {column.dtype} values; token ids are integers")
    cells = taken(column, rows.indices[:1])
    raise DataError(
        f"row 0, column {name!r}: {_shown(cells[0])} is not a row of token ids; tokenize it first"
    )


def pad_token_id(tokenizer: Any) -> int:
    """Return the id that pads, or raise ArgumentError where the tokenizer has none."""
    pad_id = tokenizer.pad_token_id
    if pad_id is None or pad_id < 0:
        raise ArgumentError(
            "tokenizer: no pad token; set one, e.g. tokenizer.pad_token = tokenizer.eos_token"
        )
    return int(pad_id)


def _equal(sizes: NDArray[np.int64], name: str) -> int:
    odd = np.flatnonzero(sizes != sizes[:1])
    if len(odd):
        row = int(odd[0])
        raise DataError(
            f"row {row}, column {name!r}: {sizes[row]} values where row 0 has {sizes[0]}, "
            "and padding is off; pass padding=True"
        )
    return int(sizes[0])


def _stacked(cells: list[Any], name: str) -> NDArray[Any]:
    shape = None
    arrays = []
    for row, cell in enumerate(cells):
        try:
            array = np.asarray(cell)
        except (TypeError, ValueError, RuntimeError):
            raise DataError(
                f"row {row}, column {name!r}: {_shown(cell)} is not rectangular; flatten or drop it"
            ) from None
        if array.dtype.kind not in "biuf":
            raise DataError(f"row {row}, column {name!r}: {_shown(cell)} is not a number; drop the column")
        shape = array.shape if shape is None else shape
        if array.shape != shape:
            raise DataError(
                f"row {row}, column {name!r}: shape {array.shape} where row 0 has {shape}; pad or drop it"
            )
        arrays.append(array)
    whole = np.stack(arrays)
    return whole.astype(wide_dtype(whole.dtype), copy=False)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


@dataclass
class DataCollatorWithPadding:
    """Pad a list of features to one rectangle: ids with the pad token, masks with 0.

    Args:
        tokenizer: gives the pad token, the padding side and the names of the inputs.
        padding: True or "longest" for the longest row of the batch, "max_length", or False for none.
        max_length: the width of "max_length"; default the model's limit.
        pad_to_multiple_of: round the width up to a multiple of this.
        return_tensors: "pt" for PyTorch, "np" for NumPy.
        pad_values: further ragged columns and what each is padded with.

    Columns `label` and `label_ids` are handed out as `labels`.

    Raises (when called):
        DataError: a column cannot be made rectangular; names column, row and remedy.
        ArgumentError: the tokenizer has no pad token.
    """

    tokenizer: Any
    padding: bool | str = True
    max_length: int | None = None
    pad_to_multiple_of: int | None = None
    return_tensors: str = "pt"
    pad_values: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, features: Any, return_tensors: str | None = None) -> Batch:
        """Return the batch of `features` (see `rows_of` for what they may be)."""
        how = Padding(self.padding, self.max_length, self.pad_to_multiple_of, self.pad_values)
        arrays = pad_columns(rows_of(features), self.tokenizer, how)
        for old in ("label", "label_ids"):
            if old in arrays:
                arrays["labels"] = arrays.pop(old)
        return batch(arrays, return_tensors=return_tensors or self.return_tensors)
