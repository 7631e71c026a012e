"""`DataCollatorWithPadding`: inputs padded to one rectangle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evenweave.collators.batches import Batch, batch
from evenweave.collators.intake import rows_of
from evenweave.collators.padded import Padding, pad_columns
from evenweave.collators.raw import encode
from evenweave.settings import check_fills


@dataclass
class DataCollatorWithPadding:
    """Pad a list of features to one rectangle: ids with the pad token, masks with 0.

    Args:
        tokenizer: gives the pad token, the padding side and the names of the inputs.
        padding: True or "longest" for the longest row of the batch, "max_length", or False for none.
        max_length: the width of "max_length", and what `truncation` cuts to; default the model's limit.
        pad_to_multiple_of: round the width up to a multiple of this.
        return_tensors: "pt" for PyTorch, "np" for NumPy.
        truncation: cut longer rows, keeping the special tokens that close them.
        pad_values: further ragged columns and what each is padded with.

    Columns `label` and `label_ids` are handed out as `labels`. Features that hold `text` (and `text_pair`)
    or `tokens` in place of ids are tokenized.

    Raises (when called):
        DataError: a column cannot be made rectangular; names column, row and remedy.
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
        rows = encode(rows_of(features), self.tokenizer, align=False)
        how = Padding(
            self.padding, self.max_length, self.pad_to_multiple_of, self.pad_values, self.truncation
        )
        arrays, _ = pad_columns(rows, self.tokenizer, how)
        for old in ("label", "label_ids"):
            if old in arrays:
                arrays["labels"] = arrays.pop(old)
        return batch(arrays, return_tensors=return_tensors or self.return_tensors)
