"""Columns of a batch as padded arrays: what every collator of rectangles starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.collators.rectangles import NO_LIMIT, fitting, measured, misfit, pad_into, wide_dtype, width_of
from evenweave.collators.stacking import nested, stack
from evenweave.collators.truncation import limit_of, truncate
from evenweave.errors import ArgumentError, DataError
from evenweave.kernels.pad import pad_mask
from evenweave.ragged import Ragged, shown
from evenweave.rows import Rows, taken
from evenweave.settings import check_whole

Ints = NDArray[np.int64]
# Tokenizers make these; as one value a row they would be stacked, and read as if they were rows.
_OF_TOKENS = {"token_type_ids": 0, "attention_mask": 0, "special_tokens_mask": 1}


@dataclass(frozen=True)
class Padding:
    """How rows become a rectangle.

    Attributes:
        padding: True or "longest", "max_length", False or "do_not_pad".
        max_length: the width of "max_length", and what `truncation` cuts to.
        multiple_of: round the width up to a multiple of this.
        fills: columns with one value a token, beyond the tokenizer's own, and what each is padded with.
        truncation: cut longer rows to `max_length`, or to the model's limit.
        attention_mask: whether to make one that the features lack; None asks the tokenizer.
    """

    padding: bool | str = True
    max_length: int | None = None
    multiple_of: int | None = None
    fills: Mapping[str, Any] = field(default_factory=dict)
    truncation: bool = False
    attention_mask: bool | None = None


def pad_columns(rows: Rows, tokenizer: Any, how: Padding) -> tuple[dict[str, Any], Ints]:
    """Return the columns of `rows` as arrays, and the row lengths int64 `[B]`.

    Token columns are padded `[B, T]`, others stacked `[B, ...]`.

    Raises:
        DataError: a column cannot be made rectangular; names column, row and remedy.
        ArgumentError: the tokenizer has no pad token, or the options do not go together.
    """
    names = tokenizer.model_input_names
    main = names[0]
    check_ids(rows, main)
    fills = {**_OF_TOKENS, **how.fills}
    if how.multiple_of is not None:
        check_whole("pad_to_multiple_of", how.multiple_of, least=0)
    if how.truncation:
        limit = limit_of(tokenizer, how.max_length, no_limit=NO_LIMIT)
        if limit is not None:
            if how.multiple_of and limit % how.multiple_of:
                raise ArgumentError(
                    f"max_length: {limit} is no multiple of pad_to_multiple_of={how.multiple_of}"
                )
            rows = truncate(rows, main, {main, *fills}, limit=limit, tokenizer=tokenizer)
    indices = rows.indices
    sizes, longest = measured(rows.columns[main], indices)
    width = width_of(
        sizes,
        longest,
        padding=how.padding,
        max_length=how.max_length,
        multiple_of=how.multiple_of,
        tokenizer=tokenizer,
        name=main,
    )
    if width is None:  # no padding: the rows were found to be of one length
        width = longest
    else:
        fills[main] = pad_token_id(tokenizer)
        if "token_type_ids" in rows.columns:
            fills["token_type_ids"] = tokenizer.pad_token_type_id
    side = tokenizer.padding_side
    wanted = "attention_mask" in names if how.attention_mask is None else how.attention_mask
    missing_mask = wanted and "attention_mask" not in rows.columns
    left = tokenizer.padding_side == "left"
    columns = rows.columns
    padded = [
        name
        for name, column in columns.items()
        if isinstance(column, Ragged) and (name in fills or name == main)
    ]
    # One allocation in place of one a column: the C library keeps it whole for the next batch, where smaller
    # ones are unmapped, then zeroed and mapped again page by page, which takes longer than to write them.
    whole = [name for name in padded if columns[name].dtype.kind in "iu"]
    block = np.empty((len(whole) + missing_mask, len(indices), width), np.int64)
    places = dict(zip(whole, block, strict=False))
    made: dict[str, Any] = {}
    for name in padded:
        column, out = columns[name], places.get(name)
        if out is None:
            out = np.empty((len(indices), width), wide_dtype(column.dtype, name))
        pad_into(out, column, indices, sizes, fills.get(name, 0), left, name)
        made[name] = out
    for name, column in columns.items():
        if name in made:
            continue
        if name in how.fills and not isinstance(column, np.ndarray):
            rows_of_groups = nested(column, indices, name)
            odd = np.flatnonzero(rows_of_groups.lengths != sizes)
            if len(odd):
                row = int(odd[0])
                raise misfit(rows_of_groups, row, int(sizes[row]), width, row, name)
            fill = fitting(how.fills[name], rows_of_groups.dtype, name)
            made[name] = rows_of_groups.pad(fill=fill, width=width, side=side)
        elif name in _OF_TOKENS and isinstance(column, np.ndarray) and column.ndim == 1:
            raise DataError(
                f"row 0, column {name!r}: {shown(column[indices[0]])} is not a row; give one a token"
            )
        else:
            made[name] = stack(column, indices, name)
    if missing_mask:
        made["attention_mask"] = block[-1]
        pad_mask(sizes, block[-1], left)
    return made, sizes


def check_ids(rows: Rows, name: str) -> None:
    """Raise DataError unless `rows` has a column of that name with a flat row of integers for each row."""
    column = rows.columns.get(name)
    if isinstance(column, Ragged):
        if column.dtype.kind in "iu" or not len(column.flat):
            return
        raise DataError(f"column {name!r}: holds {column.dtype}; it must hold integers")
    if column is None:
        raise DataError(f"features: no column {name!r} among {list(rows.columns)}; tokenize them first")
    cells = taken(column, rows.indices)
    for row, cell in enumerate(cells):
        if cell is None:
            raise DataError(f"row {row}, column {name!r}: null; fill or drop the row")
    raise DataError(f"row 0, column {name!r}: {shown(cells[0])} is not a row of integers; give one a token")


def pad_token_id(tokenizer: Any) -> int:
    """Return the id that pads, or raise ArgumentError where the tokenizer has none."""
    pad_id = tokenizer.pad_token_id
    if pad_id is None or pad_id < 0:
        raise ArgumentError(
            "tokenizer: no pad token; set one, e.g. tokenizer.pad_token = tokenizer.eos_token"
        )
    return int(pad_id)
