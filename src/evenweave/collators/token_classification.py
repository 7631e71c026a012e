"""`DataCollatorForTokenClassification`: inputs padded, and one label a token padded with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evenweave.collators.batches import Batch, batch
from evenweave.collators.intake import rows_of
from evenweave.collators.padded import Padding, check_ids, pad_columns
from evenweave.collators.raw import encode
from evenweave.settings import check_fills


@dataclass
class DataCollatorForTokenClassification:
    """Pad features and their token labels to one rectangle.

    Args:
        tokenizer: gives the pad token, the padding side and the names of the inputs.
        padding: True or "longest" for the longest row of the batch, "max_length", or False for none.
        max_length: the width of "max_length", and what `truncation` cuts to; default the model's limit.
        pad_to_multiple_of: round the width up to a multiple of this.
        label_pad_token_id: the label of padding, which losses ignore.
        return_tensors: "pt" for PyTorch, "np" for NumPy.
        truncation: cut longer rows and their labels, keeping the special tokens that close them.
        pad_values: further ragged columns and what each is padded with.
        label_names: used where features hold `tokens` and word labels: a word's further pieces get I- of its
            B-, and `label_pad_token_id` where its label ends an entity (E-, S-) or without this argument.

    Features that hold `tokens` (lists of words) in place of ids are tokenized, and their word labels
    (`labels`, `ner_tags`, `tags` or `pos_tags`, ids) aligned with the pieces.

    Raises (when called):
        DataError: a row has another number of labels than tokens, labels are not integers, or another
            column cannot be made rectangular; names column, row and remedy.
        ArgumentError: the tokenizer has no pad token.
    """

    tokenizer: Any
    padding: bool | str = True
    max_length: int | None = None
    pad_to_multiple_of: int | None = None
    label_pad_token_id: int = -100
    return_tensors: str = "pt"
    truncation: bool = False
    pad_values: Mapping[str, Any] = field(default_factory=dict)
    label_names: Sequence[str] | None = None

    def __post_init__(self) -> None:
        check_fills("pad_values", self.pad_values)

    def __call__(self, features: Any, return_tensors: str | None = None) -> Batch:
        """Return the batch of `features` (see `rows_of` for what they may be)."""
        rows = encode(
            rows_of(features),
            self.tokenizer,
            label_fill=self.label_pad_token_id,
            label_names=self.label_names,
        )
        name = "label" if "label" in rows.columns else "labels"
        if name in rows.columns:
            check_ids(rows, name)
        fills = {**self.pad_values, name: self.label_pad_token_id}
        how = Padding(self.padding, self.max_length, self.pad_to_multiple_of, fills, self.truncation)
        arrays, _ = pad_columns(rows, self.tokenizer, how)
        return batch(arrays, return_tensors=return_tensors or self.return_tensors)
