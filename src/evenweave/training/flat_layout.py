"""Flat batches: a padded batch as one row of real tokens, and where each sequence lies in it.

Shape legend: B sequences, T padded width, N real tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evenweave.training.loss import IGNORED

_FIRST_RUNG = 64
# Tensor units take bfloat16 numbers 32 at a time: products of odd multiples of 16 tokens take longer than
# those of 16 tokens more.
_FINEST = 32


@dataclass(frozen=True)
class FlatModel:
    """How a model takes flat batches.

    Attributes:
        position_start: position of a sequence's first token (RoBERTa's family counts from padding_idx + 1).
    """

    position_start: int


@dataclass(frozen=True)
class Layout:
    """Where the sequences of a flat batch lie.

    Attributes:
        lengths: int64 `[B]`, in the flat row's order: longest first.
        starts: int64 `[B + 1]`, where each begins, and where the last one ends.
        order: int64 `[B]`, the place each had in the padded batch.
        bounds: `starts` as an int32 tensor on the device.
        width: length of the flat row; tokens beyond the sequences are in none.
    """

    lengths: NDArray[np.int64]
    starts: NDArray[np.int64]
    order: NDArray[np.int64]
    bounds: Tensor
    width: int

    @property
    def longest(self) -> int:
        """Tokens of the longest sequence."""
        return int(self.lengths[0]) if len(self.lengths) else 0

    @cached_property
    def tokens(self) -> int:
        """Tokens of all sequences."""
        return int(self.lengths.sum())

    def split(self, values: NDArray[Any], *, per_token: bool) -> list[NDArray[Any]]:
        """Return one array a sequence, in the padded batch's order.

        Args:
            values: `[1, width, ...]`, one for each token, or `[B, ...]`, one for each sequence.
        """
        tokens = self.tokens
        parts = np.split(values[0, :tokens], np.cumsum(self.lengths)[:-1]) if per_token else list(values)
        made: list[NDArray[Any]] = [values[:0]] * len(parts)
        for place, part in zip(self.order, parts, strict=True):
            made[place] = part
        return made


def flatten(
    batch: dict[str, Any],
    *,
    position_start: int,
    device: torch.device,
    rungs: int = 0,
) -> tuple[dict[str, Any], Layout] | None:
    """Return the batch as one row of its real tokens, and its layout; None where that would be another batch.

    That is where rows are not padded at their right, or bring positions of their own, or padding has labels.

    Tensors shaped like the attention mask lose their padding; others `[B, ...]` follow the new order of the
    sequences. `attention_mask` goes, `position_ids` come.

    Args:
        batch: padded, on the CPU, with an `attention_mask` `[B, T]` of 0 and 1.
        position_start: position of each sequence's first token.
        rungs: round N up to one of so many lengths an octave, with tokens that are in no sequence and whose
            labels are ignored; 0 for the real tokens alone.
    """
    mask = batch.get("attention_mask")
    if not isinstance(mask, Tensor) or mask.ndim != 2 or "position_ids" in batch:
        return None
    keep = mask.numpy() != 0
    sizes = keep.sum(axis=1)
    if not sizes.all() or (keep[:, 1:] > keep[:, :-1]).any() or labels_beyond(batch.get("labels"), keep):
        return None
    order = np.argsort(-sizes, kind="stable")
    lengths = sizes[order].astype(np.int64)
    bounds = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=bounds[1:])
    # Cells of the padded batch in the flat row's order.
    cells = np.flatnonzero(keep[order])
    rows, columns = np.divmod(cells, mask.shape[1])
    tokens = len(cells)
    width = rung_of(tokens, per_octave=rungs) if rungs else tokens
    # What fills the row up repeats the first cell, and is overwritten where that would matter.
    picked = np.zeros(width, np.int64)
    picked[:tokens] = order[rows] * mask.shape[1] + columns
    source = torch.from_numpy(picked)
    places = torch.from_numpy(order)
    flat: dict[str, Any] = {}
    for name, value in batch.items():
        if name == "attention_mask":
            continue
        if isinstance(value, Tensor) and value.shape[:2] == mask.shape:
            kept = value.reshape(-1, *value.shape[2:]).index_select(0, source)[None]
            if name == "labels" and width > tokens:
                kept[:, tokens:] = IGNORED
            flat[name] = kept.to(device, non_blocking=True)
        elif isinstance(value, Tensor) and value.ndim and len(value) == len(mask):
            flat[name] = value.index_select(0, places).to(device, non_blocking=True)
        else:
            flat[name] = value
    positions = np.full(width, position_start)
    positions[:tokens] += np.arange(tokens) - np.repeat(bounds[:-1], lengths)
    flat["position_ids"] = torch.from_numpy(positions)[None].to(device, non_blocking=True)
    on_device = torch.from_numpy(bounds.astype(np.int32)).to(device, non_blocking=True)
    return flat, Layout(lengths, bounds, order, on_device, width)


def labels_beyond(labels: Any, keep: NDArray[np.bool_]) -> bool:
    """Whether a label counts where a mask `[B, T]` says padding."""
    if not isinstance(labels, Tensor) or labels.shape != keep.shape:
        return False
    return bool(((labels.numpy() != IGNORED) & ~keep).any())


def rung_of(tokens: int, *, per_octave: int) -> int:
    """Return the least length of a ladder that is not below `tokens`: powers of two from 64, and even steps.

    No step is below 32.

    Libraries make code for each shape of a matrix product when they first meet it, which takes as long as
    dozens of products; a ladder has few shapes.
    """
    top = _FIRST_RUNG
    while top < tokens:
        top *= 2
    step = max(_FINEST, top // 2 // per_octave)
    return top if top == _FIRST_RUNG else -(-tokens // step) * step
