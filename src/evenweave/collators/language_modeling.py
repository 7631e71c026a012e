"""`DataCollatorForLanguageModeling`: masked, whole-word masked, or causal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.collators.batches import Batch, batch
from evenweave.collators.intake import sequences_of
from evenweave.collators.masking import Ints, mask_in_place, specials, starts_of
from evenweave.collators.padded import Padding, pad_columns
from evenweave.collators.raw import encode
from evenweave.collators.words import heads_from_pieces, heads_from_words, with_words
from evenweave.epoch import Epoch
from evenweave.errors import ArgumentError, DataError
from evenweave.kernels.masking import IGNORED, ignore_padding
from evenweave.rows import Rows
from evenweave.settings import check_fills, check_seed, check_share, check_whole

_NO_WORDS = np.empty(0, np.uint8)


@dataclass
class DataCollatorForLanguageModeling:
    """Pad rows and make the labels of language modelling from them.

    Masked: labels are the ids at the targets and -100 elsewhere. Which tokens are targets is a function of
    (seed, epoch, the row's own ids) alone: the same for any number of workers, any order and after a resume.
    Call `set_epoch` (or `Columns.set_epoch`) before each pass for new masks.

    Causal: labels are the ids, -100 on padding. Padding is what stands beyond a row's length or under a 0 of
    its attention mask, so a last token that happens to be the pad token is still learned. A column `labels`
    in the features is kept.

    Args:
        tokenizer: gives the mask and pad tokens, the special ids, the padding side and the vocabulary size.
        mlm: masked if true, else causal.
        whole_word_mask: mask all tokens of a word or none. Words come from a column `word_ids`, else from
            `offset_mapping`, else from the form of the pieces.
        mlm_probability: how likely a token (or word) is a target.
        mask_replace_prob, random_replace_prob: share of targets replaced by the mask token and by a random
            one; the rest stay as they are.
        pad_to_multiple_of: round the width up to a multiple of this.
        return_tensors: "pt" for PyTorch, "np" for NumPy.
        seed: names the run's masks; None is 0.
        min_masked: at least so many targets (words, if whole words are masked) a row.
        truncation, max_length: cut rows to `max_length`, keeping closing special tokens.
        pad_values: further ragged columns and what each is padded with.

    A feature is a mapping, or just the ids. Columns `special_tokens_mask` (default: ids among the tokenizer's
    special ones), `word_ids` and `offset_mapping` are used and not handed out.

    Raises:
        ArgumentError: a probability outside 0..1, no mask token, or whole words of a causal model.
    """

    tokenizer: Any
    mlm: bool = True
    whole_word_mask: bool = False
    mlm_probability: float | None = 0.15
    mask_replace_prob: float = 0.8
    random_replace_prob: float = 0.1
    pad_to_multiple_of: int | None = None
    return_tensors: str = "pt"
    seed: int | None = None
    min_masked: int = 0
    truncation: bool = False
    max_length: int | None = None
    pad_values: Mapping[str, Any] = field(default_factory=dict)
    _epoch: Epoch = field(default_factory=lambda: Epoch(0), init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.mlm and self.tokenizer.mask_token is None:
            raise ArgumentError("tokenizer: no mask token; pass mlm=False for causal language modelling")
        if self.whole_word_mask and not self.mlm:
            raise ArgumentError("whole_word_mask: needs mlm=True; causal labels have no masks")
        for name in ("mlm_probability", "mask_replace_prob", "random_replace_prob"):
            if self.mlm or name != "mlm_probability" or self.mlm_probability is not None:
                check_share(name, getattr(self, name))
        # A share of 0.8 and one of 0.2 may add up to a hair above 1.
        if self.mask_replace_prob + self.random_replace_prob > 1 + 1e-9:
            both = self.mask_replace_prob + self.random_replace_prob
            raise ArgumentError(f"mask_replace_prob + random_replace_prob: {both}; give at most 1 together")
        check_whole("min_masked", self.min_masked, least=0)
        check_fills("pad_values", self.pad_values)
        if self.seed is not None:
            check_seed("seed", self.seed)

    def set_epoch(self, epoch: int) -> None:
        """Say which pass over the data follows, for new masks; batches that know their epoch overrule it."""
        check_whole("epoch", epoch, least=0)
        self._epoch.set(int(epoch))

    def __call__(self, features: Any, return_tensors: str | None = None) -> Batch:
        """Return the batch of `features` (see `rows_of` for what they may be), with `labels`."""
        rows = encode(sequences_of(features), self.tokenizer, words=self.whole_word_mask)
        rows = (
            with_words(rows, self.tokenizer)
            if self.whole_word_mask
            else _without(rows, "word_ids", "offset_mapping")
        )
        fills = {"word_ids": -1, "labels": IGNORED, **self.pad_values}
        how = Padding(
            multiple_of=self.pad_to_multiple_of,
            fills=fills,
            truncation=self.truncation,
            max_length=self.max_length,
        )
        arrays, sizes = pad_columns(rows, self.tokenizer, how)
        name = self.tokenizer.model_input_names[0]
        ids = arrays[name]
        starts = starts_of(ids.shape, sizes, self.tokenizer.padding_side)
        special = arrays.pop("special_tokens_mask", None)
        if not self.mlm:
            if "labels" not in arrays:
                seen = arrays.get("attention_mask")
                if seen is not None:
                    _check_shape("attention_mask", seen, ids)
                arrays["labels"] = _causal(ids, starts, sizes, seen)
            return batch(arrays, return_tensors=return_tensors or self.return_tensors)
        if special is not None:
            _check_shape("special_tokens_mask", special, ids)
        else:
            special = specials(ids, self.tokenizer.all_special_ids)
        heads = _NO_WORDS
        if self.whole_word_mask:
            words = arrays.pop("word_ids", None)
            if words is None:
                heads = heads_from_pieces(ids, self.tokenizer)
            else:
                _check_shape("word_ids", words, ids)
                heads, special = heads_from_words(words, special)
        arrays["labels"] = mask_in_place(
            ids,
            starts,
            sizes,
            special=(special != 0).reshape(-1).view(np.uint8),
            heads=heads.reshape(-1),
            mask_id=self.tokenizer.mask_token_id,
            vocab_size=len(self.tokenizer),
            probability=self.mlm_probability or 0.0,
            replace=self.mask_replace_prob,
            random=self.random_replace_prob,
            seed=self.seed or 0,
            epoch=rows.epoch if rows.epoch is not None else self._epoch.get() or 0,
            min_masked=self.min_masked,
        )
        return batch(arrays, return_tensors=return_tensors or self.return_tensors)


def _without(rows: Rows, *names: str) -> Rows:
    if not any(name in rows.columns for name in names):
        return rows
    columns = {name: column for name, column in rows.columns.items() if name not in names}
    return Rows(columns, rows.indices, epoch=rows.epoch)


def _check_shape(name: str, array: NDArray[Any], ids: Ints) -> None:
    if array.shape != ids.shape:
        raise DataError(f"column {name!r}: shape {array.shape} where ids have {ids.shape}; give one a token")


def _causal(ids: Ints, starts: Ints, sizes: Ints, attention_mask: Ints | None) -> Ints:
    labels = ids.copy() if attention_mask is None else np.where(attention_mask != 0, ids, IGNORED)
    ignore_padding(labels.reshape(-1), starts, sizes, ids.shape[1])
    return labels
