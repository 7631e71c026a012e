"""Evaluation: one pass that keeps statistics, not logits.

Rows go through in chunks of whole documents. Inside a chunk they are batched by length, so that little is
padding; at its end the rows are back in order, windows of one document are joined, and what is left of the
chunk is a few sums.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from evenweave.ragged import Ragged, offsets_of
from evenweave.training.diagnose import explained
from evenweave.training.distributed import Ranks
from evenweave.training.feed import Feed, MicroBatch, Plan, Rows
from evenweave.training.forward import Forward, Result
from evenweave.training.loss import IGNORED, logits_of
from evenweave.training.origin import Origin, collated
from evenweave.training.prepare import Prepared

# Batches that are sorted by length together; enough for little padding, few enough for constant memory.
_CHUNK_BATCHES = 64


@dataclass(frozen=True)
class Outputs:
    """What a chunk of whole documents gave, row by row in the data set's order.

    Attributes:
        rows: int64 `[B]`, row numbers.
        logits: one array a row, `[T_i, C]` for labels per token or `[C]` for one label a row.
        labels: one array a row, `[T_i]`, or a 0-d array.
    """

    rows: Rows
    logits: list[NDArray[Any]]
    labels: list[NDArray[Any]]


class Consumer(Protocol):
    """Takes the outputs of one chunk after the other and makes scores of them."""

    def take(self, logits: Any, labels: Any, inputs: dict[str, Any]) -> Any:
        """Reduce a batch's logits on the device to what this consumer needs of them."""
        ...

    def add(self, outputs: Outputs) -> None:
        """Take a chunk of whole documents."""
        ...


@dataclass(frozen=True)
class Pass:
    """Loss and sizes of one pass over a data set."""

    loss: float | None
    rows: int
    batches: int


def run_pass(
    model: nn.Module,
    data: Prepared,
    *,
    forward: Forward,
    collator: Any,
    batch_size: int,
    ranks: Ranks,
    consumer: Consumer | None,
    max_tokens: int | None = None,
    workers: int = 0,
    on_batch: Any = None,
) -> Pass:
    """Run `model` over `data` without gradients; this rank's share of it.

    The loss is the sum over all valid labels divided by their number, over all ranks: the corpus mean,
    whatever the batch size. Each document is scored on exactly one rank.
    """
    was_training = model.training
    model.eval()
    loss_sum = torch.zeros((), dtype=torch.float64, device=forward.device)
    count = torch.zeros((), dtype=torch.float64, device=forward.device)
    batches = seen = 0
    origin = Origin("evaluation data", data.source)
    chunks = _chunks(data, collator, batch_size, max_tokens, workers, ranks, origin)
    try:
        with torch.inference_mode():
            for rows, batch_rows, loaded in chunks:
                kept: list[tuple[Rows, list[NDArray[Any]], list[NDArray[Any]]]] = []
                for numbers, batch in zip(batch_rows, loaded, strict=False):
                    with explained(model, [MicroBatch(batch, numbers)], origin):
                        done = forward.run(model, batch)
                        if done.labels is not None:
                            loss_sum += forward.loss.sum(done.outputs, done.labels).double()
                            count += forward.loss.count(done.labels).to(count.device)
                    if consumer is not None:
                        taken = consumer.take(logits_of(done.outputs), done.labels, done.inputs)
                        kept.append((numbers, *_by_row(taken, done, batch.get("attention_mask"))))
                    seen += len(numbers)
                    batches += 1
                    if on_batch is not None:
                        on_batch(len(numbers))
                if consumer is not None:
                    consumer.add(_in_order(rows, kept))
    finally:
        model.train(was_training)
    totals = ranks.sum(torch.stack([loss_sum, count, count.new_tensor(seen)])).tolist()
    return Pass(totals[0] / totals[1] if totals[1] else None, int(totals[2]), batches)


def _chunks(
    data: Prepared,
    collator: Any,
    batch_size: int,
    max_tokens: int | None,
    workers: int,
    ranks: Ranks,
    origin: Origin,
) -> Iterator[tuple[Rows, list[Rows], Iterator[dict[str, Any]]]]:
    """Yield (rows of whole documents, their batches as row numbers, the batches loaded)."""
    if data.streamed:
        first = ranks.rank
        stream = itertools.islice(data.rows, ranks.rank, None, ranks.world)
        while held := list(itertools.islice(stream, batch_size)):
            numbers = first + ranks.world * np.arange(len(held))
            yield numbers, [numbers], iter([collated(collator, held, numbers, origin)])
            first += ranks.world * len(held)
        return
    plan = Plan(batch_size=batch_size, max_tokens=max_tokens, sampling="sequential")
    feed = Feed(data.rows, collator, plan=plan, lengths=data.lengths, workers=workers, origin=origin)
    source = np.arange(len(data)) if data.source is None else data.source
    starts = np.flatnonzero(np.r_[True, source[1:] != source[:-1]])
    documents = np.r_[starts, len(source)]
    # Documents r, r + world, r + 2 world, ... are this rank's.
    mine = np.arange(ranks.rank, len(starts), ranks.world)
    per_chunk = max(1, _CHUNK_BATCHES * batch_size * len(starts) // max(1, len(source)))
    for at in range(0, len(mine), per_chunk):
        chosen = mine[at : at + per_chunk]
        rows = np.concatenate([np.arange(documents[d], documents[d + 1]) for d in chosen])
        order = rows
        if data.lengths is not None:
            order = rows[np.argsort(-data.lengths[rows], kind="stable")]
        local = Plan(batch_size=batch_size, max_tokens=max_tokens, sampling="sequential").micro_batches(
            len(order), None if data.lengths is None else data.lengths[order], epoch=0
        )
        batch_rows = [order[index] for index in local]
        yield rows, batch_rows, feed.load(batch_rows)


def _by_row(
    logits: torch.Tensor, done: Result, mask: torch.Tensor | None
) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    """Split a batch into rows in its order, padding left out."""
    values = logits.float().cpu().numpy() if logits.is_floating_point() else logits.cpu().numpy()
    marks = None if done.labels is None else done.labels.cpu().numpy()
    if done.layout is not None:
        return done.layout.split(values), [] if marks is None else done.layout.split(marks)
    if "decoder_input_ids" in done.inputs:
        mask = None  # an encoder's mask says nothing of the positions a decoder answers for
    per_token = marks is not None and marks.ndim == 2 and values.shape[:2] == marks.shape
    if marks is None:
        per_token = mask is not None and values.shape[:2] == tuple(mask.shape)
    if not per_token:
        rows = list(values)
        return rows, [] if marks is None else list(marks)
    if mask is not None and tuple(mask.shape) == values.shape[:2]:
        keep = mask.cpu().numpy().astype(bool)
    else:
        keep = np.ones(values.shape[:2], bool)
    rows = [row[k] for row, k in zip(values, keep, strict=True)]
    return rows, [] if marks is None else [row[k] for row, k in zip(marks, keep, strict=True)]


def _in_order(rows: Rows, kept: list[tuple[Rows, list[NDArray[Any]], list[NDArray[Any]]]]) -> Outputs:
    numbers = np.concatenate([part[0] for part in kept])
    logits = [row for part in kept for row in part[1]]
    labels = [row for part in kept for row in part[2]]
    order = np.argsort(numbers, kind="stable")
    return Outputs(numbers[order], [logits[i] for i in order], [labels[i] for i in order] if labels else [])


def join_windows(ids: list[NDArray[Any]], source: NDArray[Any]) -> Ragged:
    """Join consecutive rows of the same source into one row each."""
    lengths = np.array([len(row) for row in ids], dtype=np.int64)
    flat = np.concatenate(ids) if ids else np.empty(0, np.int64)
    first = np.flatnonzero(np.r_[True, source[1:] != source[:-1]])
    return Ragged.trusted(flat, offsets_of(np.add.reduceat(lengths, first) if len(first) else lengths))


def valid(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Where a label counts."""
    mask: NDArray[np.bool_] = labels != IGNORED
    return mask
