"""`DataCollatorForPermutationLanguageModeling` (Yang et al. 2019, XLNet, sections 2.2 and 2.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave import rng
from evenweave.collators.batches import Batch, batch
from evenweave.collators.intake import sequences_of
from evenweave.collators.masking import Ints, specials, starts_of
from evenweave.collators.padded import Padding, pad_columns
from evenweave.epoch import Epoch
from evenweave.errors import ArgumentError, DataError
from evenweave.kernels.masking import IGNORED, row_keys
from evenweave.rows import Rows
from evenweave.settings import check_seed, check_share, check_whole

# Which of the independent draws of a row is meant: span lengths, where a span begins, the order.
_SPAN, _BEGIN, _ORDER = 0, 1, 2


@dataclass
class DataCollatorForPermutationLanguageModeling:
    """Pad rows, choose spans to predict, and draw the order in which tokens see each other.

    Args:
        tokenizer: gives the mask and pad tokens, the special ids and the padding side.
        plm_probability: share of tokens that are targets.
        max_span_length: longest span of targets.
        return_tensors: "pt" for PyTorch, "np" for NumPy.
        seed: names the run's draws.

    The batch holds `input_ids` and `labels` int64 `[B, T]`, and `perm_mask` and `target_mapping` float32
    `[B, T, T]`: token i cannot see token j where `perm_mask[i, j]` is 1. Spans and order are a function of
    (seed, epoch, the row's own ids); call `set_epoch` before each pass for new ones.

    Raises:
        ArgumentError: no mask token, or a probability or length out of range.
        DataError (when called): rows of an odd width. Half of a row is reused as memory of the other half, so
            that an odd one would let a token see itself; pad to an even width first.
    """

    tokenizer: Any
    plm_probability: float = 1 / 6
    max_span_length: int = 5
    return_tensors: str = "pt"
    seed: int = 0
    _epoch: Epoch = field(default_factory=lambda: Epoch(0), init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.tokenizer.mask_token is None:
            raise ArgumentError("tokenizer: no mask token; permutation language modelling needs one")
        check_share("plm_probability", self.plm_probability)
        if not self.plm_probability:
            raise ArgumentError(f"plm_probability: {self.plm_probability}; give a probability above 0")
        check_whole("max_span_length", self.max_span_length, least=1)
        check_seed("seed", self.seed)

    def set_epoch(self, epoch: int) -> None:
        """Say which pass over the data follows; batches that know their epoch overrule it."""
        check_whole("epoch", epoch, least=0)
        self._epoch.set(int(epoch))

    def __call__(self, features: Any, return_tensors: str | None = None) -> Batch:
        """Return the batch of `features`, mappings with `input_ids` or bare rows of ids."""
        given = sequences_of(features)
        name = self.tokenizer.model_input_names[0]
        columns = {name: given.columns[name]} if name in given.columns else given.columns
        arrays, sizes = pad_columns(Rows(columns, given.indices), self.tokenizer, Padding())
        ids = arrays[name]
        if ids.shape[1] % 2:
            raise DataError(f"column {name!r}: rows padded to {ids.shape[1]} tokens; an even width is needed")
        epoch = given.epoch if given.epoch is not None else self._epoch.get() or 0
        starts = starts_of(ids.shape, sizes, self.tokenizer.padding_side)
        keys = row_keys(ids.reshape(-1), starts, sizes).view(np.int64)
        inside = np.zeros(ids.size, bool)
        np.put(inside, _places(starts, sizes), True)
        real = inside.reshape(ids.shape) & (specials(ids, self.tokenizer.all_special_ids) == 0)
        targets = self._spans(keys, ids.shape[1], epoch) & real
        order = _orders(keys, ids.shape[1], self.seed, epoch)
        # Tokens that are seen by all come before any in the order; special ones and padding keep their place.
        order[real & ~targets] = -1
        hidden = (order[:, :, None] <= order[:, None, :]) & targets[:, None, :]
        made = {
            name: np.where(targets, self.tokenizer.mask_token_id, ids),
            "perm_mask": hidden.astype(np.float32),
            "target_mapping": np.tile(np.eye(ids.shape[1], dtype=np.float32), (len(ids), 1, 1)),
            "labels": np.where(targets, ids, IGNORED),
        }
        return batch(made, return_tensors=return_tensors or self.return_tensors)

    def _spans(self, keys: Ints, width: int, epoch: int) -> NDArray[np.bool_]:
        """Return bool `[B, T]`: one span in each stretch of span / plm_probability tokens."""
        spans = np.zeros((len(keys), width), bool)
        places = np.arange(width)
        lengths = rng.uniform(self.seed, epoch, keys[:, None], places, draw=_SPAN)
        begins = rng.uniform(self.seed, epoch, keys[:, None], places, draw=_BEGIN)
        for row in range(len(keys)):
            at = step = 0
            while at < width:
                span = 1 + int(lengths[row, step] * self.max_span_length)
                stretch = int(span / self.plm_probability)
                begin = at + int(begins[row, step] * (stretch - span + 1))
                spans[row, begin : begin + span] = True
                at, step = at + stretch, step + 1
        return spans


def _orders(keys: Ints, width: int, seed: int, epoch: int) -> Ints:
    """Return each token's place in the order, int64 `[B, T]`: both halves permuted alike, never crossing."""
    half = width // 2
    draws = rng.uniform(seed, epoch, keys[:, None], np.arange(half), draw=_ORDER)
    first = np.argsort(draws, axis=1)
    return np.concatenate([first, first + half], axis=1)


def _places(starts: Ints, sizes: Ints) -> Ints:
    offsets = np.cumsum(sizes) - sizes
    places: Ints = np.arange(sizes.sum()) + np.repeat(starts - offsets, sizes)
    return places
