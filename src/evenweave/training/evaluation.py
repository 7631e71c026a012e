"""Evaluation: one pass that keeps statistics, not logits.

Rows go through in chunks of whole documents. Inside a chunk they are batched by length, so that little is
padding; at its end the rows are back in order, windows of one document are joined, and what is left of the
chunk is a few sums.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from evenweave.errors import ArgumentError, DataError
from evenweave.ragged import Ragged, offsets_of
from evenweave.training.diagnose import explained
from evenweave.training.distributed import Ranks
from evenweave.training.feed import Feed, MicroBatch, Plan, Rows
from evenweave.training.flat_layout import labels_beyond
from evenweave.training.forward import Forward, Result
from evenweave.training.loss import IGNORED, LABEL_NAMES, OF_ROWS, Kind, logits_of
from evenweave.training.origin import Origin, collated
from evenweave.training.precision import widest
from evenweave.training.prepare import Prepared

# Batches that are sorted by length together; enough for little padding, few enough for constant memory.
_CHUNK_BATCHES = 64


@dataclass(frozen=True)
class Outputs:
    """What a chunk of whole documents gave, row by row in the data set's order.

    Attributes:
        rows: int64 `[B]`, row numbers.
        logits: one array a row, `[T_i, C]` for labels per token or `[C]` for one label a row; a tuple of them
            where the model gives several, like the start and the end of an answer.
        labels: one array a row, `[T_i]`, or a 0-d array; a tuple of them for several label columns.
    """

    rows: Rows
    logits: list[Any]
    labels: list[Any]


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
    ignore: Collection[str] = (),
) -> Pass:
    """Run `model` over `data` without gradients; this rank's share of it.

    The loss is the sum over all valid labels divided by their number, over all ranks: the corpus mean,
    whatever the batch size. Each document is scored on exactly one rank. Outputs in `ignore` are left out.
    """
    was_training = model.training
    model.eval()
    loss_sum = torch.zeros((), dtype=widest(forward.device), device=forward.device)
    count = torch.zeros_like(loss_sum)
    batches = seen = 0
    origin = Origin("evaluation data", data.source)
    chunks = _chunks(data, collator, batch_size, max_tokens, workers, ranks, origin)
    try:
        with torch.inference_mode():
            for rows, batch_rows, loaded in chunks:
                kept: list[tuple[Rows, list[Any], list[Any]]] = []
                for numbers, batch in zip(batch_rows, loaded, strict=False):
                    with explained(model, [MicroBatch(batch, numbers)], origin):
                        done = forward.run(model, batch)
                        if done.labels is not None:
                            loss_sum += forward.loss.sum(done.outputs, done.labels).to(loss_sum.dtype)
                            count += forward.loss.count(done.labels).to(count.device)
                    if consumer is not None:
                        labels = _labels(done, kind=forward.loss.kind)
                        answers = _answers(done, kind=forward.loss.kind, ignore=ignore)
                        taken = consumer.take(answers, labels, done.inputs)
                        mask = None if forward.loss.kind in OF_ROWS else _mask(batch)
                        truth, size = batch.get("labels"), len(numbers)
                        kept.append((numbers, *_by_row(taken, labels, done, mask, truth, size=size)))
                    seen += len(numbers)
                    batches += 1
                    if on_batch is not None:
                        on_batch(len(numbers))
                if consumer is not None:
                    consumer.add(_in_order(rows, kept))
    finally:
        model.train(was_training)
    totals = ranks.sum(torch.stack([loss_sum, count, count.new_tensor(seen)])).tolist()
    if not totals[2]:
        raise DataError(
            "evaluation data: gave no rows; an iterator is read once: give an iterable that begins anew"
        )
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


def _mask(batch: dict[str, Any]) -> torch.Tensor | None:
    """The mask, where cutting a batch's rows to it cuts nothing but padding off; else None."""
    mask = batch.get("attention_mask")
    if not isinstance(mask, torch.Tensor) or mask.ndim != 2:
        return None
    keep = mask.cpu().numpy() != 0
    pieces = keep[:, 0] + (keep[:, 1:] > keep[:, :-1]).sum(axis=1)
    return None if (pieces > 1).any() or labels_beyond(batch.get("labels"), keep) else mask


def _answers(done: Result, *, kind: Kind, ignore: Collection[str]) -> Any:
    """The logits, or what a head gives beside its loss instead: one, a tuple of several, or None."""
    outputs = done.outputs
    if isinstance(outputs, dict):
        if {"logits", "prediction_logits"} & set(outputs):
            return logits_of(outputs)
        rest = [value for name, value in outputs.items() if name not in ("loss", *ignore)]
    elif kind != "own" or done.labels is None:
        return logits_of(outputs)
    else:
        rest = list(outputs[1:]) if isinstance(outputs, tuple | list) else []
    given = tuple(value for value in rest if isinstance(value, torch.Tensor))
    return given if len(given) > 1 else next(iter(given), None)


def _labels(done: Result, *, kind: Kind) -> Any:
    """The labels, or the tuple of them where a head with a loss of its own takes several."""
    if kind != "own":
        return done.labels
    given = tuple(done.inputs[name] for name in LABEL_NAMES if name in done.inputs)
    return given if len(given) > 1 else done.labels


def _by_row(
    answers: Any,
    labels: Any,
    done: Result,
    mask: torch.Tensor | None,
    padded: torch.Tensor | None,
    *,
    size: int,
) -> tuple[list[Any], list[Any]]:
    """Split a batch into rows in its order, padding left out.

    Args:
        answers, labels: tensors `[B, T, ...]` or `[B, ...]`, or tuples of them; either may be None.
        mask: `[B, T]`, the positions that are real; None where answers and labels are of rows.
        padded: the labels as the collator made them, which those of a flat batch may differ from: no loss is
            of a causal model's first tokens.
        size: rows of the batch.
    """
    if "decoder_input_ids" in done.inputs:
        mask = None  # an encoder's mask says nothing of the positions a decoder answers for
    if isinstance(answers, torch.Tensor) and isinstance(labels, torch.Tensor):
        per_token = labels.ndim > 1 and labels.shape[:2] == answers.shape[:2]
        mask = mask if per_token else None
    rows = [None] * size if answers is None else _rows(answers, done, mask)
    if labels is None:
        return rows, []
    if isinstance(labels, tuple):
        return rows, _rows(labels, done, None)
    if done.layout is not None and mask is not None and padded is not None:
        return rows, _real(padded.numpy(), mask)
    return rows, _rows(labels, done, mask)


def _rows(values: Any, done: Result, mask: torch.Tensor | None) -> list[Any]:
    """Split tensors, or tuples and lists of them within one another, which are tuples then, into rows."""
    if isinstance(values, tuple | list):
        return list(zip(*(_rows(part, done, mask) for part in values), strict=True))
    if not isinstance(values, torch.Tensor | np.ndarray) or values.ndim == 0:
        found = "one number for a batch" if getattr(values, "ndim", 1) == 0 else f"a {type(values).__name__}"
        raise ArgumentError(f"preprocess_logits_for_metrics: gave {found}; give tensors of one entry a row")
    tensor = torch.as_tensor(values)
    if tensor.dtype in (torch.bfloat16, torch.float16):
        tensor = tensor.float()
    array = tensor.cpu().numpy()
    if done.layout is not None:
        return done.layout.split(array, per_token=mask is not None)
    if mask is None or array.ndim < 2 or array.shape[:2] != tuple(mask.shape):
        return list(array)
    return _real(array, mask)


def _real(array: NDArray[Any], mask: torch.Tensor) -> list[NDArray[Any]]:
    keep = mask.cpu().numpy().astype(bool)
    return [row[k] for row, k in zip(array, keep, strict=True)]


def _in_order(rows: Rows, kept: list[tuple[Rows, list[Any], list[Any]]]) -> Outputs:
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
