"""`DataCollatorForSeq2Seq`: source and target padded each on its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from evenweave.collators.batches import Batch, batch
from evenweave.collators.intake import rows_of
from evenweave.collators.padded import Padding, check_ids, pad_columns, pad_token_id
from evenweave.collators.raw import encode_pairs
from evenweave.collators.rectangles import NO_LIMIT, measured, pad_into, width_of
from evenweave.collators.truncation import truncate
from evenweave.rows import Rows, taken
from evenweave.settings import check_fills, check_whole

_TARGETS = ("labels", "decoder_input_ids", "decoder_attention_mask")


@dataclass
class DataCollatorForSeq2Seq:
    """Pad sources and targets, each to its own width, and let the model make its decoder's inputs.

    Args:
        tokenizer: of the source; gives the pad token, the padding side and the names of the inputs.
        model: if it has `prepare_decoder_input_ids_from_labels`, that makes `decoder_input_ids`.
        padding: True or "longest" for the longest row of the batch, "max_length", or False for none.
        max_length: the width of "max_length", and what `truncation` cuts sources to.
        pad_to_multiple_of: round both widths up to a multiple of this.
        label_pad_token_id: the label of padding, which losses ignore.
        return_tensors: "pt" for PyTorch, "np" for NumPy.
        max_target_length: as `max_length`, for targets; default `max_length`.
        target_tokenizer: of the target, where it differs.
        truncation: cut longer sources and targets, keeping the special tokens that close them.
        pad_values: further ragged columns as long as the source and what each is padded with.

    The target is column `labels` or `label`; `labels` of the batch is None where there is none. Features that
    hold `text` and `text_target`, or `source` and `target`, in place of ids are tokenized.

    Raises (when called):
        DataError: a column cannot be made rectangular, or labels are not integers; names column, row, remedy.
        ArgumentError: the tokenizer has no pad token.
    """

    tokenizer: Any
    model: Any | None = None
    padding: bool | str = True
    max_length: int | None = None
    pad_to_multiple_of: int | None = None
    label_pad_token_id: int = -100
    return_tensors: str = "pt"
    max_target_length: int | None = None
    target_tokenizer: Any | None = None
    truncation: bool = False
    pad_values: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fills("pad_values", self.pad_values)

    def __call__(self, features: Any, return_tensors: str | None = None) -> Batch:
        """Return the batch of `features` (see `rows_of` for what they may be)."""
        kind = return_tensors or self.return_tensors
        rows = encode_pairs(rows_of(features), self.tokenizer, self._target_tokenizer)
        columns = dict(rows.columns)
        if "label" in columns:
            columns["labels"] = columns.pop("label")
        targets = {name: columns.pop(name) for name in _TARGETS if name in columns}
        how = Padding(
            self.padding, self.max_length, self.pad_to_multiple_of, self.pad_values, self.truncation
        )
        arrays, _ = pad_columns(Rows(columns, rows.indices), self.tokenizer, how)
        if "labels" in targets and _all_none(targets["labels"], rows):
            del targets["labels"]
        if targets:
            arrays |= self._pad_targets(Rows(targets, rows.indices))
        made = batch({**arrays, "labels": arrays.get("labels")}, return_tensors=kind)
        prepare = getattr(self.model, "prepare_decoder_input_ids_from_labels", None)
        if made["labels"] is not None and prepare is not None:
            # The model computes on tensors, whatever the batch is to hold.
            ids = prepare(labels=batch({"labels": arrays["labels"]})["labels"])
            made["decoder_input_ids"] = ids.numpy() if kind == "np" else ids
        return made

    @property
    def _target_tokenizer(self) -> Any:
        return self.tokenizer if self.target_tokenizer is None else self.target_tokenizer

    def _pad_targets(self, rows: Rows) -> dict[str, Any]:
        tokenizer = self._target_tokenizer
        for name in rows.columns:
            check_ids(rows, name)
        main = next(iter(rows.columns))
        limit = self.max_length if self.max_target_length is None else self.max_target_length
        if limit is not None:
            check_whole("max_length" if self.max_target_length is None else "max_target_length", limit)
        if self.truncation and limit is not None:
            rows = truncate(rows, main, _TARGETS, limit=limit, tokenizer=tokenizer)
        sizes, longest = measured(rows.columns[main], rows.indices)
        fixed = self.padding == "max_length" and limit is not None
        width = width_of(
            sizes,
            longest,
            padding=self.padding if fixed or self.padding in (False, "do_not_pad") else True,
            max_length=min(limit, NO_LIMIT) if fixed and limit is not None else None,
            multiple_of=self.pad_to_multiple_of,
            tokenizer=tokenizer,
            name=main,
        )
        fills = {"labels": self.label_pad_token_id, "decoder_attention_mask": 0}
        if "decoder_input_ids" in rows.columns:
            fills["decoder_input_ids"] = pad_token_id(tokenizer)
        shape = (len(rows), longest if width is None else width)
        made = {name: np.empty(shape, np.int64) for name in rows.columns}
        for name, out in made.items():
            left = tokenizer.padding_side == "left"
            pad_into(out, rows.columns[name], rows.indices, sizes, fills[name], left, name)
        return made


def _all_none(column: Any, rows: Rows) -> bool:
    return isinstance(column, list) and all(cell is None for cell in taken(column, rows.indices))
