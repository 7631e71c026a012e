"""Flat batches: the rows of a batch on end in one, with no padding, and where each begins."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.collators.batches import Batch, batch
from evenweave.collators.intake import rows_of
from evenweave.collators.padded import check_ids
from evenweave.collators.rectangles import measured, misfit, readable, wide_dtype
from evenweave.collators.stacking import stack
from evenweave.errors import DataError
from evenweave.kernels.pad import flat_positions, flat_rows
from evenweave.ragged import Ragged, shown
from evenweave.rows import Rows, gathered
from evenweave.settings import check_fills, check_whole

Ints = NDArray[np.int64]
# Columns with one value a token that a flat batch carries along without being told.
TOKEN_COLUMNS = frozenset({"input_ids", "labels", "label", "token_type_ids", "special_tokens_mask"})


def flat(
    features: Any,
    *,
    position_start: int = 0,
    separator_id: int | None = None,
    token_columns: Collection[str] = TOKEN_COLUMNS,
) -> dict[str, Any]:
    """Return rows on end in one row, with what padding-free attention needs to keep them apart.

    Args:
        features: what any collator takes.
        position_start: position of each row's first token; RoBERTa's family wants padding_idx + 1.
        separator_id: stands in place of each row's first label, for causal models, whose loss shifts labels
            by one and would else score a row's first token from the row before; None leaves labels alone.
        token_columns: the columns with one value a token.

    Returns:
        `input_ids`, `position_ids` and other token columns int64 `[1, N]`; `cu_seq_lens_q` and `_k` int32
        `[B + 1]`, where rows begin; `max_length_q` and `_k`, the longest row; other columns `[B, ...]`.
        Tokens under a 0 of `attention_mask` are left out, and so is the mask: every token is real.

    Raises:
        DataError: a token column whose row lengths are not those of `input_ids`; names column and row.

    >>> made = flat({"input_ids": [[5, 6, 7], [8]], "labels": [[1, 2, 3], [4]]})
    >>> made["position_ids"].tolist(), made["cu_seq_lens_q"].tolist(), made["labels"].tolist()
    ([[0, 1, 2, 0]], [0, 3, 4], [[1, 2, 3, 4]])
    """
    check_whole("position_start", position_start)
    if separator_id is not None:
        check_whole("separator_id", separator_id)
    rows = rows_of(features)
    check_ids(rows, "input_ids")
    rows = _without_padding(rows, token_columns)
    sizes, bounds, longest = _bounds(rows)
    made: dict[str, Any] = {}
    for name, column in rows.columns.items():
        if name == "attention_mask":
            continue
        if name in token_columns and isinstance(column, Ragged):
            made[name] = _on_end(column, rows, sizes, int(bounds[-1]), name)
        else:
            made[name] = stack(column, rows.indices, name)
    if separator_id is not None and "labels" in made:
        if made["labels"].shape != (1, bounds[-1]):
            raise DataError(
                f"row 0, column 'labels': {shown(made['labels'][0])} is not one label a token, of which "
                f"separator_id={separator_id} would replace the first; pass separator_id=None"
            )
        made["labels"][0, bounds[:-1][sizes > 0]] = separator_id
    positions = np.empty((1, bounds[-1]), np.int64)
    flat_positions(sizes, position_start, positions[0])
    starts = bounds.astype(np.int32)
    return {
        **made,
        "position_ids": positions,
        "cu_seq_lens_q": starts,
        "cu_seq_lens_k": starts,
        "max_length_q": longest,
        "max_length_k": longest,
    }


def _bounds(rows: Rows) -> tuple[Ints, Ints, int]:
    sizes, longest = measured(rows.columns["input_ids"], rows.indices)
    bounds = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(sizes, out=bounds[1:])
    return sizes, bounds, longest


def _without_padding(rows: Rows, token_columns: Collection[str]) -> Rows:
    """Return rows without the tokens under a 0 of their attention mask."""
    mask = rows.columns.get("attention_mask")
    if mask is None:
        return rows
    if not isinstance(mask, Ragged):
        raise DataError("column 'attention_mask': not a row of 0 and 1 a row; give one a token")
    sizes, bounds, _ = _bounds(rows)
    keep = _on_end(mask, rows, sizes, int(bounds[-1]), "attention_mask")[0] != 0
    if keep.all():
        return rows
    rows = gathered(rows)
    kept = np.add.reduceat(np.append(keep, False), bounds[:-1], dtype=np.int64) * (sizes > 0)
    columns = {
        name: Ragged.from_lengths(column.flat[keep], kept)
        if isinstance(column, Ragged) and name in token_columns and len(column.flat) == len(keep)
        else column
        for name, column in rows.columns.items()
        if name != "attention_mask"
    }
    return Rows(columns, rows.indices, epoch=rows.epoch)


def _on_end(column: Ragged, rows: Rows, sizes: Ints, total: int, name: str) -> NDArray[Any]:
    out: NDArray[Any] = np.empty((1, total), dtype=wide_dtype(column.dtype, name))
    values, offsets, places = readable(column, rows.indices, name)
    row = flat_rows(values, offsets, places, sizes, out[0])
    if row >= 0:
        raise misfit(column, int(rows.indices[row]), int(sizes[row]), total, row, name)
    return out


@dataclass
class DataCollatorWithFlattening:
    """Put the rows of a batch on end in one, for attention that needs no padding.

    Args:
        return_tensors: "pt" for PyTorch, "np" for NumPy.
        return_position_ids: give `position_ids`, which restart with every row.
        separator_id: stands in place of each row's first label, so that a causal model's shifted loss never
            scores one row from another; None leaves labels alone, which is right for taggers.
        return_flash_attn_kwargs: give `cu_seq_lens_q/k` and `max_length_q/k`.
        return_seq_idx: give `seq_idx`, the row each token belongs to, int32 `[1, N]`.
        position_ids_start: position of each row's first token; RoBERTa's family wants padding_idx + 1.
        pad_values: further columns with one value a token; the values are not used, as nothing is padded.

    Features without labels get `input_ids` as labels. Tokens under a 0 of `attention_mask`, as of rows that
    were padded before, are left out, and so is the mask: every token is real.

    Raises (when called):
        DataError: a token column whose row lengths are not those of `input_ids`; names column and row.
    """

    return_tensors: str = "pt"
    return_position_ids: bool = True
    separator_id: int | None = -100
    return_flash_attn_kwargs: bool = False
    return_seq_idx: bool = False
    position_ids_start: int = 0
    pad_values: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fills("pad_values", self.pad_values)

    def __call__(
        self, features: Any, return_tensors: str | None = None, separator_id: int | None = None
    ) -> Batch:
        """Return the batch of `features` (see `rows_of` for what they may be)."""
        rows = rows_of(features)
        if "labels" not in rows.columns and "input_ids" in rows.columns:
            columns = {**rows.columns, "labels": rows.columns["input_ids"]}
            rows = Rows(columns, rows.indices, epoch=rows.epoch)
        made = flat(
            rows,
            position_start=self.position_ids_start,
            separator_id=self.separator_id if separator_id is None else separator_id,
            token_columns=TOKEN_COLUMNS | set(self.pad_values),
        )
        if self.return_seq_idx:
            sizes = np.diff(made["cu_seq_lens_q"])
            made["seq_idx"] = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)[None]
        if not self.return_position_ids:
            del made["position_ids"]
        if not self.return_flash_attn_kwargs:
            for name in ("cu_seq_lens_q", "cu_seq_lens_k", "max_length_q", "max_length_k"):
                del made[name]
        return batch(made, return_tensors=return_tensors or self.return_tensors)
