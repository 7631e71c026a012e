"""Flat batches: a padded batch as one row of real tokens, and where each sequence lies in it.

Shape legend: B sequences, T padded width, N real tokens, H heads, D dimensions of a head, L longest sequence
of a bucket.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# One more bucket costs about as much as this many multiplications of scores with values that are padding.
_BUCKET_COST = 200_000

# Added to scores that must not count. Finite: a padding cell that sees nothing still has a softmax.
HIDDEN = -1e30


@dataclass(frozen=True)
class FlatModel:
    """How a model takes flat batches.

    Attributes:
        position_start: position of a sequence's first token (RoBERTa's family counts from padding_idx + 1).
    """

    position_start: int


@dataclass(frozen=True)
class Bucket:
    """Sequences that share one attention call.

    Attributes:
        start, stop: their tokens in the flat row.
        count, longest: how many sequences, and the rectangle's width L.
        index: int64 `[count * L]`, the token of each cell, or None where all are of length L.
        cells: int64 `[stop - start]`, the cell of each token, or None.
        mask: float32 `[count, 1, L]`, HIDDEN where there is no token, or None.
    """

    start: int
    stop: int
    count: int
    longest: int
    index: Tensor | None
    cells: Tensor | None
    mask: Tensor | None


@dataclass(frozen=True)
class Layout:
    """Where the sequences of a flat batch lie.

    Attributes:
        lengths: int64 `[B]`, in the flat row's order: longest first.
        order: int64 `[B]`, the place each had in the padded batch.
        bounds: int32 tensor `[B + 1]` on the device.
        buckets: for attention on the CPU; sequences of about one length.
    """

    lengths: NDArray[np.int64]
    order: NDArray[np.int64]
    bounds: Tensor
    buckets: tuple[Bucket, ...]

    @property
    def longest(self) -> int:
        """Tokens of the longest sequence."""
        return int(self.lengths[0]) if len(self.lengths) else 0

    def split(self, values: NDArray[Any]) -> list[NDArray[Any]]:
        """Return one array a sequence, in the padded batch's order.

        Args:
            values: `[1, N, ...]`, one for each token, or `[B, ...]`, one for each sequence.
        """
        per_token = values.ndim > 1 and len(values) == 1 and values.shape[1] == self.lengths.sum()
        parts = np.split(values[0], np.cumsum(self.lengths)[:-1]) if per_token else list(values)
        made: list[NDArray[Any]] = [values[:0]] * len(parts)
        for place, part in zip(self.order, parts, strict=True):
            made[place] = part
        return made


def flatten(
    batch: dict[str, Any], *, position_start: int, device: torch.device, buckets: bool = True
) -> tuple[dict[str, Any], Layout] | None:
    """Return the batch as one row of its real tokens, and its layout; None where it cannot be one.

    Tensors shaped like the attention mask lose their padding; others `[B, ...]` follow the new order of the
    sequences. `attention_mask` goes, `position_ids` come.

    Args:
        batch: padded, on the CPU, with an `attention_mask` `[B, T]` of 0 and 1.
        position_start: position of each sequence's first token.
        buckets: make those of the layout, which attention on the CPU needs.
    """
    mask = batch.get("attention_mask")
    if not isinstance(mask, Tensor) or mask.ndim != 2:
        return None
    keep = mask.numpy() != 0
    sizes = keep.sum(axis=1)
    if not sizes.all():
        return None
    order = np.argsort(-sizes, kind="stable")
    lengths = sizes[order].astype(np.int64)
    bounds = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=bounds[1:])
    # Cells of the padded batch in the flat row's order.
    cells = np.flatnonzero(keep[order])
    rows, columns = np.divmod(cells, mask.shape[1])
    source = torch.from_numpy(order[rows] * mask.shape[1] + columns)
    places = torch.from_numpy(order)
    flat: dict[str, Any] = {}
    for name, value in batch.items():
        if name == "attention_mask":
            continue
        if isinstance(value, Tensor) and value.shape[:2] == mask.shape:
            kept = value.reshape(-1, *value.shape[2:]).index_select(0, source)[None]
            flat[name] = kept.to(device, non_blocking=True)
        elif isinstance(value, Tensor) and value.ndim and len(value) == len(mask):
            flat[name] = value.index_select(0, places).to(device, non_blocking=True)
        else:
            flat[name] = value
    positions = np.arange(int(bounds[-1])) - np.repeat(bounds[:-1], lengths) + position_start
    flat["position_ids"] = torch.from_numpy(positions)[None].to(device, non_blocking=True)
    made = tuple(make_buckets(lengths, bounds)) if buckets and device.type == "cpu" else ()
    starts = torch.from_numpy(bounds.astype(np.int32)).to(device, non_blocking=True)
    return flat, Layout(lengths, order, starts, made)


def make_buckets(lengths: NDArray[np.int64], bounds: NDArray[np.int64]) -> Iterator[Bucket]:
    """Cut sequences, longest first, into buckets: a new one where padding would cost more than a call."""
    first, wasted = 0, 0
    sizes = lengths.tolist()
    for place in range(1, len(sizes) + 1):
        if place < len(sizes):
            # Elements of the score matrices, over all heads and channels of a small encoder.
            wasted += 400 * (sizes[first] ** 2 - sizes[place] ** 2)
            if wasted < _BUCKET_COST:
                continue
        yield _bucket(lengths, bounds, first, place)
        first, wasted = place, 0


def _bucket(lengths: NDArray[np.int64], bounds: NDArray[np.int64], first: int, last: int) -> Bucket:
    start, stop = int(bounds[first]), int(bounds[last])
    count, longest = last - first, int(lengths[first])
    if lengths[last - 1] == longest:
        return Bucket(start, stop, count, longest, None, None, None)
    real = np.arange(longest) < lengths[first:last, None]
    cells = np.flatnonzero(real)
    index = np.zeros(count * longest, np.int64)
    index[cells] = np.arange(stop - start)
    mask = np.where(real, np.float32(0), np.float32(HIDDEN))[:, None, :]
    return Bucket(
        start, stop, count, longest, torch.from_numpy(index), torch.from_numpy(cells), torch.from_numpy(mask)
    )
